"""The site map in metres: what is seen and how dense it is, zones by level, gates, cameras. No map tiles, no internet.

Layers from below: the walkable area hatched (unknown), the cells that are seen in plain ground colour, zones tinted by
level, densities in their fixed colours, unknown zones hatched, outlines and labels. So what no camera sees stays
hatched by itself, and no colour shows through a zone whose number is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from crowdwatch.core.outcomes import DensityGrid, Level, Quality, ZoneReading
from crowdwatch.core.records import FloatArray
from crowdwatch.core.service import level_of_service
from crowdwatch.core.site import Site, Zone
from crowdwatch.ground import polygon
from crowdwatch.rendering.palette import (
    BAND_COLOURS,
    GREY,
    GROUND,
    INK,
    LEVEL_STYLES,
    OFF_SITE,
    UNSEEN,
    band_index,
    rgb,
)
from crowdwatch.ui.arrows import arrow_layer
from crowdwatch.ui.gates import gate_label
from crowdwatch.ui.patrol_layers import age_layer, drone_layers
from crowdwatch.ui.view import Moment, worst_zone
from crowdwatch.ui.writing import columns, duration, figure, interval, name_of, number, service_text, short
from crowdwatch.words import joined, reason_text, t

__all__ = ["map_alt", "map_figure", "map_rows", "quality_text"]

MARGIN_FRAC = 0.05
PLOT_WIDTH_PX, CHARACTER_PX, PLATE_PX = 640, 10.0, 54
"""What plates are placed by: the usual width of the map, the width of a column of 18 px bold text, two lines high."""


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{opacity:g})"


def _ring(points_m: FloatArray) -> tuple[list[float], list[float]]:
    closed = np.vstack([points_m, points_m[:1]])
    return closed[:, 0].tolist(), closed[:, 1].tolist()


def _area(points_m: FloatArray, order: int, **look: object) -> go.Scatter:
    x, y = _ring(points_m)
    return go.Scatter(x=x, y=y, mode="lines", fill="toself", hoverinfo="skip", zorder=order, **look)


def _hatched(points_m: FloatArray, order: int) -> go.Scatter:
    pattern = {"shape": "/", "fgcolor": GREY, "bgcolor": UNSEEN, "size": 9, "solidity": 0.25, "fillmode": "replace"}
    return _area(points_m, order, line={"width": 0}, fillpattern=pattern, fillcolor=GREY)


def _cells(grid: DensityGrid, z: FloatArray, order: int, colours: Sequence[str], **more: object) -> go.Heatmap:
    """Cells of one layer; NaN is left open. The colour scale is one step per colour, never stretched."""
    n = len(colours)
    steps = [(edge / n, colour) for i, colour in enumerate(colours) for edge in (i, i + 1)]
    x0, y0 = (grid.origin_m + grid.cell_m / 2).tolist()
    return go.Heatmap(
        z=z.astype(np.float32), x0=x0, dx=grid.cell_m, y0=y0, dy=grid.cell_m, zmin=-0.5, zmax=n - 0.5,
        colorscale=steps, showscale=False, zorder=order, **more,
    )  # fmt: skip


def _grid_layers(grid: DensityGrid, language: str, density: bool) -> list[go.Heatmap]:
    band = band_index(grid.rho_p_m2)
    seen = np.where(band == -2, np.nan, 0.0)
    layers = [_cells(grid, seen, 1, (GROUND,), hoverinfo="skip")]
    if density:
        unit = t(language, "unit.density")
        hover = f"%{{customdata:.2f}} {unit}<br>E %{{x:.1f}} m, N %{{y:.1f}} m<extra></extra>"
        shown = np.where(band >= 0, band, np.nan)
        values = grid.rho_p_m2.astype(np.float32)
        layers.append(_cells(grid, shown, 3, BAND_COLOURS, customdata=values, hovertemplate=hover))
    return layers


def _zone_layers(zone: Zone, reading: ZoneReading) -> list[go.Scatter]:
    style = LEVEL_STYLES[reading.level]
    unknown = reading.level == Level.UNKNOWN
    fill = _hatched(zone.polygon_m, 4) if unknown else _area(
        zone.polygon_m, 2, line={"width": 0}, fillcolor=_rgba(style.colour, 0.28)
    )  # fmt: skip
    x, y = _ring(zone.polygon_m)
    rim = go.Scatter(x=x, y=y, mode="lines", line={"color": "#000000", "width": 9}, hoverinfo="skip", zorder=5)
    dash = "dash" if unknown else "solid"
    edge = go.Scatter(
        x=x, y=y, mode="lines", line={"color": style.colour, "width": 5, "dash": dash}, hoverinfo="skip", zorder=6
    )
    return [fill, rim, edge]


def quality_text(language: str, reading: ZoneReading) -> str:
    """The quality of a reading in words, with the age where it is stale."""
    if reading.quality != Quality.STALE:
        return t(language, f"quality.{reading.quality.value}")
    if not math.isfinite(reading.age_s):
        return t(language, "quality.stale.never")
    return t(language, "quality.stale", age=duration(reading.age_s))


def _plate(zone: Zone, reading: ZoneReading, speed_m_s: float, language: str) -> tuple[str, str]:
    """The two lines of a zone's plate: its name; sign, level, density, and speed where it is known."""
    name = short(name_of(zone.name, zone.zone_id, language), 20)
    level = t(language, f"level.{reading.level.name.lower()}")
    amount = f" {number(reading.density_p_m2, 2)} {t(language, 'unit.density')}"
    amount += "" if math.isnan(speed_m_s) else f", {number(speed_m_s, 1)} {t(language, 'unit.speed')}"
    said = level if reading.level == Level.UNKNOWN else level + amount
    return name, f"{LEVEL_STYLES[reading.level].sign} {said}"


