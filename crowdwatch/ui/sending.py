"""Queueing what an operator does on the page."""

from __future__ import annotations

import time

import streamlit as st

from crowdwatch.core.commands import judge
from crowdwatch.core.ports import Store
from crowdwatch.core.rights import right_of
from crowdwatch.core.runs import Command, CommandKind, Mode
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui.session import chosen_language, require
from crowdwatch.words import reason_text

__all__ = ["FAULT", "send"]

FAULT = "command_fault"
"""Where a fault is kept until the next drawing."""


def send(store: Store, run_id: str, kind: CommandKind, **more: str | float) -> None:
    """Queue a command under the name and role of who uses the page, if they have the right. A fault is kept and shown
    with the next drawing."""
    try:
        live = kind is CommandKind.STOP and store.run(run_id).mode is Mode.LIVE
        who = require(right_of(kind, live=live), command=kind.value, run=run_id)
        command = Command(run_id, kind, who.name, time.time_ns(), role=who.role, **more)  # type: ignore[arg-type]
        refused = judge(command)
        if refused is not None:
            st.session_state[FAULT] = reason_text(chosen_language(), (refused,))
            return
        store.submit(command)
        st.session_state.pop(FAULT, None)
    except CrowdWatchError as error:
        st.session_state[FAULT] = str(error)
