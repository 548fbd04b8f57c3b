"""Several recordings of one camera, one after another, as one Source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from crowdwatch.core.records import Frame, FramePair
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording

__all__ = ["RecordingSequence"]

NS = 1_000_000_000
ROUNDING_NS = NS // 10
"""Clocks of recorders and declared lengths are rounded: an overlap shorter than this is cut off, not complained of."""

SPARE_NUMBERS = 1000
"""Frame numbers left free behind each recording, because containers promise fewer frames than they hold at times."""


class RecordingSequence:
    """Recordings of one camera in the order of their event time. Between two of them there may be gaps.

    The first frame of each recording has no predecessor. A recording that breaks off does not end the sequence: its
    fault is raised after the last pair.

    Args:
        recordings: of one camera, of one picture size.

    Raises:
        SourceUnavailable: lists those that cover the same time, or differ in the size of their pictures.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.recordings = tuple(sorted(recordings, key=lambda each: each.span_ns))
        self._first_numbers: list[int] = []
        number = 0
        for each in self.recordings:
            self._first_numbers.append(number)
            number += each.numbers + SPARE_NUMBERS
        faults = [fault for one, other in pairwise(self.recordings) for fault in _faults(one, other)]
        if faults:
            raise SourceUnavailable("\n".join(faults))
        self.image_hw = self.recordings[0].image_hw

    @property
    def camera_id(self) -> str:
        """The camera whose footage this is."""
        return self.recordings[0].camera_id

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first frame of the first recording and of the declared end of the last."""
        return self.recordings[0].span_ns[0], self.recordings[-1].span_ns[1]

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.core.ports.Source`."""
        faults: list[SourceTruncated] = []
        ends_ns = [each.span_ns[0] for each in self.recordings[1:]]
        for number, (each, next_ns) in enumerate(zip(self.recordings, [*ends_ns, None], strict=True)):
            start_ns, end_ns = each.span_ns
            if (to_ns is not None and start_ns >= to_ns) or (from_ns is not None and end_ns + ROUNDING_NS <= from_ns):
                continue
            until_ns = min((t for t in (next_ns, to_ns) if t is not None and t < end_ns + ROUNDING_NS), default=None)
            try:
                for pair in each.pairs(from_ns, until_ns):
                    yield _numbered(pair, self._first_numbers[number])
            except SourceTruncated as fault:
                faults.append(fault)
        if faults:
            raise SourceTruncated(" ".join(str(fault) for fault in faults))

    def close(self) -> None:
        """Close every recording."""
        for each in self.recordings:
            each.close()


def _faults(one: Recording, other: Recording) -> Iterator[str]:
    """What keeps two neighbours from being one camera's footage."""
    if one.image_hw != other.image_hw:
        sizes = [f"{each.path.name} {each.image_hw[1]}x{each.image_hw[0]}" for each in (one, other)]
        yield (
            f"recordings of camera {one.camera_id!r}: pictures differ in size: {', '.join(sizes)}. Each size needs a "
            f"calibration: make two cameras of them."
        )
    overlap_ns = one.span_ns[1] - other.span_ns[0]
    if overlap_ns > ROUNDING_NS:
        yield (
            f"recordings of camera {one.camera_id!r}: {one.path.name} and {other.path.name} overlap by "
            f"{overlap_ns / NS:.1f} s, so people would be counted twice. Correct a start_time, or cut one of them."
        )


def _numbered(pair: FramePair, first: int) -> FramePair:
    return FramePair(None if pair.previous is None else _moved(pair.previous, first), _moved(pair.current, first))


def _moved(frame: Frame, first: int) -> Frame:
    return Frame(replace(frame.stamp, seq=frame.stamp.seq + first), frame.image_bgr)
