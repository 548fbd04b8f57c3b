"""What is known of one live camera from outside its reader, and what follows: when it is lost, and when it is tried
again. No input or output: who calls says what happened and what time it is.
"""

from __future__ import annotations

import math
import random
import socket
from dataclasses import dataclass, field
from typing import Any

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Stamp

__all__ = ["OPEN_FOOTAGE_S", "OPEN_S", "STALL_S", "Watched", "pause_s"]

NS = 1_000_000_000

OPEN_S, OPEN_FOOTAGE_S = 10.0, 120.0
"""An opening that takes longer is ended: of a stream, and of footage, which is read to its end first."""

STALL_S = 2.5
"""A stream without packets for so long, or for three of its intervals, is lost: said within 3 s of the last one."""

END_S = 2.0
"""How long a reader that has said its last word may take to end."""

FIRST_S, EARLY_CAP_S, LATE_CAP_S, EARLY_S = 0.25, 2.0, 30.0, 60.0
"""The first pause, the longest in the first minute of a loss, the longest later, and that minute."""

STEADY_S = 5.0
"""A stream that lasts longer is no failed attempt."""

TOLD_S = 1.0
"""How often its status is told while nothing changes."""

Pair = tuple[int, Stamp | None, Stamp]
"""(slot, the stamp of the picture before, the stamp of the picture)."""

COUNTS = ("received", "sampled", "replaced", "dropped")


