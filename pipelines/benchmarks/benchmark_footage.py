"""Footage for benchmarks: a recording repeated, and 1080p25 made of a small one, with the event that fits it."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from crowdwatch import config
from crowdwatch.assets import samples
from crowdwatch.drivers import recordings
from crowdwatch.errors import ConfigError
from crowdwatch.sources.recording import Recording

__all__ = ["MADE_HW", "MADE_RATE", "footage_of", "loop_recording", "made_event", "make_1080p25", "of_file"]

MADE_HW = (1080, 1920)
MADE_RATE = 25
MADE_KEYFRAME_S = 2
MADE_BITS_S = 6_000_000
"""What a camera of this size commonly sends."""


def loop_recording(path: Path, frames: int, target: Path) -> Path:
    """Repeat a recording until it has so many frames, by copying its packets, without encoding anything again.

    Args:
        path: a recording without B-frames, so that it can be cut behind any packet.
        frames: how many frames the copy has.
        target: the copy.
    """
    copied = 0
    with av.open(str(target), "w") as out:
        stream = None
        while copied < frames:
            with av.open(str(path)) as container:
                video = container.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                shift = round(copied / Fraction(video.average_rate or 25) / Fraction(video.time_base or 1))
                for packet in islice(container.demux(video), frames - copied):
                    if packet.dts is None:
                        continue
                    packet.dts, packet.pts = packet.dts + shift, (packet.pts or packet.dts) + shift
                    packet.stream = stream
                    out.mux(packet)
                    copied += 1
    return target


def make_1080p25(target: Path) -> Path:
    """Encode the sample ``pets2009`` as 1080p25: 1.875 times as large with grey at both sides, H.264 without B-frames,
    6 Mbit/s, a keyframe every 2 s, one picture every 1/25 s, so that people walk 3.6 times as fast as they did.

    Raises:
        SampleUnavailable: the recording can be had from nowhere.
    """
    height, width = MADE_HW
    with av.open(str(samples.fetch("pets2009"))) as container, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=MADE_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size, stream.bit_rate = MADE_RATE * MADE_KEYFRAME_S, MADE_BITS_S
        stream.options = {"preset": "veryfast", "bf": "0", "sc_threshold": "0"}
        for number, decoded in enumerate(container.decode(video=0)):
            small = decoded.to_ndarray(format="bgr24")
            wide = round(small.shape[1] * height / small.shape[0])
            image = np.full((height, width, 3), 114, np.uint8)
            left = (width - wide) // 2
            image[:, left : left + wide] = cv2.resize(small, (wide, height), interpolation=cv2.INTER_CUBIC)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, MADE_RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return target


def footage_of(event: config.EventFile) -> Recording:
    """The recording of the first camera. Raises ConfigError where it is none."""
    site = config.to_site(event)
    source = recordings.open_source(event, site, site.cameras[0])
    if not isinstance(source, Recording):
        raise ConfigError("benchmark: needs a recording. Name an event file with one.")
    return source


def of_file(event: config.EventFile, path: Path) -> config.EventFile:
    """The event with its first camera alone, watching a file."""
    camera = event.cameras[0]
    here = camera.source.model_copy(update={"sample": None, "file": str(path)})
    return event.model_copy(update={"cameras": [camera.model_copy(update={"source": here})]})


def made_event(event: config.EventFile, path: Path) -> config.EventFile:
    """The event ``pets2009`` for what :func:`make_1080p25` has made: Tsai's camera with smaller pixels and its middle
    moved."""
    only = of_file(event, path)
    camera = only.cameras[0]
    held = camera.calibration
    tsai = None if held is None else held.tsai
    if held is None or tsai is None:
        raise ConfigError("benchmark: 1080p25 is made of the example pets2009. Leave out --event.")
    height, width = MADE_HW
    scale = height / tsai.height_px
    left = (width - round(tsai.width_px * scale)) / 2
    numbers = {
        "width_px": width, "height_px": height, "nfx": tsai.nfx * scale, "dpx_mm": tsai.dpx_mm / scale,
        "dpy_mm": tsai.dpy_mm / scale, "dy_mm": tsai.dy_mm / scale, "cx_px": tsai.cx_px * scale + left,
        "cy_px": tsai.cy_px * scale,
    }  # fmt: skip
    calibration = held.model_copy(update={"tsai": tsai.model_copy(update=numbers)})
    source = camera.source.model_copy(update={"capture_rate_hz": float(MADE_RATE)})
    changes = {"calibration": calibration, "source": source, "image_size_px": [width, height]}
    return only.model_copy(update={"cameras": [camera.model_copy(update=changes)]})
