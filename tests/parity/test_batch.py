"""A batch on a real Dask cluster gives what a replay gives, whatever the workers and the length of its chunks.

``real`` is the real recording at a quarter of its rate, seen by the shipped models. ``drawn`` is the synthetic example
with small pictures, seen by perfect models: ``TruthDetector`` and ``TruthCounter``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import LocalCluster
from drawn import RATE_HZ, drawn_square
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands import cli
from crowdwatch.drivers import build, recordings
from crowdwatch.drivers.batch import Job, JobSettings
from crowdwatch.drivers.replay import Options, replay_log, replay_recording
from crowdwatch.errors import ClusterUnavailable, ConfigError
from crowdwatch.store.log import LogReader
from pipelines.batch.observe_batch import BatchOptions, run_batch, status

NS = 1_000_000_000
REAL_S = (28, 38)
"""Frames 196 to 265: past the keyframe at 250, so that chunks seek to either, and with alerts."""
REAL_HZ = 1.75
DRAWN_S = (0, 70)


@pytest.fixture(scope="module")
def real():
    event = config.load(example("pets2009"))
    cameras = [camera.model_copy(update={"sample_hz": REAL_HZ}) for camera in event.cameras]
    return event.model_copy(update={"cameras": cameras})


@pytest.fixture(scope="module")
def drawn_path(tmp_path_factory):
    return drawn_square(tmp_path_factory.mktemp("event"))


@pytest.fixture(scope="module")
def drawn(drawn_path):
    return config.load(drawn_path)


def url(folder):
    return f"sqlite:///{folder}/store.sqlite"


def span(event, seconds):
    return dict(zip(("from_ns", "to_ns"), (event.cameras[0].source.start_ns + s * NS for s in seconds), strict=True))


def batch_options(folder, event, seconds, *, chunk_s=7.0, **more):
    settings = JobSettings(Path(folder), chunk_s=chunk_s, **span(event, seconds))
    return BatchOptions(settings, url(folder), **more)


def replayed(folder, event, seconds):
    return replay_recording(event, Options(folder, url(folder), pictures=False, **span(event, seconds)))


def log_bytes(folder):
    """Every file of a log, byte for byte."""
    parts = [*Path(folder, "timeline").rglob("*.parquet"), *Path(folder, "observations").rglob("*.parquet")]
    assert parts
    return {p.relative_to(folder): p.read_bytes() for p in parts}


def stored(folder, run_id):
    """Readings and alerts of a run, as text: NaN equals NaN there."""
    store = build.open_store(url(folder))
    found = repr(store.readings(run_id)), repr(store.alerts(run_id)), repr(store.movement(run_id))
    store.close()
    return found


@pytest.fixture(scope="module")
def scheduler():
    """Two workers for several jobs, reached as a running cluster is: their start takes longer than a job."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def real_replay(real, tmp_path_factory, data_dir, models_dir):
    folder = tmp_path_factory.mktemp("replay")
    summary = replayed(folder, real, REAL_S)
    assert summary.totals.alerts  # equal because nothing happened would be no evidence
    assert summary.totals.observations == round(10 * REAL_HZ)
    return folder, summary


def assert_equal(result, place, real_replay):
    """A batch of the real recording is its replay, and its log gives the same once more."""
    folder, summary = real_replay
    assert result.facts["alerts_digest"] == summary.digest
    assert log_bytes(result.summary.run.folder) == log_bytes(summary.run.folder)
    assert stored(place, result.run_id) == stored(folder, summary.run.run_id)
    again = replay_log(Path(result.summary.run.folder), Options(place, url(place)))
    assert again.digest == summary.digest


@pytest.mark.parametrize(("workers", "chunk_s"), [(1, 3600.0), (3, 3.0)])
def test_a_batch_of_the_real_recording_equals_its_replay(real_replay, real, tmp_path, workers, chunk_s):
    """Two workers of a running cluster: see the file that is mended."""
    result = run_batch(real, batch_options(tmp_path, real, REAL_S, chunk_s=chunk_s, workers=workers))
    assert_equal(result, tmp_path, real_replay)
    assert len(list((tmp_path / ".recordings").iterdir())) == 1  # read once, and not by every worker


