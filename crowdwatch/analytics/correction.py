"""Hand counts applied: what everybody in a picture counts for, and how far a zone's count may then be off.

With n people found in a picture, hand counts say that factor n + offset are there. Where the offset's people stand
nobody knows, so everybody counts for the same,

    g(n) = factor + offset / n    as far as pictures were audited,    max(1, factor + offset / n)    beyond,

within ``FACTOR_RANGE``. Hand counts of sparse scenes thus lower no crowd, and more people found are never fewer people
counted: n g(n) rises with n, and leaving what was audited it only steps up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from crowdwatch.core.site import FACTOR_RANGE, Bias

__all__ = ["Corrected", "audited", "ends", "said", "weight"]


class Corrected(Protocol):
    """A picture of an audited camera: the people found in it, the highest density, and what each counts for."""

    @property
    def found(self) -> float:
        """People."""

    @property
    def densest_p_m2(self) -> float:
        """Of :func:`crowdwatch.analytics.counting.densest`."""

    @property
    def factor(self) -> float:
        """As of :func:`weight`."""


def said(bias: Bias, found: float) -> float:
    """True people for every one of ``found``, as hand counts say, without any bound.

    >>> lamp_posts = Bias(1.0, 0.8, 1.2, 30, -3.0, -4.0, -2.0, most_found=9.0)
    >>> said(lamp_posts, 6.0), said(lamp_posts, 300.0)
    (0.5, 0.99)
    """
    return bias.factor + bias.offset / found if found > 0 else bias.factor


def audited(bias: Bias, found: float, densest_p_m2: float) -> bool:
    """Whether a picture shows no more people, and none closer together, than those that were audited."""
    few = bias.most_found is None or found <= bias.most_found
    return few and (bias.most_p_m2 is None or densest_p_m2 <= bias.most_p_m2)


def weight(bias: Bias, found: float, densest_p_m2: float) -> float:
    """g: what every person found in a picture counts for.

    >>> lamp_posts = Bias(1.0, 0.8, 1.2, 30, -3.0, -4.0, -2.0, most_found=9.0, most_p_m2=0.3)
    >>> weight(lamp_posts, 6.0, 0.2), weight(lamp_posts, 6.0, 5.0), weight(lamp_posts, 300.0, 0.2)
    (0.5, 1.0, 1.0)
    """
    least, most = FACTOR_RANGE
    if not (bias.lowers and audited(bias, found, densest_p_m2)):
        least = 1.0
    return min(max(said(bias, found), least), most)


def ends(bias: Bias, window: Sequence[Corrected], count: float, general: tuple[float, float]) -> tuple[float, float]:
    """How far a zone's count may be too high and too low for what hand counts leave open, persons in nine of ten.

    The errors of factor and offset go together as ``correlation`` says; apart from them, of the people of the offset
    the zone may hold all or none. What hand counts say holds as well where the count was not corrected by it. Beyond
    the pictures that were audited no more is known than of cameras in general.

    Args:
        bias: of the camera.
        window: its pictures of which ``count`` is the mean.
        count: of the zone.
        general: the same of a camera that nobody audited.
    """
    found = np.array([entry.found for entry in window] or [0.0])
    counted = np.array([entry.factor for entry in window] or [1.0]) * found
    total = float(counted.mean())
    share = min(1.0, count / total) if total > 0 else 1.0
    lifted = share * float((counted - (bias.factor * found + bias.offset)).mean())
    by_factor = max(0.0, count - lifted - bias.offset * share)
    spread = [
        _together(by_factor * of_factor, share * of_offset, bias.correlation)
        for of_factor, of_offset in (
            (1 - bias.low / bias.factor, bias.offset - bias.offset_low),
            (bias.high / bias.factor - 1, bias.offset_high - bias.offset),
        )
    ]
    none, all_of_it = -bias.offset * share, bias.offset * (1 - share)
    down = max(0.0, math.hypot(spread[0], min(none, all_of_it)) + lifted)
    up = max(0.0, math.hypot(spread[1], max(none, all_of_it)) - lifted)
    if all(audited(bias, entry.found, entry.densest_p_m2) for entry in window):
        return down, up
    return max(down, general[0]), max(up, general[1])


def _together(one: float, other: float, correlation: float) -> float:
    """Of two errors with a correlation, the error of their sum.

    >>> _together(3.0, 4.0, 0.0), _together(3.0, 3.0, -1.0)
    (5.0, 0.0)
    """
    return math.sqrt(max(0.0, one * one + other * other + 2 * correlation * one * other))
