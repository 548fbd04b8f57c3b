"""Several recordings of one camera, one after another, as one Source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from crowdwatch.core.records import CameraFault, Frame, FramePair
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sampling import whole

__all__ = ["RecordingSequence"]

NS = 1_000_000_000
ROUNDING_NS = NS // 10
"""Clocks of recorders are rounded and drift: an overlap shorter than this is no fault, however exact a start is."""


class RecordingSequence:
    """Recordings of one camera in the order of their event time. Between two of them there may be gaps.

    A start that is known to whole seconds may be up to a second later. So a recording that seems to begin before the
    one before it ends, by less than that, begins at its end: no moment is shown twice. The first frame of each
    recording has no predecessor. A recording that breaks off does not end the sequence: its fault is raised after the
    last pair.

    Args:
        recordings: of one camera, of one picture size.

    Raises:
        SourceUnavailable: lists those that cover the same time, or differ in the size of their pictures.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.recordings = tuple(sorted(recordings, key=lambda each: each.span_ns))
        self._first_numbers: list[int] = []
        number = 0
        faults: list[str] = []
        for each, before in zip(self.recordings, [None, *self.recordings], strict=False):
            self._first_numbers.append(number)
            number += each.frames
            if before is not None:
                faults += _faults(before, each)
                overlap_ns = before.found_ns - each.start_ns
                if 0 < overlap_ns <= max(ROUNDING_NS, each.start_step_ns - 1):
                    each.start_ns += overlap_ns
        if faults:
            raise SourceUnavailable("\n".join(faults))
        self.image_hw = self.recordings[0].image_hw
        self.shown_hw = self.recordings[0].shown_hw

    @property
    def camera_id(self) -> str:
        """The camera whose footage this is."""
        return self.recordings[0].camera_id

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first frame of the first recording and of the end of the last."""
        return self.recordings[0].span_ns[0], self.recordings[-1].span_ns[1]

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.core.ports.Source`."""
        yield from whole(self.read(from_ns, to_ns))

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair | CameraFault]:
        """The same, with a fault in the place of every damaged frame."""
        faults: list[SourceTruncated] = []
        for number, each in enumerate(self.recordings):
            start_ns, end_ns = each.span_ns
            if (to_ns is not None and start_ns >= to_ns) or (from_ns is not None and end_ns <= from_ns):
                continue
            try:
                for item in each.read(from_ns, to_ns):
                    yield _numbered(item, self._first_numbers[number]) if isinstance(item, FramePair) else item
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
    overlap_ns = one.found_ns - other.start_ns
    if overlap_ns > max(ROUNDING_NS, other.start_step_ns - 1):
        yield (
            f"recordings of camera {one.camera_id!r}: {one.path.name} and {other.path.name} overlap by "
            f"{overlap_ns / NS:.1f} s, so people would be counted twice. Correct a start_time, or cut one of them."
        )


def _numbered(pair: FramePair, first: int) -> FramePair:
    before, earlier = (None if each is None else _moved(each, first) for each in (pair.previous, pair.earlier))
    return FramePair(before, _moved(pair.current, first), earlier=earlier)


def _moved(frame: Frame, first: int) -> Frame:
    return replace(frame, stamp=replace(frame.stamp, seq=frame.stamp.seq + first))
