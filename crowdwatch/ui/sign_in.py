"""The door of the page: who is not signed in sees the form and nothing else, and who is can sign out in every tab."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from crowdwatch.accounts.passwords import LEAST_LENGTH, MOST_LENGTH
from crowdwatch.core.accounts import MOST_NAME, SignIn, coded
from crowdwatch.errors import CrowdWatchError, SignInRefused, StoreUnavailable
from crowdwatch.ui import cookies, session
from crowdwatch.ui.style import CSS, notice
from crowdwatch.ui.writing import markdown, safe, short
from crowdwatch.words import t

__all__ = ["admit", "signed_out"]

FAULT, TICKET, KEPT, LEFT, SEEN = "sign_in_fault", "sign_in_ticket", "sign_in_kept", "sign_in_left", "sign_in_seen"

LOOK_S = 2.0
"""So often every tab looks whether its sign-in stands. Every action looks by itself, at once."""

OWN = ("sign_in_", "sign-in-", "first-", "cw_", "cw-")

_DEMO = (
    '<div style="position:fixed;left:.4rem;bottom:.3rem;z-index:1000;pointer-events:none;background:#000;color:#fff;'
    'border:1px solid #fff;border-radius:.3rem;padding:0 .4rem;font-size:.8rem">{}</div>'
)


def admit(language: str) -> bool:
    """Draw the form and return False where nobody is signed in; else draw who is, and return True."""
    if session.demo():
        st.html(_DEMO.format(safe(t(language, "demo.access"))))
        return True
    st.html(CSS)
    try:
        found = session.current() or _from_provider()
        if found is not None:
            _inside(found, language)
            return True
        _outside(language)
    except StoreUnavailable as error:
        text = t(language, "store.lost.text", message=str(error))
        st.html(notice(t(language, "store.lost.title"), text, loud=True))
    return False


def _inside(found: SignIn, language: str) -> None:
    """Somebody is signed in: give what they had typed back, and let the browser keep the sign-in."""
    st.session_state.pop(FAULT, None)
    st.session_state.pop(LEFT, None)
    kept: dict[str, Any] = st.session_state.pop(KEPT, {})
    if kept.pop("", None) == found.name:
        for key, value in kept.items():
            st.session_state.setdefault(key, value)
    st.session_state[SEEN] = found.name
    ticket = st.session_state.get(TICKET)
    if ticket and cookies.waits(ticket):
        cookies.give_cookie(ticket)
    with st.sidebar:
        ends = datetime.fromtimestamp(found.ends_wall_ns / 1e9, UTC).astimezone()
        role = t(language, f"role.{found.role}")
        said = t(language, "sign_in.who", name=short(found.name, 24), role=role, time=f"{ends:%H:%M}")
        st.html(f'<div class="cw-note" title="{safe(found.name)}">{safe(said)}</div>')
        st.button(t(language, "sign_out"), key="cw-sign-out", on_click=_sign_out, args=(found,))
    st.fragment(_look, run_every=LOOK_S)(found.token_hash)


def _look(token_hash: str) -> None:
    """Draw the whole page anew where the sign-in has ended, in whatever tab or by whomever."""
    try:
        found = session.current()
    except StoreUnavailable:
        return  # the page says it, loudly; every action is refused
    if found is None or found.token_hash != token_hash:
        st.rerun()


def _sign_out(found: SignIn) -> None:
    try:
        session.desk().sign_out(found, session.source(), time.time_ns())
    except CrowdWatchError as error:
        st.session_state[FAULT] = session.said(error)
        return
    signed_out()
    st.session_state[LEFT] = found.way


def signed_out() -> None:
    """Forget all that this tab knows of who used it."""
    language = st.session_state.get("lang")
    for key in list(st.session_state):
        del st.session_state[key]
    if language is not None:
        st.session_state["lang"] = language


def _keep() -> None:
    """Keep what was typed until the same person signs in again: Streamlit forgets what is not drawn."""
    name = st.session_state.pop(SEEN, None)
    if name is None:
        return
    typed = {
        str(key): value
        for key, value in st.session_state.items()
        if type(value) in (str, int, float) and not str(key).startswith(OWN)
    }
    st.session_state[KEPT] = typed | {"": name}
    st.session_state.pop(session.TOKEN, None)
    st.session_state.setdefault(FAULT, "rights.ended")


def _from_provider() -> SignIn | None:
    """Begin a sign-in where an identity provider has named somebody, and their answer did not serve before."""
    providers = session.oidc()
    claims = session.claims() if providers is not None else None
    if providers is None or claims is None or st.session_state.get(LEFT):
        return None
    try:
        name, role, proof = providers.read(claims)
        token, found = session.desk().admit(name, role, proof, session.source(), time.time_ns())
    except SignInRefused as error:
        st.session_state[FAULT] = session.said(error)
        return None
    _took(token, found)
    return found


def _took(token: str, found: SignIn) -> None:
    st.session_state[session.TOKEN] = token
    life_s = (found.ends_wall_ns - found.begun_wall_ns) / 1e9
    st.session_state[TICKET] = cookies.ticket_for(token, life_s)


def _outside(language: str) -> None:
    _keep()
    left = st.session_state.get(LEFT)
    if left:
        cookies.forget_cookie()
        st.html(notice(t(language, "sign_out.done"), t(language, "sign_out.text"), loud=False))
    fault = st.session_state.get(FAULT)
    if fault:
        text = t(language, fault) if fault == "rights.ended" else str(fault)
        st.html(notice("!", text, loud=True))
    st.html(f'<div class="cw-h" role="heading" aria-level="1">{safe(t(language, "sign_in.title"))}</div>')
    providers, people = session.oidc(), session.desk().people
    if providers is not None:
        if session.claims() is not None:
            st.button(t(language, "sign_in.leave"), key="sign-in-leave", on_click=st.logout)
        for name in providers.providers:
            label = t(language, "sign_in.provider", name=markdown(short(name, 24)))
            st.button(label, key=f"sign-in-by-{name}", on_click=_to_provider, args=(name,))
    if people.accounts():
        _form(language)
    elif providers is None:
        _first_form(language)


def _to_provider(name: str) -> None:
    st.session_state.pop(LEFT, None)
    st.session_state.pop(FAULT, None)
    st.login(None if name == "default" else name)


def _form(language: str) -> None:
    with st.form("sign-in-form"):
        st.text_input(t(language, "sign_in.name"), key="sign-in-name", max_chars=MOST_NAME, autocomplete="username")
        st.text_input(
            t(language, "sign_in.password"), key="sign-in-password", type="password", max_chars=MOST_LENGTH,
            autocomplete="current-password",
        )  # fmt: skip
        st.form_submit_button(t(language, "sign_in.send"), type="primary", on_click=_sign_in)


def _typed(*names: str) -> list[str]:
    """What was typed; secrets among it are forgotten here at once."""
    values = [str(st.session_state.get(name) or "") for name in names]
    for name in names:
        if name.endswith(("password", "again", "code")):
            st.session_state[name] = ""
    return values


def _sign_in() -> None:
    name, password = _typed("sign-in-name", "sign-in-password")
    try:
        _took(*session.desk().sign_in(name, password, session.source(), time.time_ns()))
        st.session_state.pop(LEFT, None)
        st.session_state.pop(FAULT, None)
    except CrowdWatchError as error:
        st.session_state[FAULT] = session.said(error)


def _first_form(language: str) -> None:
    """No account is there: the code from the terminal makes the first one."""
    st.html(f'<div class="cw-note">{safe(t(language, "first.text"))}</div>')
    with st.form("first-form"):
        st.text_input(t(language, "first.code"), key="first-code", max_chars=64, autocomplete="off")
        st.text_input(t(language, "sign_in.name"), key="first-name", max_chars=MOST_NAME, autocomplete="username")
        for key in ("first-password", "first-again"):
            label = t(language, "first.password" if key == "first-password" else "first.again", n=LEAST_LENGTH)
            st.text_input(label, key=key, type="password", max_chars=MOST_LENGTH, autocomplete="new-password")
        st.form_submit_button(t(language, "first.send"), type="primary", on_click=_first)


def _first() -> None:
    keep = str(st.session_state.get("first-code") or "")
    code, name, password, again = _typed("first-code", "first-name", "first-password", "first-again")
    try:
        if password != again:
            raise coded(SignInRefused("first start: the two passwords differ."), "differ")
        _took(*session.desk().first_account(code, name, password, session.source(), time.time_ns()))
        st.session_state.pop(FAULT, None)
    except CrowdWatchError as error:
        st.session_state[FAULT] = session.said(error)
        st.session_state["first-code"] = keep  # the code is still good where only the password was not
