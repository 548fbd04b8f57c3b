"""A live run and the replay of its log are equal; a run that is cut at any moment goes on as it was."""

from pathlib import Path

import pytest
from live_scene import S, drawn_event, drawn_observations, simulated

from crowdwatch.core.outcomes import Level
from crowdwatch.core.runs import Mode, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.live.live import live
from crowdwatch.drivers.replay import Options, replay_log

SECONDS = 70


@pytest.fixture(scope="module")
def event(tmp_path_factory):
    return drawn_event(tmp_path_factory.mktemp("event"))


@pytest.fixture(scope="module")
def seen(event):
    return drawn_observations(event)


@pytest.fixture(scope="module")
def t0(event):
    return event.cameras[0].source.start_ns


@pytest.fixture(scope="module")
def whole(event, seen, t0, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, live(event, simulated(folder, seen, t0, t0, for_s=SECONDS)).summary


def rows(folder, run_id):
    store = build.open_store(f"sqlite:///{folder}/store.sqlite")
    at_ns = 2**62
    found = (
        repr(store.readings(run_id)),
        repr(store.alerts(run_id)),
        repr(store.alarms(run_id, at_ns)),
        repr(store.health(run_id, at_ns)),
    )
    store.close()
    return found


def test_a_live_run_is_the_replay_of_its_log(whole, tmp_path):
    folder, summary = whole
    again = replay_log(Path(summary.run.folder), Options(tmp_path, f"sqlite:///{tmp_path}/store.sqlite"))
    assert again.digest == summary.digest
    assert rows(tmp_path, again.run.run_id) == rows(folder, summary.run.run_id)
    store = build.open_store(f"sqlite:///{folder}/store.sqlite")
    run = store.run(summary.run.run_id)
    assert (run.mode, run.state) == (Mode.LIVE, RunState.FINISHED)
    assert {alert.level for alert in store.alerts(run.run_id)} >= {Level.WATCH, Level.CAUTION, Level.ALERT}
    store.close()
    assert not (Path(summary.run.folder) / "journal.sqlite").exists()
    assert summary.totals.observations == SECONDS * 2 + 1
    assert summary.totals.ticks == SECONDS + 1


class Killed(BaseException):
    """Stands for SIGKILL: what is in memory is gone."""


def cut_run(event, folder, seen, t0, cuts):
    """A run that ends without warning after so many seconds, again and again, and goes on after so many."""
    from_ns = t0
    summary = None
    for after_s, gap_s in [*cuts, (10**6, 0)]:
        reached = []

        def progress(t_ns, end_ns=from_ns + after_s * S, reached=reached):
            reached.append(t_ns)
            if t_ns >= end_ns:
                raise Killed

        for_s = t0 / S + SECONDS - from_ns / S
        options = simulated(folder, seen, t0, from_ns, for_s=for_s, progress=progress)
        try:
            summary = live(event, options).summary
        except Killed:
            from_ns = reached[-1] + gap_s * S
    return summary


def test_a_run_that_is_cut_goes_on_as_if_its_cameras_had_been_gone(event, seen, t0, tmp_path):
    summary = cut_run(event, tmp_path, seen, t0, [(23, 3), (9, 8), (14, 2)])
    again = replay_log(Path(summary.run.folder), Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    assert again.digest == summary.digest