@pytest.fixture(scope="module")
def drawn_replay(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return folder, replayed(folder, drawn, DRAWN_S)


KILLED = """
import os, signal, sys
from pathlib import Path
from crowdwatch import config
from crowdwatch.drivers.batch import JobSettings
from pipelines.batch.observe_batch import BatchOptions, run_batch

def reached(now):
    if now.stage == stage and now.done >= float(done):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    path, folder, to_s, chunk_s, batch_frames, stage, done = sys.argv[1:]
    event = config.load(Path(path))
    to_ns = event.cameras[0].source.start_ns + int(to_s) * 1_000_000_000
    settings = JobSettings(Path(folder), chunk_s=float(chunk_s), to_ns=to_ns, batch_frames=int(batch_frames))
    run_batch(event, BatchOptions(settings, f"sqlite:///{folder}/store.sqlite", progress=reached))
"""


def killed(folder, path, *, chunk_s, stage, done, batch_frames=1):
    """A job in a process of its own, which dies by SIGKILL at a point of its progress; its worker ends by itself."""
    script = folder / "killed.py"  # a file, because what its workers spawn imports it
    script.write_text(KILLED, encoding="utf-8")
    words = [sys.executable, script, path, folder, DRAWN_S[1], chunk_s, batch_frames, stage, done]
    # its pipes are its worker's, too: this returns when both have ended
    ended = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=600)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_a_killed_job_goes_on_to_the_same_result(drawn, drawn_path, drawn_replay, tmp_path, scheduler):
    """SIGKILL of the driver in the middle: what was kept is not observed again."""
    _folder, summary = drawn_replay
    killed(tmp_path, drawn_path, chunk_s=2, stage="observe", done=3)
    before = status(drawn, url(tmp_path))
    assert 3 <= before["done"] < before["chunks"] == before["done"] + before["left"]
    result = run_batch(drawn, batch_options(tmp_path, drawn, DRAWN_S, chunk_s=2.0, scheduler=scheduler))
    assert result.facts["alerts_digest"] == summary.digest
    assert result.facts["frames_observed_now"] == 2 * RATE_HZ * before["left"]
    assert log_bytes(result.summary.run.folder) == log_bytes(summary.run.folder)
    assert status(drawn, url(tmp_path))["left"] == 0
    finished = run_batch(drawn, batch_options(tmp_path, drawn, DRAWN_S, chunk_s=2.0, scheduler=scheduler))
    assert finished.summary is None
    assert finished.facts == result.facts


def test_a_job_killed_in_the_fold_goes_on_to_the_same_result(drawn, drawn_path, drawn_replay, tmp_path, scheduler):
    """SIGKILL after 40 s of event time were folded: nothing is observed again, nothing is lost or doubled.

    Its frames went through the detector eight at a time: a drawn scene's truth does not depend on that.
    """
    folder, summary = drawn_replay
    killed(tmp_path, drawn_path, chunk_s=35, stage="fold", done=40, batch_frames=8)
    assert status(drawn, url(tmp_path))["left"] == 0
    options = batch_options(tmp_path, drawn, DRAWN_S, chunk_s=35.0, scheduler=scheduler)
    result = run_batch(drawn, replace(options, settings=replace(options.settings, batch_frames=8)))
    assert result.facts["frames_observed_now"] == 0
    assert result.facts["alerts_digest"] == summary.digest
    assert log_bytes(result.summary.run.folder) == log_bytes(summary.run.folder)
    assert stored(tmp_path, result.run_id) == stored(folder, summary.run.run_id)


def chunks_kept(folder):
    return len(list(Path(folder).rglob("chunk-*.parquet")))


def children(pid):
    found = [int(n) for each in Path(f"/proc/{pid}/task").glob("*/children") for n in each.read_text().split()]
    return found + [grandchild for child in found for grandchild in children(child)]


