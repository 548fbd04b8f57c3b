"""Hand counts against the program's: a camera's bias and how sure it is.

A camera's counts are off by a factor of their own (height, light, dress, distance), and from picture to picture by
chance. With few hand counts the factor is shrunk towards 1, what is known of cameras in general; with many it is the
camera's own.

With hand counts n_i and the program's m_i, y_i = ln((n_i + 1/2) / (m_i + 1/2)) has variance v_i = s^2 + 1 / (n_i +
1/2), where s is the scatter between pictures of one camera. The factor f has ln f ~ N(0, t^2) before any count, and

    ln f ~ N(B, V),    1/V = 1/t^2 + sum 1/v_i,    B = V sum y_i / v_i    afterwards.

Source: normal-normal shrinkage, Gelman et al. 2013, "Bayesian Data Analysis", section 2.5; the half added to counts,
Haldane 1956 / Anscombe 1956.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crowdwatch.errors import ConfigError

__all__ = ["BETWEEN_CAMERAS", "BETWEEN_PICTURES", "ENOUGH", "Audit", "CameraBias", "bias", "check_count"]

BETWEEN_CAMERAS = 0.2
"""t: standard deviation of ln f between cameras. A counter trained on one set errs by 19.5 persons of 123, not 6.2,
on another (PET from ShanghaiTech A to B, Awiros 2024 model card): a sixth of the people."""

BETWEEN_PICTURES = 0.15
"""s: scatter of ln(n / m) between pictures of one camera; normalised absolute errors of 5 to 17 % in their own domain
(ZIP, arXiv 2506.19955)."""

ENOUGH = 30
"""Hand counts after which a camera is well audited: what is known of cameras in general then weighs under 3 %."""

ABSURD = 100_000
"""No picture shows more people that a person could count."""

Z90 = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Audit:
    """One hand count and what the program said of the same picture.

    Args:
        camera_id: the camera.
        t_ns: event time of the picture.
        counted: people counted by hand.
        found: people by the program, before any correction.
        actor: who counted; free text.
    """

    camera_id: str
    t_ns: int
    counted: int
    found: float
    actor: str = ""


@dataclass(frozen=True, slots=True)
class CameraBias:
    """What the audits of a camera say.

    Args:
        camera_id: the camera.
        audits: how many hand counts.
        counted, found: their sums.
        factor: true people for every one found, shrunk.
        low, high: 90 % interval of the factor.
    """

    camera_id: str
    audits: int
    counted: int
    found: float
    factor: float
    low: float
    high: float

    @property
    def audited(self) -> bool:
        """Whether anybody ever counted."""
        return self.audits > 0


def check_count(counted: int) -> int:
    """Return a hand count that can be one.

    Raises:
        ConfigError: negative, or more than anybody could count in a picture.
    """
    if not 0 <= counted <= ABSURD:
        raise ConfigError(f"audit: count: got {counted}, need 0 to {ABSURD:,} people in one picture. Count again.")
    return counted


def bias(camera_id: str, audits: Iterable[Audit]) -> CameraBias:
    """A camera's factor with its interval. Audits of other cameras are left aside.

    >>> never = bias("a", [])
    >>> never.factor, round(never.low, 2), round(never.high, 2)
    (1.0, 0.72, 1.39)
    >>> thirty = bias("a", [Audit("a", i, 120, 100.0) for i in range(30)])
    >>> round(thirty.factor, 2), round(thirty.low, 2), round(thirty.high, 2)
    (1.19, 1.13, 1.26)
    """
    own: Sequence[Audit] = [audit for audit in audits if audit.camera_id == camera_id]
    weight, pull = 1 / BETWEEN_CAMERAS**2, 0.0
    for audit in own:
        variance = BETWEEN_PICTURES**2 + 1 / (audit.counted + 0.5)
        weight += 1 / variance
        pull += math.log((audit.counted + 0.5) / (audit.found + 0.5)) / variance
    mean, sigma = pull / weight, weight**-0.5
    return CameraBias(
        camera_id, len(own), sum(audit.counted for audit in own), sum(audit.found for audit in own),
        math.exp(mean), math.exp(mean - Z90 * sigma), math.exp(mean + Z90 * sigma),
    )  # fmt: skip
