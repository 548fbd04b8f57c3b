"""The page on which people change their own password, and administrators the accounts."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from crowdwatch.accounts.passwords import LEAST_LENGTH, MOST_LENGTH
from crowdwatch.core.accounts import MOST_NAME, By
from crowdwatch.core.rights import ROLES, Right
from crowdwatch.core.text import plain
from crowdwatch.errors import CrowdWatchError, NotAllowed
from crowdwatch.ui import session
from crowdwatch.ui.style import CSS, notice
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["accounts"]

FAULT, DONE = "cw_accounts_fault", "cw_accounts_done"


def accounts() -> None:
    """The own password; for administrators every account."""
    language = session.chosen_language()
    st.html(CSS)
    for key, loud in ((FAULT, True), (DONE, False)):
        if st.session_state.get(key):
            st.html(notice("!" if loud else "✓", st.session_state.pop(key), loud=loud))
    if session.allowed(Right.OWN_PASSWORD):
        _own(language)
    if session.allowed(Right.ACCOUNTS):
        _all(language)


def _heading(text: str) -> None:
    st.html(f'<div class="cw-h" role="heading" aria-level="2">{safe(text)}</div>')


def _secret(label: str, key: str, kind: str) -> None:
    st.text_input(label, key=key, type="password", max_chars=MOST_LENGTH, autocomplete=kind)


def _own(language: str) -> None:
    _heading(t(language, "accounts.own"))
    with st.form("cw-own"):
        _secret(t(language, "accounts.old"), "cw-own-old", "current-password")
        _secret(t(language, "accounts.new", n=LEAST_LENGTH), "cw-own-new", "new-password")
        st.form_submit_button(t(language, "accounts.change"), on_click=_change_own)


def _all(language: str) -> None:
    _heading(t(language, "accounts.all"))
    known = session.desk().people.accounts()
    st.dataframe(
        [
            {
                t(language, "col.name"): plain(each.name),
                t(language, "col.role"): t(language, f"role.{each.role}"),
                t(language, "col.state"): t(language, "accounts.disabled" if each.disabled else "accounts.enabled"),
            }
            for each in known
        ],
        hide_index=True,
    )
    st.html(f'<div class="cw-note">{safe(t(language, "accounts.note"))}</div>')
    st.selectbox(t(language, "accounts.pick"), [each.name for each in known], format_func=plain, key="cw-pick")
    st.selectbox(
        t(language, "accounts.role"), ROLES, format_func=lambda role: t(language, f"role.{role}"), key="cw-role"
    )
    for column, what in zip(st.columns(3), ("set_role", "disable", "enable"), strict=True):
        column.button(
            t(language, f"accounts.{what}"), key=f"cw-{what}", on_click=_change, args=(what, language), width="stretch"
        )
    with st.form("cw-add"):
        st.text_input(t(language, "sign_in.name"), key="cw-add-name", max_chars=MOST_NAME, autocomplete="off")
        st.selectbox(
            t(language, "accounts.role"), ROLES, format_func=lambda role: t(language, f"role.{role}"), key="cw-add-role"
        )
        _secret(t(language, "accounts.new", n=LEAST_LENGTH), "cw-add-password", "new-password")
        st.form_submit_button(t(language, "accounts.add"), on_click=_add, args=(language,))


def _try(do: Callable[[], str]) -> None:
    """Do it, or keep why it was not done."""
    try:
        st.session_state[DONE] = do()
    except CrowdWatchError as error:
        st.session_state.pop(DONE, None)
        st.session_state[FAULT] = session.said(error)


def _taken(key: str) -> str:
    """What was typed as a secret; it is forgotten here."""
    value = str(st.session_state.get(key) or "")
    st.session_state[key] = ""
    return value


def _by(right: Right) -> By:
    who = session.require(right)
    return By(who.name, who.role, session.source())


def _change_own() -> None:
    old, new = _taken("cw-own-old"), _taken("cw-own-new")

    def do() -> str:
        session.require(Right.OWN_PASSWORD)
        found = session.current()
        if found is None:
            raise NotAllowed(t(session.chosen_language(), "rights.ended"))
        session.desk().change_own(found, old, new, session.source(), time.time_ns())
        return ""

    _try(do)


def _change(what: str, language: str) -> None:
    name, role = str(st.session_state.get("cw-pick") or ""), str(st.session_state.get("cw-role") or "")

    def do() -> str:
        by, now_ns, desk = _by(Right.ACCOUNTS), time.time_ns(), session.desk()
        if what == "set_role":
            desk.set_role(name, role, by, now_ns)
        else:
            desk.set_disabled(name, what == "disable", by, now_ns)
        return t(language, "accounts.done", what=f"{plain(name)}: {t(language, f'accounts.{what}')}")

    _try(do)


def _add(language: str) -> None:
    name, role = str(st.session_state.get("cw-add-name") or ""), str(st.session_state.get("cw-add-role") or "")
    password = _taken("cw-add-password")

    def do() -> str:
        session.desk().add(name, role, password, _by(Right.ACCOUNTS), time.time_ns())
        st.session_state["cw-add-name"] = ""
        return t(language, "accounts.done", what=f"{plain(name)}: {t(language, 'accounts.add')}")

    _try(do)