def test_a_killed_worker_loses_nothing(drawn_path, drawn_replay, tmp_path):
    _, summary = drawn_replay
    words = [
        sys.executable, "-m", "crowdwatch", "batch", str(drawn_path), "--runs", str(tmp_path),
        "--store", url(tmp_path), "--to", str(DRAWN_S[1]), "--chunk-s", "2", "--json",
    ]  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 300
        while chunks_kept(tmp_path) < 3:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline, "no chunk was kept within five minutes"
            time.sleep(0.01)
        workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert chunks_kept(tmp_path) < 35  # there was something to lose
        said, _ = process.communicate(timeout=600)
    assert workers
    assert process.returncode == 0, said
    facts = json.loads(next(tmp_path.rglob("summary.json")).read_text())
    assert facts["alerts_digest"] == summary.digest
    assert facts["failed"] == facts["partial"] == []
    words = ["batch", str(drawn_path), "--runs", str(tmp_path), "--store", url(tmp_path), "--status"]
    asked = CliRunner().invoke(cli.app, words)
    assert "(finished), 35 chunks: 35 done, 0 failed, 0 left" in asked.stdout
    folder = Path(facts["folder"])
    assert log_bytes(folder) == log_bytes(summary.run.folder)


def test_a_file_cut_in_the_middle_is_reported_and_mended(real_replay, real, tmp_path, scheduler):
    """Its second half is unknown time, as in a replay of the same file, until the whole file is there."""
    whole = recordings.footage_files(real.cameras[0])[0].read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 2 // 7])  # about 32 s
    source = real.cameras[0].source.model_copy(update={"sample": None, "file": str(cut)})
    camera = real.cameras[0].model_copy(update={"source": source})
    event = real.model_copy(update={"cameras": [camera]})
    notes = []
    options = batch_options(tmp_path, event, REAL_S, chunk_s=4.0, scheduler=scheduler, say=notes.append)
    result = run_batch(event, options)
    assert any("UNKNOWN" in note for note in notes)
    facts = result.facts
    assert len(facts["failed"]) + len(facts["partial"]) >= 2
    assert all("cut.avi" in each["reason"] for each in facts["failed"])
    assert all(0 < ticks < facts["ticks"] for ticks in facts["unknown_ticks"].values())
    (tmp_path / "replay").mkdir()
    summary = replayed(tmp_path / "replay", event, REAL_S)
    assert facts["alerts_digest"] == summary.digest
    assert log_bytes(facts["folder"]) == log_bytes(summary.run.folder)
    cut.write_bytes(whole)
    with pytest.raises(ConfigError, match=r"cut\.avi has changed.*--retry-failed"):
        run_batch(event, options)
    again = batch_options(tmp_path, event, REAL_S, scheduler=scheduler, retry_failed=True)
    mended = run_batch(event, again)
    assert mended.facts["failed"] == mended.facts["partial"] == []
    assert_equal(mended, tmp_path, real_replay)
    with pytest.raises(ConfigError, match="nothing to try again"):
        run_batch(event, again)


def test_a_scheduler_that_does_not_answer_is_named(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.batch.cluster.ANSWER_S", 1)
    with pytest.raises(ClusterUnavailable, match="does not answer"):
        run_batch(drawn, batch_options(tmp_path, drawn, (0, 10), scheduler="tcp://127.0.0.1:9"))


def test_a_job_goes_on_only_as_it_was_begun(drawn, tmp_path, scheduler):
    options = batch_options(tmp_path, drawn, (0, 10), scheduler=scheduler)
    options.stop.set()
    assert run_batch(drawn, options).facts is None
    other = batch_options(tmp_path, drawn, (0, 10), chunk_s=3.0)
    with pytest.raises(ConfigError, match="--chunk-s"):
        run_batch(drawn, other)


def test_two_passes_look_finely_where_a_zone_came_near_a_limit(drawn, tmp_path, scheduler):
    options = batch_options(tmp_path, drawn, DRAWN_S, scheduler=scheduler)
    settings = replace(options.settings, coarse_hz=0.5, fine_hz=float(RATE_HZ), near_frac=0.7)
    result = run_batch(drawn, replace(options, settings=settings))
    store = build.open_store(url(tmp_path))
    job = Job.of(store.run(result.run_id))
    store.close()
    fine = [chunk for chunk in job.chunks.standing().done if chunk.fine]
    seen = list(LogReader(job.folder).observations())
    assert len({o.stamp.id for o in seen}) == len(seen)  # a frame of both passes counts once
    assert 35 < len(seen) < 70 * RATE_HZ  # coarse everywhere, fine in places
    inside = [o for o in seen if any(c.from_ns <= o.stamp.t_ns < c.to_ns for c in fine)]
    assert len(inside) == sum(round((c.to_ns - c.from_ns) / NS * RATE_HZ) for c in fine)
    assert result.facts["alerts"]
