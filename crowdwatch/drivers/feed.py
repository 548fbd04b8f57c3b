"""One camera's way into ``observe``: its footage, what detects and counts in it, and its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from crowdwatch.core.ports import Detector, Source
from crowdwatch.core.records import FramePair, GroundPlane, Observation
from crowdwatch.errors import SourceError
from crowdwatch.observation.observe import HeadCounter, observe
from crowdwatch.observation.prefetch import prefetch

__all__ = ["Feed"]

GROUPS = 2
"""Groups of frames that are observed at once: one in the detector, one being judged. Each holds all its pictures."""


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
        """Observe one frame."""
        (observation,) = self._observe([pair])
        return observation

    def observe_span(self, from_ns: int, to_ns: int, batch_frames: int = 1) -> Iterator[Observation]:
        """Observe the sampled frames of ``[from_ns, to_ns)``, ``batch_frames`` at a time in the detector.

        Raises:
            SourceUnavailable, SourceTruncated: after the last good frame.
            ModelError: in the place of the frame on which the detector failed.
        """
        groups = _groups(self.source.pairs(from_ns, to_ns), batch_frames)
        threads = self.threads if batch_frames == 1 else min(self.threads, GROUPS)
        for observations in prefetch(groups, self._observe, threads):
            yield from observations

    def _observe(self, pairs: Sequence[FramePair]) -> list[Observation]:
        return observe(pairs, self.detector, self.plane, self.heads, self.sample_hz)


def _groups(pairs: Iterator[FramePair], size: int) -> Iterator[list[FramePair]]:
    """So many pairs at a time; what is left when footage ends or breaks comes first, then the fault."""
    group: list[FramePair] = []
    fault: SourceError | None = None
    try:
        for pair in pairs:
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
