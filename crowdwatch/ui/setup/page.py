"""The set-up page: five steps from a video to an event file that is calibrated, checked and saved."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from crowdwatch.core.rights import LEAST, Right
from crowdwatch.ui import controls, session
from crowdwatch.ui.setup import cameras, events, grounds, limits, saving
from crowdwatch.ui.setup.work import bring_typed, keep_typed, show_said, the_work
from crowdwatch.ui.style import CSS, notice
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["setup"]

STEPS: dict[str, Callable[[str], None]] = {
    "event": events.show, "camera": cameras.show, "ground": grounds.show, "limits": limits.show, "save": saving.show,
}  # fmt: skip


_STICKY = "<style>.st-key-setup-said{position:sticky;top:0;z-index:99;background:#0f141a}</style>"
"""What an action had to say stays in sight wherever its button was."""


def setup() -> None:
    """Set an event up: file, cameras, ground, limits, check and save."""
    st.html(CSS + _STICKY)
    bring_typed()
    with st.sidebar:
        language = controls.pick_language()
        work = the_work()
        if work is not None:
            st.html(f'<div class="cw-note"><b>{safe(work.event_id)}</b><br>{t(language, _state())}</div>')
    chosen = st.segmented_control(
        t(language, "setup.step"), list(STEPS), key="setup-step", default="event", required=True,
        format_func=lambda step: t(language, f"setup.step.{step}"), help=t(language, "setup.help"),
    )  # fmt: skip
    show_said(language)
    if not session.allowed(Right.SET_UP):
        text = t(language, "setup.role", role=t(language, f"role.{LEAST[Right.SET_UP]}"))
        st.html(notice("!", text, loud=False))
    if chosen != "event" and the_work() is None:
        st.html(notice(t(language, "setup.step.event"), t(language, "setup.none"), loud=False))
        return
    STEPS[chosen or "event"](language)
    keep_typed()


def _state() -> str:
    work = the_work()
    return "setup.new" if work is not None and not work.stored else "setup.opened"
