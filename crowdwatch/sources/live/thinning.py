"""Which pictures of a stream are analysed, and with which picture before them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

from av.video.frame import VideoFrame

from crowdwatch.core.records import Stamp
from crowdwatch.observation.flow import BEST_S, FARTHEST_S, NEAREST_S
from crowdwatch.observation.schedule import NS, due

__all__ = ["Thinning"]

KEPT_S = 0.05
"""Of pictures closer than this one is kept to choose from: ten at most, whatever the frame rate."""

Shown = tuple[Stamp, VideoFrame]


@dataclass(slots=True)
class Thinning:
    """Takes every picture of a stream, and says which are due, as :func:`crowdwatch.observation.schedule.due` does.

    Args:
        sample_hz: pictures analysed per second of event time; None is every one. It may be changed at any time.
        lead_ns: how long before ticks they are taken.
    """

    sample_hz: Fraction | None
    lead_ns: int = 0
    _recent: deque[Shown] = field(default_factory=deque)
    _last: Shown | None = None
    _last_ns: int | None = None

    def take(self, stamp: Stamp, frame: VideoFrame | None) -> tuple[Shown | None, Shown] | None:
        """(the picture before it, the picture) where it is due, else None.

        Args:
            stamp: of the picture.
            frame: None where it is damaged: it is no picture before another either.
        """
        if frame is None:
            self._recent.clear()
            self._last = None
            return None
        current = stamp, frame
        wanted = due(self._last_ns, stamp.t_ns, self.sample_hz, self.lead_ns)
        pair = (self._before(stamp.t_ns), current) if wanted else None
        if not self._recent or stamp.t_ns - self._recent[-1][0].t_ns >= KEPT_S * NS:
            self._recent.append(current)
        while self._recent and stamp.t_ns - self._recent[0][0].t_ns > FARTHEST_S * NS:
            self._recent.popleft()
        self._last, self._last_ns = current, stamp.t_ns
        return pair

    def _before(self, t_ns: int) -> Shown | None:
        ages = [((t_ns - shown[0].t_ns) / NS, shown) for shown in self._recent]
        far = [(abs(age_s - BEST_S), shown) for age_s, shown in ages if NEAREST_S <= age_s <= FARTHEST_S]
        return min(far, key=lambda each: each[0])[1] if far else self._last
