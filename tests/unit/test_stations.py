"""A station: what it says, what it keeps, and what becomes of it when it hangs, dies, or outlives its engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import light_station
import live_station
import numpy as np
import psutil
import pytest
from drawn import drawn_square

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.records import CameraFault, Frame, FramePair, Observation, Stamp
from crowdwatch.drivers.build import Models, open_live
from crowdwatch.drivers.live import station as station_room
from crowdwatch.drivers.live import stations
from crowdwatch.drivers.live.life import NO_ROOM
from crowdwatch.drivers.live.load import LoadControl
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.drivers.live.sender import Sender
from crowdwatch.drivers.live.station import Station
from crowdwatch.drivers.live.station_process import StationProcess, why_lost
from crowdwatch.drivers.live.stations import LocalStation
from crowdwatch.drivers.live.watching import Watching
from crowdwatch.drivers.scenes import drawn_scene
from crowdwatch.errors import ModelError
from crowdwatch.ground import head_size_px
from crowdwatch.rendering.picture import HEAD_UNDER_PX, block_px
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.synthetic import SyntheticSource

PATIENCE_S = 120.0
"""A busy machine may take long to start a process; the test fails by what it sees, not by the time that it took."""

MAST = "mast"


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> EventFile:
    return config.load(drawn_square(tmp_path_factory.mktemp("square")))


def until(station: LocalStation, wanted: Callable[[LiveMessage], bool]) -> list[LiveMessage]:
    """What comes up to the message that is wanted."""
    found: list[LiveMessage] = []
    ends_s = time.monotonic() + PATIENCE_S
    while not any(map(wanted, found)):
        assert time.monotonic() < ends_s, f"it did not come; {len(found)} other messages did"
        found += station.receive(0.1)
    return found


def streams(message: LiveMessage) -> bool:
    return isinstance(message, StreamStatus) and message.phase is StreamPhase.STREAMING


def lost(message: LiveMessage) -> bool:
    return isinstance(message, CameraFault)


def gone(pid: int) -> bool:
    """Whether a process has ended, or will soon."""
    ends_s = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > ends_s:
            return False
        time.sleep(0.05)
    return True


class Running:
    """A station over drawn cameras, in threads of this process."""

    def __init__(self, event: EventFile, receiver: Receiver) -> None:
        site = config.to_site(event)
        self.camera, clock = site.cameras[0], EventClock.start()
        self.captures = live_station.DrawnCaptures(event, site.cameras, clock, clock.anchor_wall_ns)
        models = Models(event, site)
        self.watching = Watching(self.camera, *open_live(event, self.camera, models, clock.anchor_wall_ns))
        load = LoadControl({MAST: self.camera}, {MAST: None}, {MAST: 1.0})
        self.access = receiver.admit([MAST])
        self.sender = Sender(self.access)
        self.station = Station(self.captures, self.sender, lambda: {MAST: self.watching}, load, workers=2, host="here")
        self.over, self.error = threading.Event(), list[BaseException]()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.station.run(self.over.is_set)
        except ModelError as error:
            self.error.append(error)

    def close(self) -> None:
        self.over.set()
        self.thread.join()
        self.sender.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def heard(receiver: Receiver, enough: Callable[[list[LiveMessage]], bool]) -> list[LiveMessage]:
    found: list[LiveMessage] = []
    ends_s = time.monotonic() + PATIENCE_S
    while not enough(found):
        assert time.monotonic() < ends_s, f"only {len(found)} messages came"
        found += receiver.receive(0.1)
    return found


def pictures(found: list[LiveMessage]) -> list[CoarsePicture]:
    return [each for each in found if isinstance(each, CoarsePicture)]


def seen(found: list[LiveMessage]) -> list[Observation]:
    return [each for each in found if isinstance(each, Observation)]


def test_a_station_observes_and_shows_only_what_is_asked_for_and_only_coarse(
    event: EventFile, receiver: Receiver
) -> None:
    with closing(Running(event, receiver)) as running:
        found = heard(receiver, lambda found: len(seen(found)) >= 6 and any(map(streams, found)))
        assert not pictures(found), "nobody asked for pictures"
        told = next(each for each in reversed(found) if isinstance(each, StreamStatus))
        assert told.host == "here"
        receiver.want_pictures(running.access, [MAST])
        found += heard(receiver, lambda found: len(pictures(found)) >= 2)
    numbers = [each.stamp.seq for each in seen(found)]
    assert numbers == sorted(set(numbers)), "in order, each once"
    counted = [each for each in seen(found) if each.mass is not None]
    seconds = {each.t_ns // 1_000_000_000 for each in seen(found)}
    assert len(counted) == pytest.approx(len(seconds), abs=1), "heads are counted once a second"
    shown = pictures(found)
    assert shown[1].stamp.t_ns - shown[0].stamp.t_ns >= 900_000_000
    assert running.camera.plane is not None
    block = block_px(head_size_px(running.camera.plane))
    sharp = SyntheticSource(running.captures.scenes[MAST], camera_id=MAST)._frame(shown[0].stamp)
    picture = cv2.imdecode(np.frombuffer(shown[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == sharp.image_bgr.shape
    assert (head_size_px(running.camera.plane) / block).max() < HEAD_UNDER_PX
    coarse = block == block.max()
    clear, left = (_detail(each, coarse) for each in (sharp.image_bgr, picture))
    assert left < 0.5 * clear, "the picture that left shows what the sharp one does"


def _detail(image_bgr: np.ndarray, where: np.ndarray) -> float:
    """How much neighbouring pixels differ."""
    grey = image_bgr.mean(axis=2)
    return float(np.abs(np.diff(grey, axis=1))[where[:, 1:]].mean())


def test_a_worker_that_hangs_ends_the_station_and_its_cameras_are_said_to_wait(
    event: EventFile, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_room, "HANG_S", 0.5)
    freed = threading.Event()
    with closing(Running(event, receiver)) as running:
        heard(receiver, lambda found: bool(seen(found)) and any(map(streams, found)))
        monkeypatch.setattr(Watching, "look", lambda self, *_: freed.wait(PATIENCE_S))
        found = heard(receiver, lambda found: any(isinstance(each, StreamStatus) and each.message for each in found))
        freed.set()
    assert "started again" in next(each.message for each in found if isinstance(each, StreamStatus) and each.message)
    assert isinstance(running.error[0], ModelError)


def test_what_runs_once_a_second_runs_on_the_first_picture_that_was_analysed(event: EventFile) -> None:
    """At 2 of 5 pictures a second, the first of a second is never among them."""
    site = config.to_site(event)
    camera = site.cameras[0]
    watching = Watching(camera, *open_live(event, camera, Models(event, site)))
    source = SyntheticSource(drawn_scene("plaza", event, site, camera, Fraction(5)), camera_id=MAST)
    made = []
    for k in range(8):
        now_ns = (100 + k) * 1_000_000_000
        for late in (2, 4):
            frame = source._frame(Stamp(MAST, 5 * k + late, now_ns + late * 200_000_000, "arrival"))
            before = Frame(
                replace(frame.stamp, seq=frame.stamp.seq - 1, t_ns=frame.stamp.t_ns - 200_000_000), frame.image_bgr
            )
            made.append(watching.look(FramePair(before, frame)).event)
    found = seen(made)
    assert [each.mass is not None for each in found] == [True, False] * 8
    assert [each.evidence.blocks is not None and each.evidence.blocks.profiles is not None for each in found] == [
        True,
        False,
    ] * 8


def test_a_station_that_is_killed_or_stopped_is_started_again_and_its_cameras_are_said_to_be_lost(
    event: EventFile,
) -> None:
    with LocalStation(event, EventClock.start(), program=light_station.PROGRAM) as station:
        until(station, streams)
        for number in (signal.SIGKILL, signal.SIGSTOP):
            pid = station.pid
            assert pid is not None
            os.kill(pid, number)
            found = until(station, lost)
            said = [each for each in found if isinstance(each, StreamStatus) and each.phase is StreamPhase.WAITING]
            assert [each.camera_id for each in said] == [MAST]
            assert "started again" in said[0].message
            assert not psutil.pid_exists(pid)
            until(station, streams)
        assert station.starts == 3
        last = station.pid
    assert last is not None
    assert gone(last)


def test_a_station_that_works_slowly_is_said_to_be_lost_and_not_ended(
    event: EventFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations, "SILENT_S", 0.5)
    monkeypatch.setattr(StationProcess, "worked_s", lambda self: time.monotonic())
    with LocalStation(event, EventClock.start(), program=light_station.PROGRAM) as station:
        until(station, streams)
        pid = station.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        found = until(station, lost)
        for _ in range(10):
            found += station.receive(0.05)
        assert len([each for each in found if lost(each)]) == 1, "it is said once"
        os.kill(pid, signal.SIGCONT)
        until(station, streams)
        assert (station.pid, station.starts) == (pid, 1)


def test_a_station_that_cannot_start_is_tried_again_with_pauses(event: EventFile) -> None:
    program = (sys.executable, "-c", "raise SystemExit(3)")
    with LocalStation(event, EventClock.start(), program=program) as station:
        found = until(station, lost)
        assert "code 3" in next(each.message for each in found if isinstance(each, StreamStatus))
        began_s = time.monotonic()
        until(station, lost)
        assert time.monotonic() - began_s >= 0.5


def test_a_program_that_is_not_there_is_said(event: EventFile, tmp_path: Path) -> None:
    with LocalStation(event, EventClock.start(), program=(str(tmp_path / "nothing"),)) as station:
        found = until(station, lost)
    assert "could not be started" in next(each.message for each in found if isinstance(each, StreamStatus))


def test_a_station_ends_with_its_engine(event: EventFile, tmp_path: Path) -> None:
    """However the engine ends: here it is killed, with one station that works and one that is stopped."""
    (tmp_path / "event.json").write_text(event.model_dump_json(), encoding="utf-8")
    engine = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "live_engine.py"), tmp_path / "event.json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with engine:
        assert engine.stdout is not None
        working, stopped = (int(pid) for pid in engine.stdout.readline().split())
        os.kill(stopped, signal.SIGSTOP)
        engine.kill()
    assert gone(working)
    assert gone(stopped)


def test_a_whole_station_observes_in_a_process_of_its_own(event: EventFile) -> None:
    clock = EventClock.start()
    with LocalStation(event, clock, program=live_station.PROGRAM) as station:
        station.want_pictures([MAST])
        found = until(station, lambda message: isinstance(message, CoarsePicture))
        first = seen(found)[0]
        assert first.stamp.camera_id == MAST
        assert 0 <= clock.now_ns() - first.t_ns < PATIENCE_S * 1e9


def test_a_station_loads_little_and_opens_as_many_files_as_it_may() -> None:
    """What the fold and the store load takes half a second of every start."""
    program = "import resource, sys; from crowdwatch.drivers.live import station_main, life; "
    program += "assert not {'scipy', 'sqlalchemy'} & set(sys.modules); "
    program += "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256)); life.open_all_files(); "
    program += "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, 256); life.open_all_files()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert "Raise the limits of processes and open files" in why_lost(NO_ROOM, 0.0)
