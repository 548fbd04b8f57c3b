"""Where people walk, as arrows on the map: their length is the way of two seconds, their colour says nothing."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from crowdwatch.core.movement import FlowGrid
from crowdwatch.rendering.palette import INK

__all__ = ["arrow_layer"]

ARROW_S = 2.0
SLOWEST_M_S = 0.15
"""Slower people stand: an arrow would show noise."""

MOST_ARROWS = 200
"""More than these hide the map; then every second row and column is left out, and again."""


def arrow_layer(grid: FlowGrid, order: int) -> go.Scatter:
    """One layer with an arrow for every square in which people walk.

    Args:
        grid: of velocities.
        order: of the layer on the map.
    """
    speed = np.hypot(grid.v_m_s[..., 0], grid.v_m_s[..., 1])
    walks = speed >= SLOWEST_M_S
    step = 1
    while walks[::step, ::step].sum() > MOST_ARROWS:
        step *= 2
    row, col = np.nonzero(walks[::step, ::step])
    row, col = row * step, col * step
    middle = grid.origin_m + (np.stack([col, row], axis=1) + 0.5) * grid.cell_m
    v = grid.v_m_s[row, col]
    ends = np.stack([middle - v * ARROW_S / 2, middle + v * ARROW_S / 2, np.full_like(middle, np.nan)], axis=1)
    x, y = ends.reshape(-1, 2).round(2).T
    none = np.isnan(x)
    said = np.repeat(speed[row, col], 3)
    return go.Scatter(
        x=[None if gap else float(at) for at, gap in zip(x, none, strict=True)],
        y=[None if gap else float(at) for at, gap in zip(y, none, strict=True)],
        mode="lines+markers", zorder=order, cliponaxis=True, line={"color": INK, "width": 2}, customdata=said,
        marker={"symbol": "arrow", "angleref": "previous", "color": INK, "size": [0, 10, 0] * len(row)},
        hovertemplate="%{customdata:.2f} m/s<extra></extra>",
    )  # fmt: skip
