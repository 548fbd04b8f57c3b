"""Queueing what an operator does on the page."""

from __future__ import annotations

import time

import streamlit as st

from crowdwatch.core.commands import judge
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui.session import actor
from crowdwatch.words import LANGUAGES, reason_text

__all__ = ["FAULT", "send"]

FAULT = "command_fault"
"""Where a fault is kept until the next drawing."""


def send(store: Store, run_id: str, kind: CommandKind, **more: str | float) -> None:
    """Queue a command under the name and role of who uses the page. A fault is kept and shown with the next drawing."""
    who = actor()
    command = Command(run_id, kind, who.name, time.time_ns(), role=who.role, **more)  # type: ignore[arg-type]
    refused = judge(command)
    if refused is not None:
        language = str(st.session_state.get("lang"))
        st.session_state[FAULT] = reason_text(language if language in LANGUAGES else "en", (refused,))
        return
    try:
        store.submit(command)
        st.session_state.pop(FAULT, None)
    except CrowdWatchError as error:
        st.session_state[FAULT] = str(error)
