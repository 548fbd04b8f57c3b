export default function ({ data, setStateValue, setTriggerValue }) {
  const inbox = (globalThis.crowdwatchWall ??= {});
  inbox.message = data;
  inbox.act = (value) => setTriggerValue("act", value);
  inbox.go = (value) => setTriggerValue("go", value);
  inbox.look = (value) => setStateValue("look", value);
  inbox.draw?.();
}
