"""For the analyst: two runs of one event side by side, the engine of a replay, a back-test under other limits."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from crowdwatch.core.outcomes import AlertEvent, kind_of
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run
from crowdwatch.core.text import plain
from crowdwatch.drivers.backtest.differences import Change, compare
from crowdwatch.ui import controls, frame, sitemap
from crowdwatch.ui.pages.backtest import show_backtest
from crowdwatch.ui.pages.zone_chart import PLOT, zone_name
from crowdwatch.ui.selection import recall, remember
from crowdwatch.ui.shared import shared
from crowdwatch.ui.view import Glance, Moment
from crowdwatch.ui.writing import level_text, name_of, number, safe, short, table
from crowdwatch.words import t

__all__ = ["analyst_page", "change_rows", "differences"]

MOST_ROWS = 300


def analyst_page() -> None:
    """What an analyst does with runs that are over, or replayed."""
    frame.page(_analyst)


def _analyst(store: Store, moment: Moment, language: str) -> None:
    engine, compared = st.columns([28, 72], gap="medium")
    with engine:
        _engine(store, moment, language)
        show_backtest(moment, language)
    with compared:
        _side_by_side(store, moment, language)


def _engine(store: Store, moment: Moment, language: str) -> None:
    """Pause, speed, stop and watch again: never for a live run, which others watch."""
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "controls")}</div>')
    if moment.run.mode is Mode.LIVE:
        st.html(f'<div class="cw-note">{safe(t(language, "controls.live"))}</div>')
        return
    glance = Glance(moment.run, moment.pulse, moment.beat_age_s, moment.pending)
    controls.show_playback(store, frame.store_url(), glance, language)


def _others(store: Store, run: Run) -> list[Run]:
    """Other runs of the same event, newest first."""
    return [each for each in frame.runs_of(store) if each.event_id == run.event_id and each.run_id != run.run_id]


def differences(old: Sequence[AlertEvent], new: Sequence[AlertEvent]) -> list[Change]:
    """What the alarms of two runs differ in: what appears, vanishes, comes earlier or later; by time."""
    sides = [sorted(each, key=lambda alert: (alert.t_ns, alert.seq)) for each in (old, new)]
    return [each for each in compare(*sides) if each.kind != "same"]


def change_rows(moment: Moment, changes: Sequence[Change], language: str) -> list[dict[str, str]]:
    """The differences as a table."""
    rows = []
    for each in changes:
        values = (
            t(language, f"change.{each.kind}"),
            zone_name(moment, each.zone_id, language),
            t(language, f"alarm.{kind_of(each.alarm)}"),
            level_text(each.level, language),
            "–" if each.old_ns is None else moment.at(each.old_ns),
            "–" if each.new_ns is None else moment.at(each.new_ns),
            "" if each.shift_s is None else f"{each.shift_s:+.0f} s",
        )
        keys = ("change", "zone", "alarm", "level", "first_run", "second_run", "shift")
        rows.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return rows


def zone_rows(moment: Moment, other: Moment, language: str) -> list[dict[str, str]]:
    """Level and density of every zone of the first run, and of the second one where it has the zone."""
    rows = []
    for zone in moment.site.zones:
        row = {t(language, "col.zone"): zone_name(moment, zone.zone_id, language)}
        for name, each in (("first_run", moment), ("second_run", other)):
            reading = each.reading(zone.zone_id) if each.zone(zone.zone_id) is not None else None
            said = (
                "–" if reading is None else f"{level_text(reading.level, language)} {number(reading.density_p_m2, 2)}"
            )
            row[t(language, f"col.{name}")] = said
        rows.append(row)
    return rows


def _side_by_side(store: Store, moment: Moment, language: str) -> None:
    """The maps of two runs at one event time, and what their alarms differ in up to it."""
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "compare")}</div>')
    others = {each.run_id: each for each in _others(store, moment.run)}
    if not others:
        st.html(f'<div class="cw-note">{safe(t(language, "compare.none"))}</div>')
        _map(moment, "first", language)
        return
    recall("second-run", others)
    second: str = st.selectbox(
        t(language, "compare.second"), list(others), key="second-run",
        format_func=lambda run_id: controls.run_title(others[run_id], language),
    )  # fmt: skip
    remember("second-run", second)
    other = frame.moment_of(store, second, moment.t_ns, language)
    if other is None:
        return
    left, right = st.columns(2, gap="small")
    with left:
        _map(moment, "first", language)
    with right:
        if other.t_ns != moment.t_ns:
            text = t(language, "compare.apart", time=other.at(other.t_ns))
            st.html(f'<div class="cw-calm" role="status"><b>!</b>{safe(text)}</div>')
        _map(other, "second", language)
    with st.expander(t(language, "map.table")):
        st.table(table(zone_rows(moment, other, language)))
    upto = min(moment.t_ns, other.t_ns)
    sides = [[alert for alert in each.alerts if alert.t_ns <= upto] for each in (moment, other)]
    found = shared(store).once(
        ("differences", moment.run.run_id, second), (upto, len(sides[0]), len(sides[1])),
        lambda: differences(sides[0], sides[1]),
    )  # fmt: skip
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "compare.alarms")}</div>')
    st.html(f'<div class="cw-note">{safe(t(language, "compare.count", n=len(found), time=moment.at(upto)))}</div>')
    if found:
        st.dataframe(change_rows(moment, found[:MOST_ROWS], language), hide_index=True)


def _map(moment: Moment, key: str, language: str) -> None:
    """One map with the name of its run over it."""
    title = controls.run_title(moment.run, language)
    st.html(f'<div><b title="{safe(moment.run.run_id)}">{safe(short(plain(title), 60))}</b></div>')
    name = short(name_of(moment.site.name, moment.site.event_id, language), 40)
    st.plotly_chart(
        sitemap.map_figure(moment, language, height_px=380, calm=False), key=f"map-{key}", theme=None, config=PLOT,
        alt=sitemap.map_alt(moment, name, language),
    )  # fmt: skip
