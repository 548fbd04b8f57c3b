"""How people move in one zone: its speed over time, and its fundamental diagram, speed over density."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np
import plotly.graph_objects as go

from crowdwatch.core.movement import ZoneMovement
from crowdwatch.core.walking_speed import JAM_P_M2, walking_m_s
from crowdwatch.ui.chart import Point
from crowdwatch.ui.writing import both, number, offset_of
from crowdwatch.words import t

__all__ = ["Moved", "diagram_figure", "diagram_rows", "pairs_of", "speed_figure"]

POINTS = 400
NS = 1_000_000_000
INK, DOT, USUAL = "#f2f5f7", "#7cc7ff", "#ffd166"
STEP_P_M2 = 0.5
LEAST_SHOWN_P_M2 = 1.0
"""So far at least does the diagram reach: a place with few people is not blown up to fill it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What the diagrams need of a zone's movement: the tick, the mean speed and its 90 % interval."""

    t_ns: int
    speed_m_s: float
    speed_low: float
    speed_high: float

    @classmethod
    def of(cls, moved: ZoneMovement) -> Moved:
        """Of the movement in a zone."""
        return cls(moved.t_ns, moved.speed_m_s, moved.speed_low, moved.speed_high)


def pairs_of(points: Sequence[Point], moved: Sequence[Moved]) -> list[tuple[int, float, float]]:
    """(tick, density, speed) of every tick at which both are known.

    >>> from crowdwatch.core.outcomes import Level
    >>> pairs_of([Point(1, Level.NORMAL, 2.0, 3.0, 9.0)], [Moved(1, 0.6, 0.5, 0.7), Moved(2, 0.6, 0.5, 0.7)])
    [(1, 2.0, 0.6)]
    """
    density = {each.t_ns: each.density_p_m2 for each in points if math.isfinite(each.density_p_m2)}
    return [
        (each.t_ns, density[each.t_ns], each.speed_m_s)
        for each in moved
        if each.t_ns in density and math.isfinite(each.speed_m_s)
    ]


def _look(title: str, x: Mapping[str, object], y: Mapping[str, object], height_px: int) -> dict[str, object]:
    common = {"color": "#c6d0d9", "gridcolor": "#2b3540", "zerolinecolor": "#5b6671"}
    return {
        "height": height_px, "margin": {"l": 48, "r": 12, "t": 34, "b": 44}, "showlegend": False,
        "font": {"color": INK, "size": 14}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "#0f141a",
        "title": {"text": f"<b>{title}</b>", "font": {"size": 16}}, "xaxis": {**common, **x}, "yaxis": {**common, **y},
    }  # fmt: skip


def speed_figure(moved: Sequence[Moved], now_ns: int, language: str, time_zone: tzinfo = UTC) -> go.Figure:
    """The mean walking speed over time with its interval; a gap is what is not known.

    Args:
        moved: of the zone, by time.
        now_ns: the time that is shown.
        language: of the labels.
        time_zone: of the times.
    """
    place, place_name = offset_of(time_zone, now_ns)
    every = max(1, len(moved) // POINTS)
    kept = moved[::every]
    times = [datetime.fromtimestamp(each.t_ns / NS, place).replace(tzinfo=None) for each in kept]
    lines = [
        go.Scatter(
            x=times, y=[getattr(each, name) for each in kept], mode="lines", connectgaps=False,
            line={"color": DOT, "width": width, "dash": dash},
            hovertemplate=f"%{{x|%H:%M:%S}} {place_name}<br>%{{y:.2f}}<extra></extra>",
        )
        for name, width, dash in (("speed_low", 1, "dot"), ("speed_high", 1, "dot"), ("speed_m_s", 3, "solid"))
    ]  # fmt: skip
    x = {"tickformat": "%H:%M:%S", "nticks": 6, "title": {"text": place_name, "font": {"size": 12}}}
    return go.Figure(data=lines, layout=_look(t(language, "zone.speed"), x, {"rangemode": "tozero"}, 300))


def diagram_figure(pairs: Sequence[tuple[int, float, float]], language: str) -> go.Figure:
    """Speed over density of every tick of the span, the newest one large, over the curve of people on foot (Weidmann
    1993). Far below the curve people are held up by something else; far above it one of both numbers is wrong.

    Args:
        pairs: from :func:`pairs_of`.
        language: of the labels.
    """
    densest = max((density for _, density, _ in pairs), default=JAM_P_M2)
    most = max(LEAST_SHOWN_P_M2, 1.3 * densest)
    rho = np.linspace(0.05, most, 80)
    shown = pairs[:: max(1, len(pairs) // POINTS)]
    layers = [
        go.Scatter(
            x=rho.round(3).tolist(), y=walking_m_s(rho).round(3).tolist(), mode="lines", hoverinfo="skip",
            line={"color": USUAL, "width": 2, "dash": "dash"},
        ),
        go.Scatter(
            x=[density for _, density, _ in shown], y=[speed for _, _, speed in shown], mode="markers",
            marker={"color": DOT, "size": 6, "opacity": 0.6},
            hovertemplate=f"%{{x:.2f}} {t(language, 'unit.density')}<br>%{{y:.2f}} {t(language, 'unit.speed')}"
            "<extra></extra>",
        ),
    ]  # fmt: skip
    if pairs:
        _, density, speed = pairs[-1]
        marker = {"color": DOT, "size": 15, "line": {"color": INK, "width": 3}}
        layers.append(go.Scatter(x=[density], y=[speed], mode="markers", marker=marker, hoverinfo="skip"))
    x = {"title": {"text": t(language, "chart.density"), "font": {"size": 13}}, "range": [0, most]}
    y = {"rangemode": "tozero"}
    return go.Figure(data=layers, layout=_look(t(language, "zone.diagram"), x, y, 300))


def diagram_rows(
    pairs: Sequence[tuple[int, float, float]], language: str, time_zone: tzinfo = UTC
) -> list[dict[str, str]]:
    """The diagram as a table: for every half p/m2, the median speed, how many ticks it is of, and the usual speed."""
    bins: dict[int, list[float]] = {}
    newest: dict[int, int] = {}
    for t_ns, density, speed in pairs:
        bins.setdefault(int(density / STEP_P_M2), []).append(speed)
        newest[int(density / STEP_P_M2)] = t_ns
    rows = []
    for number_of, speeds in sorted(bins.items()):
        low = number_of * STEP_P_M2
        usual = float(walking_m_s(np.array([low + STEP_P_M2 / 2]))[0])
        values = (
            f"{low:g} – {low + STEP_P_M2:g}", number(float(np.median(speeds)), 2), number(usual, 2), str(len(speeds)),
            both(newest[number_of], time_zone),
        )  # fmt: skip
        keys = ("density", "speed", "usual", "ticks", "time")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows
