"""What cameras and stores may meet beside what is usual: one clear sentence with a remedy, and the others go on."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from films import film
from live_scene import S, drawn_event, drawn_observations, simulated
from pg_server import PgServer, program_folder
from rtsp_server import HW, RtspServer, drawn_clip

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.runs import RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.live.live import live
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.capture import Capture
from crowdwatch.sources.live.captures import Captures, CaptureSettings
from crowdwatch.sources.live.event_clock import EventClock

DEADLINE_S = 60.0


class Web(BaseHTTPRequestHandler):
    """Motion JPEG of the size that the path names."""

    def do_GET(self) -> None:
        width, height = map(int, self.path.strip("/").split("x"))
        content = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
        for _ in range(300):
            try:
                self.wfile.write(head.encode() + content + b"\r\n")
            except OSError:
                return
            time.sleep(0.2)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_streams_that_nobody_expects_are_said_and_the_others_go_on(live_clip: Path, tmp_path: Path, web: int) -> None:
    """A name that leads to another machine, one pixel, 8k, a codec that is not the announced one; 240 pictures a second
    are read as others are."""
    fast = drawn_clip(tmp_path / "fast.clip", rate=240, seconds=1, gop=240)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    said = {
        "elsewhere": (StreamPhase.WAITING, "localhost (127.0.0.1), port"),
        "pixel": (StreamPhase.REFUSED, "are 1x1, the calibration is for 160x96"),
        "huge": (StreamPhase.REFUSED, "are 7680x4320, the calibration is for 160x96"),
        "codec": (StreamPhase.WAITING, "no picture of the announced codec (hevc) came"),
    }
    mounts = {"/a": live_clip, "/fast": fast, "/codec": live_clip}
    with RtspServer(mounts, announced={"/codec": "H265"}) as server:
        urls = {
            "good": server.url("/a"),
            "fast": server.url("/fast"),
            "elsewhere": f"rtsp://localhost:{port}/a",
            "pixel": f"http://127.0.0.1:{web}/1x1",
            "huge": f"http://127.0.0.1:{web}/7680x4320",
            "codec": server.url("/codec"),
        }
        cameras = [
            CaptureSettings(camera_id=name, image_hw=HW, address=StreamAddress(url=url), sample_hz=Fraction(4))
            for name, url in urls.items()
        ]
        with Captures(cameras, EventClock.start()) as captures:
            messages: dict[str, set[tuple[StreamPhase, str]]] = {name: set() for name in urls}
            pairs = dict.fromkeys(urls, 0)

            def done() -> bool:
                told = all(
                    any(phase is of and words in text for phase, text in messages[name])
                    for name, (of, words) in said.items()
                )
                return told and min(pairs["good"], pairs["fast"]) > 3

            ends_s = time.monotonic() + DEADLINE_S
            while not done():
                assert time.monotonic() < ends_s, (messages, pairs)
                for each in captures.take(0.1):
                    pairs[each.pair.current.stamp.camera_id] += 1
                    each.release()
                for news in captures.news():
                    if isinstance(news, StreamStatus):
                        messages[news.camera_id].add((news.phase, news.message))
    assert not any(pairs[name] for name in said)
    (why,) = {text for _, text in messages["elsewhere"] if "localhost" in text}
    assert "refuses the connection. Check the port" in why


class Pulled:
    """A container whose device is pulled out after some packets."""

    def __init__(self, container: Any, packets: int) -> None:
        self.container, self.packets = container, packets

    def __getattr__(self, name: str) -> Any:
        return getattr(self.container, name)

    def demux(self, *streams: Any) -> Iterator[Any]:
        for number, packet in enumerate(self.container.demux(*streams)):
            if number == self.packets:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            yield packet


def test_a_usb_camera_that_is_pulled_out_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the way on which a device's loss reaches the reader: there is no USB camera here to be pulled."""
    path = tmp_path / "usb.avi"
    film(path)
    real, address = av.open, StreamAddress(device="/dev/video0")
    monkeypatch.setattr("crowdwatch.sources.live.capture.av.open", lambda *_, **__: Pulled(real(str(path)), 8))
    monkeypatch.setattr("crowdwatch.sources.live.capture._listen", lambda: type("Quiet", (), {
        "on_the_way": False, "in_decoding": False})())  # fmt: skip
    with closing(Capture(address, "/dev/video0", HW, EventClock.start())) as capture:
        pictures = capture.pictures()
        with pytest.raises(SourceUnavailable) as lost:
            for _ in pictures:
                pass
    assert capture.received > 3, "what came before is kept"
    text = str(lost.value)
    assert "No such device" in text
    assert "plug it in, and look at its cable" in text


def test_a_live_run_goes_on_while_postgresql_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """For a minute of event time the server is gone: afterwards everything is there, once and in order."""
    programs = program_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed. Run: apt-get install postgresql")
    event = drawn_event(tmp_path)
    seen, t0 = drawn_observations(event), event.start_ns
    with PgServer(programs) as server:
        gone: list[int] = []

        def progress(t_ns: int) -> None:
            second = (t_ns - t0) // S
            if second >= 20 and not gone:
                server.stop()
                gone.append(second)
            elif second >= 80 and len(gone) == 1:
                server.start()
                gone.append(second)

        options = replace(simulated(tmp_path, seen, t0, t0, for_s=85, progress=progress), store_url=server.url)
        found = live(event, options)
        assert found is not None
        assert gone == [20, 80]
        with closing(build.open_store(server.url, create=False)) as store:
            (run,) = store.runs()
            assert run.state is RunState.FINISHED
            seconds = [(reading.t_ns - t0) // S for reading in store.readings(run.run_id)]
            alerts = store.alerts(run.run_id)
    zones = len(event.zones)
    assert seconds == sorted(seconds)
    assert {seconds.count(second) for second in set(seconds)} == {zones}, "every zone once a tick"
    assert set(range(1, 85)) <= set(seconds)
    assert len({alert.event_id for alert in alerts}) == len(alerts) == sum(found.summary.totals.alerts.values())
    assert "The run goes on; what it finds waits in memory and is written later." in caplog.text
    assert "the store answers again" in caplog.text
