"""The page that a commander watches: map, pictures, alerts, and one zone over time, all of one moment."""

from __future__ import annotations

import streamlit as st

from crowdwatch.core.ports import Store
from crowdwatch.ui import alertlist, audits, camera, frame, respond, sitemap
from crowdwatch.ui.banner import show_strip
from crowdwatch.ui.controls import pick_camera
from crowdwatch.ui.frame import store_url
from crowdwatch.ui.gates import gate_rows, occupancy_text
from crowdwatch.ui.pages.zone_chart import PLOT, pick_span, pick_zone, show_chart
from crowdwatch.ui.patrol_layers import FRESH_S, age_text
from crowdwatch.ui.style import legend
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import name_of, safe, short, table
from crowdwatch.words import t

__all__ = ["hand_counts", "store_url", "watch"]


def watch() -> None:
    """Map, picture, alerts and charts of one run."""
    frame.page(_watch)


def hand_counts() -> None:
    """How far each camera's counts are off, by the hand counts of the run's event."""
    frame.page(audits.show_audits, beat_s=frame.SLOW_BEAT_S, looks_back=False)


def _watch(store: Store, moment: Moment, language: str) -> None:
    show_strip(moment, language)
    left, right = st.columns([63, 37], gap="small")
    with left:
        _map(moment, language)
        alertlist.show_recent(moment, language)
    with right:
        alertlist.show_alerts(store, moment, language)
        respond.show_response(store, store_url(), moment, language)
        _cameras(store, moment, language)
    pick, span = st.columns([2, 1], vertical_alignment="bottom")
    with pick:
        zone_id = pick_zone(moment, language)
    with span:
        span_s = pick_span(language)
    show_chart(store, moment, zone_id, span_s, language)


def _map(moment: Moment, language: str) -> None:
    colours, switch = st.columns([4, 1], vertical_alignment="center")
    with colours:
        st.html(legend(language, moment.site.bandwidth_m))
    density = switch.toggle(t(language, "map.density"), value=True, key="map_density")
    name = short(name_of(moment.site.name, moment.site.event_id, language), 40)
    moves = any(camera.moves for camera in moment.site.cameras)
    ages = moves and switch.toggle(t(language, "map.age"), value=False, key="map_age")
    st.plotly_chart(
        sitemap.map_figure(moment, language, density=density, ages=ages),
        key="map",
        theme=None,
        config=PLOT,
        alt=sitemap.map_alt(moment, name, language),
    )
    if moment.grid is None:
        st.html(f'<div class="cw-note">{t(language, "map.nogrid")}</div>')
    shown = {each.camera_id for each in moment.footprints}
    away = [one for one in moment.site.cameras if one.moves and one.camera_id not in shown]
    moving = [name_of(one.name, one.camera_id, language) for one in away]
    if moving:
        st.html(f'<div class="cw-note">{safe(t(language, "map.moving", names=", ".join(moving)))}</div>')
    if moment.ages is not None:
        st.html(f'<div class="cw-note">{safe(age_text(moment.ages, FRESH_S, language))}</div>')
    with st.expander(t(language, "map.table")):
        st.table(table(sitemap.map_rows(moment, language)))
    if moment.site.gates:
        said = occupancy_text(moment.occupancy, language)
        if said:
            st.html(f'<div class="cw-note">{safe(said)}</div>')
        with st.expander(t(language, "gate.table")):
            st.table(table(gate_rows(moment, language)))


def _cameras(store: Store, moment: Moment, language: str) -> None:
    chosen = pick_camera(moment, language)
    if chosen:
        drawn_ns = camera.show_camera(moment, chosen, language, audits.held(moment, chosen))
        audits.show_counting(store, moment, chosen, drawn_ns, language)
