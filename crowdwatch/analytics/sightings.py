"""When each cell of the ground was last seen, by whom, how large and how surely: the map of coverage.

It is a fold of its own over the coverage of the ticks: a run's log gives it again. A revisit replaces what was noted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.analytics.coverage import Coverage
from crowdwatch.core.records import FloatArray
from crowdwatch.ground import EVERY_PART, Grid, IntArray, Masks

__all__ = ["NEVER_NS", "Sightings", "note", "nothing_seen"]

NEVER_NS = -1


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """What is known of the sight of every cell.

    Args:
        cameras: names, by number.
        seen_ns: (rows, cols) the last tick at which any part of the cell was seen; :data:`NEVER_NS` where none was.
        parts: (rows, cols) the parts that were seen then.
        camera: (rows, cols) the number of the camera that counted most of it then; -1 where none did.
        sigma_m: (rows, cols) its position error there; NaN where it was never seen.
        px_m: (rows, cols) pixels that a metre took in its picture.
    """

    cameras: tuple[str, ...]
    seen_ns: IntArray
    parts: Masks
    camera: IntArray
    sigma_m: FloatArray
    px_m: FloatArray

    @property
    def ever(self) -> NDArray[np.bool_]:
        """(rows, cols) whether any part was ever seen."""
        found: NDArray[np.bool_] = self.seen_ns != NEVER_NS
        return found

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(rows, cols) whether all of the cell was seen at its last sight."""
        found: NDArray[np.bool_] = self.ever & (self.parts == EVERY_PART)
        return found

    def age_s(self, t_ns: int) -> FloatArray:
        """(rows, cols) seconds since each cell was seen; infinite where it never was."""
        return np.where(self.ever, (t_ns - self.seen_ns) / 1e9, np.inf)

    def fresh_frac(self, t_ns: int, limit_s: float, watched: FloatArray) -> float:
        """Share of the watched ground that was seen within ``limit_s``.

        Args:
            t_ns: now.
            limit_s: older sights are not fresh.
            watched: (rows, cols) square metres of each cell that matter.
        """
        total = float(watched.sum())
        return float(watched[self.age_s(t_ns) <= limit_s].sum()) / total if total > 0 else float("nan")


def nothing_seen(grid: Grid) -> Sightings:
    """Before the first tick."""
    shape, unknown = grid.shape, np.full(grid.shape, np.nan)
    return Sightings(
        (),
        np.full(shape, NEVER_NS, np.int64),
        np.zeros(shape, np.uint16),
        np.full(shape, -1, np.int64),
        unknown,
        unknown,
    )


def note(before: Sightings, coverage: Coverage, t_ns: int) -> Sightings:
    """Note the coverage of a tick.

    Args:
        before: of the ticks before.
        coverage: who counts what now.
        t_ns: the tick.
    """
    sees = coverage.seen != 0
    names = [*before.cameras, *sorted(coverage.healthy - set(before.cameras))]
    camera, sigma = np.where(sees, -1, before.camera), np.where(sees, np.nan, before.sigma_m)
    most = np.zeros(coverage.seen.shape, np.int64)
    for name in sorted(coverage.healthy):
        owned, view = coverage.owned.get(name), coverage.views[name]
        if owned is None:
            continue
        here = view.window.slices
        parts = np.bitwise_count(owned).astype(np.int64)
        better = parts > most[here]
        most[here] = np.where(better, parts, most[here])
        camera[here] = np.where(better, names.index(name), camera[here])
        sigma[here] = np.where(better, view.sigma_m, sigma[here])
    px_m = np.where(sees, np.sqrt(coverage.px2_m2), before.px_m)
    return Sightings(
        tuple(names), np.where(sees, t_ns, before.seen_ns), np.where(sees, coverage.seen, before.parts), camera,
        sigma, px_m,
    )  # fmt: skip
