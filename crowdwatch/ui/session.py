"""Who uses this browser session, and what they may do. Every action on the page asks here, on the server's side."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from crowdwatch.core.commands import MOST_NAME
from crowdwatch.core.text import plain

__all__ = ["Actor", "actor"]

MOST_SHOWN = min(64, MOST_NAME)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at the page: name, as it is written beside what they do, and role (``core.commands.ROLES``)."""

    name: str
    role: str


def actor() -> Actor:
    """Who acts in this session. Without a name it is "operator"."""
    name = plain(str(st.session_state.get("operator") or "")) or "operator"
    return Actor(name[:MOST_SHOWN], "operator")
