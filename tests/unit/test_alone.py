"""Two at once: a job that is worked on, a log that is written, two runs that begin in the same second."""

import os
from datetime import UTC, datetime
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scenes import T0, S, camera, every_second, fold, square, started

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Detections, Frame, Stamp
from crowdwatch.core.runs import Mode, Run
from crowdwatch.detectors import ultralytics_models, ultralytics_setup
from crowdwatch.drivers import batch, build, lifecycle
from crowdwatch.drivers.batch import Job, JobSettings
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.lifecycle import PictureSink
from crowdwatch.drivers.replay import Options, replay_log
from crowdwatch.errors import ModelError, StoreUnavailable
from crowdwatch.rendering.focus import Focus
from crowdwatch.store.chunks import ChunkFault
from crowdwatch.store.log import LogWriter
from crowdwatch.store.pictures import PictureFolder

SECONDS = 30


@pytest.fixture
def event():
    return config.load(example("synthetic"))


@pytest.fixture
def store(tmp_path):
    opened = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def job(event, store, tmp_path):
    end_ns = event.cameras[0].source.start_ns + 5 * S
    made, finished = batch.open_job(event, JobSettings(tmp_path / "runs", to_ns=end_ns), store)
    assert not finished
    return made


def test_a_job_is_worked_on_by_one_process(job):
    with (
        batch.alone(job),
        pytest.raises(StoreUnavailable, match=r"batch job .*another process is writing it"),
        batch.alone(Job.of(job.run)),
    ):
        pass
    with batch.alone(job):
        pass


def test_a_log_that_is_being_folded_is_not_emptied(job, store):
    log = LogWriter(job.folder, job.event.model_dump_json())
    for each in every_second(lambda second: np.zeros((0, 2)), 3):
        log.append(each)
    job.chunks.fail(job.planned()[0], ChunkFault("no such file"))
    with pytest.raises(StoreUnavailable, match="another process is writing it"):
        batch.reopen(job, store)
    log.close(complete=False)
    assert batch.reopen(job, store) == 1


def test_runs_that_begin_in_the_same_second_have_names_of_their_own(event, tmp_path, store, monkeypatch):
    at = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
    monkeypatch.setattr(lifecycle, "datetime", SimpleNamespace(now=lambda zone: at))
    name, at_ns = f"{event.id}-20260501T120000", round(at.timestamp() * 1e9)
    folders = [lifecycle.new_folder(event, tmp_path, store) for _ in range(2)]
    assert [folder.name for folder in folders] == [name, f"{name}-2"]
    store.begin(Run(name, event.id, Mode.REPLAY, event.model_dump_json(), str(folders[0]), 0, at_ns, at_ns))
    for folder in folders:
        folder.rmdir()
    assert lifecycle.new_folder(event, tmp_path, store).name == f"{name}-2", "a run keeps its name without a folder"
    log = LogWriter(tmp_path / "log", event.model_dump_json())
    for each in every_second(lambda second: np.zeros((0, 2)), 2, event.cameras[0].id):
        log.append(each)
    log.close(complete=True)
    options = Options(tmp_path, f"sqlite:///{tmp_path}/store.sqlite")
    ids = [replay_log(tmp_path / "log", options).run.run_id for _ in range(2)]
    assert ids == [f"{event.id}-again-20260501T120000", f"{event.id}-again-20260501T120000-2"]


def test_unknown_counts_as_near_a_limit():
    """A camera that is dark in the coarse pass: the zone is unknown, or half of it with another camera beside it."""
    state = started(square(cameras=[camera("c"), camera("d")]))
    _, outcomes = fold(state, every_second(lambda second: np.zeros((0, 2)), SECONDS))
    healths = [{each.camera_id: each.health for each in outcome.health} for outcome in outcomes]
    assert healths[0]["c"] is Health.OK
    assert healths[-1]["d"] is Health.SILENT
    focus = Focus(state.view, 0.7, 1.0)
    for outcome in outcomes:
        focus.add(outcome)
    assert focus.spans()["c"][-1][1] == T0 + SECONDS * S
    alone = started(square())
    _, (calm,) = fold(alone, every_second(lambda second: np.zeros((0, 2)), 1))
    focus = Focus(alone.view, 0.7, 1.0)
    focus.add(calm)
    assert focus.spans() == {}
    _, blind = fold(alone, every_second(lambda second: None, 10))
    focus.add(blind[-1])
    assert focus.spans() == {"c": [(T0 + 9 * S - focus.before_ns, T0 + 10 * S)]}


def test_pictures_that_cannot_be_written_end_nothing_and_are_said_once(tmp_path, caplog):
    site = square()
    outcome = fold(started(site), every_second(lambda second: np.zeros((0, 2)), 1))[1][0]
    plane = site.cameras[0].fixed_plane
    frame = Frame(Stamp("c", 0, T0), np.full((*plane.image_hw, 3), 90, np.uint8))
    none = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)
    found = Detections(frame.stamp, *none, site.cameras[0].anchor, plane.image_hw, "d", False)
    taken, board = [], Board()
    sink = PictureSink(lambda outcome, pictures: taken.append(outcome.t_ns), site, tmp_path, board)
    (tmp_path / "pictures").write_text("a file stands in the way")
    for _ in range(3):
        sink(outcome, {"c": (frame, found)})
    assert board.message.startswith("pictures for the page are not written: picture folder")
    (tmp_path / "pictures").unlink()
    sink(outcome, {"c": (frame, found)})
    assert taken == [T0] * 4
    assert caplog.text.count("pictures for the page are not written") == 1
    assert caplog.text.count("pictures for the page are written again") == 1
    assert cv2.imread(str(tmp_path / "pictures" / "c" / f"{T0}.jpg")) is not None


def test_pictures_leave_room_for_the_log(tmp_path):
    folder = PictureFolder(tmp_path, keep_free_bytes=10**18)
    with pytest.raises(StoreUnavailable, match=r"only \d+ MB of the disk are free"):
        folder.write("c", T0, b"\xff\xd8\xff\xd9")
    assert not list(tmp_path.rglob("*.jpg"))


def test_safe_loading_has_no_way_back_to_pickle(monkeypatch, tmp_path):
    monkeypatch.setenv("ULTRALYTICS_SAFE_LOAD", "0")
    ultralytics_setup.prepare()
    assert os.environ["ULTRALYTICS_SAFE_LOAD"] == "1"
    old = SimpleNamespace(_SafeLoad=SimpleNamespace(SUPPORTED=False), SAFE_LOAD=True)
    weights = SimpleNamespace(path=tmp_path / "yolo.pt")
    with pytest.raises(ModelError, match=r"without running code that they may carry.*torch 2\.6"):
        ultralytics_models._restrict(old, weights)
    early = SimpleNamespace(_SafeLoad=SimpleNamespace(SUPPORTED=True), SAFE_LOAD=False)
    ultralytics_models._restrict(early, weights)
    assert early.SAFE_LOAD is True
