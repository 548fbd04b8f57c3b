"""Pictures that are worth nothing again and again: a fault that comes and goes spoils the camera as one that stays.

A frozen picture is said after five seconds, a camera that was moved after four to nine. What comes and goes faster is
never said by these: its pictures are left out one by one, and what is left reads as if all were well. Here their time
is summed up over a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crowdwatch.core.outcomes import Health

__all__ = ["Recurrence"]

WINDOW_S, SHARE, RUNS = 30.0, 0.15, 3
"""Spoiled time is averaged with this time constant. From this share on, in so many runs at least, the camera is
spoiled: every other two seconds are found after ten to fourteen. One lorry that stands before a camera is one run. On
PETS2009 (frames 0 to 199) and a street recording no run is long enough to count. [design values]"""

LEAST_RUN_S = 1.0
"""Shorter runs do not count: a flash, a keyframe, a picture that an encoder left out."""

FORGOTTEN_SHARE = 0.02
"""Below this share the runs before are forgotten. [design value]"""

WELL_AFTER_S = 10.0
"""Good pictures for so long end it: as long as blindness takes to clear."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """What is remembered of the spoiled pictures of one camera.

    Args:
        share: of the last time that was spoiled, averaged with :data:`WINDOW_S`.
        runs: how many runs of spoiled pictures it holds.
        run_s: for how long the pictures have been spoiled now; 0 where they are good.
        good_s: for how long there has been no run that counts.
        kind: what spoiled most recently; OK before anything did.
        recurring: it comes again and again, and is not over.
    """

    share: float = 0.0
    runs: int = 0
    run_s: float = 0.0
    good_s: float = 0.0
    kind: Health = Health.OK
    recurring: bool = False

    def see(self, kind: Health, dt_s: float, since_s: float) -> Recurrence:
        """Take in a picture.

        Args:
            kind: what spoils it; OK where nothing does.
            dt_s: time since the picture before.
            since_s: for how long the pictures have been worth nothing, as it turns out; 0 where that is not known.

        >>> seen = Recurrence()
        >>> for spoiled in [True, True, False, False] * 4:
        ...     seen = seen.see(Health.FROZEN if spoiled else Health.OK, 1.0, 0.0)
        >>> seen.recurring, seen.kind.value, round(seen.share, 2)
        (True, 'frozen', 0.2)
        """
        kept = self.share * math.exp(-dt_s / WINDOW_S)
        if kind is Health.OK:
            good_s = self.good_s + dt_s
            if self.recurring and good_s >= WELL_AFTER_S:
                return Recurrence()
            runs = 0 if kept < FORGOTTEN_SHARE else self.runs
            return replace(self, share=kept, runs=runs, run_s=0.0, good_s=good_s)
        before_s, run_s = self.run_s, max(self.run_s + dt_s, since_s)
        if run_s < LEAST_RUN_S:
            return replace(self, share=kept, run_s=run_s, good_s=self.good_s + dt_s)
        counted_s = run_s if before_s < LEAST_RUN_S else dt_s
        runs = self.runs + (before_s < LEAST_RUN_S)
        share = min(1.0, kept + counted_s / WINDOW_S)
        return Recurrence(share, runs, run_s, 0.0, kind, self.recurring or (share >= SHARE and runs >= RUNS))
