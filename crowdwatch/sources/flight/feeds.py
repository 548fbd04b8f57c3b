"""Where telemetry of a live drone comes from: a file that grows, or messages of a broker. Each is one thread."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote, unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from crowdwatch.core.stream_url import VARIABLE
from crowdwatch.errors import SourceUnavailable, redact
from crowdwatch.sources.flight.growing import GrowingText, Timed, entry_of_message

__all__ = ["BrokerFeed", "FileFeed", "TelemetryFeed"]

LOOK_S = 0.05
"""How often a file is looked at: half of the usual step between entries."""

PIECE_BYTES = 1_000_000

HEAD_BYTES = 20_000
"""Of a file that was there before, in which a table's header is looked for."""

Take = Callable[[Timed | None], None]
"""Called with every entry; with None where another flight begins."""


class TelemetryFeed(Protocol):
    """Telemetry of one drone as it comes, from entering the context to leaving it."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""


class FileFeed:
    """A file of subtitles or a table that another program writes on. What stood in it before is not of now.

    Args:
        path: the file; it may come later.
        take: given every entry, in a thread of its own.
    """

    def __init__(self, path: Path, take: Take) -> None:
        self._path, self._take, self._ended = path, take, threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"telemetry {path.name}", daemon=True)
        self._text, self._place, self._file_id = GrowingText(), 0, (0, 0)
        self._skip_to_end()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _skip_to_end(self) -> None:
        """Begin behind what is there; a table's header is read before."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                head = GrowingText()
                head.feed(file.read(HEAD_BYTES).decode("utf-8", errors="replace"))
                self._text = GrowingText(head.header)
                self._place, self._file_id = found.st_size, (found.st_dev, found.st_ino)
        except OSError:
            return

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            try:
                self._look()
            except OSError:
                continue  # it is not there, or not yet: pictures have no place meanwhile, which is said of them

    def _look(self) -> None:
        with self._path.open("rb") as file:
            found = os.fstat(file.fileno())
            file_id = found.st_dev, found.st_ino
            if file_id != self._file_id or found.st_size < self._place:
                if self._file_id != (0, 0):
                    self._take(None)
                self._text, self._place, self._file_id = GrowingText(), 0, file_id
            file.seek(self._place)
            while piece := file.read(PIECE_BYTES):
                self._place += len(piece)
                for each in self._text.feed(piece.decode("utf-8", errors="replace")):
                    self._take(each)


class BrokerFeed:
    """Messages of one topic of an MQTT broker. A lost connection is made again.

    Args:
        address: ``mqtt://USER:${NAME}@HOST:PORT/TOPIC`` or ``mqtts://...``.
        take: given every entry, in the client's thread.

    Raises:
        SourceUnavailable: not such an address, or a variable is not set.
    """

    def __init__(self, address: str, take: Take) -> None:
        self._take = take
        wrong = SourceUnavailable(
            f"telemetry {redact(address)}: not an address of a broker. Give mqtt://HOST:1883/TOPIC."
        )
        try:
            parts = urlsplit(VARIABLE.sub(_value, address))
            port = parts.port or {"mqtt": 1883, "mqtts": 8883}.get(parts.scheme, 0)
        except ValueError:
            raise wrong from None  # the error's text would show the address
        self._topic = unquote(parts.path.lstrip("/"))
        if not port or not parts.hostname or not self._topic:
            raise wrong
        self._host, self._port = parts.hostname, port
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if parts.scheme == "mqtts":
            self._client.tls_set()
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        self._client.reconnect_delay_set(1, 5)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect_async(self._host, self._port, keepalive=15)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            self._client.subscribe(self._topic, qos=0)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        if message.retain:
            return  # said before we listened: nobody knows when
        found = entry_of_message(bytes(message.payload))
        if found is not None:
            self._take(found)


def _value(match: re.Match[str]) -> str:
    found = os.environ.get(match[1])
    if not found:
        text = f"telemetry: the environment variable {match[1]} is not set. Set it where CrowdWatch starts."
        raise SourceUnavailable(text)
    return quote(found, safe="")
