"""First step: an event file is opened, or begun from one video or camera."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st
from ruamel.yaml import YAML

from crowdwatch.config.event_files import event_ids, read_event
from crowdwatch.config.event_shapes import History, new_id
from crowdwatch.core.rights import Right
from crowdwatch.core.text import plain
from crowdwatch.drivers import first_event
from crowdwatch.errors import ConfigError
from crowdwatch.ui import session
from crowdwatch.ui.setup.board import picture
from crowdwatch.ui.setup.work import WORK, Work, events_folder, forget_typed, guarded
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["show"]


def show(language: str) -> None:
    """Open one of the events of the folder, or begin one."""
    folder = events_folder()
    st.html(f'<div class="cw-note">{safe(t(language, "setup.folder", folder=str(folder)))}</div>')
    left, right = st.columns(2, gap="large")
    with left:
        st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.open")}</div>')
        ids = event_ids(folder)
        if ids:
            st.selectbox(t(language, "setup.event"), ids, key="setup-open")
            st.button(t(language, "setup.open"), key="setup-open-go", on_click=_open, args=(language,))
        else:
            st.html(f'<div class="cw-note">{t(language, "setup.open.none")}</div>')
    with right:
        st.html(f'<div class="cw-h" role="heading" aria-level="2">{t(language, "setup.begin")}</div>')
        for field, text in _FIELDS.items():
            label, tip = t(language, text), t(language, f"{text}.help")
            st.text_input(label, key=f"su-new-{field}", help=tip, max_chars=500)
        st.button(
            t(language, "setup.begin"), key="setup-begin", type="primary", on_click=guarded,
            args=(Right.SET_UP, partial(_begin, language)),
        )  # fmt: skip


def _open(language: str) -> None:
    guarded(Right.SET_UP, partial(_opened, language, str(st.session_state.get("setup-open") or "")))


def _opened(language: str, event_id: str) -> str:
    values, text = read_event(events_folder(), event_id)
    _work_on(Work(event_id, text, text, History(values)))
    return t(language, "setup.opened.said", event=event_id)


def _begin(language: str) -> str:
    typed = {name: plain(str(st.session_state.get(f"su-new-{name}") or "")) for name in _FIELDS}
    folder = events_folder()
    if not typed["footage"]:
        raise ConfigError(t(language, "setup.footage.missing"))
    image = first_event.picture_of(typed["footage"])
    proposed = first_event.Answers.proposed(typed["footage"], (image.shape[0], image.shape[1]))
    name = typed["name"] or proposed.name
    event_id = typed["id"] or new_id(typed["name"] or proposed.event_id, set(event_ids(folder)))
    if event_id in event_ids(folder):
        raise ConfigError(t(language, "setup.id.taken", event=event_id))
    answers = replace(
        proposed, event_id=event_id, name=name, name_zh=typed["name_zh"] or name,
        start_time=typed["start"] or proposed.start_time,
    )  # fmt: skip
    text = first_event.event_text(typed["footage"], answers, folder / event_id)
    values: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))
    work = Work(event_id, "", text, History(values))
    session.require(Right.CLEAR_PICTURE, event=event_id, camera="camera")
    work.clear["camera"] = picture(image)
    _work_on(work)
    untimed = " " + t(language, "setup.untimed", time=answers.start_time) if answers.untimed else ""
    return t(language, "setup.begun", event=event_id) + untimed


_FIELDS = {
    "footage": "setup.footage", "name": "setup.name", "name_zh": "setup.name_zh", "id": "setup.id",
    "start": "setup.start",
}  # fmt: skip


def _work_on(work: Work) -> None:
    st.session_state[WORK] = work
    forget_typed("su-limit-", "su-mark-", "su-place-", "su-shape-")
