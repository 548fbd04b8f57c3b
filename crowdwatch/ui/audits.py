"""Hand counts on the page: a picture that is held still while somebody counts, and what all counts say of each camera.

The picture on the page is coarsened and carries the program's boxes, which lead the eye. Where a factor matters, count
from the footage and enter it with ``crowdwatch audit add``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from crowdwatch.analytics.audit import ENOUGH, CameraBias, of_program, program_of, standing, table
from crowdwatch.core.ports import Store
from crowdwatch.core.rights import Right
from crowdwatch.core.runs import Audit
from crowdwatch.core.text import plain
from crowdwatch.drivers import hand_count
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import writing
from crowdwatch.ui.session import demo, denied, require
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import NS, Moment
from crowdwatch.ui.writing import clock, name_of, number, safe, short
from crowdwatch.words import t

__all__ = ["bias_rows", "entry_rows", "held", "show_audits", "show_counting"]

HELD, FAULT, DONE = "count_held", "count_fault", "count_done"


@dataclass(frozen=True, slots=True)
class _Held:
    """The picture that somebody counts: of which run, camera and tick."""

    run_id: str
    camera_id: str
    t_ns: int

    @property
    def key(self) -> str:
        return f"{self.run_id}-{self.camera_id}-{self.t_ns}"


def held(moment: Moment, camera_id: str) -> int | None:
    """The time of the picture that this viewer holds still, if it is of this run and camera."""
    found: _Held | None = st.session_state.get(HELD)
    mine = found is not None and (found.run_id, found.camera_id) == (moment.run.run_id, camera_id)
    return found.t_ns if mine and found is not None and not moment.hidden else None


def show_counting(store: Store, moment: Moment, camera_id: str, picture_ns: int | None, language: str) -> None:
    """Below a picture: the button that holds it, or the form that takes its count.

    Args:
        store: where the count goes.
        moment: what is shown.
        camera_id: whose picture it is.
        picture_ns: time of the picture that is drawn above; None when there is none.
        language: of the page.
    """
    done = st.session_state.get(DONE)
    if done:
        st.html(notice("✓", done, loud=False))
    if held(moment, camera_id) is not None:
        if picture_ns is not None:
            _form(store, st.session_state[HELD], language)
        st.button(t(language, "count.leave"), key=f"count-leave-{camera_id}", on_click=_let_go)
    elif picture_ns is not None and not moment.hidden:
        picture, lacks = _Held(moment.run.run_id, camera_id, picture_ns), denied(Right.HAND_COUNT)
        st.button(
            t(language, "count"), key=f"count-{picture.run_id}-{camera_id}", on_click=_hold, args=(picture,),
            icon=":material/tag:", help=lacks or t(language, "count.help"), disabled=bool(lacks),
        )  # fmt: skip


def _hold(picture: _Held) -> None:
    st.session_state[HELD] = picture
    st.session_state.pop(FAULT, None)
    st.session_state.pop(DONE, None)


def _let_go() -> None:
    st.session_state.pop(HELD, None)
    st.session_state.pop(FAULT, None)


def _form(store: Store, picture: _Held, language: str) -> None:
    if st.session_state.get(FAULT):
        st.html(notice("!", t(language, "count.failed", message=st.session_state[FAULT]), loud=True))
    before = _counted_before(store, picture)
    if before is not None:
        said = t(language, "count.again", n=before.counted, actor=before.actor, entry=before.audit_id)
        st.html(f'<div class="cw-note" role="status">{safe(said)}</div>')
    with st.form(f"count-form-{picture.key}"):
        st.number_input(
            t(language, "count.people", time=f"{clock(picture.t_ns)} UTC"), min_value=0,
            max_value=hand_count.MOST_COUNTED, value=None, step=1, key=f"count-people-{picture.key}",
        )  # fmt: skip
        if demo():  # else it is who is signed in
            st.text_input(
                t(language, "count.actor"), value=str(st.session_state.get("operator") or "operator"), max_chars=64,
                key=f"count-actor-{picture.key}",
            )  # fmt: skip
        corrects = 0 if before is None else before.audit_id
        st.form_submit_button(
            t(language, "count.save"), type="primary", on_click=_save, args=(store, picture, corrects, language)
        )


def _counted_before(store: Store, picture: _Held) -> Audit | None:
    """The entry that stands for a picture, if it was counted before: its frame lies in the second before the tick."""
    try:
        entries = store.audits(run_id=picture.run_id)
        if not any(entry.camera_id == picture.camera_id for entry in entries):
            return None
        t_ns = hand_count.picture_at_tick(store, picture.run_id, picture.camera_id, picture.t_ns).t_ns
    except CrowdWatchError:
        return None  # said when it is saved
    same = [entry for entry in standing(entries) if (entry.camera_id, entry.t_ns) == (picture.camera_id, t_ns)]
    return same[-1] if same else None


def _save(store: Store, picture: _Held, corrects: int, language: str) -> None:
    """Enter the count. A fault keeps the picture and the number, and is shown with the next drawing."""
    counted = st.session_state.get(f"count-people-{picture.key}")
    typed = str(st.session_state.get(f"count-actor-{picture.key}") or "")
    if counted is None:
        st.session_state[FAULT] = t(language, "count.none")
        return
    try:
        who = require(Right.HAND_COUNT, run=picture.run_id, camera=picture.camera_id)
        actor = typed if demo() else who.name
        shown = hand_count.picture_at_tick(store, picture.run_id, picture.camera_id, picture.t_ns)
        entry = hand_count.add(store, shown, int(counted), wall_ns=time.time_ns(), actor=actor, corrects=corrects)
        entries = store.audits(event_id=shown.run.event_id)
    except CrowdWatchError as error:
        st.session_state[FAULT] = str(error)
        return
    bias = of_program(entry.camera_id, entries, program_of(entry))
    _let_go()
    st.session_state[DONE] = t(
        language, "count.done", entry=entry.audit_id, time=f"{clock(entry.t_ns)} UTC", n=entry.counted,
        found=f"{entry.found:g}", factor=_factor(bias), offset=_offset(bias),
    )  # fmt: skip


def _factor(bias: CameraBias) -> str:
    return f"{number(bias.factor, 2)} ({number(bias.low, 2)} – {number(bias.high, 2)})"


def _offset(bias: CameraBias) -> str:
    return f"{bias.offset:+.1f} ({_offset_ends(bias)})"


def _offset_ends(bias: CameraBias) -> str:
    return f"{bias.offset_low:+.1f} – {bias.offset_high:+.1f}"


def _name(names: dict[str, str], camera_id: str) -> str:
    return names.get(camera_id, camera_id)


def _names(moment: Moment, language: str) -> dict[str, str]:
    return {one.camera_id: name_of(one.name, one.camera_id, language) for one in moment.site.cameras}


def show_audits(store: Store, moment: Moment, language: str) -> None:
    """The factor and the offset of every camera of an event, loudly those that nobody ever audited, and every entry.

    Raises:
        StoreUnavailable: the entries cannot be read.
    """
    names = _names(moment, language)
    entries = store.audits(event_id=moment.run.event_id)
    rows = table(entries, list(names))
    never = [short(_name(names, row.camera_id), 40) for row in rows if not row.audited]
    if never:
        title = t(language, "audits.never", names=", ".join(never))
        st.html(notice(title, t(language, "audits.never.text"), loud=True))
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "audits.cameras")}</div>')
    st.table(writing.table(bias_rows(rows, names, language)))
    st.html(f'<div class="cw-note">{safe(t(language, "audits.note"))}</div>')
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "audits.entries")}</div>')
    if entries:
        st.dataframe(entry_rows(entries, names, language), hide_index=True)
    else:
        st.html(f'<div class="cw-note">{t(language, "audits.none")}</div>')


def bias_rows(rows: Sequence[CameraBias], names: dict[str, str], language: str) -> list[dict[str, str]]:
    """One row per camera, as ``crowdwatch audit report`` prints it."""
    shown = []
    for row in rows:
        notes = []
        if not row.audited:
            notes.append(t(language, "audits.row.never"))
        elif row.audits < ENOUGH:
            notes.append(t(language, "audits.row.few", n=ENOUGH))
        if row.left_aside:
            notes.append(t(language, "audits.row.aside", n=row.left_aside))
        values = (
            _name(names, row.camera_id), str(row.audits), str(row.counted) if row.audited else "?",
            f"{row.found:g}" if row.audited else "?", number(row.factor, 3),
            f"{number(row.low, 3)} – {number(row.high, 3)}", f"{row.offset:+.1f}", _offset_ends(row), "; ".join(notes),
        )  # fmt: skip
        keys = (
            "camera", "pictures", "counted", "found", "factor", "factor_interval", "offset", "offset_interval", "note",
        )  # fmt: skip
        shown.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return shown


def entry_rows(entries: Sequence[Audit], names: dict[str, str], language: str) -> list[dict[str, str]]:
    """Every entry, newest first, corrected ones too."""
    by = {entry.corrects: entry.audit_id for entry in entries if entry.corrects}
    shown = []
    for entry in sorted(entries, key=lambda entry: -entry.audit_id):
        notes = [t(language, "audits.corrects", entry=entry.corrects)] if entry.corrects else []
        notes += [t(language, "audits.corrected", entry=by[entry.audit_id])] if entry.audit_id in by else []
        decimals = f".{entry.t_ns % NS // 1_000_000:03d}"
        values = (
            str(entry.audit_id), f"{clock(entry.t_ns, date=True)}{decimals} UTC", _name(names, entry.camera_id),
            str(entry.counted), f"{entry.found:g}", plain(entry.actor), "; ".join(notes), entry.run_id,
        )  # fmt: skip
        keys = ("entry", "time", "camera", "counted", "found", "actor", "note", "run")
        shown.append({t(language, f"col.{key}"): value for key, value in zip(keys, values, strict=True)})
    return shown
