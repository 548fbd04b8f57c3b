"""The process that tells people, against real receivers: a broker, a mail server, an HTTP server that fails at random;
and killed at random while alerts rise."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from aiosmtpd.controller import Controller
from broker import free_port, mosquitto
from notices import LIVE, Receiver, alert, outcome
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands import terminal
from crowdwatch.commands.cli import app
from crowdwatch.core.notices import NotificationState
from crowdwatch.core.outcomes import Alarm, Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Mode
from crowdwatch.drivers.notifying import Options, notify, try_target
from crowdwatch.errors import ConfigError, CrowdWatchError
from crowdwatch.store.outgoing import SqlOutgoing
from crowdwatch.store.sql import SqlStore

TESTS = Path(__file__).parents[1]


def event_file(tmp_path, targets):
    """The drawn square with people to tell."""
    text = example("synthetic").read_text(encoding="utf-8")
    path = tmp_path / "event.yaml"
    path.write_text(f"{text}\nnotify:\n  sender: duty@example.org\n  targets:\n{targets}", encoding="utf-8")
    return path


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.sqlite"


@pytest.fixture
def event_id():
    return config.load(example("synthetic")).id


@pytest.fixture
def zone_id():
    return config.load(example("synthetic")).zones[0].id


@pytest.fixture
def run(event_id):
    return replace(LIVE, event_id=event_id)


@pytest.fixture
def store(url, run):
    opened = SqlStore(url)
    opened.begin(run)
    yield opened
    opened.close()


def standing(event):
    return Alarm(
        event.alarm, event.zone_id, event.to_state, event.level, event.t_ns, event.reasons, cause_key="camera:a"
    )


def write(store, *alerts):
    for each in alerts:
        store.write(LIVE.run_id, [outcome(each)])


# ------------------------------------------------------------------------------------------------------------- killed

ALARMS, KILLS = 12, 6
"""A hundred kills of a longer night were tried by hand; these take a few seconds."""


def test_killed_at_random_while_alerts_rise_every_alert_arrives_with_its_key(store, tmp_path, url):
    chance = random.Random(11)
    answers = {n: chance.choice([200, 200, -1, 500, 503]) for n in range(1, 5000)}
    with Receiver(answers.__getitem__) as receiver:
        path = event_file(tmp_path, f"    - {{id: hook, kind: webhook, address: '{receiver.url}', level: watch}}\n")
        words = [sys.executable, str(TESTS / "killed_notifier.py"), str(path)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"

            def life(once):
                process.stdin.write(json.dumps({"store": url, "once": once}) + "\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())["pid"]

            alerts = []
            for n in range(KILLS):
                pid = life(once=False)
                for k in range(ALARMS // KILLS):
                    zone_id = f"z{n}-{k}"
                    some = [
                        alert(100 * n + k, zone_id=zone_id),
                        alert(100 * n + k + 20, "level_up", Level.CRITICAL, zone_id=zone_id),
                        alert(100 * n + k + 50, "cleared", Level.NORMAL, zone_id=zone_id),
                    ]
                    write(store, *some)
                    alerts += some
                before = len(receiver.keys())
                until = time.monotonic() + chance.random() * 0.3
                while time.monotonic() < until or (n == 0 and len(receiver.keys()) == before):
                    time.sleep(0.005)
                os.kill(pid, signal.SIGKILL)
                assert os.WTERMSIG(json.loads(process.stdout.readline())["status"]) == signal.SIGKILL
            life(once=True)
            assert json.loads(process.stdout.readline())["status"] == 0
            process.stdin.close()
        keys = receiver.keys()
    assert set(keys) == {each.event_id for each in alerts}, "every alert at least once, and nothing else"
    firsts = list(dict.fromkeys(keys))
    for zone_id in {each.zone_id for each in alerts}:
        mine = [each.event_id for each in alerts if each.zone_id == zone_id]
        assert [key for key in firsts if key in mine] == mine, "in order"
    outgoing = SqlOutgoing(url)
    rows = outgoing.notifications(LIVE.run_id)
    outgoing.close()
    assert len(rows) == len(alerts)
    assert {row.state for row in rows} == {NotificationState.SENT}


# ------------------------------------------------------------------------------------------------------- mail, broker


class Mailbox:
    """Keeps what a mail server is given; refuses the first one."""

    def __init__(self):
        self.mails, self.asked = [], 0

    async def handle_DATA(self, server, session, envelope):
        self.asked += 1
        if self.asked == 1:
            return "451 try again"
        self.mails.append(envelope.content.decode())
        return "250 OK"


def test_a_mail_arrives_after_the_server_refused_it_once(store, tmp_path, url, zone_id, monkeypatch):
    monkeypatch.setattr("crowdwatch.notify.courier.wait_s", lambda attempts: 0.01)
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("DUTY", f"mailto://127.0.0.1:{server.port}?from=cw@example.org&to=duty@example.org")
        path = event_file(
            tmp_path, "    - {id: duty, kind: apprise, address: '${DUTY}', languages: [zh, en], level: alert}\n"
        )
        write(store, alert(0, zone_id=zone_id), alert(1, "level_up", Level.CRITICAL, zone_id=zone_id))
        notify(config.load(path), Options(url, send=True, once=True))
    finally:
        server.stop()
    assert box.asked == 3
    mails = [message_from_string(mail, policy=policy.default) for mail in box.mails]
    assert mails[0]["subject"].endswith("人员密集")
    body = mails[1].get_body(("plain",)).get_content()
    assert "CRITICAL" in body
    assert alert(1, "level_up", zone_id=zone_id).event_id in body


@pytest.fixture
def broker(tmp_path):
    """A real mosquitto on loopback."""
    with mosquitto(tmp_path) as port:
        yield port


class Listener:
    """Everything that a broker says."""

    def __init__(self, port):
        self.heard, self.changed = [], threading.Condition()
        subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_subscribe = lambda *words: subscribed.set()
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("#", qos=1)
        assert subscribed.wait(10)

    def _take(self, client, userdata, message):
        with self.changed:
            self.heard.append(message)
            self.changed.notify_all()

    def wait(self, asked):
        with self.changed:
            assert self.changed.wait_for(lambda: any(asked(each) for each in self.heard), 20)
            return next(each for each in self.heard if asked(each))

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def test_mqtt_says_alerts_with_keys_and_keeps_the_state_of_zones(store, tmp_path, url, broker, event_id, zone_id):
    path = event_file(
        tmp_path,
        f"    - {{id: room, kind: mqtt, address: 'mqtt://127.0.0.1:{broker}', level: caution, discovery: true}}\n",
    )
    write(store, alert(0, zone_id=zone_id))
    listener, stop = Listener(broker), threading.Event()
    root = f"crowdwatch/{event_id}"
    service = threading.Thread(target=notify, args=(config.load(path), Options(url, send=True, stop=stop)))
    service.start()
    try:
        said = listener.wait(lambda each: each.topic == f"{root}/alert/{zone_id}")
        assert dict(said.properties.UserProperty)["idempotency-key"] == alert(0, zone_id=zone_id).event_id
        assert json.loads(said.payload)["level"] == "alert"
        state = listener.wait(lambda each: each.topic == f"{root}/zone/{zone_id}")
        assert json.loads(state.payload)["level"] == "unknown", "no engine has given a reading"
        assert state.properties.MessageExpiryInterval <= 30
        sensor = listener.wait(lambda each: each.topic.startswith("homeassistant/sensor/"))
        assert json.loads(sensor.payload)["state_topic"].startswith(f"{root}/zone/")
    finally:
        stop.set()
        service.join()
    listener.wait(lambda each: each.topic == f"{root}/status" and each.payload == b"offline")
    listener.close()
    late = Listener(broker)
    kept = late.wait(lambda each: each.topic == f"{root}/zone/{zone_id}")
    assert kept.retain
    assert not [each for each in late.heard if "/alert/" in each.topic]
    late.close()


def test_a_broker_that_is_gone_holds_up_nobody_else(store, tmp_path, url, zone_id):
    with Receiver() as receiver:
        path = event_file(
            tmp_path,
            f"    - {{id: room, kind: mqtt, address: 'mqtt://127.0.0.1:{free_port()}', level: caution}}\n"
            f"    - {{id: hook, kind: webhook, address: '{receiver.url}', level: caution}}\n",
        )
        write(store, alert(0, zone_id=zone_id))
        stop, tried = threading.Event(), threading.Semaphore(0)
        options = Options(url, send=True, stop=stop, say=lambda row: tried.release())
        service = threading.Thread(target=notify, args=(config.load(path), options))
        service.start()
        tried.acquire(timeout=20)
        tried.acquire(timeout=20)
        stop.set()
        service.join()
        assert receiver.keys() == [alert(0, zone_id=zone_id).event_id]
    outgoing = SqlOutgoing(url)
    waiting = next(row for row in outgoing.notifications(LIVE.run_id, "room"))
    outgoing.close()
    assert waiting.state is NotificationState.WAITING
    assert "cannot be reached" in waiting.why


# ---------------------------------------------------------------------------------------------- replays, tests, config


def test_nothing_is_sent_from_a_replay_unless_told_and_then_marked(store, tmp_path, url, event_id, zone_id):
    replay = replace(LIVE, run_id="again", event_id=event_id, mode=Mode.REPLAY)
    store.begin(replay)
    store.write("again", [outcome(alert(0, zone_id=zone_id))])
    with Receiver() as receiver:
        path = event_file(tmp_path, f"    - {{id: hook, kind: webhook, address: '{receiver.url}', level: watch}}\n")
        event = config.load(path)
        notify(event, Options(url, send=True, once=True))
        assert receiver.asked == 0
        with pytest.raises(ConfigError, match="nothing is sent from it"):
            notify(event, Options(url, send=True, once=True, run_id="again"))
        notify(event, Options(url, send=True, once=True, run_id="again", exercise=True))
        (said,) = receiver.said()
    assert (said["status"], said["text"][:8]) == ("exercise", "EXERCISE")
    assert said["id"] != alert(0, zone_id=zone_id).event_id


def test_a_dry_run_shows_and_keeps_nothing(store, tmp_path, url, zone_id):
    shown = []
    with Receiver() as receiver:
        path = event_file(tmp_path, f"    - {{id: hook, kind: webhook, address: '{receiver.url}', level: watch}}\n")
        write(store, alert(0, zone_id=zone_id))
        notify(config.load(path), Options(url, once=True, show=lambda *words: shown.append(words)))
        assert receiver.asked == 0
    assert shown[0][0] == "hook"
    outgoing = SqlOutgoing(url)
    assert outgoing.notifications(LIVE.run_id) == []
    outgoing.close()


def test_a_test_message_goes_through_the_rule_and_the_status_lists_it(store, tmp_path, url, monkeypatch):
    with Receiver() as receiver:
        path = event_file(
            tmp_path,
            f"    - {{id: hook, kind: webhook, address: '{receiver.url}', form: cap}}\n"
            f"    - {{id: night, kind: webhook, address: '{receiver.url}', quiet: "
            "[{from_time: '00:00', to_time: '23:59', level: critical}, "
            "{from_time: '23:59', to_time: '00:00', level: critical}]}\n",
        )
        event = config.load(path)
        done = try_target(event, "hook", Options(url, send=True))
        assert done.state is NotificationState.SENT
        assert "<status>Test</status>" in receiver.taken[0][1].decode()
        assert try_target(event, "night", Options(url, send=True)).why == "quiet"
        assert receiver.asked == 1
        with pytest.raises(ConfigError, match="Targets: hook, night"):
            try_target(event, "nobody", Options(url, send=True))
    said = CliRunner().invoke(app, ["notify", "status", "--store", url, "--json"])
    assert [(row["target"], row["state"], row["test"]) for row in json.loads(said.output)] == [
        ("hook", "sent", True), ("night", "suppressed", True)
    ]  # fmt: skip
    monkeypatch.setattr(terminal.out, "_width", 300)
    table = CliRunner().invoke(app, ["notify", "status", "--store", url])
    assert "quiet hours of this target" in table.output


def test_each_role_hears_what_the_file_says_of_it_and_messages_know_the_zones_now(store, tmp_path, url, zone_id):
    """Operators hear everything; the commander hears alerts, what is passed on, and by night critical ones alone; a
    technician hears of blindness. One lost camera is one group, and nobody is sent into a zone that is not green."""
    with Receiver() as operator, Receiver() as commander, Receiver() as night, Receiver() as technician:
        hooks = {"operator": operator, "commander": commander, "administrator": technician}
        path = event_file(
            tmp_path,
            "".join(
                f"    - {{id: {role}, kind: webhook, address: '{hook.url}', role: {role}}}\n"
                for role, hook in hooks.items()
            )
            + f"    - {{id: night, kind: webhook, address: '{night.url}', role: commander, quiet: "
            "[{from_time: '00:00', to_time: '23:59', level: critical}]}\n"
            "  roles:\n    operator: {level: watch, acknowledged: true}\n    commander: {level: critical}\n"
            "    administrator: {alarms: [blindness]}\n"
            "playbook:\n  alarms: []\n  measures:\n    - {alarms: [crowding], levels: [caution, alert, critical], "
            "do: {en: 'Go to {send_to}.', zh: '去{send_to}。'}, "
            f"send_to: {zone_id}}}\n",
        )
        passed_on = Reason.of(Code.ESCALATED, seconds=240.0, role="commander")
        first, second = (replace(alert(55, zone_id=each, alarm="blindness"), cause_key="camera:a") for each in "pq")
        said = [
            alert(10, level=Level.CAUTION, zone_id=zone_id),
            alert(20, "level_up", zone_id=zone_id),
            replace(alert(30, "escalated", zone_id=zone_id), reasons=(passed_on,)),
            alert(40, "level_up", Level.CRITICAL, zone_id=zone_id),
            alert(50, "acknowledged", Level.CRITICAL, zone_id=zone_id),
            first, second,
        ]  # fmt: skip
        write(store, *said[:-2])
        store.write(
            LIVE.run_id, [replace(outcome(first, second), alarms=tuple(standing(each) for each in (first, second)))]
        )
        notify(config.load(path), Options(url, send=True, once=True))
        heard = {name: [(each["alarm"], each["transition"], each["level"]) for each in hook.said()]
                 for name, hook in {**hooks, "night": night}.items()}  # fmt: skip
        blind = [each for each in operator.said() if each["alarm"] == "blindness"]
        crowded = [each for each in operator.said() if each["alarm"] == "crowding"]
    assert sorted(heard["operator"]) == sorted(
        (each.alarm, each.transition, each.level.name.lower()) for each in said if each.transition != "escalated"
    )
    assert heard["commander"] == [("crowding", "escalated", "alert"), ("crowding", "level_up", "critical")]
    assert heard["night"] == [("crowding", "level_up", "critical")]
    assert heard["administrator"] == [("blindness", "raised", "alert")] * 2
    assert sorted(each["same_cause_zone_ids"] for each in blind) == [["p", "q"], ["q", "p"]]
    assert "not green" in crowded[0]["do"]["en"], "UNKNOWN is not green"
    outgoing = SqlOutgoing(url)
    why = {(row.target_id, row.transition, row.level): row.why for row in outgoing.notifications(LIVE.run_id)}
    outgoing.close()
    assert why["operator", "escalated", Level.ALERT] == "other_role"
    assert why["night", "escalated", Level.ALERT] == "quiet"
    assert why["commander", "level_up", Level.ALERT] == "below_level"


BAD = {
    "{id: a, kind: webhook}": "exactly one of address and secret_file",
    "{id: a, kind: webhook, address: 'https://x:secret@h/p'}": "holds a secret as it is",
    "{id: a, kind: apprise, address: 'tgram://123:abc/456'}": "holds a secret as it is",
    "{id: a, kind: pigeon, address: x}": "kind",
    "{id: a, kind: file, address: x, level: loud}": "level",
    "{id: a, kind: file, address: x, quiet: [{from_time: '25:00', to_time: '06:00'}]}": "time of the day",
    "{id: a, kind: file, address: x, languages: [fr]}": "languages",
}


@pytest.mark.parametrize("target", BAD)
def test_what_cannot_be_a_target_is_refused(tmp_path, target):
    with pytest.raises(ConfigError) as caught:
        config.load(event_file(tmp_path, f"    - {target}\n"))
    assert BAD[target] in str(caught.value)
    assert "secret@" not in str(caught.value)
    assert "123:abc" not in str(caught.value)


def test_an_event_that_names_nobody_and_a_secret_that_is_missing_are_said(store, tmp_path, url):
    with pytest.raises(ConfigError, match="names nobody to tell"):
        notify(config.load(example("synthetic")), Options(url))
    path = event_file(
        tmp_path,
        "    - {id: a, kind: webhook, address: '${NOT_A}'}\n    - {id: b, kind: apprise, address: '${NOT_B}'}\n",
    )
    with pytest.raises(CrowdWatchError, match=r"(?s)NOT_A is not set.*NOT_B is not set"):
        notify(config.load(path), Options(url, send=True))
