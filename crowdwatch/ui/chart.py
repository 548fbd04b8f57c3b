"""Density, densest place and persons of one zone over time, with the limits in force and the alerts. Gaps are what is
not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

import plotly.graph_objects as go

from crowdwatch.core.outcomes import AlertEvent, Level, ZoneReading
from crowdwatch.core.service import level_of_service
from crowdwatch.core.site import Limit, Quantity, Zone
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui.writing import both, number, offset_of, service_text
from crowdwatch.words import t, term

__all__ = ["POINTS", "Curve", "Point", "chart_figure", "chart_rows", "thin"]

POINTS = 600
"""At most so many points are drawn: half of them peaks, half of them marks that a gap was there."""

NS = 1_000_000_000
SILENT_S = 5.0
MOST_MARKS = 60
INK, CURVE, PEAK, ALERT_ON_DARK = "#f2f5f7", "#7cc7ff", "#b9a6ff", "#ff7a52"
"""The colour of ALERT is made for plates; as thin text on the dark ground it needs to be lighter."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points to draw: times, densities, those of the densest place, persons (NaN = unknown) and the seconds that
    one point stands for."""

    t_ns: list[int]
    density_p_m2: list[float]
    peak_p_m2: list[float]
    count: list[float]
    bucket_s: float


@dataclass(frozen=True, slots=True)
class Point:
    """What a curve needs of a reading: a tenth of its size, where thousands are kept."""

    t_ns: int
    level: Level
    density_p_m2: float
    peak_p_m2: float
    count: float
    too_few: bool = False

    @classmethod
    def of(cls, reading: ZoneReading) -> Point:
        """Of a reading."""
        return cls(reading.t_ns, reading.level, reading.density_p_m2, reading.peak_p_m2, reading.count, reading.too_few)


def thin(readings: Sequence[ZoneReading | Point], *, tick_s: float, points: int = POINTS) -> Curve:
    """Reduce readings to a number of points without losing a peak or a gap.

    Each bucket of time keeps its highest density, peak and count; a bucket that also holds an unknown reading,
    or that follows a silence of more than max(5 s, three ticks, one bucket), is preceded by a NaN: the line breaks.

    Args:
        readings: of one zone, by time.
        tick_s: spacing of readings.
        points: the most points to return.
    """
    if not readings:
        return Curve([], [], [], [], 0.0)
    span_s = (readings[-1].t_ns - readings[0].t_ns) / NS
    bucket_s = tick_s if span_s / tick_s + 1 <= points / 2 else math.ceil(span_s / (points / 2 - 1))
    buckets: dict[int, list[ZoneReading | Point]] = {}
    for reading in readings:
        buckets.setdefault(int((reading.t_ns - readings[0].t_ns) / NS / bucket_s), []).append(reading)
    out = Curve([], [], [], [], bucket_s)
    before_ns = readings[0].t_ns
    for held in buckets.values():
        known = [r for r in held if r.level != Level.UNKNOWN and math.isfinite(r.density_p_m2)]
        silent = held[0].t_ns - before_ns > max(SILENT_S, 3 * tick_s, bucket_s) * NS
        if len(known) < len(held) or silent:
            _add(out, held[0].t_ns, math.nan, math.nan, math.nan)
        if known:
            densest = max(known, key=lambda reading: reading.density_p_m2)
            peaks = [reading.peak_p_m2 for reading in known if math.isfinite(reading.peak_p_m2)]
            count = max(reading.count for reading in known)
            _add(out, densest.t_ns, densest.density_p_m2, max(peaks, default=math.nan), count)
        before_ns = held[-1].t_ns
    return out


def _add(curve: Curve, t_ns: int, density: float, peak: float, count: float) -> None:
    curve.t_ns.append(t_ns)
    curve.density_p_m2.append(density)
    curve.peak_p_m2.append(peak)
    curve.count.append(count)


def _time(t_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(t_ns / NS, zone).replace(tzinfo=None)


def _in_persons(limit: Limit, capacity: float) -> Limit:
    return replace(limit, raise_at=limit.raise_at * capacity, clear_below=limit.clear_below * capacity)


Marks = tuple[list[dict[str, object]], list[dict[str, object]]]
"""Lines and their texts, in plotly's words."""


