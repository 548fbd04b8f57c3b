"""A station over real readers: a stream from a real RTSP server, and a recording that is played as if it were live."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import pytest
from drawn import drawn_square
from films import film
from rtsp_server import HW, RtspServer

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers.live.stations import LocalStation
from crowdwatch.sources.live.event_clock import EventClock

PATIENCE_S = 180.0
"""Two readers and two networks start; a busy machine takes long, and fails by what it sees."""

GATE, SQUARE = "gate", "square"


@pytest.fixture
def event(tmp_path: Path, rtsp: RtspServer) -> EventFile:
    """The drawn square, seen by two small cameras."""
    drawn = config.load(drawn_square(tmp_path))
    values = drawn.model_dump()
    (mast,) = values["cameras"]
    height, width = HW
    mast |= {"image_size_px": [width, height], "sample_hz": 2}
    mast["calibration"]["pose"] |= {"focal_px": [110.0, 110.0], "centre_px": [width / 2, height / 2]}
    played = {"file": str(film(tmp_path / "played.mp4")), "start_time": "2026-01-01T12:00:00Z"}
    values["cameras"] = [
        mast | {"id": GATE, "source": {"url": rtsp.url("/a")}},
        mast | {"id": SQUARE, "source": played},
    ]
    return EventFile.model_validate(values)


def test_a_stream_and_a_recording_are_observed_and_a_lost_stream_is_said(event: EventFile, rtsp: RtspServer) -> None:
    clock = EventClock.start()
    heard: list[LiveMessage] = []
    came: deque[LiveMessage] = deque()

    def until(kind: type, camera_id: str, code: Code | None = None) -> LiveMessage:
        """The next message of a kind about a camera."""
        ends_s = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < ends_s, f"no {kind.__name__} of {camera_id}: {heard[-3:]}"
            came.extend(station.receive(0.2))
            while came:
                each = came.popleft()
                heard.append(each)
                about = each.stamp.camera_id if isinstance(each, Observation | CoarsePicture) else each.camera_id
                if isinstance(each, kind) and about == camera_id and (code is None or getattr(each, "code", 0) == code):
                    return each

    with LocalStation(event, clock) as station:
        station.want_pictures([GATE])
        seen = until(Observation, GATE)
        assert isinstance(seen, Observation)
        assert seen.detections.image_hw == HW
        assert abs(clock.now_ns() - seen.t_ns) < PATIENCE_S * 1e9
        until(Observation, SQUARE)
        until(CoarsePicture, GATE)
        rtsp.kill()
        until(CameraFault, GATE, Code.CONNECTION_LOST)
        until(Observation, SQUARE)
        rtsp.start()
        until(Observation, GATE)
        assert station.starts == 1
    told = [each for each in (*heard, *came) if isinstance(each, StreamStatus) and each.camera_id == GATE]
    assert {each.phase for each in told} >= {StreamPhase.STREAMING, StreamPhase.WAITING}
    assert all(isinstance(each, CoarsePicture) is False or each.stamp.camera_id == GATE for each in heard)
