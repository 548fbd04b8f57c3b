"""MQTT 5: alert events with their key, and the state of every zone, retained.

Topics, below ``TOPIC/EVENT``: ``alert/ZONE`` (QoS 1, not retained, JSON), ``zone/ZONE`` (retained, JSON), ``status``
(``online`` or ``offline``, retained; ``offline`` is the broker's will when this process is gone). A zone's state ends
by itself after :data:`EXPIRY_S` unless it is said again: a broker never shows the calm of an hour ago.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from crowdwatch.core.notices import Notification, Target
from crowdwatch.errors import ConfigError, NotTold
from crowdwatch.notify.addresses import address_of
from crowdwatch.notify.context import Context
from crowdwatch.notify.forms import MEDIA_TYPES, body_of
from crowdwatch.notify.zone_states import ZoneState

__all__ = ["EXPIRY_S", "MqttSender"]

EXPIRY_S = 30
"""How long a broker keeps the state of a zone that is not said again."""

CONNECT_S, ANSWER_S = 5.0, 8.0


class MqttSender:
    """One connection to a broker; lost, it is made again by the next try.

    Args:
        target: ``mqtt://USER:PASSWORD@HOST:PORT`` or ``mqtts://...``.
        context: the event.

    Raises:
        ConfigError: not such an address.
    """

    def __init__(self, target: Target, context: Context) -> None:
        self._target, self._context = target, context
        wrong = ConfigError(
            f"notify target {target.target_id!r}: not an address. Give mqtt://HOST:1883 or mqtts://HOST."
        )
        try:
            parts = urlsplit(address_of(target))
            port = parts.port or {"mqtt": 1883, "mqtts": 8883}.get(parts.scheme, 0)
        except ValueError:
            raise wrong from None  # the error's text would show the address
        if not port or not parts.hostname:
            raise wrong
        self._host, self._port = parts.hostname, port
        self._root = f"{target.topic}/{context.event_id}"
        self._connected, self._lock = threading.Event(), threading.Lock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if parts.scheme == "mqtts":
            self._client.tls_set()
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        self._client.will_set(f"{self._root}/status", "offline", qos=1, retain=True)
        self._client.connect_timeout = CONNECT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._running = False

    def send(self, notification: Notification) -> None:
        """As of :class:`~crowdwatch.notify.senders.Sender`: sent is what the broker has confirmed."""
        body = body_of(notification, self._context, self._target)[1]
        more = _properties()
        more.ContentType = MEDIA_TYPES[self._target.form]
        more.UserProperty = ("idempotency-key", notification.key)
        self._publish(f"{self._root}/alert/{_word(notification.zone_id)}", body, more, retain=False)

    def say_states(self, states: Iterable[ZoneState]) -> None:
        """Publish the state of zones, retained. Raises NotTold."""
        for state in states:
            more = _properties()
            more.ContentType = "application/json"
            more.MessageExpiryInterval = EXPIRY_S
            text = json.dumps(state.as_json(), ensure_ascii=False, allow_nan=False)
            self._publish(f"{self._root}/zone/{state.zone_id}", text, more, retain=True)

    def announce(self, zone_ids: Iterable[str]) -> None:
        """Tell Home Assistant of a sensor per zone (MQTT discovery), where the target asks for it. Raises NotTold."""
        if not self._target.discovery:
            return
        event = self._context.event_id
        for zone_id in zone_ids:
            name = f"crowdwatch_{event}_{zone_id}".replace(".", "_").replace("-", "_")
            sensor = {
                "name": self._context.zone(zone_id, self._target.languages[0]),
                "unique_id": name,
                "object_id": name,
                "state_topic": f"{self._root}/zone/{zone_id}",
                "value_template": "{{ value_json.level }}",
                "json_attributes_topic": f"{self._root}/zone/{zone_id}",
                "availability_topic": f"{self._root}/status",
                "expire_after": EXPIRY_S,
                "device": {"identifiers": [f"crowdwatch_{event}"], "name": f"CrowdWatch {event}"},
            }
            more = _properties()
            self._publish(
                f"homeassistant/sensor/{name}/config", json.dumps(sensor, ensure_ascii=False), more, retain=True
            )

    def close(self) -> None:
        """Say that nobody speaks any more, and leave; safe to call twice."""
        if not self._running:
            return
        self._running = False
        if self._connected.is_set():
            said = self._client.publish(f"{self._root}/status", "offline", qos=1, retain=True)
            with suppress(RuntimeError, ValueError):
                said.wait_for_publish(timeout=2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, topic: str, text: str, more: Properties, *, retain: bool) -> None:
        with self._lock:
            self._connect()
            try:
                said = self._client.publish(topic, text.encode(), qos=1, retain=retain, properties=more)
                said.wait_for_publish(timeout=ANSWER_S)
            except (RuntimeError, ValueError, OSError) as error:
                raise NotTold(f"{self._target.target_id}: {type(error).__name__} while publishing.") from None
            if not said.is_published():
                self._drop()
                raise NotTold(f"{self._target.target_id}: the broker did not confirm in {ANSWER_S:.0f} s.")

    def _connect(self) -> None:
        if self._connected.is_set():
            return
        self._drop()
        try:
            self._client.connect(self._host, self._port, keepalive=15)
        except (OSError, ValueError) as error:
            raise NotTold(
                f"{self._target.target_id}: the broker {self._host}:{self._port} cannot be reached "
                f"({getattr(error, 'strerror', None) or type(error).__name__})."
            ) from None
        self._client.loop_start()
        self._running = True
        if not self._connected.wait(CONNECT_S):
            self._drop()
            raise NotTold(f"{self._target.target_id}: the broker {self._host}:{self._port} refused, or did not answer.")
        self._client.publish(f"{self._root}/status", "online", qos=1, retain=True)

    def _drop(self) -> None:
        """End what is left of a connection: what waits in the client would go out twice."""
        if self._running:
            self._client.disconnect()
            self._client.loop_stop()
        self._running = False
        self._connected.clear()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            self._connected.set()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected.clear()


def _word(zone_id: str) -> str:
    """A zone as a word of a topic; a report may be about a place in free words.

    >>> _word("quay"), _word("near #3 + kiosk/1")
    ('quay', 'near__3___kiosk_1')
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", zone_id)[:64] or "_"


def _properties() -> Properties:
    return Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
