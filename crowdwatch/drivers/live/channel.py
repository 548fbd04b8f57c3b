"""The channel from stations to the engine: ordered, bounded, encrypted, and open to nobody without a key.

ZeroMQ with CURVE carries the letters. Every start of a station is admitted with a key pair of its own, which speaks
for its cameras alone and is dismissed with it. Letters are numbered; the engine says which it has heard; what a broken
connection lost is sent again, and what came twice is left out. So per camera the order holds across connections, and
no more is under way than a window, whatever the link does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import zmq

__all__ = ["QUEUE_LETTERS", "WINDOW_BYTES", "WINDOW_LETTERS", "Access", "keep_alive"]

WINDOW_LETTERS, WINDOW_BYTES = 64, 64_000
"""Under way from one station to the engine, and not heard yet, at most. On a link of 1 Mbit/s the bytes take 0.5 s;
with a round trip of 50 ms they allow 1.3 MB/s, ten times what eight cameras say."""

QUEUE_LETTERS = 4 * WINDOW_LETTERS
"""ZeroMQ's own queue of one connection: a window that was sent again twice does not fill it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a station needs to speak to the engine. Handed over by a pipe, never as an argument of a program.

    Args:
        address: of the engine.
        engine_key: the engine's public key; a station speaks to nobody else.
        station_public, station_secret: the station's own key pair.
    """

    address: str
    engine_key: str
    station_public: str
    station_secret: str = field(repr=False)

    def as_dict(self) -> dict[str, str]:
        """All of it, the secret included."""
        return asdict(self)


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """A link that is cut without a word is noticed after 4 s, and tried again every second."""
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 4000)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 10_000)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, 2000)
