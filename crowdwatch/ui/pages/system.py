"""How the system does: the engine, the cameras, the store, the disk, those who are told, this machine."""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from pathlib import Path

import streamlit as st

from crowdwatch import config
from crowdwatch.core.notices import Notification, NotificationState, Target
from crowdwatch.core.outcomes import Health
from crowdwatch.core.ports import Store
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import Mode
from crowdwatch.core.version import __version__
from crowdwatch.drivers import build
from crowdwatch.drivers.notifying import Options, try_target
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import frame
from crowdwatch.ui.launch import Started, start_check
from crowdwatch.ui.pages.metrics import CameraCounts, counts_of, metrics_address
from crowdwatch.ui.respond import outgoing_of
from crowdwatch.ui.session import require
from crowdwatch.ui.shared import shared
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import Moment, Pulse
from crowdwatch.ui.writing import duration, markdown, name_of, safe, short, table
from crowdwatch.words import t

__all__ = ["system_page"]

CHECK, TESTED = "doctor", "notify_tested"
TEST_S = 10.0
"""How long a test message is tried from the page."""

COUNTED = ("received", "analysed", "replaced", "reconnects")
FACTS_NS = 5_000_000_000
LEAST_FREE_BYTES = 1_000_000_000


def system_page() -> None:
    """Whether what makes the numbers is well."""
    frame.page(_system, beat_s=2.0, looks_back=False)


def _system(store: Store, moment: Moment, language: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _engine(moment, language)
        _cameras(store, moment, language)
    with right:
        _keeping(store, moment, language)
        _told(moment, language)
        _machine(language)


def _heading(language: str, key: str) -> None:
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, key)}</div>')


def _facts(rows: list[tuple[str, str]]) -> None:
    lines = "".join(f"<tr><th scope='row'>{safe(name)}</th><td>{safe(value)}</td></tr>" for name, value in rows)
    st.html(f'<table class="cw-log"><tbody>{lines}</tbody></table>')


def lag_s(moment: Moment, now_ns: int) -> float:
    """How far the newest reading of a live run is behind the clock; NaN for other runs, whose time is not now."""
    run = moment.run
    return (now_ns - run.t_ns) / 1e9 if run.mode is Mode.LIVE and run.t_ns else math.nan


def _engine(moment: Moment, language: str) -> None:
    _heading(language, "system.engine")
    run = moment.run
    goes_on = moment.pulse in (Pulse.RUNNING, Pulse.PAUSED, Pulse.DEAD)
    beat = t(language, "ago", age=duration(max(0.0, moment.beat_age_s))) if goes_on else "–"
    lag = lag_s(moment, time.time_ns())
    asked = t(language, "speed.max") if run.speed <= 0 else f"×{run.speed:g}"
    real = "?" if math.isnan(moment.pace) else f"×{moment.pace:.2f}"
    rows = [
        (t(language, "run"), run.run_id),
        (t(language, "system.mode"), t(language, f"mode.{run.mode.value}")),
        (t(language, "system.state"), t(language, f"pulse.{moment.pulse.value}")),
        (t(language, "heartbeat"), beat),
        (t(language, "system.newest"), moment.at(run.t_ns or run.from_ns, date=True)),
        (t(language, "system.lag"), "–" if math.isnan(lag) else duration(max(0.0, lag))),
        (t(language, "speed"), t(language, "speed.real", asked=asked, real=real)),
        (t(language, "system.says"), run.message or "–"),
        (t(language, "system.version"), __version__),
    ]
    _facts(rows)


def _cameras(store: Store, moment: Moment, language: str) -> None:
    """Health and age of every camera; pictures and losses where the engine's metrics can be read."""
    _heading(language, "system.cameras")
    address = metrics_address()
    counts: dict[str, CameraCounts] = {}
    if address and moment.run.mode is Mode.LIVE:
        version = time.time_ns() // 2_000_000_000
        counts, fault = shared(store).once(("metrics", address), version, lambda: counts_of(address, moment.run.run_id))
        if fault:
            st.html(notice("!", t(language, "system.metrics_fault", message=fault), loud=False))
    else:
        st.html(f'<div class="cw-note" style="overflow-wrap:anywhere">{safe(t(language, "system.no_metrics"))}</div>')
    health = {each.camera_id: each for each in moment.health}
    rows = []
    for camera in moment.site.cameras:
        known = None if moment.hidden else health.get(camera.camera_id)
        count = counts.get(camera.camera_id)
        word = t(language, "cameras.unknown") if known is None else t(language, f"health.{known.health.value}")
        sign = "?" if known is None else "✓" if known.health is Health.OK else "⚠"
        age = "?" if known is None else duration(known.age_s).replace(" ", "\u00a0")
        row = {"camera": name_of(camera.name, camera.camera_id, language), "health": f"{sign} {word}", "age": age}
        if counts:
            row |= {name: "?" if count is None else f"{getattr(count, name):.0f}" for name in COUNTED}
        rows.append({t(language, f"col.{key}"): value for key, value in row.items()})
    if rows:
        st.table(table(rows))


