"""Who uses this browser session, and what they may do. Every action on the page asks here, on the server's side."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import streamlit as st

from crowdwatch.core.commands import MOST_NAME
from crowdwatch.core.text import plain

__all__ = ["Actor", "actor", "audit"]

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


def audit(action: str, **details: str) -> None:
    """Note that this person saw or did what not everybody may, such as a clear picture.

    Args:
        action: short name, as ``clear_picture``.
        details: of what, as ``camera="gate"``.
    """
    person = actor()
    said = " ".join(f"{key}={plain(value)}" for key, value in details.items())
    logging.getLogger("crowdwatch.audit").info("%s by %s (%s) %s", action, person.name, person.role, said)