def _hover(zone: Zone, reading: ZoneReading, language: str) -> str:
    """What a plate has no room for: level of service, quality and reasons."""
    service = service_text(language, zone.kind, reading.density_p_m2)
    return joined(language, (service, quality_text(language, reading), reason_text(language, reading.reasons)))


def _spots(zone: Zone, wide_m: float, high_m: float) -> list[FloatArray]:
    """Centres that a plate may have, best first: within the zone at its top, its foot and its middle, then outside."""
    low, high = zone.polygon_m.min(axis=0), zone.polygon_m.max(axis=0)
    inner = polygon(zone.polygon_m).representative_point()
    x, half = (low[0] + high[0]) / 2, high_m / 2
    places = [(x, high[1] - half), (x, low[1] + half), (inner.x, inner.y), (x, high[1] + half), (x, low[1] - half)]
    places += [(high[0] + wide_m / 2, inner.y), (low[0] - wide_m / 2, inner.y)]
    return [np.array(place) for place in places]


def _labels(moment: Moment, language: str, metres_per_px: float, *, calm: bool) -> list[dict[str, object]]:
    """A plate per zone in the colour of its level, placed so that none hides another where that can be helped.

    The zones are served by falling level, so that the worst has the first choice; it is drawn last, over all others.
    """
    taken: list[tuple[FloatArray, FloatArray]] = []
    plates = []
    for zone in sorted(moment.site.zones, key=lambda zone: -moment.reading(zone.zone_id).level):
        reading = moment.reading(zone.zone_id)
        if not calm and reading.level == Level.NORMAL:
            continue
        style = LEVEL_STYLES[reading.level]
        name, said = _plate(zone, reading, moment.speed_m_s(zone.zone_id), language)
        size = np.array([max(columns(name), columns(said)) * CHARACTER_PX + 10, PLATE_PX]) * metres_per_px
        spots = _spots(zone, *size.tolist())
        clashes = [sum(bool((abs(spot - at) < (size + other) / 2).all()) for at, other in taken) for spot in spots]
        spot = spots[clashes.index(min(clashes))]
        taken.append((spot, size))
        plates.append({
            "x": float(spot[0]), "y": float(spot[1]), "showarrow": False, "opacity": 0.92, "align": "center",
            "text": f"{figure(name)}<br><b>{figure(said)}</b>", "bgcolor": style.colour,
            "bordercolor": "#000000", "borderpad": 3, "font": {"color": style.ink, "size": 18},
            "hovertext": figure(_hover(zone, reading, language)),
        })  # fmt: skip
    return plates[::-1]


def _fixtures(moment: Moment, language: str, *, named: bool) -> list[go.Scatter]:
    """Obstacles, gates and cameras, with their names where there is room; a camera that moves has no place of its own
    to be drawn at."""
    site = moment.site
    layers = [
        _area(ring, 4, line={"color": "#5b6671", "width": 2}, fillcolor=OFF_SITE) for ring in site.obstacles_m
    ]  # fmt: skip
    for gate in site.gates:
        name = figure(short(name_of(gate.name, gate.gate_id, language), 16))
        flow = figure(gate_label(moment.gate(gate.gate_id), language))
        outside = "top" if gate.line_m[:, 1].mean() > site.walkable_m[:, 1].mean() else "bottom"
        layers.append(
            go.Scatter(
                x=gate.line_m[:, 0].tolist(), y=gate.line_m[:, 1].tolist(), zorder=7,
                mode="lines+markers+text" if named else "lines+markers",
                line={"color": INK, "width": 4, "dash": "dot"}, marker={"symbol": "line-ns-open", "size": 12},
                text=[f"{name}<br>{flow}", ""], textposition=f"{outside} right", textfont={"color": INK, "size": 13},
                hovertext=t(language, "map.gate", name=name), hoverinfo="text",
            )
        )  # fmt: skip
    for camera in site.cameras:
        if camera.plane is None or camera.plane.camera_centre_m is None:
            continue
        centre = camera.plane.camera_centre_m
        name = figure(short(name_of(camera.name, camera.camera_id, language), 16))
        layers.append(
            go.Scatter(
                x=[float(centre[0])], y=[float(centre[1])], zorder=8,
                mode="markers+text" if named else "markers", text=[name],
                textposition="bottom center", textfont={"color": INK, "size": 13}, hoverinfo="text",
                marker={"symbol": "diamond-wide", "size": 15, "color": INK, "line": {"color": "#000", "width": 2}},
                hovertext=t(language, "map.camera", name=name), cliponaxis=False,
            )
        )  # fmt: skip
    return layers


def _extent(site: Site) -> tuple[list[float], list[float]]:
    """The walkable area, and cameras that are not further from it than its own size."""
    low, high = site.walkable_m.min(axis=0), site.walkable_m.max(axis=0)
    size = float((high - low).max())
    for camera in site.cameras:
        if camera.plane is not None and camera.plane.camera_centre_m is not None:
            at = camera.plane.camera_centre_m[:2]
            if ((at > low - size / 2) & (at < high + size / 2)).all():
                low, high = np.minimum(low, at), np.maximum(high, at)
    margin = MARGIN_FRAC * float((high - low).max())
    (west, south), (east, north) = (low - margin).tolist(), (high + margin).tolist()
    return [west, east], [south, north]


def map_figure(
    moment: Moment, language: str, *, density: bool = True, ages: bool = False, calm: bool = True, height_px: int = 560
) -> go.Figure:
    """Draw the map of a moment.

    Args:
        moment: what is shown; its hidden or missing numbers come out hatched.
        language: of the labels.
        density: paint the density field, and arrows where people walk; without it zones show their level only.
        ages: paint in place of densities how long ago the ground was last seen, where cameras move.
        calm: give zones at NORMAL a plate too, gates and cameras a name; a small map has no room for them.
        height_px: height of the figure.
    """
    site = moment.site
    layers: list[object] = [_hatched(site.walkable_m, 0)]
    if moment.grid is not None:
        layers += _grid_layers(moment.grid, language, density and not (ages and moment.ages))
    if ages and moment.ages is not None:
        layers.append(age_layer(moment.ages, language))
    x, y = _ring(site.walkable_m)
    layers.append(
        go.Scatter(x=x, y=y, mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip", zorder=4)
    )  # fmt: skip
    for zone in site.zones:
        layers += _zone_layers(zone, moment.reading(zone.zone_id))
    if moment.flow is not None and density:
        layers.append(arrow_layer(moment.flow, 6))
    layers += [*_fixtures(moment, language, named=calm), *drone_layers(moment, language)]
    across, along = _extent(site)
    metres_per_px = max((across[1] - across[0]) / PLOT_WIDTH_PX, (along[1] - along[0]) / height_px)
    axis = {"showgrid": False, "zeroline": False, "color": "#c6d0d9", "ticksuffix": " m", "tickfont": {"size": 13}}
    return go.Figure(
        data=layers,
        layout={
            "height": height_px, "margin": {"l": 4, "r": 4, "t": 4, "b": 4}, "showlegend": False,
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": OFF_SITE, "uirevision": moment.run.run_id,
            "font": {"color": INK}, "dragmode": "pan", "hoverlabel": {"font": {"size": 15}},
            "xaxis": {**axis, "range": across, "constrain": "domain", "title": None, "automargin": True},
            "yaxis": {**axis, "range": along, "scaleanchor": "x", "constrain": "domain", "automargin": True},
            "annotations": _labels(moment, language, metres_per_px, calm=calm),
        },
    )  # fmt: skip


def map_rows(moment: Moment, language: str) -> list[dict[str, str]]:
    """The map as a table, for those who cannot see it and for those who want the numbers."""
    rows = []
    for zone in moment.site.zones:
        reading = moment.reading(zone.zone_id)
        least = "≥ " if reading.too_few and math.isfinite(reading.count) else ""
        values = (
            name_of(zone.name, zone.zone_id, language),
            f"{LEVEL_STYLES[reading.level].sign} {t(language, f'level.{reading.level.name.lower()}')}",
            least + number(reading.density_p_m2, 2),
            level_of_service(zone.kind, reading.density_p_m2) or "?",
            least + number(reading.count, 1),
            interval(reading.count_low, reading.count_high),
            f"{number(reading.peak_p_m2, 2)} ({reading.bandwidth_m:g} m)",
            number(moment.speed_m_s(zone.zone_id), 2),
            f"{number(reading.occupancy_frac * 100, 0)} %",
            f"{number(reading.visible_frac * 100, 0)} %",
            duration(reading.age_s),
            quality_text(language, reading),
            reason_text(language, reading.reasons),
            moment.at(reading.t_ns),
        )
        keys = ("zone", "level", "density", "service", "count", "interval", "peak", "speed", "occupancy", "seen", "age",
                "quality", "reason", "time")  # fmt: skip
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows


def map_alt(moment: Moment, site_name: str, language: str) -> str:
    """What the map shows in one sentence, for screen readers."""
    worst = worst_zone(moment.readings)
    level = worst.level if worst else Level.UNKNOWN
    said = t(language, f"level.{level.name.lower()}")
    when = moment.at(moment.t_ns)
    return t(language, "map.alt", site=site_name, time=when, n=len(moment.site.zones), worst=said)
