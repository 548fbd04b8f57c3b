"""A batch on bad footage: what is wrong is said before anything is computed, or its time is unknown, and the rest
finishes."""

import json
import sys
import threading
from contextlib import closing

import pytest
from batches import NAME, event_of, options
from distributed import LocalCluster
from films import film, noted

from crowdwatch.commands import cli
from crowdwatch.core.reasons import Code
from crowdwatch.core.runs import RunState
from crowdwatch.drivers import batch, build
from crowdwatch.drivers.batch import JobSettings
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.store.chunks import ChunkFault
from pipelines.batch.observe_batch import run_batch

CLOCKWISE = (0, 1, -1, 0)
"""The display matrix of a telephone held upright."""


@pytest.fixture(scope="module")
def scheduler():
    """One worker for all jobs of this module, reached as a running cluster is."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


def done(event, tmp_path, scheduler, **settings):
    """Run a job to its end -> (facts, notes)."""
    notes = []
    result = run_batch(event, options(tmp_path, settings, scheduler=scheduler, say=notes.append))
    return result.facts, "\n".join(notes)


def refused(event, tmp_path, scheduler):
    """Refuse a job -> the message; nothing was begun."""
    with pytest.raises(SourceUnavailable) as caught:
        run_batch(event, options(tmp_path, scheduler=scheduler))
    assert not (tmp_path / "runs").exists()
    return str(caught.value)


def test_codecs_and_rates_may_differ(clips, tmp_path, scheduler):
    film(clips / f"{NAME.format(0)}.mkv", codec="libx264")
    film(clips / f"{NAME.format(10)}.avi")
    film(clips / f"{NAME.format(20)}.mp4", [0, 1, 2, 10, 11, 15])
    facts, notes = done(event_of(tmp_path, f"folder: {clips}"), tmp_path, scheduler, chunk_s=5.0)
    assert "several codecs (h264, mpeg4)" in notes
    assert f"{NAME.format(20)}.mp4: its frame rate varies" in notes
    assert facts["observations"] == 20 + 20 + 6
    assert facts["failed"] == facts["partial"] == []
    assert all(0 < ticks < facts["ticks"] for ticks in facts["unknown_ticks"].values())  # the gaps between


def test_a_batch_of_spoiled_footage_equals_its_replay(tmp_path, scheduler):
    """Half of the lens is covered: what the fold remembers of a camera crosses chunks."""

    def spoil(number, picture):
        if 45 <= number < 70:
            picture[:, :80] = 90
        return picture

    event = event_of(tmp_path, f"file: {film(tmp_path / 'gate.avi', range(75), spoil=spoil)}")
    event = event.model_copy(update={"cameras": [event.cameras[0].model_copy(update={"sample_hz": 2.5})]})
    replayed = replay_recording(
        event, Options(tmp_path / "replay", f"sqlite:///{tmp_path}/replay.sqlite", pictures=False)
    )
    result = run_batch(event, options(tmp_path, {"chunk_s": 5.0}, scheduler=scheduler))
    assert result.facts["alerts_digest"] == replayed.digest
    readings = []
    for name, run_id in (("store", result.run_id), ("replay", replayed.run.run_id)):
        with closing(build.open_store(f"sqlite:///{tmp_path}/{name}.sqlite")) as store:
            readings.append(store.readings(run_id))
    assert repr(readings[0]) == repr(readings[1])
    said = {reason.code for reading in readings[0] for reason in reading.reasons}
    assert Code.PARTLY_UNCLEAR in said


def test_a_job_of_which_every_chunk_fails_has_failed(tmp_path):
    """No run is finished in which nobody was looked for; once it is tried again, it can finish."""
    film(tmp_path / "gate.avi")
    event = event_of(tmp_path, f"file: {tmp_path}/gate.avi")
    url = f"sqlite:///{tmp_path}/store.sqlite"
    with closing(build.open_store(url)) as store:
        job, _ = batch.open_job(event, JobSettings(tmp_path / "runs", chunk_s=2.0), store)
        for chunk in job.planned():
            job.chunks.fail(chunk, ChunkFault("the decoder crashes."))
        for _ in range(2):
            with pytest.raises(SourceTruncated, match="the decoder crashes"):
                batch.fold(job, store, stop=threading.Event())
            run = store.run(job.run.run_id)
            assert run.state is RunState.FAILED
            assert "the decoder crashes" in run.message
        assert batch.reopen(job, store) == len(job.planned())
    assert not job.chunks.standing().failed


def test_every_fault_of_a_folder_is_said_at_once(clips, tmp_path, scheduler):
    (clips / f"{NAME.format(30)}.mp4").write_bytes(b"")
    (clips / f"{NAME.format(40)}.mp4").write_bytes(b"no film at all" * 100)
    film(clips / f"{NAME.format(0)}.mp4")
    film(clips / f"{NAME.format(3)}.mp4")
    film(clips / f"{NAME.format(5)}.mp4")
    said = refused(event_of(tmp_path, f"folder: {clips}"), tmp_path, scheduler)
    assert "the file is empty (0 bytes)" in said
    assert "cannot be read as a video" in said
    assert f"{NAME.format(0)}.mp4 and {NAME.format(3)}.mp4 overlap by 1.0 s" in said
    assert f"{NAME.format(3)}.mp4 and {NAME.format(5)}.mp4 overlap by 2.0 s" in said


def test_a_telephone_s_film_is_turned_or_refused(tmp_path, scheduler):
    noted(film(tmp_path / "a.mp4"), *CLOCKWISE)
    event = event_of(tmp_path, "file: a.mp4", hw=(160, 96))
    facts, _ = done(event, tmp_path, scheduler)
    assert facts["observations"] == 20
    assert facts["failed"] == []
    lying = tmp_path / "lying"
    lying.mkdir()
    noted(film(lying / "a.mp4"), *CLOCKWISE)
    assert "lie on their side" in refused(event_of(lying, "file: a.mp4"), lying, scheduler)


def test_a_clock_that_jumps_back_is_said_before_and_its_time_is_unknown(tmp_path, scheduler):
    one, other = (film(tmp_path / f"{n}.ts", range(n, n + 20), codec="mpeg2video") for n in (10, 0))
    (tmp_path / "joined.ts").write_bytes(one.read_bytes() + other.read_bytes())
    facts, notes = done(event_of(tmp_path, "file: joined.ts"), tmp_path, scheduler, chunk_s=2.0)
    assert "joined.ts: its clock jumps back" in notes
    assert "UNKNOWN" in notes
    assert [each for each in facts["failed"] + facts["partial"] if "clock jumps back" in each["reason"]]


@pytest.fixture
def command(tmp_path, scheduler, monkeypatch, capsys):
    """Run ``crowdwatch batch`` on the event in ``tmp_path`` -> (exit code, stdout, stderr)."""

    def call(*words):
        place = ["--runs", str(tmp_path / "runs"), "--store", f"sqlite:///{tmp_path}/store.sqlite"]
        event = str(tmp_path / "event.yaml")
        monkeypatch.setattr(sys, "argv", ["crowdwatch", "batch", event, *place, "--scheduler", scheduler, *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return call


def test_keyframes_alone(tmp_path, command):
    film(tmp_path / "a.mp4", range(40))
    event_of(tmp_path, "file: a.mp4")
    code, out, err = command("--keyframes", "--chunk-s", "3", "--batch-frames", "2", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["observations"] == 4
    assert facts["failed"] == facts["partial"] == []


def test_a_drawn_scene_has_no_keyframes(tmp_path, command):
    event_of(tmp_path, "synthetic: plaza", hw=(576, 768))
    code, _, err = command("--keyframes")
    assert code == 1
    assert "a drawn scene has no keyframes. Leave out --keyframes" in err


def test_gpus_and_workers_exclude_each_other(tmp_path, command):
    event_of(tmp_path, "synthetic: plaza", hw=(576, 768))
    code, _, err = command("--gpus", "--workers", "2")
    assert code == 1
    assert "--workers does not go with it" in err
