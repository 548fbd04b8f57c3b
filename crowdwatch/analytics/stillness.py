"""Whether a camera's picture is frozen: judged by what changes in it, against the camera's own noise.

No encoder repeats a picture pixel by pixel: keyframes come, what was left out is made up for. But it repeats it nearly:
in most pictures most blocks then change much less than they do while the camera lives. A clock that runs on in a frozen
picture moves few blocks only. Where the encoder has taken all noise out of a still picture, a frozen one looks the
same: that is then said, unless there are people in it, or much always moved here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.reference import Mask, towards
from crowdwatch.core.blocks import BLOCKS_HW, decoded
from crowdwatch.core.records import FloatArray

__all__ = ["Stillness"]

QUIET_FRAC, QUIET_PACE, QUIET_PACE_AT_FIRST, AT_FIRST_S = 0.3, 0.3, 6.0, 20.0
"""The camera's noise is the 0.3 quantile of a block's change: it is followed by so many codes a second, faster at
first, when nothing is judged yet: an encoder takes seconds to settle."""

NOISE_CODE = 3.0
"""Blocks whose usual change is coded by less (0.035 grey levels) show no noise."""

LIVES_SHARE, LIVING_BLOCKS, CLOCK_BLOCKS = 0.5, 0.25, 0.025
"""A block lives in a picture in which its code is more than this share of the usual one. A picture is still in which
fewer of the blocks with noise than this live, and in which nothing moves but perhaps a clock."""

MOVES_CODE = 8.0
"""Code of a change of 0.25 grey levels on average over a block: something moved there."""

NOISY_BLOCKS = 0.2
"""With noise in fewer of its blocks than this a camera is judged by what moves."""

BUSY_BLOCKS, BUSY_LEFT, BUSY_RISES_S, BUSY_FALLS_S = 0.08, 0.25, 300.0, 10.0
"""A picture is still, too, in which fewer blocks move than this share of those that move in quiet moments; where those
are many, stillness is a freeze. What moves in quiet moments is followed with these time constants."""

RECENT_S, STILL_FRAC = 2.0, 0.5
"""With a keyframe among a few pictures, the others decide: half of those of the last seconds."""

MOST_HIDDEN = 0.75
"""Nothing is said of stillness where more of the picture than this shows nothing."""

LEAST_CHANGE = 0.1
"""Blocks in which something always moves say nothing of noise; in so many of them nothing does."""

MOST_S = 3600.0
CROWD = 3
"""People who would all stand still: even one who waits sways, and a lamp post is one or two."""

UNKNOWN = np.full(BLOCKS_HW, -1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Stillness:
    """What is remembered of the changes in one camera's picture.

    Args:
        quiet: (blocks) the code of the change that is usual in quiet moments; -1 before the first.
        busy: share of the blocks that move even in quiet moments, of those that do not always move.
        seen_s: for how long this was learned.
        recent: share of the newest pictures that are still.
        still_s: for how long most of them have been.
        frozen: the picture is.
        untold: it shows nothing that a frozen one would not.
        paused: the newest picture shows what only a frozen one would, for however short a time.
    """

    quiet: FloatArray = field(default_factory=lambda: UNKNOWN)
    busy: float = 0.0
    seen_s: float = 0.0
    recent: float = 0.0
    still_s: float = 0.0
    frozen: bool = False
    untold: bool = False
    paused: bool = False

    @property
    def lasts_s(self) -> float:
        """For how long the picture has been still, at most; 0 where it is not."""
        return self.still_s + RECENT_S if self.recent >= STILL_FRAC else 0.0

    @property
    def noise(self) -> float:
        """The camera's noise, grey levels: the change in those tenth of the blocks that change least."""
        return float(decoded(np.maximum(np.quantile(self.quiet, LEAST_CHANGE), 0.0)))

    def see(
        self, change: NDArray[np.uint8] | None, hidden: Mask, dt_s: float, limit_s: float, people: int
    ) -> Stillness:
        """Take in a picture.

        Args:
            change: (blocks) codes of the change to the picture before; None where there was none.
            hidden: (blocks) those that show nothing.
            dt_s: time since the picture before.
            limit_s: stillness for longer is said.
            people: how many are found in the picture.
        """
        if change is None or hidden.mean() > MOST_HIDDEN:
            return replace(self, paused=False)
        codes = change.astype(np.float64)
        if self.quiet[0, 0] < 0:
            return replace(self, quiet=codes)
        noise = (self.quiet >= NOISE_CODE) & ~hidden
        by_noise = float(noise.mean()) >= NOISY_BLOCKS
        lives = codes > np.maximum(LIVES_SHARE * self.quiet, 1.0)
        at_times = (self.quiet < MOVES_CODE) & ~hidden
        moving = float((codes >= MOVES_CODE)[at_times].sum()) / codes.size
        still = moving <= max(BUSY_LEFT * self.busy, CLOCK_BLOCKS if by_noise else 0.0)
        if by_noise:
            still = still and float(lives[noise].mean()) < LIVING_BLOCKS
        still = still and self.seen_s >= AT_FIRST_S
        living = by_noise or self.busy >= BUSY_BLOCKS
        paused = still and living
        recent = float(towards(self.recent, float(still), dt_s, RECENT_S))
        if recent >= STILL_FRAC:
            still_s = min(self.still_s + dt_s, MOST_S)
            long = still_s + RECENT_S >= limit_s
            sure = living or people >= CROWD
            frozen, untold = long and sure, long and not sure
            return replace(self, recent=recent, still_s=still_s, frozen=frozen, untold=untold, paused=paused)
        if still:  # the first of some, or a single one: nothing to learn from
            return replace(self, recent=recent, still_s=0.0, frozen=False, untold=False, paused=paused)
        seen_s = self.seen_s + dt_s
        pace = dt_s * (QUIET_PACE_AT_FIRST if seen_s < AT_FIRST_S else QUIET_PACE)
        steps = pace * np.where(codes > self.quiet, QUIET_FRAC, QUIET_FRAC - 1.0)
        quiet = np.where(hidden, self.quiet, np.clip(self.quiet + steps, 0.0, 255.0))
        pace_s = BUSY_RISES_S if moving > self.busy else BUSY_FALLS_S
        busy = float(towards(self.busy, moving, dt_s, min(pace_s, seen_s)))
        return Stillness(quiet, busy, seen_s, recent)
