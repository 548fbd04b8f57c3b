"""The page that a commander watches. Panels are redrawn once a second while the engine runs, never in a loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Run
from crowdwatch.core.site import Quantity
from crowdwatch.drivers import build
from crowdwatch.errors import CrowdWatchError, RunNotFound, StoreUnavailable, redact
from crowdwatch.ui import alertlist, audits, camera, chart, controls, respond, sitemap
from crowdwatch.ui.banner import show_banner, show_strip
from crowdwatch.ui.dead_man import show_dead_man
from crowdwatch.ui.gates import gate_rows, n_t_figure, occupancy_text
from crowdwatch.ui.patrol_layers import FRESH_S, age_text
from crowdwatch.ui.style import CSS, legend, notice
from crowdwatch.ui.view import Moment, Pulse, glance_at, limits_at, look
from crowdwatch.ui.writing import markdown, name_of, safe, short, table
from crowdwatch.words import t

__all__ = ["hand_counts", "journal", "store_url", "watch"]

BEAT_S = 1.0
SLOW_BEAT_S = 5.0
MOVING = (Pulse.RUNNING, Pulse.PAUSED, Pulse.DEAD)
"""States that may still change: their panels are redrawn. A dead engine may come back."""

SPANS_S = (120, 900, 3600, 0)
PLOT = {"displayModeBar": False, "scrollZoom": False}
START = "crowdwatch replay examples/pets2009/event.yaml --speed 8"


def store_url() -> str:
    """The store that is shown: ``$CROWDWATCH_STORE``, else SQLite in the runs folder."""
    return build.store_url(Path("runs"))


@st.cache_resource(show_spinner=False)
def _store(url: str) -> Store:
    """One handle per store for all viewers; a store that cannot be opened is not remembered."""
    return build.open_store(url, create=False)


def _runs_or_reason(language: str) -> tuple[Store, list[Run]] | None:
    """The store and its runs, or None after the reason has been shown."""
    url = store_url()
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        text = t(language, "store.none.text", url=redact(url)).replace("`", "")
        st.html(notice(t(language, "store.none.title"), text, loud=False))
        st.code(START, language=None)
        return None
    try:
        store = _store(url)
        runs = store.runs()
    except StoreUnavailable as error:
        _store.clear()
        st.html(notice(t(language, "store.lost.title"), t(language, "store.lost.text", message=str(error)), loud=True))
        return None
    if not runs:
        st.html(notice(t(language, "store.empty.title"), t(language, "store.empty.text"), loud=False))
        st.code(START, language=None)
        return None
    return store, runs


def _look_again() -> None:
    """Draw the whole page anew once the fragment's clock has ticked, not in the run that drew the fragment."""
    if st.session_state.get("drawn"):
        st.session_state["drawn"] = False
        st.rerun()
    st.session_state["drawn"] = True


def _wait_for_store() -> None:
    st.session_state["drawn"] = False
    st.fragment(_look_again, run_every=2 * BEAT_S)()


def _moment(store: Store, run_id: str, at_ns: int | None, language: str) -> Moment | None:
    """One moment, or None after saying loudly why there is none."""
    try:
        return look(store, run_id, now_ns=time.time_ns(), at_ns=at_ns)
    except RunNotFound:
        st.rerun()
    except StoreUnavailable as error:
        text = t(language, "store.lost.text", message=str(error))
        st.html(notice(t(language, "store.lost.title"), text, loud=True))
    except CrowdWatchError as error:
        st.html(notice(t(language, "run.bad.title"), str(error), loud=True))
    return None


def _page_head() -> str:
    st.html(CSS)
    with st.sidebar:
        return controls.pick_language()


def watch() -> None:
    """Map, picture, alerts and charts of one run."""
    language = _page_head()
    found = _runs_or_reason(language)
    if found is None:
        _wait_for_store()
        return
    store, runs = found
    with st.sidebar:
        run_id = controls.pick_run(runs, language)
        run = next(run for run in runs if run.run_id == run_id)
        first = _moment(store, run_id, None, language)
        if first is None:
            _wait_for_store()
            return
        at_ns = controls.pick_time(run, first.site.tick_s, language)
    beat_s = BEAT_S if first.pulse in MOVING else None
    with st.sidebar:
        st.fragment(_playback, run_every=BEAT_S)(store, run_id, runs[0].run_id, first.pulse, language)
    st.fragment(_now, run_every=beat_s)(store, run_id, at_ns, language)
    st.fragment(_history, run_every=SLOW_BEAT_S if beat_s else None)(store, run_id, at_ns, language)


def _playback(store: Store, run_id: str, newest_id: str, pulse: Pulse, language: str) -> None:
    """Controls; and the whole page anew when a run begins or the state of this one changes."""
    try:
        glance = glance_at(store, run_id, now_ns=time.time_ns())
        newest = store.runs()[0].run_id
    except (StoreUnavailable, RunNotFound):
        return  # the panels say it, loudly
    if glance.pulse != pulse or newest != newest_id:
        st.rerun()
    controls.show_playback(store, store_url(), glance, language)


def _now(store: Store, run_id: str, at_ns: int | None, language: str) -> None:
    """All panels of one moment, read at once so that they agree."""
    moment = _moment(store, run_id, at_ns, language)
    if moment is None:
        return
    show_dead_man(language, moves=moment.pulse in MOVING, beat_s=BEAT_S)
    show_banner(moment, language)
    show_strip(moment, language)
    left, right = st.columns([63, 37], gap="small")
    with left:
        _map(moment, language)
        alertlist.show_recent(moment, language)
    with right:
        alertlist.show_alerts(store, moment, language)
        respond.show_response(store, store_url(), moment, language)
        _cameras(store, moment, language)


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
    ids = [one.camera_id for one in moment.site.cameras]
    if not ids:
        return
    if st.session_state.get("camera") not in ids:
        st.session_state["camera"] = ids[0]
    names = {
        one.camera_id: markdown(short(name_of(one.name, one.camera_id, language), 20)) for one in moment.site.cameras
    }
    if len(ids) > 1:
        st.segmented_control(t(language, "camera"), ids, format_func=names.__getitem__, key="camera", required=True)
    chosen = st.session_state["camera"]
    drawn_ns = camera.show_camera(moment, chosen, language, audits.held(moment, chosen))
    audits.show_counting(store, moment, chosen, drawn_ns, language)