def _line(
    marks: Marks, axis: str, *, x: object = None, y: object = None, text: str = "", right: bool = False, **look: object
) -> None:
    """One line across a panel (``y``) or up it (``x``), with its text. With plotly's own ``add_hline`` a chart with
    16 alerts took 0.96 s instead of 12 ms."""
    upright = x is not None
    ends = {"x0": x, "x1": x, "y0": 0, "y1": 1} if upright else {"x0": 0, "x1": 1, "y0": y, "y1": y}
    refs = {"xref": f"x{axis}" if upright else f"x{axis} domain", "yref": f"y{axis} domain" if upright else f"y{axis}"}
    marks[0].append({"type": "line", **ends, **refs, "line": look})
    if text:
        at = {"x": x, "y": 1} if upright else {"x": int(right), "y": y}
        anchors = {"xanchor": "right" if right else "left", "yanchor": "top" if upright else "bottom"}
        font = {"color": look["color"], "size": 15 if upright else 13}
        marks[1].append({**at, **refs, **anchors, "text": text, "showarrow": False, "font": font})


def _mark_limits(marks: Marks, axis: str, limits: Sequence[Limit], language: str) -> None:
    """A line for each limit; those of the densest place are dotted and named at the right."""
    for limit in limits:
        style, peak = LEVEL_STYLES[limit.level], limit.quantity is Quantity.PEAK
        text = f"{style.sign} {t(language, f'level.{limit.level.name.lower()}')} {limit.raise_at:g}"
        if peak:
            text = f"{term(language, 'quantity', 'peak')}: {text}"
        colour = ALERT_ON_DARK if limit.level == Level.ALERT else style.colour
        dash = "dot" if peak else "dash"
        _line(marks, axis, y=limit.raise_at, text=text, right=peak, color=colour, width=2, dash=dash)


def _mark_alerts(marks: Marks, axis: str, alerts: Sequence[AlertEvent], zone: tzinfo) -> None:
    """A line with a sign per transition; acknowledgements get a tick. What is said again is not drawn again."""
    for alert in alerts:
        if alert.transition in ("realarmed", "escalated", "noted"):
            continue
        style = LEVEL_STYLES[alert.level]
        sign = "✓" if alert.transition == "acknowledged" else style.sign
        colour = ALERT_ON_DARK if alert.level == Level.ALERT else style.colour
        _line(marks, axis, x=_time(alert.t_ns, zone), text=sign, color=colour, width=1)


def _title(axis: str, text: str) -> dict[str, object]:
    return {
        "text": f"<b>{text}</b>", "x": 0, "y": 1.0, "xref": f"x{axis} domain", "yref": f"y{axis} domain",
        "xanchor": "left", "yanchor": "bottom", "font": {"color": INK, "size": 16}, "showarrow": False,
    }  # fmt: skip


def _axes(axis: str, domain: list[float], high: float, place: str) -> dict[str, dict[str, object]]:
    """Both axes of a panel; the one of values begins at zero, the one of times says whose they are."""
    common = {"color": "#c6d0d9", "gridcolor": "#2b3540"}
    return {
        f"xaxis{axis}": {
            **common,
            "domain": domain,
            "anchor": f"y{axis}",
            "tickformat": "%H:%M:%S",
            "nticks": 4,
            "title": {"text": place, "font": {"size": 12}, "standoff": 0},
        },
        f"yaxis{axis}": {**common, "anchor": f"x{axis}", "range": [0, high], "zerolinecolor": "#5b6671"},
    }


