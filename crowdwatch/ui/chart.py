"""Density and persons of one zone over time, with the limits in force and the alerts. Gaps are what is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from crowdwatch.palette import LEVEL_STYLES
from crowdwatch.records import AlertEvent, Level, ZoneReading
from crowdwatch.site import Limit, Zone
from crowdwatch.ui.words import clock, number, t

__all__ = ["POINTS", "Curve", "chart_figure", "chart_rows", "thin"]

POINTS = 600
"""At most so many points are drawn: half of them peaks, half of them marks that a gap was there."""

NS = 1_000_000_000
SILENT_S = 5.0
MOST_MARKS = 60
INK = "#f2f5f7"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points to draw: UTC times, densities, persons (NaN = unknown) and the seconds that one point stands for."""

    t_ns: list[int]
    density_p_m2: list[float]
    count: list[float]
    bucket_s: float


def thin(readings: Sequence[ZoneReading], *, tick_s: float, points: int = POINTS) -> Curve:
    """Reduce readings to a number of points without losing a peak or a gap.

    Each bucket of time keeps its highest density and its highest count; a bucket that also holds an unknown reading,
    or that follows a silence of more than max(5 s, three ticks, one bucket), is preceded by a NaN: the line breaks.

    Args:
        readings: of one zone, by time.
        tick_s: spacing of readings.
        points: the most points to return.
    """
    if not readings:
        return Curve([], [], [], 0.0)
    span_s = (readings[-1].t_ns - readings[0].t_ns) / NS
    bucket_s = tick_s if span_s / tick_s + 1 <= points / 2 else math.ceil(span_s / (points / 2 - 1))
    buckets: dict[int, list[ZoneReading]] = {}
    for reading in readings:
        buckets.setdefault(int((reading.t_ns - readings[0].t_ns) / NS / bucket_s), []).append(reading)
    out = Curve([], [], [], bucket_s)
    before_ns = readings[0].t_ns
    for held in buckets.values():
        known = [r for r in held if r.level is not Level.UNKNOWN and math.isfinite(r.density_p_m2)]
        silent = held[0].t_ns - before_ns > max(SILENT_S, 3 * tick_s, bucket_s) * NS
        if len(known) < len(held) or silent:
            _add(out, held[0].t_ns, math.nan, math.nan)
        if known:
            peak = max(known, key=lambda reading: reading.density_p_m2)
            _add(out, peak.t_ns, peak.density_p_m2, max(reading.count for reading in known))
        before_ns = held[-1].t_ns
    return out


def _add(curve: Curve, t_ns: int, density: float, count: float) -> None:
    curve.t_ns.append(t_ns)
    curve.density_p_m2.append(density)
    curve.count.append(count)


def _time(t_ns: int) -> datetime:
    return datetime.fromtimestamp(t_ns / NS, UTC).replace(tzinfo=None)


def _in_persons(limit: Limit, capacity: float) -> Limit:
    return replace(limit, raise_at=limit.raise_at * capacity, clear_below=limit.clear_below * capacity)


def _draw_limits(figure: go.Figure, limits: Sequence[Limit], col: int, language: str) -> None:
    for limit in limits:
        style = LEVEL_STYLES[limit.level]
        word = t(language, f"level.{limit.level.name.lower()}")
        colour = style.colour if limit.level is not Level.ALERT else "#ff7a52"
        figure.add_hline(
            y=limit.raise_at, row=1, col=col, line={"color": colour, "width": 2, "dash": "dash"},
            annotation={"text": f"{style.sign} {word} {limit.raise_at:g}", "font": {"color": colour, "size": 13}},
            annotation_position="top left",
        )  # fmt: skip


def _mark_alerts(figure: go.Figure, alerts: Sequence[AlertEvent], curve: Curve, language: str) -> None:
    """A vertical line per transition of the level, a sign at its foot; acknowledgements get a tick."""
    within = [alert for alert in alerts if curve.t_ns and curve.t_ns[0] <= alert.t_ns <= curve.t_ns[-1]]
    for alert in within[:MOST_MARKS]:
        style = LEVEL_STYLES[alert.level]
        sign = "✓" if alert.transition == "acknowledged" else style.sign
        for col in (1, 2):
            figure.add_vline(
                x=_time(alert.t_ns), row=1, col=col, line={"color": style.colour, "width": 1},
                annotation={"text": sign, "font": {"color": style.colour, "size": 15},
                            "hovertext": t(language, f"transition.{alert.transition}")},
                annotation_position="top right",
            )  # fmt: skip


def chart_figure(
    curve: Curve,
    zone: Zone,
    *,
    density_limits: Sequence[Limit],
    count_limits: Sequence[Limit],
    occupancy_limits: Sequence[Limit],
    alerts: Sequence[AlertEvent],
    now_ns: int,
    language: str,
    height_px: int = 330,
) -> go.Figure:
    """Draw the curves of one zone.

    Args:
        curve: from :func:`thin`.
        zone: the zone; its capacity turns limits of occupancy into persons.
        density_limits, count_limits, occupancy_limits: those in force at the time shown.
        alerts: transitions to mark.
        now_ns: the time shown, marked by a line.
        language: of the labels.
        height_px: height of the figure.
    """
    titles = (t(language, "chart.density"), t(language, "chart.count"))
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.06)
    times = [_time(t_ns) for t_ns in curve.t_ns]
    for col, values in ((1, curve.density_p_m2), (2, curve.count)):
        figure.add_trace(
            go.Scatter(
                x=times, y=values, mode="lines+markers", connectgaps=False, marker={"size": 4},
                line={"color": "#7cc7ff", "width": 3}, hovertemplate="%{x|%H:%M:%S} UTC<br>%{y:.2f}<extra></extra>",
            ),
            row=1, col=col,
        )  # fmt: skip
    persons = [*count_limits]
    if zone.capacity:
        persons += [_in_persons(limit, zone.capacity) for limit in occupancy_limits]
    for col, values, limits in ((1, curve.density_p_m2, density_limits), (2, curve.count, persons)):
        top = max((value for value in values if math.isfinite(value)), default=0.0)
        _draw_limits(figure, limits, col, language)
        near = min((limit.raise_at for limit in limits if limit.raise_at > top), default=top)
        figure.update_yaxes(range=[0, max(top, near, 0.1 if col == 1 else 1.0) * 1.18], row=1, col=col)
    _mark_alerts(figure, alerts, curve, language)
    for col in (1, 2):
        figure.add_vline(x=_time(now_ns), row=1, col=col, line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_xaxes(tickformat="%H:%M:%S", color="#c6d0d9", gridcolor="#2b3540", nticks=6)
    figure.update_yaxes(color="#c6d0d9", gridcolor="#2b3540", zerolinecolor="#5b6671")
    figure.update_layout(
        height=height_px, margin={"l": 44, "r": 12, "t": 30, "b": 30}, showlegend=False,
        font={"color": INK, "size": 14},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="#0f141a", uirevision=zone.zone_id, hovermode="x",
    )  # fmt: skip
    return figure


def chart_rows(curve: Curve, language: str) -> list[dict[str, str]]:
    """The curve as a table, newest first."""
    keys = [t(language, key) for key in ("col.time", "col.density", "col.count")]
    unknown = t(language, "unknown")
    rows = zip(curve.t_ns, curve.density_p_m2, curve.count, strict=True)
    texts = [(f"{clock(t_ns)} UTC", number(rho, 2, unknown), number(count, 1, unknown)) for t_ns, rho, count in rows]
    return [dict(zip(keys, row, strict=True)) for row in reversed(texts)]
