"""Last step: every fault at once, what changes, saving with a version, export."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import streamlit as st

from crowdwatch.config.event_files import checked, save, versions
from crowdwatch.core.rights import Right
from crowdwatch.core.text import plain
from crowdwatch.drivers.checking import judged
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import session, writing
from crowdwatch.ui.downloads import offer
from crowdwatch.ui.setup.limits import show_difference
from crowdwatch.ui.setup.plans import keep_plan
from crowdwatch.ui.setup.work import Work, events_folder, guarded, the_work
from crowdwatch.ui.style import notice
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["show"]


def show(language: str) -> None:
    """Check, compare, save, export."""
    work = the_work()
    assert work is not None
    text = work.text()
    faults, notes = _judge(work, text)
    if faults:
        st.html(notice(t(language, "setup.faults", n=len(faults)), t(language, "setup.faults.text"), loud=True))
        st.code("\n".join(faults), language=None, wrap_lines=True)
    else:
        st.html(notice(t(language, "setup.sound"), t(language, "setup.sound.text"), loud=False))
    for note in notes:
        st.html(f'<div class="cw-note">⚠ {safe(note)}</div>')
    go, out = st.columns([1, 1])
    go.button(
        t(language, "setup.save"), key="setup-save", type="primary", disabled=bool(faults), on_click=guarded,
        args=(Right.SET_UP, lambda: _save(language)), width="stretch",
    )  # fmt: skip
    with out:
        offer(
            t(language, "setup.export"), text.encode, file_name=f"{work.event_id}.yaml", mime="application/yaml",
            what=f"event file {work.event_id}", key="setup-export", help=t(language, "setup.export.help"),
        )  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.diff")}</div>')
        show_difference(work, language)
    with right:
        st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.versions")}</div>')
        rows = [
            {t(language, "setup.col.time"): each.time, t(language, "setup.col.person"): each.person,
             t(language, "setup.col.file"): each.file} for each in versions(events_folder(), work.event_id)
        ]  # fmt: skip
        if rows:
            st.table(writing.table(rows))
        else:
            st.html(f'<div class="cw-note">{t(language, "setup.versions.none")}</div>')


def _judge(work: Work, text: str) -> tuple[list[str], list[str]]:
    """Every fault and every note, as ``crowdwatch check`` says them; the same text is not judged twice."""
    before = st.session_state.get("setup_judged")
    if before is not None and before[0] == (work.event_id, text):
        return before[1], before[2]
    event, faults = checked(events_folder(), work.event_id, text)
    notes: list[str] = []
    if event is not None:
        try:
            found = judged(event)
            faults, notes = found.faults, found.notes
        except CrowdWatchError as error:
            faults = [str(error)]
    st.session_state["setup_judged"] = ((work.event_id, text), faults, notes)
    return faults, notes


def _save(language: str) -> str:
    work = the_work()
    assert work is not None
    text, person = work.text(), session.actor()
    now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    version = save(events_folder(), work.event_id, text, person.name, now, work.stored)
    work.stored = work.base = text
    keep_plan(work, events_folder() / work.event_id)
    return t(language, "setup.saved", event=plain(work.event_id), file=version.file)
