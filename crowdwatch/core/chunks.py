"""Chunks: the pieces of footage that a batch job observes apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Chunk", "cut"]

HOUR_NS = 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """One camera's footage with ``from_ns <= t < to_ns``.

    Args:
        camera_id: the camera.
        from_ns, to_ns: event time; a chunk lies within one hour of UTC.
        fine: whether it belongs to the second, finer pass of an adaptive job.
    """

    camera_id: str
    from_ns: int
    to_ns: int
    fine: bool = False


def cut(camera_id: str, spans: Sequence[tuple[int, int]], chunk_ns: int, *, fine: bool = False) -> list[Chunk]:
    """Cut spans of event time at every multiple of ``chunk_ns``, and at every hour.

    Args:
        camera_id: the camera.
        spans: event times ``[from, to)``, apart from each other.
        chunk_ns: length of a chunk.
        fine: as of :class:`Chunk`.

    >>> [(each.from_ns, each.to_ns) for each in cut("c", [(5, 25)], 10)]
    [(5, 10), (10, 20), (20, 25)]
    """
    chunks = []
    for from_ns, to_ns in spans:
        at_ns = from_ns
        while at_ns < to_ns:
            border_ns = min((at_ns // step + 1) * step for step in (chunk_ns, HOUR_NS))
            chunks.append(Chunk(camera_id, at_ns, min(border_ns, to_ns), fine))
            at_ns = border_ns
    return chunks
