"""Who uses this browser session, and what they may do. Every action on the page asks here, on the server's side.

``$CROWDWATCH_ACCESS`` says how the page is served: ``demo`` for a demonstration on this machine alone, anything else,
and nothing, asks for a sign-in. What a person may do stands in :mod:`crowdwatch.core.rights`.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from crowdwatch.accounts import providers
from crowdwatch.accounts.desk import SHIFT_S, Desk
from crowdwatch.core.accounts import MOST_NAME, By, EntryKind, SignIn
from crowdwatch.core.ports import People
from crowdwatch.core.rights import LEAST, Right, may
from crowdwatch.core.text import plain
from crowdwatch.drivers import build
from crowdwatch.errors import NotAllowed, StoreUnavailable
from crowdwatch.ui.cookies import COOKIE
from crowdwatch.words import LANGUAGES, t

__all__ = [
    "ACCESS_VARIABLE",
    "DEMO_ROLE",
    "RIGHTS_VARIABLE",
    "SHIFT_VARIABLE",
    "Actor",
    "Bearer",
    "actor",
    "allowed",
    "bearer",
    "chosen_language",
    "claims",
    "current",
    "demo",
    "denied",
    "desk",
    "oidc",
    "require",
    "said",
    "source",
]

ACCESS_VARIABLE, SHIFT_VARIABLE, RIGHTS_VARIABLE = "CROWDWATCH_ACCESS", "CROWDWATCH_SHIFT_S", "CROWDWATCH_RIGHTS"

TOKEN = "cw_token"
"""Where this tab keeps its token, on the server."""

DEMO_ROLE = "commander"
DEMO_LACKS = frozenset({Right.ACCOUNTS, Right.AUDIT_LOG, Right.OWN_PASSWORD})
"""In a demonstration there is nobody to administer; everything else may be tried, setting an event up too."""

RECORDED = {
    Right.CLEAR_PICTURE: EntryKind.CLEAR_PICTURE,
    Right.EXPORT: EntryKind.EXPORT,
    Right.START_REPLAY: EntryKind.START_REPLAY,
    Right.SET_UP: EntryKind.SETTINGS,
    Right.AUDIT_LOG: EntryKind.PAGE,
}
"""What :func:`require` writes into the audit log. Commands and hand counts are written there by the store itself,
accounts and sign-ins by the desk."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at the page: name, as it is written beside what they do, and role (``core.rights.ROLES``)."""

    name: str
    role: str


def said(error: Exception) -> str:
    """What went wrong, in the language of this viewer where it is known."""
    code = str(getattr(error, "code", ""))
    return t(chosen_language(), f"fault.{code}", **getattr(error, "values", {})) if code else str(error)


def demo() -> bool:
    """Whether this is a demonstration, reached from this machine by its own name. Another one is closed."""
    if os.environ.get(ACCESS_VARIABLE) != "demo":
        return False
    host = _word(st.context.headers.get("host")) or "localhost"
    host = host.rsplit(":", 1)[0].strip("[]") if not host.endswith("]") else host.strip("[]")
    return source() == "this machine" and (host == "localhost" or _loopback(host))


def _word(value: object) -> str:
    """A text of the browser's request; empty without one, as in tests that have no browser."""
    return value if isinstance(value, str) else ""


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def source() -> str:
    """Where the browser is, as the audit log writes it."""
    address = _word(st.context.ip_address)
    return "this machine" if not address or _loopback(address) else plain(address)


def chosen_language() -> str:
    """The language of this viewer."""
    chosen = str(st.session_state.get("lang") or st.query_params.get("lang"))
    return chosen if chosen in LANGUAGES else "en"


@st.cache_resource(show_spinner=False)
def _people(url: str, create: bool) -> People:
    return build.open_people(url, create=create)


def desk() -> Desk:
    """The desk of the store that is shown. Raises StoreUnavailable."""
    url = build.store_url(Path("runs"))
    file = Path(url.removeprefix("sqlite:///"))
    # a demonstration may be set up before anything was recorded; a store that was there must not come back empty
    create = os.environ.get(ACCESS_VARIABLE) == "demo" and url.startswith("sqlite:///") and not file.exists()
    try:
        shift_s = float(os.environ.get(SHIFT_VARIABLE) or SHIFT_S)
    except ValueError:
        shift_s = SHIFT_S
    return Desk(_people(url, create), shift_s)


