"""Which frames are analysed: decided by absolute event time alone, so that cutting a recording changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Frame, FramePair, Stamp
from crowdwatch.observation.schedule import NS, due

__all__ = ["NS", "Taken", "due", "sample", "whole"]

Taken: TypeAlias = tuple[Stamp, Callable[[], Frame] | None]
"""A frame that was decoded, and what makes its picture; None where the picture is damaged."""


def sample(
    frames: Iterable[Taken], sample_hz: Fraction | None, from_ns: int | None, to_ns: int | None
) -> Iterator[FramePair | CameraFault]:
    """Pair each due frame of ``[from_ns, to_ns)`` with the whole frame decoded just before it.

    A damaged frame is a fault of its camera, due or not. It is no frame: the next whole one takes its turn.

    Args:
        frames: every frame, from one whole frame before ``from_ns`` on where there is one, or earlier. Only frames of a
            pair are made, each once: to make a picture of what was decoded takes milliseconds, and at 2 of 25 Hz four
            of fifty are looked at.
        sample_hz: how often a frame is analysed; None is every frame.
        from_ns, to_ns: the span, end exclusive.
    """
    before: tuple[Stamp, Callable[[], Frame]] | None = None
    made: Frame | None = None  # the frame before, where it was looked at itself
    for stamp, make in frames:
        if to_ns is not None and stamp.t_ns >= to_ns:
            return
        owned = from_ns is None or stamp.t_ns >= from_ns
        if make is None:
            if owned:
                yield CameraFault(stamp.camera_id, stamp.t_ns, Code.NOT_OBSERVED)
            continue
        current = None
        if owned and due(None if before is None else before[0].t_ns, stamp.t_ns, sample_hz):
            previous = made or (None if before is None else before[1]())
            current = make()
            yield FramePair(previous, current)
        before, made = (stamp, make), current


def whole(items: Iterable[FramePair | CameraFault]) -> Iterator[FramePair]:
    """The pairs alone."""
    return (item for item in items if isinstance(item, FramePair))