def pause_s(attempt: int, lost_s: float, *, slowly: bool = False) -> float:
    """How long to wait before a lost stream is opened again: growing, capped, and never the same for two cameras.

    Args:
        attempt: openings that failed since it was lost.
        lost_s: since when it is lost.
        slowly: trying often does harm, as with a wrong password.
    """
    cap_s = LATE_CAP_S if slowly or lost_s > EARLY_S else EARLY_CAP_S
    least_s = LATE_CAP_S / 2 if slowly else FIRST_S
    return min(cap_s, least_s * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


@dataclass(slots=True)
class Watched:
    """One camera. Moments are seconds of the monotonic clock; ``now_ns`` is event time.

    Args:
        camera_id: the camera.
        begun_ns: event time at which it was begun.
        open_s: the longest that its opening may take.
    """

    camera_id: str
    begun_ns: int
    open_s: float = OPEN_S
    phase: StreamPhase = StreamPhase.OPENING
    since_ns: int = 0
    message: str = ""
    try_at: float | None = 0.0
    """When a reader is to be started; None while there is one."""
    deadline: float = math.inf
    """When the reader is to be ended."""
    ready: Pair | None = None
    taken: set[int] = field(default_factory=set)
    next_seq: int = 0
    replaced: int = 0
    reconnects: int = 0
    faults: list[CameraFault] = field(default_factory=list)
    _alive: dict[str, Any] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)
    _codec: str = ""
    _image_hw: tuple[int, int] | None = None
    _newest_ns: int | None = None
    _interval_s: float = 1.0
    _attempt: int = 0
    _lost_at: float | None = None
    _slowly: bool = False
    _opened: bool = False
    _excused: bool = False
    """Why the reader ends has been said."""
    _streaming_at: float = 0.0
    _streamed: bool = False
    _fault: Code | None = None
    _told: tuple[StreamPhase, str] | None = None
    _told_at: float = -math.inf

    def __post_init__(self) -> None:
        self.since_ns = self.begun_ns

    def started(self, now: float, now_ns: int) -> None:
        """A reader was started."""
        self.try_at, self.deadline, self._alive = None, now + self.open_s, {}
        self._opened = self._excused = False

    def heard(self, said: dict[str, Any], now: float, now_ns: int) -> int | None:
        """The reader said something: the slot of a pair that gave way to a newer one, if one did."""
        kind = said["kind"]
        if kind == "open":
            self._opened, self._codec = True, said["codec"]
            self._interval_s = min(10.0, max(0.0, said.get("interval_s") or 1.0))
            self.deadline = now + self._stall_s
        elif kind == "alive":
            self._alive = said
            if said["rate_hz"]:
                self._interval_s = 1.0 / said["rate_hz"]
            self.deadline = said["packet_mono_ns"] / NS + self._stall_s
            if said["received"] and self.phase is StreamPhase.STREAMING:
                self.message = said["note"]
        elif kind == "fault":
            self.faults.append(CameraFault(self.camera_id, said["t_ns"], Code.NOT_OBSERVED))
        elif kind == "pair":
            return self._pair(said, now, now_ns)
        elif kind == "end":
            self._lost(said["why"], now, now_ns, refused=said["refused"], slowly=said["slowly"])
            self.deadline = now + END_S
        return None

    def overdue(self, now: float, now_ns: int) -> bool:
        """Whether the reader is to be ended now; its stream counts as lost then."""
        if self.try_at is not None or now < self.deadline:
            return False
        if not self._excused:
            self._lost(f"camera {self.camera_id}: {self._why_overdue()}", now, now_ns)
        self.deadline = math.inf
        return True

    def _why_overdue(self) -> str:
        if not self._opened:
            return (
                f"it could not be opened within {self.open_s:.0f} s. Check that the camera answers and is not "
                "overloaded."
            )
        if self._codec and not self._alive.get("received"):
            return (
                f"it was opened, and no picture of the announced codec ({self._codec}) came. Choose H.264 in the "
                "camera, and transport: tcp; look at the network where this goes on."
            )
        return (
            f"nothing came for {self._stall_s:.1f} s. It is opened again; look at the camera's power and network where "
            "this goes on."
        )

    def ended(self, now: float, now_ns: int) -> None:
        """The reader is gone."""
        if not self._excused:
            self._lost(f"camera {self.camera_id}: its reader ended unexpectedly; it is started again.", now, now_ns)
        self._count()
        lost_s = 0.0 if self._lost_at is None else now - self._lost_at
        self.try_at = now + pause_s(self._attempt, lost_s, slowly=self._slowly)
        self.deadline = math.inf
        self._attempt += 1

    def refused_start(self, why: str, now: float, now_ns: int) -> None:
        """No reader could be started."""
        self._lost(why, now, now_ns)
        self.ended(now, now_ns)

    def status(self, host: str = "") -> StreamStatus:
        """How it does."""
        alive, counts = self._alive, {name: self._before.get(name, 0) + self._alive.get(name, 0) for name in COUNTS}
        rate, offset = alive.get("rate_hz"), alive.get("offset_s")
        streaming = self.phase is StreamPhase.STREAMING
        return StreamStatus(
            camera_id=self.camera_id,
            phase=self.phase,
            since_ns=self.since_ns,
            message=self.message,
            received=counts["received"],
            sampled=counts["sampled"],
            replaced=counts["replaced"] + self.replaced,
            dropped=counts["dropped"],
            reconnects=self.reconnects,
            codec=self._codec,
            image_hw=self._image_hw,
            rate_hz=rate if rate and streaming else math.nan,
            newest_ns=self._newest_ns,
            offset_s=math.nan if offset is None else offset,
            sigma_s=alive.get("sigma_s", 0.0),
            host=host or socket.gethostname(),
        )

    def news(self, now: float, host: str = "") -> StreamStatus | None:
        """Its status where it changed, or was not told for :data:`TOLD_S`."""
        told = self.phase, self.message
        if told == self._told and now - self._told_at < TOLD_S:
            return None
        self._told, self._told_at = told, now
        return self.status(host)

    @property
    def _stall_s(self) -> float:
        return max(STALL_S, 3 * self._interval_s)

    def _pair(self, said: dict[str, Any], now: float, now_ns: int) -> int | None:
        before, current = said["before"], Stamp(self.camera_id, *said["current"])
        given_way = None if self.ready is None else self.ready[0]
        self.replaced += given_way is not None
        self.ready = said["slot"], None if before is None else Stamp(self.camera_id, *before), current
        self._newest_ns, self._image_hw = current.t_ns, tuple(said["image_hw"])
        self.next_seq = max(self.next_seq, current.seq + 1)
        if self.phase is not StreamPhase.STREAMING:
            self.reconnects += self._streamed
            self._streamed, self._streaming_at = True, now
            self._enter(StreamPhase.STREAMING, "", now_ns)
        self._lost_at, self._slowly, self._fault = None, False, None
        return given_way

    def _lost(self, why: str, now: float, now_ns: int, *, refused: bool = False, slowly: bool = False) -> None:
        self._slowly, self._excused = slowly, True
        if self.phase is StreamPhase.STREAMING and now - self._streaming_at > STEADY_S:
            self._attempt = 0
        if self._lost_at is None:
            self._lost_at = now
        code = Code.PICTURE_SIZE if refused else Code.CONNECTION_LOST
        if self._fault is not code:
            self._fault = code
            at_ns = self.begun_ns if self._newest_ns is None else self._newest_ns
            self.faults.append(CameraFault(self.camera_id, at_ns, code))
        self._enter(StreamPhase.REFUSED if refused else StreamPhase.WAITING, why, now_ns)

    def _enter(self, phase: StreamPhase, message: str, now_ns: int) -> None:
        if phase is not self.phase:
            self.phase, self.since_ns = phase, now_ns
        self.message = message

    def _count(self) -> None:
        """Keep what the reader counted."""
        for name in COUNTS:
            self._before[name] = self._before.get(name, 0) + self._alive.get(name, 0)
        self._alive = {}