def oidc() -> providers.Providers | None:
    """What is believed of identity providers; None where none is set up. Raises ConfigError."""
    return providers.provided(os.environ.get(RIGHTS_VARIABLE, ""))


def claims() -> dict[str, Any] | None:
    """What an identity provider says of who uses this browser; None where nobody came by one."""
    return dict(st.user.to_dict()) if st.user.get("is_logged_in") else None


def current() -> SignIn | None:
    """Who is signed in here, looked up in the store at every call. Raises StoreUnavailable."""
    for token in (st.session_state.get(TOKEN), _word(st.context.cookies.get(COOKIE))):
        found = desk().known(token, time.time_ns()) if token else None
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who used this session when it was asked, for what is done later and without it, such as a download."""

    people: People | None
    token_hash: str
    source: str
    language: str
    demo_name: str = ""

    def actor(self) -> Actor:
        """Who acts, looked up anew. Raises NotAllowed: the sign-in stands no more, or it cannot be told."""
        if self.demo_name:
            return Actor(self.demo_name, DEMO_ROLE)
        try:
            found = (self.people or desk().people).sign_in(self.token_hash, time.time_ns())
        except StoreUnavailable as error:
            raise NotAllowed(t(self.language, "rights.unknown", message=str(error))) from error
        if found is None:
            raise NotAllowed(t(self.language, "rights.ended"))
        return Actor(found.name, found.role)

    def has(self, who: Actor, right: Right) -> bool:
        """Whether this person may."""
        return right not in DEMO_LACKS if self.demo_name else may(who.role, right)

    def require(self, right: Right, detail: Mapping[str, Any]) -> Actor:
        """As of :func:`require`."""
        who = self.actor()
        good = self.has(who, right)
        kind = RECORDED.get(right) if good else EntryKind.DENIED
        if kind is not None:
            by = By(who.name, who.role, self.source)
            try:
                (self.people or desk().people).record(kind, by, time.time_ns(), {"right": right.value} | dict(detail))
            except StoreUnavailable as error:
                raise NotAllowed(t(self.language, "rights.unknown", message=str(error))) from error
        if not good:
            raise NotAllowed(t(self.language, "rights.denied", role=t(self.language, f"role.{LEAST[right]}")))
        return who


def bearer() -> Bearer:
    """Who uses this session now.

    Raises:
        NotAllowed: nobody is signed in, or it cannot be told.
    """
    language = chosen_language()
    try:
        if demo():
            name = plain(str(st.session_state.get("operator") or "")) or "operator"
            return Bearer(None, "", source(), language, name[:MOST_NAME])
        found = current()
    except StoreUnavailable as error:
        raise NotAllowed(t(language, "rights.unknown", message=str(error))) from error
    if found is None:
        raise NotAllowed(t(language, "rights.ended"))
    return Bearer(desk().people, found.token_hash, source(), language)


def actor() -> Actor:
    """Who acts in this session.

    Raises:
        NotAllowed: nobody is signed in, or it cannot be told.
    """
    return bearer().actor()


def allowed(right: Right) -> bool:
    """Whether who uses this session has a right: to show a button as usable. The action itself asks again."""
    return not denied(right)


def denied(right: Right) -> str:
    """Why who uses this session may not do something, in their language; empty where they may. A button that may not be
    used is greyed out and says this. The action itself asks again."""
    try:
        one = bearer()
        if one.has(one.actor(), right):
            return ""
        return t(one.language, "rights.needs", role=t(one.language, f"role.{LEAST[right]}"))
    except NotAllowed as error:
        return str(error)


def require(right: Right, **detail: str | float | bool) -> Actor:
    """Who acts, if they have a right. What :data:`RECORDED` names is in the audit log when this returns, and so is
    every refusal of somebody who is signed in.

    Args:
        right: what is to be done.
        detail: of what, for the log: ids and names, no secrets, no texts that people wrote.

    Raises:
        NotAllowed: nobody is signed in, the role lacks the right, or the log cannot be written. Nothing may be done.
    """
    return bearer().require(right, detail)
