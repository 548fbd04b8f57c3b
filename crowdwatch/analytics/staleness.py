"""How long a camera may say nothing before what it said is stale. A module of its own: who observes cameras asks for it
too, and has no use for what judges them."""

from __future__ import annotations

__all__ = ["stale_limit_s"]

STALE_S, STALE_INTERVALS = 5.0, 3.0

LOST_S, LOST_INTERVALS = 3.0, 2.0
"""The same where it is known that the connection is lost: a short loss is bridged, and nothing more is hoped for."""


def stale_limit_s(sample_interval_s: float, *, connection_lost: bool = False) -> float:
    """How long a camera may be silent before what it said is stale: max(5 s, three sampling intervals); where its
    connection is known to be lost, max(3 s, two sampling intervals).

    >>> stale_limit_s(0.04), stale_limit_s(10.0), stale_limit_s(0.5, connection_lost=True)
    (5.0, 30.0, 3.0)
    """
    least_s, intervals = (LOST_S, LOST_INTERVALS) if connection_lost else (STALE_S, STALE_INTERVALS)
    return max(least_s, intervals * sample_interval_s)
