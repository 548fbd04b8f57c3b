"""How far a number may be trusted."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Quality"]


class Quality(StrEnum):
    """How far a reading may be trusted. Every number is NaN when it is STALE or BLIND."""

    GOOD = "good"
    DEGRADED = "degraded"
    STALE = "stale"
    BLIND = "blind"
