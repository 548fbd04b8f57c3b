"""Which frames are analysed: decided by absolute event time alone, so that cutting a recording changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from crowdwatch.records import Frame, FramePair
from crowdwatch.schedule import NS, due

__all__ = ["NS", "due", "sample"]


def sample(
    frames: Iterable[Frame], sample_hz: Fraction | None, from_ns: int | None, to_ns: int | None
) -> Iterator[FramePair]:
    """Pair each due frame of ``[from_ns, to_ns)`` with the frame decoded just before it.

    ``frames`` begins one frame before ``from_ns`` where there is one, and may begin earlier.
    """
    previous: Frame | None = None
    for frame in frames:
        t_ns = frame.stamp.t_ns
        if to_ns is not None and t_ns >= to_ns:
            return
        owned = from_ns is None or t_ns >= from_ns
        if owned and due(None if previous is None else previous.stamp.t_ns, t_ns, sample_hz):
            yield FramePair(previous, frame)
        previous = frame
