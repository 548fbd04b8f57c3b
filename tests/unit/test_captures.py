"""Live cameras against a real RTSP server on loopback: lost, stopped, changed, refused, and the others go on."""

import gc
import itertools
import json
import logging
import os
import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil
import pytest
from films import film
from rtsp_server import HW, RtspServer, drawn_clip, write_clip

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Stamp
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.capture import Capture
from crowdwatch.sources.live.captures import SPARE_FILES, Captures, CaptureSettings
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.recording import Recording

NS = 1_000_000_000
DEADLINE_S = 60.0
"""Nothing here takes more than some seconds on a machine that is not busy."""


class Watch:
    """Takes pairs in and listens until something is true, and keeps what it was told."""

    def __init__(self, captures: Captures, clock: EventClock) -> None:
        self.captures, self.clock = captures, clock
        self.stamps: dict[str, list[Stamp]] = {}
        self.befores: dict[str, list[Stamp | None]] = {}
        self.ages_s: dict[str, list[float]] = {}
        self.statuses: dict[str, StreamStatus] = {}
        self.faults: list[CameraFault] = []

    def until(self, done: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline, f"{what}: {self.statuses}"
            self.once()

    def once(self) -> None:
        for each in self.captures.take(0.1):
            stamp = each.pair.current.stamp
            assert each.pair.current.image_bgr.mean() > 10
            self.stamps.setdefault(stamp.camera_id, []).append(stamp)
            self.befores.setdefault(stamp.camera_id, []).append(each.pair.previous and each.pair.previous.stamp)
            self.ages_s.setdefault(stamp.camera_id, []).append((self.clock.now_ns() - stamp.t_ns) / NS)
            each.release()
        for item in self.captures.news():
            if isinstance(item, CameraFault):
                self.faults.append(item)
            else:
                self.statuses[item.camera_id] = item

    def more(self, *names: str, count: int = 3) -> None:
        """Until each camera has shown some more pairs."""
        goals = {name: len(self.stamps.get(name, ())) + count for name in names}
        self.until(lambda: all(len(self.stamps.get(n, ())) >= goal for n, goal in goals.items()), f"pairs of {names}")

    def phase(self, name: str, phase: StreamPhase, words: str = "") -> None:
        def there() -> bool:
            status = self.statuses.get(name)
            return status is not None and status.phase is phase and words in status.message

        self.until(there, f"{name} {phase} {words!r}")


@pytest.fixture
def clock() -> EventClock:
    return EventClock.start()


def stream(name: str, url: str, hw: tuple[int, int] = HW, hz: int | None = 4, **address: Any) -> CaptureSettings:
    rate = None if hz is None else Fraction(hz)
    return CaptureSettings(camera_id=name, image_hw=hw, address=StreamAddress(url=url, **address), sample_hz=rate)


def test_pairs_are_new_numbered_and_a_tenth_of_a_second_apart(rtsp: RtspServer, clock: EventClock) -> None:
    with Captures([stream("a", rtsp.url("/a"))], clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a", count=8)
        stamps, befores = watch.stamps["a"], watch.befores["a"]
        captures.set_sample_hz("a", Fraction(1))
        watch.more("a", count=2)
        slower = len(stamps)
        watch.more("a", count=3)
        status = watch.statuses["a"]
    assert all(a.seq < b.seq and a.t_ns < b.t_ns for a, b in itertools.pairwise(stamps))
    assert all(b is None or 0 < (s.t_ns - b.t_ns) / NS <= 0.45 for s, b in zip(stamps, befores, strict=True))
    assert sum(b is not None for b in befores) >= len(befores) - 1
    assert all(b.t_ns - a.t_ns > 0.7 * NS for a, b in itertools.pairwise(stamps[slower:]))
    assert (status.phase, status.codec, status.image_hw) == (StreamPhase.STREAMING, "h264", HW)
    assert status.received > status.sampled > 0
    assert watch.faults == []


def test_killed_stopped_and_back_with_another_codec_or_size(
    rtsp: RtspServer, live_clip: Path, tmp_path: Path, clock: EventClock
) -> None:
    with Captures([stream("a", rtsp.url("/a"))], clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a")
        rtsp.kill()
        watch.phase("a", StreamPhase.WAITING)
        assert [(fault.code, fault.camera_id) for fault in watch.faults] == [(Code.CONNECTION_LOST, "a")]
        watch.phase("a", StreamPhase.WAITING, "refuses the connection")
        rtsp.mounts["/a"] = drawn_clip(tmp_path / "hevc.clip", codec="hevc")
        rtsp.start()
        watch.more("a")
        assert watch.statuses["a"].codec == "hevc"

        rtsp.stall()
        stalled = time.monotonic()
        watch.until(lambda: len(watch.faults) == 2, "a fault")
        assert watch.faults[1].code is Code.CONNECTION_LOST
        assert watch.faults[1].t_ns == watch.stamps["a"][-1].t_ns
        assert time.monotonic() - stalled > 1.0
        rtsp.go_on()
        watch.more("a")

        rtsp.kill()
        rtsp.mounts["/a"] = drawn_clip(tmp_path / "small.clip", hw=(64, 96))
        rtsp.start()
        watch.phase("a", StreamPhase.REFUSED, "are 96x64, the calibration is for 160x96")
        assert watch.faults[-1].code is Code.PICTURE_SIZE
        rtsp.kill()
        rtsp.mounts["/a"] = live_clip
        rtsp.start()
        watch.more("a")
        assert watch.statuses["a"].phase is StreamPhase.STREAMING
        assert watch.statuses["a"].reconnects == 3
    codes = [fault.code for fault in watch.faults]
    assert codes.count(Code.PICTURE_SIZE) == 1
    stamps = watch.stamps["a"]
    assert all(a.seq < b.seq and a.t_ns < b.t_ns for a, b in itertools.pairwise(stamps))


class _Silent(threading.Thread):
    """A port that takes connections and says nothing, or talks nonsense."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(daemon=True)
        self.answer, self.socket = answer, socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.kept: list[socket.socket] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
                self.kept.append(connection)
                if self.answer:
                    connection.sendall(self.answer)
            except OSError:
                return

    def close(self) -> None:
        self.socket.close()
        for each in self.kept:
            each.close()


class _Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Motion JPEG, ten pictures a second, as many cameras send it over HTTP."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(600):
            picture = np.full((*HW, 3), 60 + number % 100, np.uint8)
            content = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + content + b"\r\n")
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_every_bad_camera_is_said_with_a_remedy_and_the_others_go_on(
    live_clip: Path, tmp_path: Path, clock: EventClock, web: int, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "s3cr#t/!")
    monkeypatch.setenv("WRONG_PASSWORD", "hunter2")
    tiny = drawn_clip(tmp_path / "tiny.clip", hw=(16, 16))
    keyless = drawn_clip(tmp_path / "keyless.clip", keyframes=False, gop=1000)
    garbage = _Silent(b"\x00\xff" * 500)
    mounts = {"/a": live_clip, "/tiny": tiny, "/keyless": keyless}
    try:
        with RtspServer(mounts, audio=["/sound"], password="s3cr#t/!") as server:
            with RtspServer({"/a": live_clip}) as gone:
                pass
            right = partial(server.url, user="guard:${GATE_PASSWORD}")
            cameras = [
                stream("good", right("/a")),
                stream("password", server.url("/a", user="guard:${WRONG_PASSWORD}")),
                stream("variable", server.url("/a", user="guard:${NOT_SET_ANYWHERE}")),
                stream("path", right("/nothing")),
                stream("tiny", right("/tiny")),
                stream("sound", right("/sound")),
                stream("port", gone.url("/a")),
                stream("host", "rtsp://no-such-host.invalid/a"),
                stream("web", f"rtsp://127.0.0.1:{web}/a"),
                stream("garbage", f"rtsp://127.0.0.1:{garbage.port}/a"),
                stream("keyless", right("/keyless")),
                CaptureSettings(camera_id="usb", image_hw=HW, address=StreamAddress(device="/dev/video77")),
            ]
            said = {
                "password": "refuses the user name or the password",
                "variable": "environment variable NOT_SET_ANYWHERE is not set",
                "path": "has no such stream",
                "tiny": "are 16x16, the calibration is for 160x96",
                "sound": "It may send sound alone",
                "port": "refuses the connection",
                "host": "is not known here",
                "web": "speaks HTTP, not RTSP",
                "garbage": "does not speak RTSP",
                "usb": "there is no such device",
                "keyless": "no keyframe came",
            }
            with Captures(cameras, clock) as captures:
                watch = Watch(captures, clock)
                for name, words in said.items():
                    phase = StreamPhase.REFUSED if name == "tiny" else StreamPhase.WAITING
                    watch.phase(name, phase, words)
                watch.more("good")
                assert set(watch.stamps) == {"good"}
                for child in psutil.Process().children(recursive=True):
                    assert "s3cr" not in " ".join(child.cmdline())
            messages = " ".join(status.message for status in watch.statuses.values())
    finally:
        garbage.close()
    lost = {fault.camera_id for fault in watch.faults if fault.code is Code.CONNECTION_LOST}
    assert lost == set(said) - {"tiny"}
    everything = messages + repr(cameras) + "".join(capfd.readouterr())
    for secret in ("s3cr", "hunter2", "guard:"):
        assert secret not in everything


def test_time_stamps_that_jump_by_hours_and_a_picture_a_second(
    live_clip: Path, tmp_path: Path, clock: EventClock
) -> None:
    slow = drawn_clip(tmp_path / "slow.clip", rate=1, seconds=4, gop=1)
    with (
        RtspServer({"/a": live_clip, "/slow": slow}) as server,
        Captures([stream("a", server.url("/a")), stream("slow", server.url("/slow"), hz=None)], clock) as captures,
    ):
        watch = Watch(captures, clock)
        watch.more("a", "slow")
        for jump_s in (7200.0, 0.0):
            server.jump("/a", jump_s)
            watch.more("a", count=6)
        watch.more("slow", count=2)
        assert "time stamps jumped" in watch.statuses["a"].message
        assert watch.statuses["slow"].phase is StreamPhase.STREAMING
    assert watch.faults == [], "a stream of one picture a second is not lost between them"
    assert sorted(watch.ages_s["a"])[-2] < 5.0, "times go on, whatever the stamps say; one may have waited"
    assert min(watch.ages_s["a"] + watch.ages_s["slow"]) > -0.1


def test_a_reader_that_hangs_or_dies_takes_its_camera_along_and_nothing_else(
    rtsp: RtspServer, clock: EventClock
) -> None:
    with Captures([stream("a", rtsp.url("/a")), stream("b", rtsp.url("/b"))], clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a", "b")
        nursery = next(p for p in psutil.Process().children() if "nursery" in " ".join(p.cmdline()))
        readers = nursery.children()
        assert len(readers) == 2
        readers[0].suspend()
        watch.until(lambda: watch.faults, "a fault")
        lost, other = watch.faults[0].camera_id, {"a", "b"} - {watch.faults[0].camera_id}
        watch.more(*other)
        watch.more(lost)
        assert {fault.camera_id for fault in watch.faults} == {lost}
        assert watch.faults[0].code is Code.CONNECTION_LOST

        watch.faults.clear()
        nursery.kill()
        watch.until(lambda: len(watch.faults) == 2, "the loss of both")
        watch.more("a", "b")


def spoiled_clip(path: Path, clean: Path, number: int) -> Path:
    """The same clip, with the second half of one of its pictures lost."""
    with clean.open("rb") as file:
        head = json.loads(file.readline())
        pictures = []
        while entry := file.read(12):
            time_us, size = struct.unpack(">QI", entry)
            content = file.read(size)
            pictures.append((time_us, content[: size // 2] if len(pictures) == number else content))
    return write_clip(path, head["codec"], pictures, head["end_us"])


def test_pictures_that_lean_on_a_damaged_one_are_left_out_and_it_is_said(
    live_clip: Path, tmp_path: Path, clock: EventClock
) -> None:
    """A part of picture 14 of 20 was lost: it and those up to the next keyframe, at 20, show what is not there."""
    hurt = spoiled_clip(tmp_path / "hurt.clip", live_clip, 14)
    with RtspServer({"/a": hurt}) as server, Captures([stream("a", server.url("/a"), hz=None)], clock) as captures:
        watch = Watch(captures, clock)
        watch.until(lambda: len(watch.faults) >= 2, "two damages")
        watch.more("a", count=10)
        watch.phase("a", StreamPhase.STREAMING, "pictures were damaged on the way")
        status = watch.statuses["a"]
    assert {fault.code for fault in watch.faults} == {Code.NOT_OBSERVED}
    assert 0.2 < status.dropped / status.received < 0.5
    times = sorted([*(s.t_ns for s in watch.stamps["a"]), *(fault.t_ns for fault in watch.faults)])
    for fault in watch.faults[:-1]:
        after = [t_ns for t_ns in times if t_ns > fault.t_ns]
        assert not after or after[0] - fault.t_ns > 0.4 * NS


def test_motion_jpeg_over_http_is_timed_by_arrival(web: int, clock: EventClock) -> None:
    with Captures([stream("a", f"http://127.0.0.1:{web}/video.mjpg", hz=5)], clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a", count=8)
        assert watch.statuses["a"].codec == "mjpeg"
    assert {stamp.t_source for stamp in watch.stamps["a"]} == {"estimated"}
    assert sorted(watch.ages_s["a"])[-2] < 5.0


def test_a_decoder_that_is_too_slow_leaves_out_what_is_old(
    rtsp: RtspServer, clock: EventClock, libav_log: None
) -> None:
    url = rtsp.url("/a")
    with closing(Capture(StreamAddress(url=url), url, HW, clock)) as capture:
        ages_s, deadline = [], time.monotonic() + 12
        for picture in capture.pictures():
            ages_s.append((clock.now_ns() - picture.when.t_ns) / NS)
            time.sleep(0.4)  # four pictures come meanwhile
            if (len(ages_s) > 8 and capture.dropped) or time.monotonic() > deadline:
                break
    assert capture.dropped > 0
    assert max(ages_s) < 8.0


@pytest.fixture
def libav_log() -> Iterator[None]:
    """FFmpeg's messages go where they went."""
    logger, level = logging.getLogger("libav"), av.logging.get_level()
    before = list(logger.handlers), logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate, logger.level = before
    av.logging.set_level(level)


def test_without_file_descriptors_one_camera_waits_and_the_others_go_on(rtsp: RtspServer, clock: EventClock) -> None:
    """The limit is the system's own: it leaves room for the readers' parent and one camera, and for the models."""
    gc.collect()
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + SPARE_FILES + 4, most))
    try:
        with Captures([stream("a", rtsp.url("/a")), stream("b", rtsp.url("/b"))], clock) as captures:
            watch = Watch(captures, clock)
            watch.phase("b", StreamPhase.WAITING, "Raise the limits of processes and open files")
            watch.more("a")
            assert set(watch.stamps) == {"a"}
            resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
            watch.more("a", "b")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    assert [(fault.camera_id, fault.code) for fault in watch.faults] == [("b", Code.CONNECTION_LOST)]


def test_readers_end_with_whoever_started_them(rtsp: RtspServer, clock: EventClock) -> None:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:  # it never returns into the test
        try:
            captures = Captures([stream("a", rtsp.url("/a"))], clock).__enter__()
            while not (taken := captures.take(1.0)):
                pass
            found = psutil.Process().children(recursive=True)
            os.write(theirs, " ".join(str(each.pid) for each in found).encode() + b"\n")
            assert taken
            signal.pause()
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        processes = [psutil.Process(int(number)) for number in pipe.readline().split()]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(processes) == 2
    gone, alive = psutil.wait_procs(processes, timeout=DEADLINE_S)
    assert (len(gone), alive) == (2, [])


def test_what_is_played_seldom_is_not_lost_between_its_pictures(tmp_path: Path, clock: EventClock) -> None:
    path = film(tmp_path / "short.mp4", times=range(30))  # six seconds at 5 a second
    rate = Fraction(1, 4)
    open_it = partial(Recording, path, camera_id="a", start_ns=0, sample_hz=rate)
    cameras = [CaptureSettings(camera_id="a", image_hw=HW, played=open_it, sample_hz=rate)]
    with Captures(cameras, clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a", count=2)
        watch.phase("a", StreamPhase.STREAMING)
    assert watch.faults == []
    assert watch.statuses["a"].reconnects == 0


def test_recordings_are_played_as_if_live_in_step_and_again(tmp_path: Path, clock: EventClock) -> None:
    path = film(tmp_path / "short.mp4", times=range(10))  # two seconds at 5 a second
    open_it = partial(Recording, path, camera_id="a", start_ns=5 * NS)
    cameras = [
        CaptureSettings(camera_id=name, image_hw=HW, played=open_it, begins_ns=clock.anchor_wall_ns) for name in "ab"
    ]
    with Captures(cameras, clock) as captures:
        watch = Watch(captures, clock)
        watch.more("a", "b", count=14)
        assert watch.statuses["a"].phase is StreamPhase.STREAMING
    for name in "ab":
        into = [(stamp.t_ns - clock.anchor_wall_ns) % (2 * NS) for stamp in watch.stamps[name]]
        assert all(each % (NS // 5) == 0 for each in into)
        assert len(set(into)) >= 8
        assert watch.stamps[name][-1].t_ns - watch.stamps[name][0].t_ns > 2 * NS
    assert watch.faults == []
