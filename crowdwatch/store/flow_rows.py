"""Movement as rows of the store: velocity fields as 32 bit floats, compressed, and the signs that are there as JSON."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from crowdwatch.core.movement import FlowGrid, Precursor, PrecursorKind
from crowdwatch.errors import RecordError, StoreUnavailable

__all__ = ["flow_grid_of", "flow_grid_row", "signs_from_json", "signs_to_json"]

LAYERS = 5
"""East and north velocity, variance, samples, age."""


def flow_grid_row(grid: FlowGrid) -> dict[str, Any]:
    """A velocity field as a row of ``flow_grids``, without its run."""
    layers = [grid.v_m_s[..., 0], grid.v_m_s[..., 1], grid.variance_m2_s2, grid.n, grid.age_s]
    rows, cols = grid.n.shape
    return {
        "t_ns": grid.t_ns,
        "east_m": grid.origin_m[0],
        "north_m": grid.origin_m[1],
        "cell_m": grid.cell_m,
        "rows": rows,
        "cols": cols,
        "flow_zlib_f4": zlib.compress(np.stack(layers).astype("<f4").tobytes(), 1),
    }


def flow_grid_of(row: Mapping[str, Any], where: str) -> FlowGrid:
    """The inverse of :func:`flow_grid_row`. Raises StoreUnavailable: the row is damaged; ``where`` names the store."""
    shape = (LAYERS, row["rows"], row["cols"])
    try:
        raw = np.frombuffer(zlib.decompress(row["flow_zlib_f4"]), "<f4").reshape(shape).astype(np.float64)
    except (zlib.error, ValueError) as error:
        raise StoreUnavailable(
            f"store {where}: the velocities at {row['t_ns']} of run {row['run_id']!r} are damaged, their bytes are not "
            f"{shape} numbers. Replay the run from its observation log."
        ) from error
    origin_m = np.array([row["east_m"], row["north_m"]])
    v = np.stack([raw[0], raw[1]], axis=2)
    return FlowGrid(row["t_ns"], origin_m, row["cell_m"], v, raw[2], raw[3].astype(np.int64), raw[4])


def signs_to_json(signs: Iterable[Precursor]) -> str:
    """The signs that are there, as JSON.

    >>> signs_to_json([Precursor(PrecursorKind.REVERSAL, 3.0, 2.0, "rad", 4.0)])
    '[["reversal",3.0,2.0,"rad",4.0,null]]'
    """
    rows = [
        [s.kind.value, s.value, s.limit, s.unit, s.held_s, None if math.isnan(s.period_s) else s.period_s]
        for s in signs
        if s.held_s > 0
    ]
    return json.dumps(rows, separators=(",", ":"), allow_nan=False)


def signs_from_json(text: str) -> tuple[Precursor, ...]:
    """The inverse of :func:`signs_to_json`. Raises RecordError: the text is not one that it wrote."""
    try:
        rows = [(PrecursorKind(kind), value, limit, unit, held, period)
                for kind, value, limit, unit, held, period in json.loads(text)]  # fmt: skip
    except (TypeError, ValueError) as error:
        raise RecordError(f"signs: {text[:80]!r} cannot be read. The row was not written by CrowdWatch.") from error
    return tuple(Precursor(*row[:5], math.nan if row[5] is None else row[5]) for row in rows)
