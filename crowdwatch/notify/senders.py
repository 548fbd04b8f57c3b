"""The ways to tell: Apprise (mail, SMS gateways, chat), a signed webhook, files. MQTT is in
:mod:`crowdwatch.notify.mqtt`.

A try ends by itself: every way has its timeouts. What went wrong is said without the address, which is a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Protocol, runtime_checkable

from crowdwatch.core.notices import Form, Notification, Target, TargetKind
from crowdwatch.errors import ConfigError, NotTold
from crowdwatch.notify.addresses import address_of, key_of_signature, shown_url
from crowdwatch.notify.context import Context
from crowdwatch.notify.forms import MEDIA_TYPES, body_of
from crowdwatch.notify.posting import is_address, post

__all__ = ["SIGNATURE", "AppriseSender", "FileSender", "Sender", "WebhookSender", "open_sender", "signature_of"]

ANSWER_S = 8.0

SIGNATURE = "X-CrowdWatch-Signature"

SUFFIXES = {Form.TEXT: "txt", Form.RADIO: "txt", Form.JSON: "json", Form.CAP: "xml"}


@runtime_checkable
class Sender(Protocol):
    """One way to one target."""

    def send(self, notification: Notification) -> None:
        """Deliver one notification. Raises NotTold."""

    def close(self) -> None:
        """Release what it holds; safe to call twice."""


def open_sender(target: Target, context: Context) -> Sender:
    """Open the way to a target.

    Raises:
        ConfigError: a secret is missing, or the address is none.
    """
    if target.kind is TargetKind.APPRISE:
        return AppriseSender(target, context)
    if target.kind is TargetKind.WEBHOOK:
        return WebhookSender(target, context)
    if target.kind is TargetKind.MQTT:
        from crowdwatch.notify.mqtt import MqttSender

        return MqttSender(target, context)
    return FileSender(target, context)


def signature_of(key: bytes, at_s: int, body: bytes) -> str:
    """The signature of a webhook's body: HMAC-SHA256 over ``TIME.BODY``, so that an old one cannot be sent again.

    >>> signature_of(b"k", 1, b"{}")
    't=1,v1=3dd49b2593d0f9a349e9e71c4bde3e2b862c2be4003fe9b4ba81332029310158'
    """
    digest = hmac.new(key, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


class AppriseSender:
    """Mail, SMS gateways and chat, by Apprise. The key stands in the last line of the text."""

    def __init__(self, target: Target, context: Context) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports a module that Python 3.13 lacks
            import apprise  # takes half a second, which a process without such a target does not pay

            self._apprise = apprise.Apprise()
            known = self._apprise.add(address_of(target))

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages show addresses
        self._target, self._context = target, context
        if not known or not len(self._apprise):
            raise ConfigError(
                f"notify target {target.target_id!r}: not an address that Apprise knows. Write it as its documentation "
                "says, e.g. mailto://USER:${PASSWORD}@HOST?to=A@B."
            )

    def send(self, notification: Notification) -> None:
        """As of :class:`Sender`."""
        title, body = body_of(notification, self._context, self._target)
        try:
            done = self._apprise.notify(body=body, title=title, body_format="text")
        except Exception as error:  # noqa: BLE001  a library of a hundred services; its texts may show an address
            raise NotTold(f"{self._target.target_id}: {type(error).__name__} in Apprise.") from None
        if not done:
            raise NotTold(f"{self._target.target_id}: the service did not take it. Check the address and the network.")

    def close(self) -> None:
        """As of :class:`Sender`."""


class WebhookSender:
    """Posts the message, signed. A redirection is a failure: a secret follows nobody's pointer.

    Headers: ``Idempotency-Key``, the same at every try, and ``X-CrowdWatch-Signature`` (:func:`signature_of`) where the
    target has a key.
    """

    def __init__(self, target: Target, context: Context) -> None:
        self._target, self._context = target, context
        self._url, self._key = address_of(target), key_of_signature(target)
        if not is_address(self._url):
            raise ConfigError(f"notify target {target.target_id!r}: not an address. Give https://HOST/PATH.")
        self._name = f"{target.target_id} ({shown_url(self._url)})"

    def send(self, notification: Notification) -> None:
        """As of :class:`Sender`; an answer other than 2xx is a failure."""
        body = body_of(notification, self._context, self._target)[1].encode()
        signed = {SIGNATURE: signature_of(self._key, int(time.time()), body)} if self._key else {}
        media_type = MEDIA_TYPES[self._target.form]
        post(self._url, body, notification.key, media_type, name=self._name, answer_s=ANSWER_S, more=signed)

    def close(self) -> None:
        """As of :class:`Sender`."""


class FileSender:
    """Writes each message into a folder of its own file, named by time and key: for other programs, and for radio."""

    def __init__(self, target: Target, context: Context) -> None:
        self._target, self._context = target, context
        self._folder = Path(address_of(target))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"notify target {target.target_id!r}: {self._folder}: {error.strerror}.") from error

    def send(self, notification: Notification) -> None:
        """As of :class:`Sender`; a message that is written twice is one file."""
        body = body_of(notification, self._context, self._target)[1]
        at = f"{self._context.local(notification.t_ns):%Y%m%dT%H%M%S}"
        path = self._folder / f"{at}-{notification.key}.{SUFFIXES[self._target.form]}"
        part = path.with_name(f".{path.name}.tmp")
        try:
            part.write_text(body + ("" if body.endswith("\n") else "\n"), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise NotTold(f"{self._target.target_id}: {path}: {error.strerror or error}.") from error

    def close(self) -> None:
        """As of :class:`Sender`."""
