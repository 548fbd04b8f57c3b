"""Stations as the engine has them: they are started, watched, and started again when they die or hang."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.life import FLUSH_S
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.drivers.live.station_program import Orders
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["LocalStation", "Observers"]

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

PROGRAM = (sys.executable, "-m", "crowdwatch.drivers.live.station_main")


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
class _Process:
    """A station's process, and what it was given."""

    process: subprocess.Popen[bytes]
    life: int
    access: Access
    began_s: float
    worked_s: float = 0.0
    lost: bool = False

    def end(self, wait_s: float) -> None:
        """End it: it is asked first, where there is time."""
        os.close(self.life)
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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
        self._running: _Process | None = None
        self._wanted: frozenset[str] = frozenset()
        self._newest_ns: dict[str, int] = {}
        self._wait_s, self._start_at_s, self.starts = FIRST_WAIT_S, 0.0, 0

    def __enter__(self) -> Self:
        self._receiver = Receiver()
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.end(2 * FLUSH_S)
            self._running = None
        if self._receiver is not None:
            self._receiver.close()

    @property
    def pid(self) -> int | None:
        """The station's process; None between two starts."""
        return None if self._running is None else self._running.process.pid

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """As of :class:`Observers`."""
        self._wanted = frozenset(camera_ids)
        if self._running is not None and self._receiver is not None:
            self._receiver.want_pictures(self._running.access, self._wanted)

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """As of :class:`Observers`."""
        assert self._receiver is not None, "a station is entered before it is asked"
        messages = self._receiver.receive(timeout_s)
        for each in messages:
            if isinstance(each, Observation):
                self._newest_ns[each.stamp.camera_id] = each.t_ns
        return messages + self._look_after(self._receiver)

    def _start(self) -> None:
        assert self._receiver is not None
        access = self._receiver.admit(self._camera_ids)
        orders = Orders(access, self._event, self._camera_ids, self._clock, self._begins_ns).to_json()
        held, life = os.pipe()
        given = os.memfd_create("orders")
        try:
            with os.fdopen(given, "wb", closefd=False) as file:
                file.write(orders)
            os.lseek(given, 0, os.SEEK_SET)
            # what it prints goes where this process' errors go; a signal from the terminal reaches the engine alone
            process = subprocess.Popen(
                [*self._program, str(held)], stdin=given, stdout=2, pass_fds=(held,), start_new_session=True
            )
        finally:
            os.close(given)
            os.close(held)
        self._running = _Process(process, life, access, time.monotonic())
        self.starts += 1
        self._receiver.want_pictures(access, self._wanted)

    def _look_after(self, receiver: Receiver) -> list[LiveMessage]:
        """Notice a station that died or hangs, and start it again when its time has come."""
        now_s, running = time.monotonic(), self._running
        if running is None:
            if now_s >= self._start_at_s:
                self._start()
            return []
        code, silent_s = running.process.poll(), receiver.silent_s(running.access)
        text = _why(code, silent_s)
        if code is None and silent_s < (SILENT_S if receiver.has_spoken(running.access) else START_S):
            running.worked_s, running.lost = _worked_s(running.process.pid), False
            return []
        if code is None and silent_s < SLOW_S and _worked_s(running.process.pid) - running.worked_s > WORKS_S:
            said, running.lost = [] if running.lost else self._lost(text), True
            return said
        receiver.dismiss(running.access)
        if code is None:
            running.process.send_signal(signal.SIGKILL)
        running.end(LONGEST_WAIT_S)
        self._running = None
        if now_s - running.began_s > WELL_S:
            self._wait_s = FIRST_WAIT_S
        self._start_at_s, self._wait_s = now_s + self._wait_s, min(2 * self._wait_s, LONGEST_WAIT_S)
        return self._lost(f"{text} It is started again.")

    def _lost(self, text: str) -> list[LiveMessage]:
        _log.warning("%s", text)
        now_ns = self._clock.now_ns()
        said: list[LiveMessage] = []
        for camera_id in self._camera_ids:
            said.append(StreamStatus(camera_id, StreamPhase.WAITING, now_ns, text))
            said.append(CameraFault(camera_id, self._newest_ns.get(camera_id, now_ns), Code.CONNECTION_LOST))
        return said


def _worked_s(pid: int) -> float:
    """Processor time that a child has used; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _why(code: int | None, silent_s: float) -> str:
    """Why a station is lost, for people."""
    if code is None:
        what = f"has said nothing for {silent_s:.0f} s"
    elif code < 0:
        what = f"was ended by {signal.Signals(-code).name}"
    else:
        what = f"ended by itself with code {code}"
    return f"The process that observes this camera {what}. If this repeats, look at its log, and at the machine's load."
