"""One zone over time, with the limits in force and its alerts; and the fields that choose the zone and the span."""

from __future__ import annotations

import streamlit as st

from crowdwatch.core.ports import Store
from crowdwatch.core.site import Quantity
from crowdwatch.core.text import plain
from crowdwatch.ui import chart
from crowdwatch.ui.chart import Point
from crowdwatch.ui.selection import recall, remember
from crowdwatch.ui.shared import shared
from crowdwatch.ui.view import Moment, limits_at
from crowdwatch.ui.writing import name_of, short
from crowdwatch.words import t

__all__ = ["PLOT", "SPANS_S", "pick_span", "pick_zone", "readings_of", "show_chart", "since", "zone_name"]

SPANS_S = (120, 900, 3600, 0)
PLOT = {"displayModeBar": False, "scrollZoom": False}


def zone_name(moment: Moment, zone_id: str, language: str) -> str:
    """The name of a zone as plain text, cut to a line."""
    zone = moment.zone(zone_id)
    return plain(short(name_of(zone.name if zone else {}, zone_id, language), 40))


def pick_zone(moment: Moment, language: str) -> str:
    """The zone that the pages show; ``?zone=`` in the address."""
    ids = [zone.zone_id for zone in moment.site.zones]
    key = f"zone-{moment.site.event_id}"
    recall(key, ids, "zone")
    chosen: str = st.selectbox(
        t(language, "chart.zone"), ids, format_func=lambda zone_id: zone_name(moment, zone_id, language), key=key
    )
    remember(key, chosen, "zone")
    return chosen


def pick_span(language: str) -> float:
    """How far back the curves go, in seconds; 0 is all."""
    recall("span", SPANS_S)
    st.session_state.setdefault("span", 900)
    chosen = st.segmented_control(
        t(language, "chart.window"), SPANS_S, required=True, key="span",
        format_func=lambda seconds: t(language, f"chart.window.{seconds}"),
    )  # fmt: skip
    remember("span", chosen)
    return float(chosen if chosen is not None else 900)


def since(moment: Moment, span_s: float) -> int:
    """The event time at which a span before the moment begins."""
    return moment.t_ns - round(span_s * 1e9) if span_s else moment.run.from_ns


def readings_of(store: Store, moment: Moment, zone_id: str, from_ns: int) -> list[Point]:
    """The readings of a zone up to the moment; what one viewer has read nobody reads again.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    run_id = moment.run.run_id
    return shared(store).series(
        ("readings", run_id, zone_id), from_ns, moment.t_ns,
        lambda a, b: [Point.of(one) for one in store.readings(run_id, zone_id=zone_id, from_ns=a, to_ns=b)],
    )  # fmt: skip


def show_chart(store: Store, moment: Moment, zone_id: str, span_s: float, language: str) -> None:
    """The curves of a zone and the same as a table.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    site, zone = moment.site, moment.zone(zone_id)
    curve = chart.thin(readings_of(store, moment, zone_id, since(moment, span_s)), tick_s=site.tick_s)
    if not curve.t_ns or zone is None:
        st.html(f'<div class="cw-note">{t(language, "chart.none")}</div>')
        return
    limits = {kind: limits_at(site, zone_id, moment.t_ns, kind, moment.alerts) for kind in Quantity}
    figure = chart.chart_figure(
        curve, zone, density_limits=limits[Quantity.DENSITY], peak_limits=limits[Quantity.PEAK],
        count_limits=limits[Quantity.COUNT], occupancy_limits=limits[Quantity.OCCUPANCY],
        alerts=[alert for alert in moment.alerts if alert.zone_id == zone_id], now_ns=moment.t_ns, language=language,
        time_zone=moment.time_zone,
    )  # fmt: skip
    alt = t(language, "chart.alt", zone=zone_name(moment, zone_id, language))
    st.plotly_chart(figure, key="chart", theme=None, config=PLOT, alt=alt)
    bucket = t(language, "chart.bucket", s=f"{curve.bucket_s:g}")
    st.html(f'<div class="cw-note">{bucket}; {t(language, "chart.gap")}</div>')
    with st.expander(t(language, "chart.table")):
        st.dataframe(chart.chart_rows(curve, zone, language, moment.time_zone), hide_index=True)
