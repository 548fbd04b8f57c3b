"""Gates on the page: what crosses them now, and the count of each over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import plotly.graph_objects as go

from crowdwatch.core.movement import GateReading, SiteOccupancy
from crowdwatch.core.site import Gate
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import both, figure, interval, name_of, number, offset_of
from crowdwatch.words import reason_text, t

__all__ = ["gate_label", "gate_rows", "n_t_figure", "n_t_rows", "occupancy_text"]

NS = 1_000_000_000
POINTS = 400


def gate_label(reading: GateReading | None, language: str) -> str:
    """What stands beside a gate on the map: in, out and the share of its capacity; a question mark where unknown."""
    if reading is None or math.isnan(reading.ingress_p_min):
        return t(language, "gate.unknown")
    share = f"{number(reading.capacity_frac * 100, 0)} %"
    return t(
        language, "gate.flow", into=number(reading.ingress_p_min, 0), out=number(reading.egress_p_min, 0), share=share
    )


def gate_rows(moment: Moment, language: str) -> list[dict[str, str]]:
    """The gates as a table."""
    rows = []
    for gate in moment.site.gates:
        one = moment.gate(gate.gate_id)
        nan = math.nan
        into, out = (
            (nan,) * 3 if one is None else ends
            for ends in (
                (nan,) * 3 if one is None else (one.ingress_p_min, one.ingress_low, one.ingress_high),
                (nan,) * 3 if one is None else (one.egress_p_min, one.egress_low, one.egress_high),
            )
        )
        values = (
            name_of(gate.name, gate.gate_id, language),
            f"{number(into[0], 0)} ({interval(into[1], into[2])})",
            f"{number(out[0], 0)} ({interval(out[1], out[2])})",
            number(nan if one is None else one.ingress_total, 0),
            number(nan if one is None else one.egress_total, 0),
            f"{number(nan if one is None else one.capacity_frac * 100, 0)} %",
            number(nan if one is None else one.queue, 0),
            f"{number(nan if one is None else one.watched_frac * 100, 0)} %",
            "" if one is None else reason_text(language, one.reasons),
        )
        keys = ("gate", "gate_in", "gate_out", "gate_in_total", "gate_out_total", "capacity", "queue", "seen", "reason")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows


def occupancy_text(occupancy: SiteOccupancy | None, language: str) -> str:
    """How many are on the whole site, in one sentence."""
    if occupancy is None:
        return ""
    why = reason_text(language, occupancy.reasons)
    ends = interval(occupancy.count_low, occupancy.count_high)
    said = t(language, "site.occupancy", count=number(occupancy.count, 0), interval=ends)
    drift = t(language, "site.drift", drift=number(occupancy.drift_p_h, 0))
    return " ".join(each for each in (said, drift, why) if each)


def n_t_figure(
    readings: Sequence[GateReading], gate: Gate, language: str, time_zone: tzinfo = UTC, *, height_px: int = 260
) -> go.Figure:
    """The count of a gate over time: how many came in, and went out, since the run began (N-t curves).

    Args:
        readings: of this gate, by time.
        gate: the gate.
        language: of the labels.
        time_zone: of the times.
        height_px: height of the figure.
    """
    every = max(1, len(readings) // POINTS)
    kept = [*readings[::every], *readings[-1:]]
    place, place_name = offset_of(time_zone, kept[-1].t_ns)
    times = [datetime.fromtimestamp(reading.t_ns / NS, place).replace(tzinfo=None) for reading in kept]
    lines = []
    for key, dash, totals in (
        ("gate.in", "solid", [reading.ingress_total for reading in kept]),
        ("gate.out", "dash", [reading.egress_total for reading in kept]),
    ):
        lines.append(
            go.Scatter(
                x=times, y=totals, mode="lines", line={"shape": "hv", "dash": dash, "color": "#e8eef3", "width": 2},
                name=t(language, key),
            )
        )  # fmt: skip
    title = figure(t(language, "gate.n_t", name=name_of(gate.name, gate.gate_id, language)))
    return go.Figure(
        data=lines,
        layout={
            "height": height_px, "margin": {"l": 44, "r": 12, "t": 34, "b": 30}, "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#e8eef3"},
            "title": {"text": title, "font": {"size": 15}, "x": 0},
            "xaxis": {"type": "date", "showgrid": False, "title": {"text": place_name}},
            "yaxis": {"rangemode": "tozero", "gridcolor": "#33414d"},
            "legend": {
                "orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right",
            },
        },
    )  # fmt: skip


def n_t_rows(readings: Sequence[GateReading], language: str, time_zone: tzinfo = UTC) -> list[dict[str, str]]:
    """The same as a table, newest first."""
    keys = [t(language, key) for key in ("col.time", "col.gate_in_total", "col.gate_out_total")]
    every = max(1, len(readings) // POINTS)
    texts = [
        (both(one.t_ns, time_zone), number(one.ingress_total, 0), number(one.egress_total, 0))
        for one in [*readings[::every], *readings[-1:]]
    ]
    return [dict(zip(keys, row, strict=True)) for row in reversed(texts)]
