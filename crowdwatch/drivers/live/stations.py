"""Stations as the engine has them: they are started, watched, and started again when they die or hang."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.life import FLUSH_S
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.drivers.live.station_process import PROGRAM, StationProcess, why_lost
from crowdwatch.drivers.live.station_program import Orders
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["SILENT_S", "START_S", "LocalStation", "Losses", "Observers"]

_log = logging.getLogger(__name__)

SILENT_S = 5.0
"""A station that has spoken and says nothing for so long is lost: it beats once a second."""

SLOW_S, WORKS_S = 30.0, 0.1
"""But one that has used so much processor time meanwhile works, on a machine that others keep busy. To start it again
would make the machine busier: it is given more time."""

START_S = 60.0
"""Until a station has spoken. It speaks once its programs are imported, before models are read and cameras opened: 2 s,
and three times that on a busy machine."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
"""Between two starts of a station that dies again and again."""

WELL_S = 30.0
"""A station that lived so long was well: the next wait is a short one again."""


class Observers(Protocol):
    """Whoever observes the cameras of a live run."""

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """What has come, in order per camera; waits for the first of it, for a short time. May be empty.

        It has to be called again and again: it looks after the observers too.
        """

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """Of which cameras coarse pictures are wanted, once a second each; of no others."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(slots=True)
class _Running:
    """A station's process, and what is known of it."""

    station: StationProcess
    access: Access
    began_s: float
    worked_s: float = 0.0
    lost: bool = False


class Losses:
    """What is said of cameras whose station is lost.

    Args:
        clock: event time.
    """

    def __init__(self, clock: EventClock) -> None:
        self._clock, self._newest_ns = clock, dict[str, int]()

    def heard(self, messages: Sequence[LiveMessage]) -> None:
        """Remember when each camera was seen last."""
        for each in messages:
            if isinstance(each, Observation):
                self._newest_ns[each.stamp.camera_id] = each.t_ns

    def said(self, camera_ids: Sequence[str], text: str) -> list[LiveMessage]:
        """A status and a fault of each camera."""
        _log.warning("%s", text)
        now_ns = self._clock.now_ns()
        found: list[LiveMessage] = []
        for camera_id in camera_ids:
            found.append(StreamStatus(camera_id, StreamPhase.WAITING, now_ns, text))
            found.append(CameraFault(camera_id, self._newest_ns.get(camera_id, now_ns), Code.CONNECTION_LOST))
        return found


class LocalStation:
    """One station in a process of its own, on this machine, for all cameras of an event.

    A station that dies, or says nothing for :data:`SILENT_S`, is started again. Its cameras are said to be lost at
    once: a status and a fault of each. A process that was started ends with the thread that started it, so ``receive``
    is called in a thread that lives as long as the run.

    Args:
        event: the event file, complete.
        clock: event time.
        camera_ids: that it observes; None for all.
        begins_ns: event time of the first picture of what is played as if it were live: the first start of the run,
            also where it goes on; None for the beginning of ``clock``.
        program: what is started, in tests.
    """

    def __init__(
        self,
        event: EventFile,
        clock: EventClock,
        camera_ids: Collection[str] | None = None,
        begins_ns: int | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._event, self._clock, self._program = event, clock, tuple(program)
        self._begins_ns = clock.anchor_wall_ns if begins_ns is None else begins_ns
        self._camera_ids = tuple(each.id for each in event.cameras if camera_ids is None or each.id in camera_ids)
        self._receiver: Receiver | None = None
        self._running: _Running | None = None
        self._wanted: frozenset[str] = frozenset()
        self._losses = Losses(clock)
        self._wait_s, self._start_at_s, self.starts = FIRST_WAIT_S, 0.0, 0

    def __enter__(self) -> Self:
        self._receiver = Receiver()
        self._look_after(self._receiver)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.station.end(2 * FLUSH_S)
            self._running = None
        if self._receiver is not None:
            self._receiver.close()

    @property
    def pid(self) -> int | None:
        """The station's process; None between two starts."""
        return None if self._running is None else self._running.station.process.pid

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """As of :class:`Observers`."""
        self._wanted = frozenset(camera_ids)
        if self._running is not None and self._receiver is not None:
            self._receiver.want_pictures(self._running.access, self._wanted)

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """As of :class:`Observers`."""
        assert self._receiver is not None, "a station is entered before it is asked"
        messages = self._receiver.receive(timeout_s)
        self._losses.heard(messages)
        return messages + self._look_after(self._receiver)

    def _start(self, receiver: Receiver) -> list[LiveMessage]:
        access = receiver.admit(self._camera_ids)
        orders = Orders(access, self._event, self._camera_ids, self._clock, self._begins_ns)
        try:
            station = StationProcess.start(self._program, orders.to_json())
        except OSError as error:
            receiver.dismiss(access)
            self._pause()
            text = (
                f"The process that observes this camera could not be started ({error.strerror or error}). Raise the "
                "limits of processes and open files (ulimit -u, -n), or free memory."
            )
            return self._losses.said(self._camera_ids, text)
        self._running = _Running(station, access, time.monotonic())
        self.starts += 1
        receiver.want_pictures(access, self._wanted)
        return []

    def _pause(self) -> None:
        self._start_at_s = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def _look_after(self, receiver: Receiver) -> list[LiveMessage]:
        """Notice a station that died or hangs, and start it again when its time has come."""
        running = self._running
        if running is None:
            return self._start(receiver) if time.monotonic() >= self._start_at_s else []
        code, silent_s = running.station.process.poll(), receiver.silent_s(running.access)
        text = why_lost(code, silent_s)
        if code is None and silent_s < (SILENT_S if receiver.has_spoken(running.access) else START_S):
            running.worked_s, running.lost = running.station.worked_s(), False
            return []
        if code is None and silent_s < SLOW_S and running.station.worked_s() - running.worked_s > WORKS_S:
            said, running.lost = [] if running.lost else self._losses.said(self._camera_ids, text), True
            return said
        receiver.dismiss(running.access)
        running.station.end(LONGEST_WAIT_S, hard=True)
        self._running = None
        if time.monotonic() - running.began_s > WELL_S:
            self._wait_s = FIRST_WAIT_S
        self._pause()
        return self._losses.said(self._camera_ids, f"{text} It is started again.")
