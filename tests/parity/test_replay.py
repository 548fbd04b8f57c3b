"""Two runs are equal; a log gives what the footage gave; a stopped or killed run goes on as if nothing had been.

Perfect models: all but the test of the real recording run the synthetic example with small pictures, where
``TruthDetector`` and ``TruthCounter`` see everybody.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import RATE_HZ, drawn_square

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import Command, CommandKind, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.replay import Options, replay_log, replay_recording
from crowdwatch.errors import ConfigError, LogCorrupt, RunNotFound
from crowdwatch.store.log import LogReader

SECONDS = 70


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return drawn_square(tmp_path_factory.mktemp("event"))


@pytest.fixture(scope="module")
def event(path):
    """Alarms of every level within 70 s of event time."""
    return config.load(path)


def options(folder, event, **more):
    end_ns = event.cameras[0].source.start_ns + SECONDS * 1_000_000_000
    return Options(folder, f"sqlite:///{folder}/store.sqlite", to_ns=end_ns, pictures=False, **more)


@pytest.fixture(scope="module")
def whole(event, tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, replay_recording(event, options(folder, event))


def rows(folder, summary):
    """All that the store holds of a run, as text: NaN equals NaN there."""
    store = build.open_store(f"sqlite:///{folder}/store.sqlite")
    run_id = summary.run.run_id
    at_ns = summary.run.to_ns + 10**10
    grid, flow = store.grid(run_id, at_ns), store.flow_grid(run_id, at_ns)
    found = (
        repr(store.readings(run_id)), repr(store.alerts(run_id)), repr(store.alarms(run_id, at_ns)),
        repr(store.health(run_id, at_ns)), grid.rho_p_m2.tobytes(),
        repr(store.movement(run_id)), flow and flow.v_m_s.tobytes(),
    )  # fmt: skip
    store.close()
    return found


def log_bytes(folder):
    """The content of every file of a log."""
    return {p.relative_to(folder): p.read_bytes() for p in sorted(Path(folder).rglob("*.parquet"))}


def test_it_walks_through_every_level(whole):
    folder, summary = whole
    store = build.open_store(f"sqlite:///{folder}/store.sqlite")
    levels = {alert.level for alert in store.alerts(summary.run.run_id)}
    assert levels >= {Level.WATCH, Level.CAUTION, Level.ALERT, Level.CRITICAL}
    assert store.run(summary.run.run_id).state is RunState.FINISHED
    assert summary.totals.observations == SECONDS * RATE_HZ
    first = min(r.t_ns for r in store.readings(summary.run.run_id))
    qualities = {(r.t_ns == first, r.quality) for r in store.readings(summary.run.run_id)}
    assert qualities == {(True, Quality.DEGRADED), (False, Quality.GOOD)}, "nobody is in the first picture"


def test_two_runs_are_identical(whole, event, tmp_path):
    folder, summary = whole
    again = replay_recording(event, options(tmp_path, event))
    assert again.digest == summary.digest
    assert rows(tmp_path, again) == rows(folder, summary)
    assert log_bytes(again.run.folder) == log_bytes(summary.run.folder)


def test_the_log_alone_gives_the_same_readings_and_alerts(whole, tmp_path):
    folder, summary = whole
    again = replay_log(Path(summary.run.folder), options(tmp_path, summary.event))
    assert again.digest == summary.digest
    assert rows(tmp_path, again) == rows(folder, summary)


def test_the_log_answers_what_other_limits_would_have_done(whole, event, tmp_path):
    _, summary = whole
    strict = {"watch": 9.0, "caution": 9.5, "alert": 10.0, "critical": 11.0}
    limits = event.zones[0].limits.model_copy(update={"density_p_m2": strict})
    zones = [event.zones[0].model_copy(update={"limits": limits, "capacity_persons": None}), *event.zones[1:]]
    calm = event.model_copy(update={"zones": zones})
    again = replay_log(Path(summary.run.folder), options(tmp_path, event), calm)
    assert again.totals.alerts == {}
    assert summary.totals.alerts != {}


def test_a_stopped_run_resumes_to_the_same_result(whole, event, tmp_path):
    folder, summary = whole
    stop = threading.Event()
    start_ns = event.cameras[0].source.start_ns

    def at_forty(t_ns):
        if t_ns - start_ns >= 40 * 10**9:
            stop.set()

    first = replay_recording(event, options(tmp_path, event, stop=stop, progress=at_forty))
    assert first.stopped
    store = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
    assert store.run(first.run.run_id).state is RunState.STOPPED
    assert LogReader(Path(first.run.folder)).last_tick_ns == start_ns + 40 * 10**9
    store.close()
    replay_log(Path(first.run.folder), options(tmp_path, event))  # newer, but not a run that can be resumed
    second = replay_recording(event, options(tmp_path, event, resume=True))
    assert second.run.run_id == first.run.run_id
    assert second.digest == summary.digest
    assert rows(tmp_path, second) == rows(folder, summary)
    logged = [list(map(repr, _ids(LogReader(Path(s.run.folder))))) for s in (second, summary)]
    assert logged[0] == logged[1]
    with pytest.raises(RunNotFound, match="no unfinished run"):
        replay_recording(event, options(tmp_path, event, resume=True))


def _ids(reader):
    for each in reader.events():
        yield getattr(each, "stamp", each)


def test_a_killed_run_resumes_to_the_same_result(whole, event, path, tmp_path):
    """SIGKILL in the middle: what was logged is kept, what was not is analysed again."""
    folder, summary = whole
    command = [
        sys.executable, "-m", "crowdwatch", "replay", str(path), "--runs", str(tmp_path),
        "--store", f"sqlite:///{tmp_path}/store.sqlite", "--to", str(SECONDS), "--no-pictures",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(tmp_path.rglob("timeline/*.parquet")):  # the first closed piece of the log
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no piece of the log was closed within two minutes"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    second = replay_recording(event, options(tmp_path, event, resume=True))
    assert second.digest == summary.digest
    assert rows(tmp_path, second) == rows(folder, summary)


def test_an_acknowledgement_is_sequenced_logged_and_replayed(event, tmp_path):
    begun = {}
    start_ns = event.cameras[0].source.start_ns

    def acknowledge(t_ns):
        if t_ns - start_ns == 60 * 10**9:
            store = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
            store.submit(
                Command(begun["run"].run_id, CommandKind.ACKNOWLEDGE, "ana", time.time_ns(), "stage", "crowding", 4.0)
            )
            store.close()

    chosen = options(tmp_path, event, started=lambda run: begun.update(run=run), progress=acknowledge)
    summary = replay_recording(event, chosen)
    actions = [e for e in LogReader(Path(summary.run.folder)).events() if isinstance(e, OperatorAction)]
    assert [(a.actor, a.t_ns - start_ns) for a in actions] == [("ana", 61 * 10**9)]
    assert summary.totals.alerts["crowding acknowledged"] == 1
    again = replay_log(Path(summary.run.folder), replace(chosen, progress=lambda t_ns: None))
    assert again.digest == summary.digest


def test_a_log_that_is_none_is_refused(tmp_path, event):
    with pytest.raises(LogCorrupt):
        replay_log(tmp_path / "nothing", options(tmp_path, event))


def test_resume_refuses_another_event_file(event, tmp_path):
    stop = threading.Event()
    stopping = options(tmp_path, event, stop=stop, progress=lambda t_ns: stop.set())
    replay_recording(event, stopping)
    other = event.model_copy(update={"name": config.schema.Text(en="Other")})
    with pytest.raises(ConfigError, match="another event file"):
        replay_recording(other, options(tmp_path, event, resume=True))


def test_the_real_recording_repeats_and_its_log_gives_the_same(data_dir, models_dir, tmp_path):
    """Six seconds of real footage at two pictures a second, in which two zones raise an alarm, through the real models:
    twice, and once more from the log."""
    real = config.load(example("pets2009"))
    real = real.model_copy(update={"cameras": [real.cameras[0].model_copy(update={"sample_hz": 2.0})]})
    from_ns, to_ns = (real.cameras[0].source.start_ns + second * 10**9 for second in (28, 34))
    summaries = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        chosen = replace(options(tmp_path / name, real), from_ns=from_ns, to_ns=to_ns)
        summaries.append(replay_recording(real, chosen))
    one, two = summaries
    assert one.totals.observations == 12
    assert one.totals.alerts  # equal because nothing happened would be no evidence
    assert log_bytes(one.run.folder) == log_bytes(two.run.folder)
    assert rows(tmp_path / "one", one) == rows(tmp_path / "two", two)
    again = replay_log(Path(one.run.folder), options(tmp_path, real))
    assert again.digest == one.digest
    assert rows(tmp_path, again) == rows(tmp_path / "one", one)