def chart_figure(
    curve: Curve,
    zone: Zone,
    *,
    density_limits: Sequence[Limit],
    peak_limits: Sequence[Limit],
    count_limits: Sequence[Limit],
    occupancy_limits: Sequence[Limit],
    alerts: Sequence[AlertEvent],
    now_ns: int,
    language: str,
    time_zone: tzinfo = UTC,
    height_px: int = 345,
) -> go.Figure:
    """Draw the curves of one zone.

    Args:
        curve: from :func:`thin`.
        zone: the zone; its capacity turns limits of occupancy into persons.
        density_limits, peak_limits, count_limits, occupancy_limits: those in force at the time shown.
        alerts: transitions to mark, newest first.
        now_ns: the time shown, marked by a line.
        language: of the labels.
        time_zone: of the times; the offset of the newest one holds for all, so that no hour comes twice.
        height_px: height of the figure.
    """
    place, place_name = offset_of(time_zone, now_ns)
    persons = [*count_limits]
    if zone.capacity:
        persons += [_in_persons(limit, zone.capacity) for limit in occupancy_limits]
    within = [alert for alert in alerts if curve.t_ns and curve.t_ns[0] <= alert.t_ns <= curve.t_ns[-1]][:MOST_MARKS]
    times = [_time(t_ns, place) for t_ns in curve.t_ns]
    marks: Marks = ([], [])
    traces: list[go.Scatter] = []
    axes: dict[str, dict[str, object]] = {}
    panels = (
        ("", "chart.density", curve.density_p_m2, [*density_limits, *peak_limits], 0.1, [0.0, 0.47]),
        ("2", "chart.count", curve.count, persons, 1.0, [0.53, 1.0]),
    )
    for axis, title, values, limits, least, domain in panels:
        highest = [*values, *curve.peak_p_m2] if title == "chart.density" else values
        top = max((value for value in highest if math.isfinite(value)), default=0.0)
        near = min((limit.raise_at for limit in limits if limit.raise_at > top), default=top)
        letters = [service_text(language, zone.kind, rho) for rho in values] if title == "chart.density" else []
        traces.append(
            go.Scatter(
                x=times, y=values, mode="lines+markers", connectgaps=False, marker={"size": 4}, xaxis=f"x{axis}",
                yaxis=f"y{axis}", line={"color": CURVE, "width": 3}, text=letters,
                hovertemplate=f"%{{x|%H:%M:%S}} {place_name}<br>%{{y:.2f}} %{{text}}<extra></extra>",
            )
        )  # fmt: skip
        _mark_limits(marks, axis, limits, language)
        _mark_alerts(marks, axis, within, place)
        _line(marks, axis, x=_time(now_ns, place), color=INK, width=1, dash="dot")
        marks[1].append(_title(axis, t(language, title)))
        axes |= _axes(axis, domain, max(top, near, least) * 1.18, place_name)
    peak = term(language, "quantity", "peak")
    traces.append(
        go.Scatter(
            x=times, y=curve.peak_p_m2, mode="lines", connectgaps=False, xaxis="x", yaxis="y", name=peak,
            line={"color": PEAK, "width": 1.5, "dash": "dot"},
            hovertemplate=f"%{{x|%H:%M:%S}} {place_name}<br>{peak} %{{y:.2f}}<extra></extra>",
        )
    )  # fmt: skip
    look = {
        "height": height_px, "margin": {"l": 44, "r": 12, "t": 30, "b": 44}, "showlegend": False, "hovermode": "x",
        "font": {"color": INK, "size": 14}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "#0f141a",
        "uirevision": zone.zone_id,
    }  # fmt: skip
    return go.Figure(data=traces, layout={**look, **axes, "shapes": marks[0], "annotations": marks[1]})


def chart_rows(curve: Curve, zone: Zone, language: str, time_zone: tzinfo = UTC) -> list[dict[str, str]]:
    """The curve of a zone as a table, newest first."""
    keys = [t(language, key) for key in ("col.time", "col.density", "col.service", "col.count")]
    unknown = t(language, "unknown")
    rows = zip(curve.t_ns, curve.density_p_m2, curve.count, strict=True)
    texts = [
        (
            both(t_ns, time_zone),
            number(rho, 2, unknown),
            level_of_service(zone.kind, rho) or unknown,
            number(count, 1, unknown),
        )
        for t_ns, rho, count in rows
    ]
    return [dict(zip(keys, row, strict=True)) for row in reversed(texts)]