def _keeping(store: Store, moment: Moment, language: str) -> None:
    """The store and the disk."""
    _heading(language, "system.store")
    url, slot = frame.store_url(), time.time_ns() // FACTS_NS
    where, kind, schema, size = shared(store).once("facts", slot, lambda: build.facts_of(url))
    rows = [
        (t(language, "system.store.where"), where),
        (t(language, "system.store.kind"), kind),
        (t(language, "system.store.schema"), schema),
        (t(language, "system.store.size"), _bytes(size)),
    ]
    folder = next((each for each in (Path(moment.run.folder), *Path(moment.run.folder).parents) if each.is_dir()), None)
    free = math.nan if folder is None else float(shutil.disk_usage(folder).free)
    rows.append((t(language, "system.disk"), _bytes(free)))
    _facts(rows)
    if free < LEAST_FREE_BYTES:
        st.html(notice(t(language, "system.disk.low"), t(language, "system.disk.low.text"), loud=True))


def _bytes(size: float) -> str:
    """A size in a unit that fits.

    >>> _bytes(2_500_000), _bytes(3e9), _bytes(math.nan)
    ('2.5 MB', '3.0 GB', '?')
    """
    if math.isnan(size):
        return "?"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _targets(config_json: str) -> tuple[Target, ...]:
    event = config.from_json(config_json)
    return () if event.notify is None else config.targets_of(event.notify)


def _told(moment: Moment, language: str) -> None:
    """Every target, what became of what it was to hear, and a button that sends it a test message."""
    _heading(language, "system.told")
    targets = _targets(moment.run.config_json)
    if not targets:
        st.html(f'<div class="cw-note">{safe(t(language, "system.told.none"))}</div>')
        return
    try:
        rows = outgoing_of(frame.store_url()).notifications(moment.run.run_id)
    except CrowdWatchError as error:
        st.html(notice("!", str(error), loud=True))
        return
    for target in targets:
        own = [row for row in rows if row.target_id == target.target_id]
        said, button = st.columns([3, 1], vertical_alignment="center", gap="small")
        way = f"{target.kind.value}, {target.form.value}"
        said.html(
            f'<div><b>{safe(short(target.target_id, 40))}</b> <span class="cw-note">{safe(way)}</span><br>'
            f"{safe(told_text(own, language))}</div>"
        )
        button.button(
            t(language, "system.test"), key=f"test-{target.target_id}", width="stretch",
            help=t(language, "system.test.help", name=markdown(short(target.target_id, 40))), on_click=_test,
            args=(moment, target.target_id, language),
        )  # fmt: skip
    done = st.session_state.get(TESTED)
    if done:
        st.html(notice(*done, loud=False))


def told_text(rows: list[Notification], language: str) -> str:
    """How many notifications of a target arrived, wait, and were not to be told; and the last fault."""
    states = Counter(row.state for row in rows if not row.test)
    waiting = states[NotificationState.WAITING] + states[NotificationState.SENDING]
    text = t(
        language, "system.told.counts", sent=states[NotificationState.SENT], waiting=waiting,
        suppressed=states[NotificationState.SUPPRESSED],
    )  # fmt: skip
    faults = [row.why for row in rows if row.state is NotificationState.WAITING and row.attempts and row.why]
    return f"{text} {t(language, 'system.told.fault', why=faults[-1])}" if faults else text


def _test(moment: Moment, target_id: str, language: str) -> None:
    """Send a test message by the rule and the way that alerts take."""
    try:
        who = require(Right.OPERATE, test_of_target=target_id)
        event = config.from_json(moment.run.config_json)
        row = try_target(event, target_id, Options(frame.store_url(), send=True), within_s=TEST_S)
    except CrowdWatchError as error:
        st.session_state[TESTED] = ("!", f"{target_id}: {error}")
        return
    if row.state is NotificationState.SENT:
        st.session_state[TESTED] = ("✓", t(language, "system.test.sent", name=target_id, who=who.name))
    elif row.state is NotificationState.SUPPRESSED:
        why = t(language, f"suppressed.{row.why}")
        st.session_state[TESTED] = ("!", t(language, "system.test.not", name=target_id, why=why))
    else:
        st.session_state[TESTED] = ("!", t(language, "system.test.not", name=target_id, why=row.why))


def _machine(language: str) -> None:
    """What this machine lacks, as ``crowdwatch doctor`` finds it."""
    _heading(language, "system.machine")
    started: Started | None = st.session_state.get(CHECK)
    going = started is not None and started.runs
    st.button(t(language, "system.check"), key="doctor", disabled=going, on_click=_check)
    if started is None:
        return
    if going:
        st.html(f'<div role="status">{safe(t(language, "system.check.runs"))}</div>')
        st.fragment(_when_done, run_every=1.0)(started)
        return
    if started.process.returncode:
        st.html(notice("⚠", t(language, "system.check.lacks"), loud=True))
    st.code(started.text() or started.fault(), language=None, wrap_lines=True)


def _when_done(started: Started) -> None:
    if not started.runs:
        st.rerun()


def _check() -> None:
    old: Started | None = st.session_state.pop(CHECK, None)
    if old is not None:
        old.end()
    try:
        st.session_state[CHECK] = start_check(time.time_ns())
    except OSError as error:
        st.session_state[TESTED] = ("!", error.strerror or str(error))
