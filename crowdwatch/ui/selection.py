"""One selection for all pages: the run, the zone, the camera, the time. It outlives a change of page, which forgets the
state of every field, and stands in the address, so that a link or a reload shows the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

__all__ = ["point_to", "recall", "remember"]

_KEPT = "kept-"


def recall(key: str, allowed: Collection[Any] | None = None, address: str = "") -> None:
    """Give a field, before it is drawn, what was chosen on another page, or what the address says.

    Args:
        key: of the field.
        allowed: what may be chosen; None is anything.
        address: the name in the address; empty where it does not stand there.
    """
    state = st.session_state
    if key not in state:
        found = state.get(_KEPT + key)
        if found is None and address:
            found = st.query_params.get(address)
        if found is not None:
            state[key] = found
    if allowed is not None and key in state and state[key] not in allowed:
        del state[key]


def remember(key: str, value: Any, address: str = "") -> None:
    """Keep what was chosen for the other pages, and write it into the address; an empty value is taken out of it."""
    st.session_state[_KEPT + key] = value
    if not address:
        return
    if value:
        if st.query_params.get(address) != value:
            st.query_params[address] = value
    elif address in st.query_params:
        del st.query_params[address]


def point_to(key: str, value: Any) -> None:
    """Choose something from a button or a map; the field shows it with the next drawing."""
    st.session_state[key] = value
    st.session_state[_KEPT + key] = value
