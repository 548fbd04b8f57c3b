"""HTTP in a thread beside what it tells of: metrics and signs of health of an engine.

Starlette and uvicorn, which the page brings along: Python's ``http.server`` says of itself that it is not for
production, and has neither a bound of connections nor a clean end. The addresses of requests are logged nowhere, since
some are tickets.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from crowdwatch.errors import ConfigError
from crowdwatch.telemetry.engine_signs import Signs

__all__ = ["Serving", "health_routes", "metrics_routes"]

MOST_CONNECTIONS = 64
LEAVE_S = 2.0
START_S = 10.0

GUARD_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
}


def health_routes(
    unhealthy: Callable[[], str], unready: Callable[[], str], well: Callable[[], str] = lambda: "ok"
) -> list[BaseRoute]:
    """``/healthz``: whether the process should be left alone; ``/readyz``: whether its readings can be used.

    Each is 200, or 503 with the reason in one line.

    Args:
        unhealthy, unready: the reason, or empty.
        well: what is said where there is none.
    """

    def answer(reason: str) -> Response:
        return PlainTextResponse(f"{reason or well()}\n", 503 if reason else 200, GUARD_HEADERS)

    return [
        Route("/healthz", lambda request: answer(unhealthy()), name="healthz"),
        Route("/readyz", lambda request: answer(unready()), name="readyz"),
    ]


def metrics_routes(signs: Signs) -> list[BaseRoute]:
    """``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` of an engine."""

    def scrape(request: Request) -> Response:
        return Response(signs.exposition(), headers=GUARD_HEADERS, media_type=CONTENT_TYPE_LATEST)

    return [Route("/metrics", scrape), *health_routes(signs.unhealthy, signs.unready, signs.well)]


class Serving:
    """Serves routes while it is entered, in a thread of its own.

    Args:
        routes: what is served.
        address: where to listen; 127.0.0.1 unless a proxy or a firewall stands before it.
        port: 0 takes any free one.
        what: for messages: what is served.

    Raises:
        ConfigError: on entering: the port cannot be had.
    """

    def __init__(self, routes: Sequence[BaseRoute], address: str, port: int, what: str = "metrics") -> None:
        self._address, self._port, self._what = address, port, what
        app = Starlette(routes=list(routes))
        how = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=5, timeout_graceful_shutdown=int(LEAVE_S), server_header=False, proxy_headers=False,
            ws="none",
        )  # fmt: skip
        self._server = uvicorn.Server(how)
        self._thread = threading.Thread(target=self._run, name=f"http {what}", daemon=True)
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """Where it listens, once entered."""
        return self._port

    def __enter__(self) -> Serving:
        self._socket = self._bound()
        self._port = self._socket.getsockname()[1]
        self._thread.start()
        ends = time.monotonic() + START_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(2 * LEAVE_S)
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        if self._socket is not None:
            self._server.run(sockets=[self._socket])

    def _bound(self) -> socket.socket:
        wrong = f"{self._what}: cannot listen on {self._address} port {self._port}"
        try:
            family, _, _, _, where = socket.getaddrinfo(self._address, self._port, type=socket.SOCK_STREAM)[0]
            bound = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise ConfigError(f"{wrong}: {error.strerror or error}. Name an address of this machine.") from error
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(where)
        except OSError as error:
            with suppress(OSError):
                bound.close()
            raise ConfigError(
                f"{wrong}: {error.strerror or error}. Stop what listens there, or name another address or port."
            ) from error
        return bound
