"""The process that reads one camera: one connection, from its opening to its end. Its decoder may crash, hang or leak:
it takes this camera along and nothing else, and another process follows.

It speaks with whoever started it over a socket, one message at a time: first comes what to read (:class:`Order`, from
the parent process, which alone can write to it), then, in JSON, orders (a slot is free again, another rate) in one
direction and news in the other. Pictures go through :mod:`crowdwatch.sources.live.slots`. When the socket ends, so does
the process.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from crowdwatch.core.records import CameraFault, Stamp
from crowdwatch.errors import CrowdWatchError, SourceRefused, redact
from crowdwatch.observation.schedule import due
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.capture import Capture
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.played import Opening, play
from crowdwatch.sources.live.slots import Slots
from crowdwatch.sources.live.thinning import Thinning

__all__ = ["MOST_BYTES", "Order", "read"]

MOST_BYTES = 200_000
"""Of one message."""

ALIVE_S = 0.2
"""How often it says how it does while packets come."""

MUCH = 0.2
"""Share of its pictures that a camera loses before it is said."""

RATE_S = 5.0
"""Span over which the rate of pictures is counted."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a reader shall read.

    Args:
        camera_id: the camera.
        address: where it is found; None for a source that is played.
        target: the same with its secrets; never shown.
        played: opens the source that is played instead.
        begins_ns, loop_ns: of what is played, as of :func:`crowdwatch.sources.live.played.play`.
        image_hw: size of its pictures, as calibrated.
        square_pixels: pictures whose pixels are not square are widened.
        sample_hz: pictures analysed per second; None is every one.
        lead_ns: of a stream, how long before ticks they are taken.
        clock: event time.
        first_seq: number of its first picture.
        free: slots that are free.
    """

    camera_id: str
    address: StreamAddress | None
    target: str = field(repr=False)
    played: Opening | None
    begins_ns: int | None
    loop_ns: int | None
    image_hw: tuple[int, int]
    square_pixels: bool
    sample_hz: Fraction | None
    lead_ns: int
    clock: EventClock
    first_seq: int
    free: tuple[int, ...]


class _Refused(Exception):
    """It sends what cannot be used."""


class _Reader:
    def __init__(self, order: Order, line: socket.socket, slots: Slots) -> None:
        self.order, self.line, self.slots = order, line, slots
        self.thinning = Thinning(order.sample_hz, order.lead_ns)
        self.free = deque(order.free)
        self.received = self.sampled = self.replaced = self.dropped = 0
        self.newest_ns: int | None = None
        self.sigma_s, self.offset_s = 0.0, float("nan")
        self.note, self.aspect = "", Fraction(1)
        self._told_at, self._times = 0.0, deque[float]()

    def obey(self) -> None:
        """In a thread: take orders in until the socket ends, and end the process then, whatever the decoder does."""
        try:
            while content := self.line.recv(MOST_BYTES):
                said = json.loads(content)
                if "free" in said:
                    self.free.append(said["free"])
                else:
                    hz = said["sample_hz"]
                    self.thinning.sample_hz = None if hz is None else Fraction(hz)
        finally:
            os._exit(0)

    def say(self, kind: str, **values: Any) -> None:
        """Send one message."""
        self.line.send(json.dumps({"kind": kind, **values}).encode())

    def stream(self) -> None:
        """Read a stream to its end. Raises SourceUnavailable, _Refused."""
        assert self.order.address is not None
        capture = Capture(self.order.address, self.order.target, self.order.image_hw, self.order.clock)
        with closing(capture):
            self.say("open", codec=capture.codec, interval_s=capture.interval_s)
            lost = False
            pictures = capture.pictures(lambda: self.alive(capture.packet_mono_ns))
            for number, picture in enumerate(pictures, self.order.first_seq):
                when = picture.when
                stamp = Stamp(self.order.camera_id, number, when.t_ns, when.source, when.sigma_s)
                self.received, self.dropped = capture.received, capture.dropped
                self.offset_s, self.note = capture.stream_clock.offset_s, _said_of(capture)
                pair = self.thinning.take(stamp, picture.frame)
                self.aspect = capture.aspect
                if picture.frame is None:
                    if not lost:
                        self.say("fault", t_ns=stamp.t_ns)
                elif pair is not None:
                    before, (_, frame) = pair
                    self.hand_over(before, stamp, frame)
                lost = picture.frame is None
                self.shown()

    def play(self, opening: Opening) -> None:
        """Play a source for ever."""
        order, last_ns, number = self.order, None, self.order.first_seq
        with closing(opening()) as source:
            interval_s = None if order.sample_hz is None else float(1 / order.sample_hz)
            self.say("open", codec=getattr(source, "codec", ""), interval_s=interval_s)

            def beat() -> None:
                self.alive(time.monotonic_ns())

            for item in play(source, order.clock, order.begins_ns, order.loop_ns, beat):
                if isinstance(item, CameraFault):
                    self.say("fault", t_ns=item.t_ns)
                    continue
                self.received += 1
                stamp = item.current.stamp
                if due(last_ns, stamp.t_ns, self.thinning.sample_hz):
                    before = None
                    shown = item.earlier or item.previous  # as of a stream, where they lie 0.1 to 0.4 s apart
                    if shown is not None:
                        before = _numbered(shown.stamp, number), shown.image_bgr
                    self.hand_over(before, _numbered(stamp, number + 1), item.current.image_bgr)
                last_ns, number = stamp.t_ns, number + 2
                self.shown()
                beat()

    def hand_over(self, before: tuple[Stamp, Any] | None, stamp: Stamp, frame: VideoFrame | np.ndarray) -> None:
        """Put a pair into a free slot and say so; without one it gives way."""
        self.sampled += 1
        self.newest_ns, self.sigma_s = stamp.t_ns, stamp.t_sigma_s
        try:
            slot = self.free.pop()  # the one that was used last: its memory is at hand
        except IndexError:
            self.replaced += 1
            return
        self.fill(slot, 1, frame)
        if before is not None:
            self.fill(slot, 0, before[1])
        told = None if before is None else _plain(before[0])
        self.say("pair", slot=slot, before=told, current=_plain(stamp), image_hw=self.order.image_hw)

    def fill(self, slot: int, which: int, frame: VideoFrame | np.ndarray) -> None:
        """Write a picture. Raises _Refused: it has another size than the calibration's."""
        need = self.order.image_hw
        if isinstance(frame, VideoFrame):
            frame = self.image(frame)
        if frame.shape[:2] != need:
            got = frame.shape[:2]
            turned = " It lies on its side: turn it in the camera's settings." if got == need[::-1] else ""
            raise _Refused(
                f"its pictures are {got[1]}x{got[0]}, the calibration is for {need[1]}x{need[0]}.{turned} Set the "
                "camera to that size, name the stream that has it, or calibrate anew."
            )
        picture = self.slots.picture(slot, which)
        np.copyto(picture, frame)

    def image(self, frame: VideoFrame) -> np.ndarray:
        """(H, W, 3) BGR of a decoded picture."""
        if self.order.square_pixels and self.aspect != 1:
            frame = frame.reformat(width=round(frame.width * self.aspect), height=frame.height, format="bgr24")
        return frame.to_ndarray(format="bgr24")

    def shown(self) -> None:
        """Count one picture."""
        self._times.append(time.monotonic())

    def alive(self, packet_mono_ns: int) -> None:
        """Say how it does, now and then."""
        now = time.monotonic()
        if now - self._told_at < ALIVE_S:
            return
        self._told_at = now
        while self._times and now - self._times[0] > RATE_S:
            self._times.popleft()
        span_s = self._times[-1] - self._times[0] if self._times else 0.0
        self.say(
            "alive",
            packet_mono_ns=packet_mono_ns,
            received=self.received,
            sampled=self.sampled,
            replaced=self.replaced,
            dropped=self.dropped,
            newest_ns=self.newest_ns,
            rate_hz=(len(self._times) - 1) / span_s if span_s > 0 else None,
            offset_s=None if self.offset_s != self.offset_s else self.offset_s,
            sigma_s=self.sigma_s,
            note=self.note,
        )


