"""A real RTSP server on loopback, and clips for it to serve in loops."""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from crowdwatch.errors import ConfigError

__all__ = ["RtspServer", "clip", "encoded_clip", "write_clip"]

PROGRAM = Path(__file__).with_name("rtsp_program.py")
PYTHON = "/usr/bin/python3"
FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    "hevc": ("libx265", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none"}),
    "mjpeg": ("mjpeg", {}),
}

START_S = 30.0
"""Loading GStreamer takes a second; on a busy machine more."""


def write_clip(path: Path, codec: str, pictures: Iterable[tuple[int, bytes]], end_us: int) -> Path:
    """Write encoded pictures, with their times in microseconds, as the server reads them."""
    with path.open("wb") as file:
        file.write(json.dumps({"codec": codec, "end_us": end_us}).encode() + b"\n")
        for time_us, content in pictures:
            file.write(struct.pack(">QI", time_us, len(content)) + content)
    return path


def encoded_clip(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    hw: tuple[int, int],
    rate: float,
    gop: int = 10,
    codec: str = "h264",
    keyframes: bool = True,
) -> Path:
    """Encode a clip.

    Args:
        path: where it is written.
        pictures: BGR, of height and width ``hw``.
        hw: height and width.
        rate: pictures per second.
        gop: a keyframe every so many pictures.
        codec: ``h264``, ``hevc`` or ``mjpeg``.
        keyframes: without them, nobody who comes later can decode it (H.264).
    """
    name, options = ENCODERS[codec]
    coder = av.CodecContext.create(name, "w")
    assert isinstance(coder, VideoCodecContext)
    coder.width, coder.height, coder.gop_size = hw[1], hw[0], gop
    coder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    coder.time_base, coder.framerate = Fraction(1, 90_000), Fraction(rate)
    coder.options = options
    coder.thread_count = 1
    step_us, found, count = 1e6 / rate, [], 0
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
        frame.pts = round(number * 90_000 / rate)
        found += coder.encode(frame)
        count += 1
    found += coder.encode(None)
    sent = [(each.pts, bytes(each), each.is_keyframe) for each in found]
    if not keyframes:
        sets = b"".join(b"\0\0\0\1" + unit for unit in _units(sent[0][1]) if unit[0] & 31 in (7, 8))
        sent = [(pts, sets + content, False) for pts, content, key in sent if not key]
    times = ((round((pts or 0) * 1e6 / 90_000), content) for pts, content, _ in sent)
    return write_clip(path, codec, times, round(count * step_us))


def _units(content: bytes) -> list[bytes]:
    """The NAL units of a picture of H.264, without their start codes."""
    return [unit.rstrip(b"\0") for unit in content.split(b"\0\0\1") if unit.strip(b"\0")]


def clip(path: Path, recording: Path, *, seconds: float = 1e9) -> Path:
    """A clip of the packets of a real recording (H.264, HEVC), not encoded anew; it must not reorder its pictures."""
    with av.open(str(recording)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        sift = av.BitStreamFilterContext(FILTERS[codec], stream)
        found: list[tuple[int, bytes]] = []
        first, rate = None, float(stream.average_rate or 25)
        for packet in container.demux(stream):
            if packet.pts is None or packet.size == 0:
                continue
            at_s = float(packet.pts * Fraction(stream.time_base or 1))
            first = at_s if first is None else first
            if at_s - first >= seconds:
                break
            found += [(round((at_s - first) * 1e6), bytes(each)) for each in sift.filter(packet)]
    return write_clip(path, codec, found, found[-1][0] + round(1e6 / rate))


class RtspServer:
    """A server process. Its port stays the same through :meth:`kill` and :meth:`start`.

    Args:
        mounts: path, as ``/a``, -> clip file.
        audio: paths that send sound alone.
        announced: path -> another codec that its SDP claims, as ``H265``.
        password: asked for, with the user name ``guard``, where it is not empty.
    """

    def __init__(
        self,
        mounts: Mapping[str, Path],
        *,
        audio: Iterable[str] = (),
        announced: Mapping[str, str] | None = None,
        password: str = "",
    ) -> None:
        self.mounts, self.audio, self.password, self.port = dict(mounts), list(audio), password, 0
        self.announced = dict(announced or {})
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, after :meth:`kill` on the same port. Raises ConfigError: it cannot be started."""
        wanted = {
            "port": self.port,
            "mounts": {name: str(path) for name, path in self.mounts.items()},
            "audio": self.audio,
            "announced": self.announced,
            "user": "guard",
            "password": self.password,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [PYTHON, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._say(wanted)
        said = self._answers(START_S)
        if not said:
            self.kill()
            raise ConfigError(
                f"RTSP server: did not start within {START_S:.0f} s. Its last words stand above. Install what "
                "crowdwatch/system_packages.txt names for tests, and see that the port is free."
            )
        self.port = int(said[0]["port"])

    def url(self, mount: str, *, user: str = "", host: str = "127.0.0.1") -> str:
        """Where a mount is found; ``user`` may hold a name and password, as ``guard:secret``."""
        return f"rtsp://{f'{user}@' if user else ''}{host}:{self.port}{mount}"

    def kill(self) -> None:
        """End it at once, as when a camera loses its power: the system closes its connections."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None

    def stall(self) -> None:
        """Stop it: connections stay open, and nothing comes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again after :meth:`stall`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def jump(self, mount: str, seconds: float) -> None:
        """Shift the time stamps of a mount from now on."""
        self._say({"mount": mount, "jump_s": seconds})

    def silence(self, mount: str, silent: bool = True) -> None:
        """Send nothing any more from a mount, or again, while its connections stay."""
        self._say({"mount": mount, "silent": silent})

    def begun(self) -> dict[str, float]:
        """When mounts began to send their clip, on the monotonic clock: those since the last call."""
        return {each["mount"]: each["began_s"] for each in self._answers(0.0)}

    def _answers(self, within_s: float) -> list[dict[str, Any]]:
        """Lines that it has said; waits for the first."""
        assert self.process is not None
        assert self.process.stdout is not None
        found, pipe = b"", self.process.stdout.fileno()
        while select.select([pipe], [], [], 0.0 if found.endswith(b"\n") else within_s)[0]:
            content = os.read(pipe, 65536)
            if not content:
                break
            found += content
        return [json.loads(line) for line in found.splitlines()]

    def _say(self, order: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
