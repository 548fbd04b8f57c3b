"""A sign-in outlives a reload of the page: the browser keeps its token in a cookie that no script can read.

A Streamlit script cannot set a cookie. So a tab that signed somebody in is given a **ticket**, which works once and for
a minute. The browser gives it to an address of this server, and gets the cookie: ``HttpOnly``, ``SameSite=Strict``, and
``Secure`` where the page is reached by TLS. Where the page is served without :mod:`crowdwatch.ui.served` there is no
such address, and a sign-in holds for its tab until it is loaded anew.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["COOKIE", "ROUTES", "forget_cookie", "give_cookie", "take_ticket", "ticket_for", "waits"]

COOKIE = "crowdwatch_session"

PATH = "/crowdwatch/session"

TICKET_S, MOST_TICKETS, MOST_BODY = 60.0, 1000, 1000

_tickets: dict[str, tuple[str, float, float]] = {}
_lock = threading.Lock()

_JS = """
export default function ({ data }) {
  const ask = { method: data.method, credentials: "same-origin", headers: { "Content-Type": "application/json" } };
  if (data.ticket) ask.body = JSON.stringify({ ticket: data.ticket });
  fetch(data.path, ask).catch(() => null);
}
"""

_component = st.components.v2.component("crowdwatch_cookie", js=_JS)


def ticket_for(token: str, life_s: float) -> str:
    """A ticket for a token: the browser that brings it gets the cookie, which lasts for ``life_s``."""
    ticket, now_s = secrets.token_urlsafe(24), time.monotonic()
    with _lock:
        for old in [key for key, (_, until_s, _) in _tickets.items() if until_s < now_s]:
            del _tickets[old]
        while len(_tickets) >= MOST_TICKETS:
            del _tickets[next(iter(_tickets))]
        _tickets[ticket] = (token, now_s + TICKET_S, life_s)
    return ticket


def take_ticket(ticket: str) -> tuple[str, float] | None:
    """The token of a ticket and the cookie's life, once."""
    with _lock:
        token, until_s, life_s = _tickets.pop(ticket, ("", 0.0, 0.0))
    return (token, life_s) if until_s >= time.monotonic() else None


def waits(ticket: str) -> bool:
    """Whether a browser has yet to bring this ticket."""
    with _lock:
        return ticket in _tickets and _tickets[ticket][1] >= time.monotonic()


def give_cookie(ticket: str) -> None:
    """Let the browser of this page exchange a ticket."""
    _component(data={"path": PATH, "method": "POST", "ticket": ticket}, key="cw-cookie")


def forget_cookie() -> None:
    """Let the browser of this page drop its cookie; what it proves is ended in the store in any case."""
    _component(data={"path": PATH, "method": "DELETE", "ticket": ""}, key="cw-cookie-gone")


def _from_here(request: Request) -> bool:
    """Whether this server's own page asks: a form of another site has another origin, and no JSON."""
    origin, kind = request.headers.get("origin", ""), request.headers.get("content-type", "")
    return urlsplit(origin).netloc == request.headers.get("host", "?") and kind.startswith("application/json")


async def _session(request: Request) -> Response:
    length = request.headers.get("content-length") or "0"
    if (
        not _from_here(request)
        or not length.isdecimal()
        or int(length) > MOST_BODY
        or "transfer-encoding" in request.headers
    ):
        return Response(status_code=403)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    if request.method == "DELETE":
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer
    try:
        ticket = json.loads(await request.body())["ticket"]
    except (ValueError, KeyError, TypeError):
        return Response(status_code=400)
    found = take_ticket(ticket) if isinstance(ticket, str) else None
    if found is None:
        return Response(status_code=403)
    token, life_s = found
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
    answer.set_cookie(
        COOKIE, token, max_age=int(life_s), path="/", httponly=True, samesite="strict", secure=secure
    )  # fmt: skip
    return answer


ROUTES = [Route(PATH, _session, methods=["POST", "DELETE"])]
"""The address that sets the cookie and drops it."""