def _history(store: Store, run_id: str, at_ns: int | None, language: str) -> None:
    """The chart of one zone."""
    moment = _moment(store, run_id, at_ns, language)
    if moment is None:
        return
    site = moment.site
    names = {zone.zone_id: short(name_of(zone.name, zone.zone_id, language), 40) for zone in site.zones}
    pick, span = st.columns([2, 1], vertical_alignment="bottom")
    zone_id = pick.selectbox(
        t(language, "chart.zone"), list(names), format_func=names.__getitem__, key=f"zone-{site.event_id}"
    )
    span_s = span.segmented_control(
        t(language, "chart.window"), SPANS_S, default=900, required=True, key="span",
        format_func=lambda seconds: t(language, f"chart.window.{seconds}"),
    )  # fmt: skip
    from_ns = moment.t_ns - round(span_s * 1e9) if span_s else None
    try:
        readings = store.readings(run_id, zone_id=zone_id, from_ns=from_ns, to_ns=moment.t_ns)
    except StoreUnavailable:
        return  # said above, loudly
    curve = chart.thin(readings, tick_s=site.tick_s)
    zone = moment.zone(zone_id)
    if not curve.t_ns or zone is None:
        st.html(f'<div class="cw-note">{t(language, "chart.none")}</div>')
        return
    limits = {kind: limits_at(site, zone_id, moment.t_ns, kind, moment.alerts) for kind in Quantity}
    figure = chart.chart_figure(
        curve, zone, density_limits=limits[Quantity.DENSITY], peak_limits=limits[Quantity.PEAK],
        count_limits=limits[Quantity.COUNT], occupancy_limits=limits[Quantity.OCCUPANCY],
        alerts=[alert for alert in moment.alerts if alert.zone_id == zone_id], now_ns=moment.t_ns, language=language,
    )  # fmt: skip
    st.plotly_chart(
        figure, key="chart", theme=None, config=PLOT, alt=t(language, "chart.alt", zone=names[zone_id])
    )  # fmt: skip
    bucket = t(language, "chart.bucket", s=f"{curve.bucket_s:g}")
    st.html(f'<div class="cw-note">{bucket}; {t(language, "chart.gap")}</div>')
    with st.expander(t(language, "chart.table")):
        st.dataframe(chart.chart_rows(curve, zone, language), hide_index=True)
    if site.gates:
        _gate_history(store, moment, from_ns, language)


def _gate_history(store: Store, moment: Moment, from_ns: int | None, language: str) -> None:
    """The count of one gate over the same time."""
    gates = {gate.gate_id: gate for gate in moment.site.gates}
    names = {gate_id: short(name_of(gate.name, gate_id, language), 40) for gate_id, gate in gates.items()}
    gate_id = st.selectbox(
        t(language, "gate.pick"), list(names), format_func=names.__getitem__, key=f"gate-{moment.site.event_id}"
    )
    try:
        found = store.gate_readings(moment.run.run_id, gate_id=gate_id, from_ns=from_ns, to_ns=moment.t_ns)
    except StoreUnavailable:
        return  # said above, loudly
    if found:
        drawn = n_t_figure(found, gates[gate_id], language)
        alt = t(language, "gate.n_t", name=names[gate_id])
        st.plotly_chart(drawn, key="gate-chart", theme=None, config=PLOT, alt=alt)


def journal() -> None:
    """Every transition of one run, with what was measured and who did what."""
    _after(_journal)


def hand_counts() -> None:
    """How far each camera's counts are off, by the hand counts of the run's event."""
    _after(_hand_counts)


def _after(draw: Callable[[Store, str, str], None]) -> None:
    """A page of one run, drawn slowly while it goes on."""
    language = _page_head()
    found = _runs_or_reason(language)
    if found is None:
        _wait_for_store()
        return
    store, runs = found
    with st.sidebar:
        run_id = controls.pick_run(runs, language)
    moment = _moment(store, run_id, None, language)
    if moment is None:
        return
    beat_s = SLOW_BEAT_S if moment.pulse in MOVING else None
    st.fragment(draw, run_every=beat_s)(store, run_id, language)


def _hand_counts(store: Store, run_id: str, language: str) -> None:
    moment = _moment(store, run_id, None, language)
    if moment is None:
        return
    show_banner(moment, language)
    show_dead_man(language, moves=moment.pulse in MOVING, beat_s=SLOW_BEAT_S)
    try:
        audits.show_audits(store, moment, language)
    except StoreUnavailable as error:
        text = t(language, "store.lost.text", message=str(error))
        st.html(notice(t(language, "store.lost.title"), text, loud=True))


def _journal(store: Store, run_id: str, language: str) -> None:
    moment = _moment(store, run_id, None, language)
    if moment is None:
        return
    show_dead_man(language, moves=moment.pulse in MOVING, beat_s=SLOW_BEAT_S)
    show_banner(moment, language)
    rows = alertlist.alert_rows(moment, language)
    if rows:
        st.dataframe(rows, hide_index=True, height=640)
    else:
        st.html(f'<div class="cw-note">{t(language, "alerts.recent.none")}</div>')
