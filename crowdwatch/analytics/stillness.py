"""Whether a camera's picture is frozen: judged by what changes in it, against the camera's own noise.

No encoder repeats a picture pixel by pixel: keyframes come, what is left out is made up for. But it repeats it nearly,
and most blocks then change much less than they do while the camera lives. A clock that runs on in a frozen picture moves
few blocks only. Where the encoder has taken all noise out of a still picture, a frozen one cannot be told from it: that
is then said, unless there are people in it, or something always moved here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.reference import Mask, towards
from crowdwatch.core.blocks import BLOCKS_HW, CODES_A_ROOT
from crowdwatch.core.records import FloatArray

__all__ = ["Stillness"]

RECENT_S = 2.0
"""Time constant of what moved lately: a keyframe's pulse among ten pictures is forgotten, a second of stillness not."""

QUIET_FRAC, QUIET_PACE, QUIET_PACE_AT_FIRST, AT_FIRST_S = 0.3, 0.3, 6.0, 20.0
"""The camera's noise is the 0.3 quantile of a block's change: it is followed by so many codes a second."""

NOISE_CODE = 3.0
"""Blocks whose usual change is coded by less (0.035 grey levels) show no noise."""

LIVES_SHARE = 0.5
"""A block lives in a picture in which its code is more than this share of the usual one."""

MOVES_CODE = 8.0
"""Code of a change of 0.25 grey levels on average over a block: something moved there."""

STILL_FRAC, STILL_BLOCKS = 0.3, 0.8
"""A block is still that lived or moved in less than this share of the newest pictures; the picture is, when so many of
the blocks with noise are."""

NOISY_BLOCKS = 0.2
"""With noise in fewer of its blocks than this a camera is judged by what moves."""

BUSY_BLOCKS, BUSY_RISES_S, BUSY_FALLS_S = 0.04, 300.0, 10.0
"""In a camera in whose quietest moments so many blocks move, stillness is a freeze."""

BUSY_LEFT = 0.25
"""Where fewer blocks move than this share of those that move in quiet moments, nothing does."""

MOST_HIDDEN = 0.75
"""Nothing is said of stillness where more of the picture than this shows nothing."""

MOST_S = 3600.0
CROWD = 3
"""People who would all stand still: even one who waits sways, and a lamp post is one or two."""

UNKNOWN = np.full(BLOCKS_HW, -1.0)
ALL = np.ones(BLOCKS_HW)


@dataclass(frozen=True, slots=True, eq=False)
class Stillness:
    """What is remembered of the changes in one camera's picture.

    Args:
        quiet: (blocks) the code of the change that is usual in quiet moments; -1 before the first.
        lives: (blocks) share of the newest pictures in which each block changed as much as it usually does.
        moves: (blocks) share of those in which something moved.
        busy: share of the blocks that move even in quiet moments.
        seen_s: for how long this was learned.
        still_s: for how long nothing but what always moves has moved.
        frozen: the picture is.
        untold: it shows nothing that a frozen one would not.
    """

    quiet: FloatArray = field(default_factory=lambda: UNKNOWN)
    lives: FloatArray = field(default_factory=lambda: ALL)
    moves: FloatArray = field(default_factory=lambda: ALL)
    busy: float = 0.0
    seen_s: float = 0.0
    still_s: float = 0.0
    frozen: bool = False
    untold: bool = False

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
            return self
        codes = change.astype(np.float64)
        if self.quiet[0, 0] < 0:
            return replace(self, quiet=codes)
        lives = towards(self.lives, codes > np.maximum(LIVES_SHARE * self.quiet, 1.0), dt_s, RECENT_S)
        moves = towards(self.moves, codes >= MOVES_CODE, dt_s, RECENT_S)
        noise = (self.quiet >= NOISE_CODE) & ~hidden
        quiet_here = (self.quiet < MOVES_CODE) & ~hidden
        by_noise = noise.mean() >= NOISY_BLOCKS
        moving = float((moves[quiet_here] >= STILL_FRAC).mean()) if quiet_here.any() else 1.0
        if by_noise:
            still = float((lives[noise] < STILL_FRAC).mean()) >= STILL_BLOCKS
        else:
            still = moving <= BUSY_LEFT * self.busy
        still_s = min(self.still_s + dt_s, MOST_S) if still else 0.0
        if still:
            long = still_s + RECENT_S >= limit_s
            sure = by_noise or self.busy >= BUSY_BLOCKS or people >= CROWD
            return replace(self, lives=lives, moves=moves, still_s=still_s, frozen=long and sure, untold=long and not sure)
        seen_s = self.seen_s + dt_s
        pace = dt_s * (QUIET_PACE_AT_FIRST if seen_s < AT_FIRST_S else QUIET_PACE)
        steps = pace * np.where(codes > self.quiet, QUIET_FRAC, QUIET_FRAC - 1.0)
        quiet = np.where(hidden, self.quiet, np.clip(self.quiet + steps, 0.0, 255.0))
        pace_s = BUSY_RISES_S if moving > self.busy else BUSY_FALLS_S
        busy = float(towards(np.float64(self.busy), np.float64(moving), dt_s, pace_s))
        return Stillness(quiet, lives, moves, busy, seen_s)
