"""Many live cameras, each read by a process of its own: the newest pair of each, how each does, and what was lost."""

from __future__ import annotations

import errno
import json
import logging
import os
import pickle
import resource
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

from crowdwatch.core.live import StreamStatus
from crowdwatch.core.records import CameraFault
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.line import CapturedPair, CaptureSettings, Line
from crowdwatch.sources.live.nursery import Nursery
from crowdwatch.sources.live.reader import MOST_BYTES
from crowdwatch.sources.live.watched import OPEN_FOOTAGE_S, OPEN_S, Watched

__all__ = ["SPARE_FILES", "CaptureSettings", "CapturedPair", "Captures"]

LOOK_S = 0.1
"""How often deadlines are looked at."""

STAGGER_S = 0.05
"""Between the openings of two cameras."""

SPARE_FILES = 16
"""File descriptors that cameras leave to what looks at their pictures: without models no camera is of use."""

OWN_PAUSE_S = 1.0
"""Where this thread itself stood still for so long, as when the machine slept, no camera is blamed."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Own:
    """What the supervising thread alone uses."""

    nursery: Nursery | None = None
    started_at: float = 0.0
    looked_at: float = field(default_factory=time.monotonic)
    spared_until: float = 0.0


class Captures:
    """Live cameras that are read, each by a process of its own, from entering the context to leaving it.

    Numbers of pictures (``Stamp.seq``) rise from the event time in milliseconds at which their reader was started, so
    that no picture of a run has the number of another, whatever was started again in between.

    Args:
        cameras: what is read.
        clock: event time.
    """

    def __init__(self, cameras: Sequence[CaptureSettings], clock: EventClock) -> None:
        self._settings, self._clock = list(cameras), clock
        self._changed = threading.Condition(threading.RLock())
        self._lines: dict[str, Line] = {}
        self._selector = selectors.DefaultSelector()
        self._own = _Own()
        self._host = socket.gethostname()
        self._stopped = False
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="captures", daemon=True)

    def __enter__(self) -> Self:
        try:
            for settings in self._settings:
                open_s = OPEN_S if settings.played is None else OPEN_FOOTAGE_S
                state = Watched(settings.camera_id, self._clock.now_ns(), open_s)
                self._lines[settings.camera_id] = Line(settings, state, None, self._changed, settings.sample_hz)
        except BaseException:
            self._close()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        self._close()

    def take(self, timeout_s: float, most: int | None = None) -> list[CapturedPair]:
        """The newest due pair of each camera that has a new one, and whose last one is released.

        A pair that nobody took in time was replaced by the newer one, which is counted. Each is to be released.

        Args:
            timeout_s: how long to wait for the first of them.
            most: of as many cameras at most: those first whose last one was taken longest ago.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._failed or self._ready(), timeout_s)
            self._check()
            return [line.take() for line in sorted(self._ready(), key=lambda line: line.taken_at)[:most]]

    def news(self) -> list[StreamStatus | CameraFault]:
        """New faults, and the status of each camera where it changed or was not told for a second."""
        with self._changed:
            self._check()
            found: list[StreamStatus | CameraFault] = []
            now = time.monotonic()
            for line in self._lines.values():
                found += line.state.faults
                line.state.faults.clear()
                status = line.state.news(now, self._host)
                if status is not None:
                    found.append(status)
            return found

    def set_sample_hz(self, camera_id: str, hz: Fraction | None) -> None:
        """From now on analyse as many pictures of a camera per second; what is played gives no more than its source.

        Raises:
            KeyError: no such camera.
        """
        with self._changed:
            line = self._lines[camera_id]
            if line.sample_hz != hz:
                line.sample_hz = hz
                line.send({"sample_hz": None if hz is None else str(hz)})

    def _ready(self) -> list[Line]:
        return [line for line in self._lines.values() if line.state.ready is not None and not line.state.taken]

    def _check(self) -> None:
        if self._failed is not None:
            raise RuntimeError("the thread that supervises the cameras failed") from self._failed

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._step()
        except BaseException as error:  # noqa: BLE001  raised again where pairs are asked for
            _log.exception("the thread that supervises the cameras failed")
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _step(self) -> None:
        waiting = [each.state.try_at for each in self._lines.values() if each.state.try_at is not None]
        now = time.monotonic()
        next_s = min(LOOK_S, max(0.0, max(min(waiting), self._own.started_at + STAGGER_S) - now)) if waiting else LOOK_S
        heard = self._selector.select(next_s)
        now = time.monotonic()
        if now - self._own.looked_at > OWN_PAUSE_S:
            self._own.spared_until = now + OWN_PAUSE_S
        self._own.looked_at = now
        with self._changed:
            for key, _ in heard:
                self._hear(key.data)
            if now >= self._own.spared_until:
                for line in self._lines.values():
                    if line.socket is not None and line.state.overdue(now, self._clock.now_ns()):
                        line.kill()
        self._start_next()

    def _hear(self, line: Line) -> None:
        """Take in all that a reader has said; under the lock."""
        now, now_ns = time.monotonic(), self._clock.now_ns()
        while line.socket is not None:
            try:
                content = line.socket.recv(MOST_BYTES)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not content:
                self._selector.unregister(line.socket)
                line.drop()
                line.state.ended(now, now_ns)
                return
            try:
                given_way = line.state.heard(json.loads(content), now, now_ns)
            except (ValueError, KeyError, TypeError) as error:  # what it decodes comes from outside and may have won
                _log.warning("camera %s: its reader talks nonsense (%r) and is ended", line.settings.camera_id, error)
                line.kill()
                return
            if given_way is not None:
                line.send({"free": given_way})
            if line.state.ready is not None:
                self._changed.notify_all()

    def _start_next(self) -> None:
        """Start the reader that has waited longest, if it is time."""
        now = time.monotonic()
        if now < self._own.started_at + STAGGER_S:
            return
        due = [line for line in self._lines.values() if line.state.try_at is not None and line.state.try_at <= now]
        if not due:
            return
        line = min(due, key=lambda each: each.state.try_at or 0.0)
        self._own.started_at = now
        try:
            if self._own.nursery is None:
                self._own.nursery = Nursery()
            with self._changed:
                order = line.order(self._clock)
            _leave_files()
            theirs, process = self._own.nursery.fork(line.shared().file)
        except SourceUnavailable as error:
            self._refuse(line, str(error))
            return
        except OSError as error:
            why = (
                f"no reader could be started ({error.strerror or error}). Raise "
                "the limits of processes and open files (ulimit -u, -n), or free memory."
            )
            self._refuse(line, why)
            if self._own.nursery is not None and not self._own.nursery.well:
                self._own.nursery.close()  # and with it its readers, which are started again
                self._own.nursery = None
            return
        with self._changed:
            line.socket, line.process = theirs, process
            line.state.started(now, self._clock.now_ns())
            with suppress(OSError):
                theirs.send(pickle.dumps(order))
            theirs.setblocking(False)
            self._selector.register(theirs, selectors.EVENT_READ, line)

    def _refuse(self, line: Line, why: str) -> None:
        with self._changed:
            line.state.refused_start(why, time.monotonic(), self._clock.now_ns())

    def _close(self) -> None:
        for line in self._lines.values():
            line.kill()
            line.drop()
            if line.slots is not None:
                line.slots.close()
        if self._own.nursery is not None:
            self._own.nursery.close()
        self._selector.close()
        self._lines = {}


def _leave_files() -> None:
    """Raises OSError: so few file descriptors are left that a camera would take those of the others."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and len(os.listdir("/proc/self/fd")) + SPARE_FILES > limit:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
