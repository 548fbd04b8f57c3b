"""A live camera with its memory and its reader: what is handed over, and what is told to the reader."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from crowdwatch.core.records import Frame, FramePair
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.played import Opening
from crowdwatch.sources.live.reader import Order
from crowdwatch.sources.live.slots import SLOTS, Slots
from crowdwatch.sources.live.watched import Watched

__all__ = ["CaptureSettings", "CapturedPair", "Line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """A camera that is read: a stream, or a source that is played as if it were live.

    Args:
        camera_id: the camera.
        image_hw: height and width of its pictures, as calibrated; others are refused.
        address: where it is found; None for what is played.
        played: opens what is played, in the reader's process: a function of a module, or a partial of one.
        begins_ns: event time at which what is played begins; None is when it is opened. With the run's first moment,
            footages of several cameras stay in step.
        loop_ns: after how long what is played begins again; None is its own length.
        sample_hz: pictures analysed per second of event time; None is every one.
        lead_ns: of a stream, how long before ticks they are taken.
        square_pixels: pictures whose pixels are not square are widened.
    """

    camera_id: str
    image_hw: tuple[int, int]
    address: StreamAddress | None = None
    played: Opening | None = None
    begins_ns: int | None = None
    loop_ns: int | None = None
    sample_hz: Fraction | None = None
    lead_ns: int = 0
    square_pixels: bool = False


@dataclass(slots=True, eq=False)
class CapturedPair:
    """A pair of pictures in shared memory. They are valid until it is released, and nobody writes to them."""

    pair: FramePair
    _camera: Line
    _slot: int
    _released: bool = False

    @property
    def fault(self) -> None:
        """Nothing is wrong with it."""

    def release(self) -> None:
        """Give the memory back; safe to call twice, from any thread."""
        if not self._released:
            self._released = True
            self._camera.release(self._slot)


@dataclass(slots=True, eq=False)
class Line:
    """A camera with its memory and its reader. Every method is called under ``lock``, but :meth:`release`.

    Args:
        settings: what is read.
        state: what is known of it.
        slots: its memory; None before its first reader.
        lock: of all cameras; told of what is ready.
        sample_hz: pictures analysed per second from now on.
        socket, process: to its reader, and a pidfd of it; None while there is none.
        taken_at: when a pair was taken last.
    """

    settings: CaptureSettings
    state: Watched
    slots: Slots | None
    lock: threading.Condition
    sample_hz: Fraction | None
    socket: socket.socket | None = None
    process: int | None = None
    taken_at: float = 0.0

    def release(self, slot: int) -> None:
        """A pair is not looked at any more; from any thread."""
        with self.lock:
            self.state.taken.discard(slot)
            self.send({"free": slot})
            if self.state.ready is not None:
                self.lock.notify_all()

    def send(self, order: dict[str, object]) -> None:
        """Tell its reader something."""
        if self.socket is not None:
            with suppress(OSError):  # it is stopped or gone: another one is started, and told anew
                self.socket.send(json.dumps(order).encode())

    def kill(self) -> None:
        """End its reader at once."""
        if self.process is not None:
            with suppress(OSError):
                signal.pidfd_send_signal(self.process, signal.SIGKILL)

    def drop(self) -> None:
        """The reader is gone."""
        if self.socket is not None:
            self.socket.close()
        if self.process is not None:
            os.close(self.process)
        self.socket = self.process = None

    def shared(self) -> Slots:
        """Its memory, made when it is needed first. Raises OSError: no memory, or no file descriptors are left."""
        if self.slots is None:
            self.slots = Slots.make(self.settings.image_hw)
        return self.slots

    def free(self) -> tuple[int, ...]:
        """Slots that hold nothing."""
        busy = self.state.taken | ({self.state.ready[0]} if self.state.ready else set())
        return tuple(slot for slot in range(SLOTS) if slot not in busy)

    def order(self, clock: EventClock) -> Order:
        """What its next reader shall do. Raises SourceUnavailable: a secret is missing."""
        settings, state = self.settings, self.state
        state.next_seq = max(state.next_seq, clock.now_ns() // 1_000_000)
        return Order(
            camera_id=settings.camera_id,
            address=settings.address,
            target="" if settings.address is None else settings.address.resolved(),
            played=settings.played,
            begins_ns=settings.begins_ns,
            loop_ns=settings.loop_ns,
            image_hw=settings.image_hw,
            square_pixels=settings.square_pixels,
            sample_hz=self.sample_hz,
            lead_ns=settings.lead_ns,
            clock=clock,
            first_seq=state.next_seq,
            free=self.free(),
        )

    def take(self) -> CapturedPair:
        """Hand over the pair that is ready."""
        assert self.state.ready is not None
        assert self.slots is not None, "a reader wrote into it"
        slot, before, current = self.state.ready
        self.state.ready, self.taken_at = None, time.monotonic()
        self.state.taken.add(slot)
        previous = None if before is None else Frame(before, self.slots.picture(slot, 0))
        return CapturedPair(FramePair(previous, Frame(current, self.slots.picture(slot, 1))), self, slot)
