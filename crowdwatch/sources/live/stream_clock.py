"""When the pictures of a stream were exposed: its own time stamps, set by when they arrive.

A stream's time stamps (pts) say exactly how far its pictures lie apart, and nothing of the time of day. When they
arrive says the time of day, late by what the network took. The **lower envelope** of arrival less pts over the last
seconds is the stream's offset: the picture that came through fastest sets it, and it follows the drift of the camera's
crystal (50 ppm are 0.2 s an hour). Delays of encoder and network that every picture has cannot be seen from here; they
are in the standard error.

Where RTCP sender reports say what the camera's own clock read at a picture, and that lies shortly before its arrival,
the camera is set right, and its word is taken. A camera whose clock is elsewhere is not believed: how far it is off is
said, and arrival counts.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Stamped", "StreamClock"]

NS = 1_000_000_000

WINDOW_S = 5.0
"""Span of the envelope: long enough that one of its pictures came through undelayed, short enough that a stream whose
clock was set back by less than :data:`JUMP_S` is right again before it counts as late everywhere."""

JUMP_S = 1.0
"""Farther from the envelope a picture is no delayed one, but has a wrong time stamp, or the stream a new clock."""

IN_A_ROW = 3
"""As many pictures that agree with each other on another time make it the stream's new clock."""

CREDIBLE_LAG_S = (-0.1, 1.0)
"""Arrival less what a camera's clock says of a picture, where the clock is set right: encoders and networks take up to
a second; clocks that are set by NTP agree within 0.1 s."""

AGREE_FRAC = 0.3
"""Their arrivals pass as their time stamps do, within this share: three pictures at 25 a second jitter by 10 ms."""

JITTER_SHARE = 0.05
"""Weight of one picture in the mean square of the delays: about the last twenty count."""

ARRIVAL_SIGMA_S = 0.15
"""Unseen delay of encoder and network: 50 to 500 ms are usual for IP cameras."""

REPORT_SIGMA_S = 0.05
"""Of a camera's clock that was found credible."""

LEAST_STEP_FRAC = 0.5
"""Where the envelope falls, pictures are put closer together, by no more than this: no time goes back."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """Exposure of one picture.

    Args:
        t_ns: event time.
        sigma_s: its standard error.
        source: ``arrival``, ``sender_report`` or ``estimated``, as in :class:`crowdwatch.core.records.Stamp`.
        restamped: its own time stamp is of no use.
    """

    t_ns: int
    sigma_s: float
    source: str
    restamped: bool


@dataclass(slots=True)
class StreamClock:
    """Time stamps and arrivals in, event time out; pictures in the order of showing.

    Attributes:
        offset_s: the stream's own clock less event time, in seconds; NaN where it does not say.
        timelines: times that the stream's time stamps began anew.
        restamped: pictures whose own time stamp was of no use.

    >>> clock = StreamClock()
    >>> [clock.stamp(at_s, int((7 + at_s + late_s) * NS)).t_ns / NS for at_s, late_s in ((0, 0), (0.1, 0.05), (0.2, 0))]
    [7.0, 7.1, 7.2]
    """

    offset_s: float = math.nan
    timelines: int = 0
    restamped: int = 0
    _envelope: deque[tuple[int, int]] = field(default_factory=deque)
    """(arrival, arrival less time stamp), both rising: the first is the least of the window."""
    _strange: list[tuple[int, int]] = field(default_factory=list)
    _jitter_s2: float = 0.0
    _begun_ns: int = 0
    _last: tuple[int, int | None] | None = None

    def stamp(self, pts_s: Fraction | float | None, arrival_ns: int, sent_ns: int | None = None) -> Stamped:
        """Put one picture in time.

        Args:
            pts_s: its time stamp; None where it has none.
            arrival_ns: event time at which its packet was there.
            sent_ns: UTC that the sender's own clock read for it, from RTCP sender reports; None where unknown.
        """
        pts_ns = None if pts_s is None else round(pts_s * NS)
        late_ns = None if pts_ns is None else self._late(pts_ns, arrival_ns)
        sigma_s = math.hypot(ARRIVAL_SIGMA_S, math.sqrt(self._jitter_s2))
        if late_ns is None:
            self.restamped += 1
            return Stamped(self._onward(arrival_ns, arrival_ns, None), sigma_s, "estimated", True)
        t_ns, source = arrival_ns - late_ns, "arrival"
        if sent_ns is not None:
            lag_s = (t_ns - sent_ns) / NS
            self.offset_s = -lag_s
            if CREDIBLE_LAG_S[0] <= lag_s <= CREDIBLE_LAG_S[1]:
                t_ns, source, sigma_s = sent_ns, "sender_report", REPORT_SIGMA_S
        return Stamped(self._onward(t_ns, arrival_ns, pts_ns), sigma_s, source, False)

    def _late(self, pts_ns: int, arrival_ns: int) -> int | None:
        """How much later than the fastest picture this one came; None where its time stamp is of no use."""
        raw_ns = arrival_ns - pts_ns
        while len(self._envelope) > 1 and self._envelope[0][0] < arrival_ns - WINDOW_S * NS:
            self._envelope.popleft()
        if not self._envelope:
            self._begun_ns = arrival_ns
        else:
            ahead = raw_ns < self._envelope[0][1] and arrival_ns - self._begun_ns < WINDOW_S * NS
            if abs(raw_ns - self._envelope[0][1]) > JUMP_S * NS and not ahead and not self._new_clock(pts_ns, raw_ns):
                return None
        self._strange.clear()
        while self._envelope and self._envelope[-1][1] >= raw_ns:
            self._envelope.pop()
        self._envelope.append((arrival_ns, raw_ns))
        late_ns = raw_ns - self._envelope[0][1]
        self._jitter_s2 += ((late_ns / NS) ** 2 - self._jitter_s2) * JITTER_SHARE
        return late_ns

    def _new_clock(self, pts_ns: int, raw_ns: int) -> bool:
        """Whether the last pictures far from the envelope agree on another time: alone, a time stamp is wrong.

        A lot that was held up and comes at once does not agree: its time stamps pass, and its arrivals do not.
        """
        self._strange.append((pts_ns, raw_ns))
        del self._strange[:-IN_A_ROW]
        passed_ns = pts_ns - self._strange[0][0]
        apart_ns = abs(raw_ns - self._strange[0][1])
        if len(self._strange) < IN_A_ROW or passed_ns <= 0 or apart_ns > AGREE_FRAC * passed_ns:
            return False
        self._envelope.clear()
        self.timelines += 1
        return True

    def _onward(self, t_ns: int, arrival_ns: int, pts_ns: int | None) -> int:
        """No time goes back, and none lies ahead of its arrival by more than that needs."""
        if self._last is not None:
            last_ns, last_pts_ns = self._last
            step_ns = 0 if pts_ns is None or last_pts_ns is None else pts_ns - last_pts_ns
            least_ns = int(LEAST_STEP_FRAC * step_ns) if 0 < step_ns < JUMP_S * NS else 0
            t_ns = max(min(max(t_ns, last_ns + least_ns), arrival_ns), last_ns + 1000)
        self._last = t_ns, pts_ns
        return t_ns
