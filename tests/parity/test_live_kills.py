"""SIGKILL at random moments while alarms rise and are acknowledged. ``CROWDWATCH_KILLS=100`` kills more often."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from crowdwatch.core.outcomes import AlarmState, Quality
from crowdwatch.core.runs import Command, CommandKind, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.replay import Options, replay_log

S = 1_000_000_000
KILLS = int(os.environ.get("CROWDWATCH_KILLS", "5"))


class Engines:
    """A process that starts engines, and what there is of them in the store."""

    def __init__(self, folder):
        self.folder, self.pid = folder, None
        command = [sys.executable, str(Path(__file__).parents[1] / "killed_engines.py"), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.began_ns = self.said()["began_ns"]
        self.store = build.open_store(f"sqlite:///{folder}/store.sqlite")

    def said(self):
        return json.loads(self.process.stdout.readline())

    def start(self, from_ns, for_s):
        self.process.stdin.write(json.dumps({"from_ns": from_ns, "for_s": for_s}) + "\n")
        self.process.stdin.flush()
        self.pid = self.said()["pid"]
        return self.pid

    def ended(self):
        self.pid = None
        return self.said()["status"]

    def close(self):
        self.store.close()
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    started = Engines(tmp_path_factory.mktemp("kills"))
    yield started
    started.close()


def acknowledge(store, chance):
    """What an operator does who sees an alarm."""
    for run in store.runs():
        for alarm in store.alarms(run.run_id, 2**62):
            waits = {(each.zone_id, each.alarm) for each in store.pending(run.run_id)}
            if (
                alarm.state is AlarmState.UNACKNOWLEDGED
                and (alarm.zone_id, alarm.alarm) not in waits
                and chance.random() < 0.7
            ):
                store.submit(
                    Command(run.run_id, CommandKind.ACKNOWLEDGE, "ana", 0, alarm.zone_id, alarm.alarm, alarm.level)
                )


def newest_tick(store):
    """Of the newest run; 0 before any."""
    return max((camera.t_ns for run in store.runs()[:1] for camera in store.health(run.run_id, 2**62)), default=0)


def standing(store, run_id, at_ns):
    return {(each.zone_id, each.alarm): each for each in store.alarms(run_id, at_ns)}


@pytest.fixture(scope="module")
def killed(engines):
    """What was seen in the store right after each kill, and how long nobody looked."""
    chance, store, from_ns = random.Random(15), engines.store, engines.began_ns
    seen, lives = [], 0
    while lives < KILLS:
        pid = engines.start(from_ns, 10**6)
        until_ns = from_ns + chance.choice([0, 5, 15, 30]) * S
        deadline = time.monotonic() + 20
        while newest_tick(store) < until_ns and time.monotonic() < deadline:
            time.sleep(0.05)
            acknowledge(store, chance)
        time.sleep(chance.uniform(0.0, 0.3))
        os.kill(pid, signal.SIGKILL)
        assert engines.ended() == signal.SIGKILL
        lives += 1
        gap_s = chance.choice([1, 2, 4, 7, 30])
        if not store.runs():
            continue
        run = store.runs()[0]
        ticks = {reading.t_ns for reading in store.readings(run.run_id)}
        last_ns = max(ticks, default=from_ns)
        seen.append((store.alerts(run.run_id), last_ns, gap_s, standing(store, run.run_id, last_ns)))
        from_ns = max(last_ns, from_ns) + gap_s * S
    engines.start(from_ns, 40)
    assert engines.ended() == 0
    return seen


def test_nothing_is_lost_or_doubled(engines, killed, tmp_path):
    store = engines.store
    (run,) = store.runs()
    assert run.state is RunState.FINISHED
    alerts = {alert.event_id: alert for alert in store.alerts(run.run_id)}
    for known, *_ in killed:
        for alert in known:
            assert repr(alerts[alert.event_id]) == repr(alert), "what a page has shown stays"
    again = replay_log(Path(run.folder), Options(tmp_path, f"sqlite:///{tmp_path}/store.sqlite"))
    folded = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
    assert repr(folded.alerts(again.run.run_id)) == repr(store.alerts(run.run_id))
    assert repr(folded.readings(again.run.run_id)) == repr(store.readings(run.run_id))
    folded.close()
    chains = {}
    # of one tick, what operators did comes before what the reading does
    for alert in sorted(alerts.values(), key=lambda each: (each.t_ns, each.transition != "acknowledged")):
        chains.setdefault((alert.zone_id, alert.alarm), []).append(alert)
    assert len(alerts) > 5
    for chain in chains.values():
        for before, after in pairwise(chain):
            assert after.from_state is before.to_state, (before, after)


def test_no_acknowledgement_moves_or_is_done_twice(engines, killed):
    store = engines.store
    (run,) = store.runs()
    assert store.pending(run.run_id) == []
    done = [alert for alert in store.alerts(run.run_id) if alert.transition == "acknowledged"]
    assert done
    assert len({(alert.zone_id, alert.alarm, alert.t_ns) for alert in done}) == len(done)
    for known, *_ in killed:
        before = {alert.event_id: alert.t_ns for alert in known if alert.transition == "acknowledged"}
        assert before.items() <= {alert.event_id: alert.t_ns for alert in done}.items()


def test_the_gap_is_unknown_and_lowers_nothing(engines, killed):
    store = engines.store
    (run,) = store.runs()
    ticks = sorted({reading.t_ns for reading in store.readings(run.run_id)})
    assert ticks == sorted(set(ticks))
    for _, last_ns, gap_s, alarms in killed:
        later = [t_ns for t_ns in ticks if t_ns > last_ns]
        if last_ns not in ticks or not later:
            continue
        assert later[0] >= last_ns + S
        first = later[0]
        if gap_s > 6 and first - last_ns >= gap_s * S:
            qualities = {r.quality for r in store.readings(run.run_id, from_ns=first, to_ns=first)}
            assert qualities <= {Quality.STALE, Quality.BLIND}, "nobody has looked for longer than the stale limit"
        now = standing(store, run.run_id, first)
        fell = {(a.zone_id, a.alarm) for a in store.alerts(run.run_id, to_ns=first) if a.t_ns == first}
        for key, alarm in alarms.items():
            lower = key not in now or now[key].level < alarm.level
            # within the stale limit a picture stands for now, so that what was over is over, and is said
            assert not lower or (key in fell and first - last_ns <= 5 * S), (key, first)
