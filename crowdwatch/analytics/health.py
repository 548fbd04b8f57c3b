"""From the evidence of pictures to the health of a camera. Memory is one :class:`CameraWatch` per camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Evidence

__all__ = ["CameraWatch", "judge", "stale_limit_s"]

DARK_LUMA, DARK_CONTRAST = 8.0, 6.0
"""A lens cap or a dead sensor. A lit street at night keeps lamps in the picture and so its contrast. [design value]"""

BRIGHT_LUMA, BRIGHT_CONTRAST = 247.0, 8.0
"""Nearly every pixel clipped. [design value]"""

COVERED_CONTRAST = 4.0
"""A cloth, paint, thick smoke: one tone from edge to edge, at any brightness. [design value]"""

NOISE_SHARPNESS, NOISE_CHANGE = 17.0, 0.9
"""In noise no pixel knows of its neighbour, nor of itself a frame before: the variance of the Laplacian is 20 times
that of the brightness, and the mean change 1.13 standard deviations of it (1.15 where all values are alike). Either
alone would not do: the finest of ShanghaiTech's 700 photographs reaches 17.8 (the next 13.7), PETS2009 1.8."""

STALE_S, STALE_INTERVALS = 5.0, 3.0


def stale_limit_s(sample_interval_s: float) -> float:
    """How long a camera may be silent before what it said is stale: max(5 s, three sampling intervals).

    >>> stale_limit_s(0.04), stale_limit_s(10.0)
    (5.0, 30.0)
    """
    return max(STALE_S, STALE_INTERVALS * sample_interval_s)


@dataclass(frozen=True, slots=True)
class CameraWatch:
    """What is remembered of a camera's pictures: the newest time, since when the content has not changed."""

    last_ns: int | None = None
    frame_hash: str = ""
    same_since_ns: int = 0
    picture: Health = Health.OK
    saturated: bool = False

    def see(self, t_ns: int, evidence: Evidence, saturated: bool, stale_limit: float) -> CameraWatch:
        """Take in one more picture's evidence."""
        same_since_ns = self.same_since_ns if evidence.frame_hash == self.frame_hash else t_ns
        frozen = (t_ns - same_since_ns) / 1e9 >= stale_limit
        return replace(
            self,
            last_ns=t_ns,
            frame_hash=evidence.frame_hash,
            same_since_ns=same_since_ns,
            picture=Health.FROZEN if frozen else judge(evidence),
            saturated=saturated,
        )

    def age_s(self, t_ns: int) -> float:
        """Seconds since the newest picture; infinite when there never was one."""
        return float("inf") if self.last_ns is None else (t_ns - self.last_ns) / 1e9

    def health(self, t_ns: int, started_ns: int, stale_limit: float) -> Health:
        """SILENT after the stale limit (counted from the start for a camera that has never spoken)."""
        since_ns = started_ns if self.last_ns is None else self.last_ns
        if (t_ns - since_ns) / 1e9 > stale_limit:
            return Health.SILENT
        return self.picture


def judge(evidence: Evidence) -> Health:
    """What one picture by itself says.

    >>> judge(Evidence("0" * 16, luma=2.0, contrast=1.0, sharpness=0.0, change=0.0)).value
    'dark'
    """
    if evidence.luma < DARK_LUMA and evidence.contrast < DARK_CONTRAST:
        return Health.DARK
    if evidence.luma > BRIGHT_LUMA and evidence.contrast < BRIGHT_CONTRAST:
        return Health.OVEREXPOSED
    if evidence.contrast < COVERED_CONTRAST:
        return Health.COVERED
    rough = evidence.sharpness > NOISE_SHARPNESS * evidence.contrast**2
    if rough and evidence.change > NOISE_CHANGE * evidence.contrast:  # without a frame before, the change is NaN
        return Health.NOISY
    return Health.OK
