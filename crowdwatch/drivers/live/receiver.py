"""The engine's end of the channel: admits stations, takes in what they say, and tells them what is wanted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from crowdwatch.core.live import LiveMessage
from crowdwatch.drivers.live.channel import QUEUE_LETTERS, Access, keep_alive
from crowdwatch.drivers.live.wire import MOST_BYTES, camera_of, decode, pack, unpack
from crowdwatch.errors import ConfigError, RecordError

__all__ = ["Receiver"]

_log = logging.getLogger(__name__)

WORD_S = 0.5
"""A station without news hears from the engine this often."""

MOST_STRANGERS = 100
"""Of so many it is said that they were refused, each once."""

MOST_AT_ONCE = 1000
"""Letters that are taken in before the engine goes on with them."""


@dataclass(slots=True, eq=False)
class _Station:
    """A station as the engine knows it."""

    camera_ids: frozenset[str]
    spoke_s: float
    has_spoken: bool = False
    heard: int = 0
    route: bytes | None = None
    told_s: float = 0.0
    pictures: tuple[str, ...] = ()
    changed: bool = False


class Receiver:
    """The engine's end. Used by one thread.

    Args:
        bind: where stations reach it; the port may be ``*``.
        now_ns: event time, which every word tells: stations on other hosts take it over.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(self, bind: str = "tcp://127.0.0.1:*", now_ns: Callable[[], int] = time.time_ns) -> None:
        self.refused, self._now_ns = 0, now_ns
        self._stations: dict[str, _Station] = {}
        self._strangers: set[str] = set()
        public, secret = zmq.curve_keypair()
        self._public = public.decode()
        self._context = zmq.Context()
        self._keeper = ThreadAuthenticator(self._context)
        self._keeper.start()
        self._keeper.configure_curve_callback(credentials_provider=self)
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_secretkey = secret
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE_LETTERS)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE_LETTERS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        keep_alive(self._socket)
        try:
            self._socket.bind(bind)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(f"address {bind!r} cannot be listened at ({error}). Give a free one.") from error
        address = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(address, bytes)
        self._address = address.rstrip(b"\0").decode()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a key is admitted; asked by ZeroMQ's authenticator, in its own thread."""
        name = key.decode("ascii", "replace")
        if name in self._stations:
            return True
        if name not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers.add(name)
            _log.warning("a stranger was refused at %s: its key is not admitted.", self._address)
        return False

    def admit(self, camera_ids: Collection[str]) -> Access:
        """A key pair for one start of a station that speaks for these cameras."""
        public, secret = (key.decode() for key in zmq.curve_keypair())
        self._stations[public] = _Station(frozenset(camera_ids), time.monotonic())
        return Access(self._address, self._public, public, secret)

    def dismiss(self, access: Access) -> None:
        """From now on nothing is heard of whoever has this key."""
        self._stations.pop(access.station_public, None)

    def silent_s(self, access: Access) -> float:
        """How long ago a station spoke last; since it was admitted, where it has not spoken yet."""
        return time.monotonic() - self._stations[access.station_public].spoke_s

    def has_spoken(self, access: Access) -> bool:
        """Whether a station has spoken since it was admitted."""
        return self._stations[access.station_public].has_spoken

    def want_pictures(self, access: Access, camera_ids: Collection[str]) -> None:
        """Tell a station of which of its cameras coarse pictures are wanted."""
        station = self._stations[access.station_public]
        wanted = tuple(sorted(station.camera_ids & set(camera_ids)))
        station.changed = station.changed or wanted != station.pictures
        station.pictures = wanted

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """What has come, in order per camera; waits for the first of it. May be empty."""
        messages: list[LiveMessage] = []
        self._socket.poll(round(1000 * min(timeout_s, WORD_S)))
        for _ in range(MOST_AT_ONCE):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            self._take(parts, messages)
        self._answer()
        return messages

    def _take(self, parts: list[Any], messages: list[LiveMessage]) -> None:
        """One letter; what cannot be used is refused and counted."""
        key = parts[-1].get("User-Id")
        station = self._stations.get(key)
        if station is None:
            self.refused += 1
            with suppress(zmq.ZMQError):
                self._socket.send_multipart([parts[0].bytes, pack({"end": True})], zmq.NOBLOCK)
            return
        try:
            if len(parts) != 2:
                raise RecordError(f"letter of {len(parts) - 1} parts, need one.")
            head, body = unpack(parts[1].bytes)
            station.route, station.spoke_s, station.has_spoken = parts[0].bytes, time.monotonic(), True
            if head.get("kind") == "beat":
                return
            if head.get("number") != station.heard + 1:  # came before, or follows one that will be sent again
                return
            station.heard += 1
            station.changed = True
            message = decode(head, body)
            if camera_of(message) not in station.camera_ids:
                raise RecordError(f"camera {camera_of(message)!r} is not this station's.")
        except RecordError as error:
            self.refused += 1
            _log.warning("a station's message was refused: %s", error)
            return
        messages.append(message)

    def _answer(self) -> None:
        """Tell every station what was heard and what is wanted, where that changed or it has long heard nothing."""
        now_s = time.monotonic()
        for station in self._stations.values():
            if station.route is None or not (station.changed or now_s - station.told_s >= WORD_S):
                continue
            word = pack({"heard": station.heard, "pictures": station.pictures, "now_ns": self._now_ns()})
            try:
                self._socket.send_multipart([station.route, word], zmq.NOBLOCK)
            except zmq.ZMQError:  # its connection is gone or full; it is told when it speaks again
                continue
            station.told_s, station.changed = now_s, False

    def close(self) -> None:
        """Hear nobody any more; safe to call twice."""
        if not self._context.closed:
            self._socket.close()
            self._keeper.stop()
            self._context.destroy(linger=0)
