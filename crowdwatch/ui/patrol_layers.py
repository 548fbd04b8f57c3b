"""Layers of the map for drones: where they are, what they see, and how old the last sight of the ground is."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.rendering.palette import INK
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import figure, name_of, number, short
from crowdwatch.words import t

__all__ = ["AGE_STEPS_S", "FRESH_S", "age_layer", "age_text", "drone_layers"]

AGE_STEPS_S = (5.0, 10.0, 30.0, 60.0, 300.0)
"""Ends of the steps of age; older than the last one is a step of its own, and what was never seen stays hatched."""

FRESH_S = 10.0
"""Ground that was seen longer ago is not fresh, as `crowdwatch patrol` has it."""

AGE_COLOURS = ("#2b3742", "#3c5468", "#5a7f9d", "#86abc6", "#b9d2e2", "#eef5f9")
"""From fresh, as dark as seen ground, to old, bright: what to look at next stands out. No level has these colours."""


def age_layer(sight: SiteSight, language: str, order: int = 3) -> go.Heatmap:
    """Ages in steps, NaN where the ground was never seen."""
    step = np.digitize(sight.age_s, AGE_STEPS_S, right=True).astype(np.float32)
    step[~np.isfinite(sight.age_s)] = np.nan
    n = len(AGE_COLOURS)
    scale = [(edge / n, colour) for i, colour in enumerate(AGE_COLOURS) for edge in (i, i + 1)]
    x0, y0 = (sight.origin_m + sight.cell_m / 2).tolist()
    hover = f"%{{customdata:.0f}} s {t(language, 'map.age.since')}<br>E %{{x:.1f}} m, N %{{y:.1f}} m<extra></extra>"
    return go.Heatmap(
        z=step, x0=x0, dx=sight.cell_m, y0=y0, dy=sight.cell_m, zmin=-0.5, zmax=n - 0.5, colorscale=scale,
        showscale=False, zorder=order, customdata=sight.age_s.astype(np.float32), hovertemplate=hover,
    )  # fmt: skip


def age_text(sight: SiteSight, fresh_s: float, language: str) -> str:
    """How much of the ground that was ever seen is fresh, in one sentence."""
    share = sight.fresh_frac(fresh_s)
    if math.isnan(share):
        return t(language, "map.age.none")
    return t(language, "map.age.said", share=f"{100 * share:.0f}", seconds=f"{fresh_s:g}")


def drone_layers(moment: Moment, language: str) -> list[go.Scatter]:
    """Every moving camera that sees now: the outline of its footprint, itself, and a line between the two."""
    layers: list[go.Scatter] = []
    names = {camera.camera_id: camera.name for camera in moment.site.cameras}
    for each in moment.footprints:
        name = figure(short(name_of(names.get(each.camera_id, {}), each.camera_id, language), 16))
        layers += _drone(each, name, language)
    return layers


def _drone(each: Footprint, name: str, language: str) -> list[go.Scatter]:
    found: list[go.Scatter] = []
    if len(each.ring_m):
        ring = np.vstack([each.ring_m, each.ring_m[:1]])
        line = {"color": INK, "width": 3, "dash": "dashdot"}
        found.append(
            go.Scatter(
                x=ring[:, 0].tolist(), y=ring[:, 1].tolist(), mode="lines", line=line, hoverinfo="skip", zorder=7
            )
        )
    if np.isfinite(each.at_m[:2]).all():
        hover = t(
            language, "map.drone", name=name, height=number(float(each.at_m[2]), 0), error=number(each.sigma_m, 1)
        )
        found.append(
            go.Scatter(
                x=[float(each.at_m[0])], y=[float(each.at_m[1])], mode="markers+text", text=[name], zorder=9,
                textposition="top center", textfont={"color": INK, "size": 13}, hoverinfo="text", hovertext=hover,
                marker={"symbol": "x", "size": 16, "color": INK, "line": {"color": "#000", "width": 2}},
                cliponaxis=False,
            )
        )  # fmt: skip
    return found