def _numbered(stamp: Stamp, number: int) -> Stamp:
    return Stamp(stamp.camera_id, number, stamp.t_ns, stamp.t_source, stamp.t_sigma_s)


def _plain(stamp: Stamp) -> list[Any]:
    return [stamp.seq, stamp.t_ns, stamp.t_source, stamp.t_sigma_s]


def _said_of(capture: Capture) -> str:
    clock = capture.stream_clock
    if abs(clock.offset_s) > 5:
        return (
            f"the camera's own clock is {clock.offset_s:+.0f} s off, so the time of arrival is taken. Set its clock by "
            "NTP."
        )
    if capture.dropped > MUCH * capture.received:
        return (
            f"so far {capture.dropped} pictures were damaged on the way or came faster than they can be decoded. Use "
            "transport: tcp, a better network, or a smaller stream of the camera."
        )
    if clock.timelines:
        return f"its time stamps jumped {clock.timelines} time(s); the time of arrival was taken there."
    return ""


def read(line: socket.socket, memory: int) -> None:
    """Be a reader: take the order in, read the camera, say why it ended. Never returns before that.

    Args:
        line: the socket to whoever started it.
        memory: descriptor of the slots.
    """
    order: Order = pickle.loads(line.recv(MOST_BYTES))  # from the parent process alone
    reader = _Reader(order, line, Slots.of(memory, order.image_hw, writable=True))
    threading.Thread(target=reader.obey, name="orders", daemon=True).start()
    refused, slowly, why = False, False, "it ended"
    try:
        if order.played is not None:
            reader.play(order.played)
        else:
            reader.stream()
    except _Refused as error:
        refused, why = True, str(error)
    except SourceRefused as error:
        slowly, why = True, str(error)
    except CrowdWatchError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001  the process ends with it, and its parent says why
        why = f"its reader failed: {type(error).__name__}: {error}"
    why = redact(why.replace(order.target, str(order.address)) if order.target else why)
    reader.say("end", refused=refused, slowly=slowly, why=why[:1000])
