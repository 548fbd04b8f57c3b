"""The sight of a site as rows of the store: ages as 32 bit floats, compressed, and footprints as JSON."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.errors import RecordError, StoreUnavailable

__all__ = ["sight_of_row", "sight_row"]


def sight_row(sight: SiteSight) -> dict[str, Any]:
    """A row of ``sights``, without its run."""
    rows, cols = sight.age_s.shape
    return {
        "t_ns": sight.t_ns,
        "east_m": sight.origin_m[0],
        "north_m": sight.origin_m[1],
        "cell_m": sight.cell_m,
        "rows": rows,
        "cols": cols,
        "age_zlib_f4": zlib.compress(sight.age_s.astype("<f4").tobytes(), 1),
        "footprints": json.dumps([_said(each) for each in sight.footprints], separators=(",", ":"), allow_nan=False),
    }


def _said(each: Footprint) -> list[Any]:
    def known(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    return [each.camera_id, each.ring_m.round(3).tolist(), [known(v) for v in each.at_m], known(each.sigma_m)]


def sight_of_row(row: Mapping[str, Any], where: str) -> SiteSight:
    """The inverse of :func:`sight_row`. Raises StoreUnavailable: the row is damaged; ``where`` names the store."""
    try:
        raw = np.frombuffer(zlib.decompress(row["age_zlib_f4"]), "<f4").reshape(row["rows"], row["cols"])
        footprints = tuple(
            Footprint(
                str(name), np.array(ring, np.float64).reshape(-1, 2), np.array([_number(v) for v in at]), _number(sigma)
            )
            for name, ring, at, sigma in json.loads(row["footprints"])
        )
    except (zlib.error, ValueError, TypeError, RecordError) as error:
        raise StoreUnavailable(
            f"store {where}: the sight at {row['t_ns']} of run {row['run_id']!r} is damaged. Replay the run from its "
            "observation log."
        ) from error
    origin_m = np.array([row["east_m"], row["north_m"]])
    return SiteSight(row["t_ns"], origin_m, row["cell_m"], raw.astype(np.float64), footprints)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
