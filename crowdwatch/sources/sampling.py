"""Which frames are analysed: decided by absolute event time alone, so that cutting a recording changes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Frame, FramePair, Stamp
from crowdwatch.observation.flow import BEST_S, FARTHEST_S, NEAREST_S
from crowdwatch.observation.schedule import NS, due

__all__ = ["FARTHEST_S", "NS", "Taken", "due", "sample", "whole"]

KEPT_NS = 50_000_000
"""The first frame of every span of this length is kept to choose an earlier one from: eight at most, whatever the frame
rate. Which ones depends on absolute time alone, so that cutting changes nothing."""

Taken: TypeAlias = tuple[Stamp, Callable[[], Frame] | None]
"""A frame that was decoded, and what makes its picture; None where the picture is damaged."""


def sample(
    frames: Iterable[Taken], sample_hz: Fraction | None, from_ns: int | None, to_ns: int | None
) -> Iterator[FramePair | CameraFault]:
    """Pair each due frame of ``[from_ns, to_ns)`` with the whole frame decoded just before it, and with an earlier one.

    A damaged frame is a fault of its camera, due or not. It is no frame: the next whole one takes its turn.

    Args:
        frames: every frame, from one whole frame before ``from_ns`` less :data:`FARTHEST_S` on where there is one, or
            earlier. Only frames of a pair are made, each once: to make a picture of what was decoded takes
            milliseconds, and at 2 of 25 Hz six of fifty are looked at.
        sample_hz: how often a frame is analysed; None is every frame.
        from_ns, to_ns: the span, end exclusive.
    """
    kept: deque[_Once] = deque()
    before: _Once | None = None
    for stamp, make in frames:
        if to_ns is not None and stamp.t_ns >= to_ns:
            return
        owned = from_ns is None or stamp.t_ns >= from_ns
        if make is None:
            if owned:
                yield CameraFault(stamp.camera_id, stamp.t_ns, Code.NOT_OBSERVED)
            continue
        current = _Once(stamp, make)
        if owned and due(None if before is None else before.stamp.t_ns, stamp.t_ns, sample_hz):
            earlier = _nearest(kept, stamp.t_ns)
            yield FramePair(
                None if before is None else before.frame,
                current.frame,
                earlier=None if earlier is None else earlier.frame,
            )
        if before is None or stamp.t_ns // KEPT_NS != before.stamp.t_ns // KEPT_NS:
            kept.append(current)
        while kept and stamp.t_ns - kept[0].stamp.t_ns > FARTHEST_S * NS:
            kept.popleft()
        before = current


class _Once:
    """A decoded frame whose picture is made when it is first asked for."""

    def __init__(self, stamp: Stamp, make: Callable[[], Frame]) -> None:
        self.stamp, self._make = stamp, make
        self._made: Frame | None = None

    @property
    def frame(self) -> Frame:
        if self._made is None:
            self._made = self._make()
        return self._made


def _nearest(kept: Iterable[_Once], t_ns: int) -> _Once | None:
    """Of what was kept, the one whose distance in time is nearest to :data:`BEST_S`."""
    ages = [(t_ns - each.stamp.t_ns, each) for each in kept]
    fit = [(abs(age - BEST_S * NS), each) for age, each in ages if NEAREST_S * NS <= age <= FARTHEST_S * NS]
    return min(fit, key=lambda found: found[0])[1] if fit else None


def whole(items: Iterable[FramePair | CameraFault]) -> Iterator[FramePair]:
    """The pairs alone."""
    return (item for item in items if isinstance(item, FramePair))
