"""One camera's way into ``observe``: its footage, what detects and counts in it, and its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from crowdwatch.core.ports import Detector, Source
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, FramePair, GroundPlane, Observation
from crowdwatch.errors import CrowdWatchError, ModelError, SourceDamaged, SourceError, SourceUnavailable
from crowdwatch.observation.observe import HeadCounter, observe
from crowdwatch.observation.prefetch import prefetch

__all__ = ["UNPLACED", "Attempt", "Feed", "attempt"]

DAMAGED = "its bytes are damaged, or it leans on a frame whose bytes are. Copy the recording again."

UNPLACED = {
    Code.NO_TELEMETRY: "telemetry does not say from where it was taken. People on it have no place.",
    Code.NO_GROUND: (
        "no ground that it shows is known well enough: it looks at the horizon, flies too low, or its errors are "
        "larger than max_position_error_m. People on it have no place."
    ),
}
"""Why a picture of a drone has no observation."""

GROUPS = 2
"""Groups of frames that are observed at once: one in the detector, one being judged. Each holds all its pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """What became of one picture: its observation, or the fault that stands in its place and the error behind it."""

    event: Observation | CameraFault
    error: CrowdWatchError | None = None


def attempt(
    pairs: Sequence[FramePair],
    detector: Detector,
    plane: GroundPlane | None,
    heads: HeadCounter | None = None,
    sample_hz: Fraction | None = None,
    *,
    velocities: bool = True,
) -> list[Attempt]:
    """Observe frames, as :func:`crowdwatch.observation.observe.observe` does; a picture that cannot be analysed is a
    fault of this picture alone, whatever went wrong."""
    try:
        return [Attempt(each) for each in observe(pairs, detector, plane, heads, sample_hz, velocities=velocities)]
    except Exception as error:  # noqa: BLE001  one picture must not end the run of all cameras
        if len(pairs) > 1:
            rest = detector, plane, heads, sample_hz
            return [each for pair in pairs for each in attempt([pair], *rest, velocities=velocities)]
        stamp = pairs[0].current.stamp
        known = error if isinstance(error, CrowdWatchError) else ModelError(f"{type(error).__name__}: {error}")
        known.__cause__ = None if known is error else error
        return [Attempt(CameraFault(stamp.camera_id, stamp.t_ns, Code.NOT_OBSERVED), known)]


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One camera's way into ``observe``.

    Args:
        source: its footage.
        detector: finds people.
        plane: its calibration; None for a camera that moves, whose source gives a plane with every picture.
        heads: None where boxes count alone.
        counter_note: for people: which counter runs, or why none does.
        sample_hz: frames analysed per second of event time; None for every one.
        threads: frames that are observed at once. Which frame is observed when changes nothing in what is observed.
    """

    source: Source
    detector: Detector
    plane: GroundPlane | None
    heads: HeadCounter | None = None
    counter_note: str = ""
    threads: int = 1
    sample_hz: Fraction | None = None

    def observe(self, pair: FramePair) -> Observation:
        """Observe one frame. Raises ModelError: the detector failed."""
        (observation,) = observe([pair], self.detector, self.plane, self.heads, self.sample_hz)
        return observation

    def pairs(self, from_ns: int, to_ns: int) -> Iterator[FramePair | Attempt]:
        """The sampled frames of ``[from_ns, to_ns)``, and the fault of every damaged one in its place.

        Raises:
            SourceUnavailable, SourceTruncated: after the last good frame, whatever the reader met.
        """
        try:
            for item in self.source.read(from_ns, to_ns):
                yield (
                    item
                    if isinstance(item, FramePair)
                    else Attempt(item, SourceDamaged(UNPLACED.get(item.code, DAMAGED)))
                )
        except SourceError:
            raise
        except Exception as error:
            raise SourceUnavailable(
                f"camera {self.source.camera_id!r}: its footage cannot be read any further ({type(error).__name__}: "
                f"{error}). What was read before is kept; look at the footage."
            ) from error

    def attempt(self, pairs: Sequence[FramePair]) -> list[Attempt]:
        """As of :func:`attempt`."""
        return attempt(pairs, self.detector, self.plane, self.heads, self.sample_hz)

    def attempt_span(self, from_ns: int, to_ns: int, batch_frames: int = 1) -> Iterator[Attempt]:
        """Attempt the sampled frames of ``[from_ns, to_ns)``, ``batch_frames`` at a time in the detector.

        Raises:
            SourceUnavailable, SourceTruncated: after the last good frame.
        """
        groups = _groups(self.pairs(from_ns, to_ns), batch_frames)
        threads = self.threads if batch_frames == 1 else min(self.threads, GROUPS)
        for attempts in prefetch(groups, self._attempted, threads):
            yield from attempts

    def _attempted(self, group: list[FramePair] | Attempt) -> list[Attempt]:
        return [group] if isinstance(group, Attempt) else self.attempt(group)

    def observe_span(self, from_ns: int, to_ns: int, batch_frames: int = 1) -> Iterator[Observation]:
        """As :meth:`attempt_span`, without faults.

        Raises:
            SourceUnavailable, SourceTruncated: after the last good frame.
            ModelError: in the place of the frame on which the detector failed.
        """
        for attempt in self.attempt_span(from_ns, to_ns, batch_frames):
            if attempt.error is not None or isinstance(attempt.event, CameraFault):
                raise attempt.error or ModelError("a picture could not be analysed.")
            yield attempt.event


def _groups(pairs: Iterator[FramePair | Attempt], size: int) -> Iterator[list[FramePair] | Attempt]:
    """So many pairs at a time; what is left when footage ends, is damaged or breaks comes first, then the fault."""
    group: list[FramePair] = []
    fault: SourceError | None = None
    try:
        for pair in pairs:
            if isinstance(pair, Attempt):
                if group:
                    yield group
                    group = []
                yield pair
                continue
            group.append(pair)
            if len(group) == size:
                yield group
                group = []
    except SourceError as error:
        fault = error
    if group:
        yield group
    if fault is not None:
        raise fault
