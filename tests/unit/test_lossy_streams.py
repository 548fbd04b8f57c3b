"""What a relay or a camera leaves out of a stream is missed, and no picture that lacks it is shown."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from rtsp_server import RtspServer, drawn_clip

from crowdwatch.core.live import StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.captures import Captures, CaptureSettings
from crowdwatch.sources.live.event_clock import EventClock

HW = (288, 384)
"""Large enough that a picture is some packets."""

EVERY = 60
"""One packet of as many is lost."""


class Relay(threading.Thread):
    """A relay of RTSP over TCP that passes all on, but some packets of RTP: as one that had them over UDP."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.behind, self.lost = port, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        while True:
            try:
                ours, _ = self.socket.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self.behind))
            for one, other, pick in ((ours, theirs, False), (theirs, ours, True)):
                threading.Thread(target=self.carry, args=(one, other, pick), daemon=True).start()

    def carry(self, one: socket.socket, other: socket.socket, pick: bool) -> None:
        try:
            for number, part in enumerate(_parts(one) if pick else iter(lambda: one.recv(65536), b"")):
                if part[:2] == b"$\0" and number % EVERY == EVERY - 1:
                    self.lost += 1
                else:
                    other.sendall(part)
        except OSError:
            pass
        finally:
            for each in (one, other):
                each.close()


def _parts(connection: socket.socket) -> Iterator[bytes]:
    """Replies and interleaved packets (RFC 2326, 10.12), one by one."""
    held = b""
    while content := connection.recv(65536):
        held += content
        while held:
            if held[:1] == b"$":
                end = 4 + struct.unpack(">H", held[2:4])[0] if len(held) >= 4 else len(held) + 1
            else:
                head, found, _ = held.partition(b"\r\n\r\n")
                length = next(
                    (row.split(b":")[1] for row in head.split(b"\r\n") if row.startswith(b"Content-Len")), b"0"
                )
                end = len(head) + 4 + int(length) if found else len(held) + 1
            if end > len(held):
                break
            yield held[:end]
            held = held[end:]


def decoded(clip: Path) -> np.ndarray:
    """(pictures, H / 4, W / 4, 3) of a whole clip."""
    with clip.open("rb") as file:
        coder = av.CodecContext.create(json.loads(file.readline())["codec"], "r")
        frames = []
        while entry := file.read(12):
            frames += coder.decode(av.Packet(file.read(struct.unpack(">QI", entry)[1])))
    frames += coder.decode(None)
    return np.stack([frame.to_ndarray(format="bgr24")[::4, ::4] for frame in frames]).astype(np.int16)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_no_picture_that_lacks_a_packet_is_shown(tmp_path: Path, codec: str) -> None:
    """FFmpeg by itself shows HEVC without the missing half, and says nothing: 74 grey levels off in the mean."""
    clip = drawn_clip(tmp_path / "clip", hw=HW, codec=codec)
    clean, clock = decoded(clip), EventClock.start()
    with RtspServer({"/a": clip}) as server:
        relay = Relay(server.port)
        address = StreamAddress(url=f"rtsp://127.0.0.1:{relay.port}/a")
        with Captures([CaptureSettings(camera_id="a", image_hw=HW, address=address)], clock) as captures:
            off, faults, status = [], list[CameraFault](), None
            deadline = time.monotonic() + 60
            while relay.lost < 4 or len(faults) < 2 or len(off) < 15 or status is None:
                assert time.monotonic() < deadline, (relay.lost, faults, len(off), status)
                for each in captures.take(0.1):
                    shown = each.pair.current.image_bgr[::4, ::4]
                    off.append(float(np.abs(clean - shown).mean(axis=(1, 2, 3)).min()))
                    each.release()
                for news in captures.news():
                    if isinstance(news, StreamStatus):
                        status = news
                    else:
                        faults.append(news)
        relay.socket.close()
    assert max(off) < 0.5, "rounding of colours; what is damaged is off by whole levels"
    assert {fault.code for fault in faults} == {Code.NOT_OBSERVED}
    assert status.reconnects == 0
