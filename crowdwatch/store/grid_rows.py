"""Density fields as rows of the store: 32 bit floats, compressed, with their shape beside them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from crowdwatch.core.outcomes import DensityGrid
from crowdwatch.errors import StoreUnavailable

__all__ = ["grid_of", "grid_row"]


def grid_row(grid: DensityGrid) -> dict[str, Any]:
    """A density field as a row of ``grids``, without its run."""
    with np.errstate(over="ignore"):  # a density above 3e38 is infinite
        rounded = grid.rho_p_m2.astype("<f4")
    return {
        "t_ns": grid.t_ns,
        "east_m": grid.origin_m[0],
        "north_m": grid.origin_m[1],
        "cell_m": grid.cell_m,
        "bandwidth_m": grid.bandwidth_m,
        "rows": rounded.shape[0],
        "cols": rounded.shape[1],
        "rho_zlib_f4": zlib.compress(rounded.tobytes(), 1),
    }


def grid_of(row: Mapping[str, Any], where: str) -> DensityGrid:
    """The inverse of :func:`grid_row`. Raises StoreUnavailable: the row is damaged; ``where`` names the store."""
    shape = (row["rows"], row["cols"])
    try:
        raw = zlib.decompress(row["rho_zlib_f4"])
        rho = np.frombuffer(raw, "<f4").reshape(shape)
    except (zlib.error, ValueError) as error:
        raise StoreUnavailable(
            f"store {where}: the grid at {row['t_ns']} of run {row['run_id']!r} is damaged, its bytes are not "
            f"{shape} densities. Replay the run from its observation log."
        ) from error
    origin_m = np.array([row["east_m"], row["north_m"]])
    return DensityGrid(row["t_ns"], origin_m, row["cell_m"], rho.astype(np.float64), row["bandwidth_m"])
