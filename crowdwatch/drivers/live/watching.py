"""One camera of a station: what looks at its pictures, how often, and which picture of it may leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol, Self

from crowdwatch.core.live import CoarsePicture, StreamStatus
from crowdwatch.core.ports import Detector
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, FramePair, GroundPlane, Observation
from crowdwatch.core.site import Camera
from crowdwatch.drivers.feed import UNPLACED, Attempt, attempt
from crowdwatch.drivers.live.load import Pace
from crowdwatch.errors import SourceDamaged
from crowdwatch.observation.observe import HeadCounter
from crowdwatch.rendering.picture import Coarsener

__all__ = ["Captured", "Captures", "Watching"]

PICTURE_NS = 900_000_000
"""Event time between two pictures of a camera that leave, at least: one a second, if it comes a little early too."""


class Captured(Protocol):
    """A pair of pictures that its reader does not overwrite before it is released."""

    @property
    def pair(self) -> FramePair:
        """The pictures; not to be looked at after the release."""

    @property
    def fault(self) -> Code | None:
        """Why nobody knows what the picture of a camera that moves shows; None where nothing is wrong."""

    def release(self) -> None:
        """Give the pictures' memory back."""


class Captures(Protocol):
    """The cameras' readers, as a station uses them."""

    def take(self, timeout_s: float, most: int | None = None) -> Sequence[Captured]:
        """The newest due pair of at most ``most`` cameras: those first whose last one was taken longest ago, and none
        of a camera whose last one is not released. Waits for the first of them."""

    def news(self) -> Sequence[StreamStatus | CameraFault]:
        """Statuses, each at least once a second, and new faults."""

    def set_sample_hz(self, camera_id: str, hz: Fraction | None) -> None:
        """How many pictures a second are due; None for every one."""

    def __enter__(self) -> Self:
        """Start the readers."""

    def __exit__(self, *_: object) -> None:
        """End the readers."""


@dataclass(slots=True, eq=False)
class Watching:
    """A camera and what looks at its pictures. One thread at a time.

    Args:
        camera: as the fold sees it.
        detector: finds people.
        heads: None where boxes count alone.
        dense: people stand close in its newest picture, so that it yields last.
        velocities: whether they are measured: the machine may be too slow.
    """

    camera: Camera
    detector: Detector
    heads: HeadCounter | None
    analysed: int = 0
    dense: bool = False
    velocities: bool = True
    _analysed_ns: int = 0
    _pictured_ns: int = 0
    _wanted: HeadCounter | None = field(init=False)
    _coarsener: Coarsener | None = None

    def __post_init__(self) -> None:
        self._wanted = self.heads

    def look(self, pair: FramePair, fault: Code | None = None) -> Attempt:
        """Observe a picture; see :func:`crowdwatch.drivers.feed.attempt`. With a fault nobody knows what it shows."""
        if fault is not None:
            stamp = pair.current.stamp
            return Attempt(CameraFault(stamp.camera_id, stamp.t_ns, fault), SourceDamaged(UNPLACED[fault]))
        pair = replace(pair, analysed_ns=self._analysed_ns)
        (made,) = attempt([pair], self.detector, self.camera.plane, self.heads, velocities=self.velocities)
        self._analysed_ns = pair.current.stamp.t_ns
        self.analysed += 1
        if isinstance(made.event, Observation) and self.heads is not None:
            seen = made.event
            self.dense = seen.detections.saturated or self.heads.schedule.stand_close(seen.positions)
        return made

    def picture(self, pair: FramePair) -> CoarsePicture | None:
        """The coarsened picture, once a second of event time; None between, and where nobody knows how large people
        are in it.

        Raises:
            RecordError: the picture is of another size than the calibration.
        """
        stamp, plane = pair.current.stamp, pair.current.plane or self.camera.plane
        if plane is None or abs(stamp.t_ns - self._pictured_ns) < PICTURE_NS:
            return None
        self._pictured_ns = stamp.t_ns
        return CoarsePicture(stamp, self._coarsener_for(plane).jpeg(pair.current.image_bgr))

    def _coarsener_for(self, plane: GroundPlane) -> Coarsener:
        if plane is not self.camera.plane:
            return Coarsener.of(plane)
        if self._coarsener is None:
            self._coarsener = Coarsener.of(plane)
        return self._coarsener

    def keep_pace(self, pace: Pace) -> None:
        """Measure velocities and count heads as often as the load allows."""
        self.velocities = pace.velocities
        if self._wanted is None:
            return
        plan, times = self._wanted.schedule, Fraction(pace.counter_times).limit_denominator(100)
        slower = replace(plan, every_s=plan.every_s * times, dense_every_s=plan.dense_every_s * times)
        self.heads = replace(self._wanted, schedule=slower)
