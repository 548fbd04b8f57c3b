"""What all pages have in common: the store, the run that is chosen, the moment that is shown, and when it is drawn
again. A page draws everything in one fragment from one :class:`~crowdwatch.ui.view.Moment`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import streamlit as st

from crowdwatch.assets.examples import example
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Run
from crowdwatch.drivers import build
from crowdwatch.errors import CrowdWatchError, RunNotFound, StoreUnavailable, redact
from crowdwatch.ui import controls
from crowdwatch.ui.banner import show_banner
from crowdwatch.ui.dead_man import show_dead_man
from crowdwatch.ui.shared import shared
from crowdwatch.ui.style import CSS, notice
from crowdwatch.ui.view import Moment, Pulse, glance_at, look
from crowdwatch.words import t

__all__ = ["BEAT_S", "MOVING", "SLOW_BEAT_S", "Draw", "moment_of", "page", "runs_of", "store_lost", "store_url"]

BEAT_S = 1.0
SLOW_BEAT_S = 5.0
MOVING = (Pulse.RUNNING, Pulse.PAUSED, Pulse.DEAD)
"""States that may still change: their panels are redrawn. A dead engine may come back."""


Draw = Callable[[Store, Moment, str], None]
"""Draws all panels of a page: store, moment, language."""


def start_command() -> str:
    """A command that records something, wherever CrowdWatch is installed and without a network."""
    try:
        path = example("synthetic")
    except CrowdWatchError:
        return "crowdwatch init VIDEO"
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"crowdwatch replay {shlex.quote(str(here))} --speed 8"


def store_url() -> str:
    """The store that is shown: ``$CROWDWATCH_STORE``, else SQLite in the runs folder."""
    return build.store_url(Path("runs"))


@st.cache_resource(show_spinner=False)
def _store(url: str) -> Store:
    """One handle per store for all viewers; a store that cannot be opened is not remembered."""
    return build.open_store(url, create=False)


def store_lost(error: Exception, language: str) -> None:
    """Say loudly that the store cannot be read."""
    st.html(notice(t(language, "store.lost.title"), t(language, "store.lost.text", message=str(error)), loud=True))


def runs_of(store: Store) -> list[Run]:
    """Every run, newest start first, read once a second for all viewers."""
    return shared(store).once("runs", int(monotonic()), store.runs)


def _runs_or_reason(language: str) -> tuple[Store, list[Run]] | None:
    """The store and its runs, or None after the reason has been shown."""
    url = store_url()
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        text = t(language, "store.none.text", url=redact(url)).replace("`", "")
        st.html(notice(t(language, "store.none.title"), text, loud=False))
        st.code(start_command(), language=None)
        return None
    try:
        store = _store(url)
        runs = store.runs()
    except StoreUnavailable as error:
        _store.clear()
        store_lost(error, language)
        return None
    if not runs:
        st.html(notice(t(language, "store.empty.title"), t(language, "store.empty.text"), loud=False))
        st.code(start_command(), language=None)
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


def moment_of(store: Store, run_id: str, at_ns: int | None, language: str) -> Moment | None:
    """One moment, or None after saying loudly why there is none."""
    try:
        return look(store, run_id, now_ns=time.time_ns(), at_ns=at_ns)
    except RunNotFound:
        st.rerun()
    except StoreUnavailable as error:
        store_lost(error, language)
    except CrowdWatchError as error:
        st.html(notice(t(language, "run.bad.title"), str(error), loud=True))
    return None


def page(draw: Draw, *, beat_s: float = BEAT_S, looks_back: bool = True) -> None:
    """A page of one run: language, run and time in the sidebar, the banner, and what ``draw`` draws.

    Args:
        draw: the panels, all from the moment that it is given.
        beat_s: how often they are drawn while the run goes on.
        looks_back: whether an earlier time can be chosen.
    """
    st.html(CSS)
    with st.sidebar:
        language = controls.pick_language()
    found = _runs_or_reason(language)
    if found is None:
        _wait_for_store()
        return
    store, runs = found
    with st.sidebar:
        run_id = controls.pick_run(runs, language)
        run = next(run for run in runs if run.run_id == run_id)
        first = moment_of(store, run_id, None, language)
        if first is None:
            _wait_for_store()
            return
        at_ns = controls.pick_time(run, first, language) if looks_back else None
        st.fragment(_notice_changes, run_every=BEAT_S)(store, run_id, runs[0].started_wall_ns, first.pulse)
    moves = first.pulse in MOVING
    st.fragment(_panels, run_every=beat_s if moves else None)(draw, store, run_id, at_ns, language, beat_s)


def _notice_changes(store: Store, run_id: str, newest_wall_ns: int, pulse: Pulse) -> None:
    """The whole page anew when a run begins or the state of this one changes."""
    try:
        glance = glance_at(store, run_id, now_ns=time.time_ns())
        newest = runs_of(store)[0].started_wall_ns
    except (StoreUnavailable, RunNotFound):
        return  # the panels say it, loudly
    if glance.pulse != pulse or newest > newest_wall_ns:  # what is kept may be a second older than what was read
        st.rerun()


def _panels(draw: Draw, store: Store, run_id: str, at_ns: int | None, language: str, beat_s: float) -> None:
    """All panels of one moment, read at once so that they agree."""
    moment = moment_of(store, run_id, at_ns, language)
    if moment is None:
        return
    show_dead_man(language, moves=moment.pulse in MOVING, beat_s=beat_s)
    show_banner(moment, language)
    try:
        draw(store, moment, language)
    except StoreUnavailable as error:
        store_lost(error, language)
