"""URLs of live cameras as the event file gives them: what may be opened, and that no secret stands in them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["SCHEMES", "VARIABLE", "secret_in", "url_fault"]

SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
"""Kinds of URL that are opened: what reads files or starts programs is not among them."""

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""``${NAME}``: a variable of the environment, put in when the stream is opened."""

_SECRET_KEYS = re.compile(r"(?i)[?&](?:pass(?:word|wd)?|pwd|token|key|secret)=([^&]*)")


def url_fault(url: str) -> str | None:
    """What is wrong with a URL, in words that do not repeat it; None if nothing is.

    >>> url_fault("rtsp://10.0.0.7/live"), url_fault("file:///etc/passwd")
    (None, 'need a URL that begins with rtsp://, rtsps://, http:// or https://')
    """
    plain = VARIABLE.sub("x", url)
    try:
        parts = urlsplit(plain)
        port = parts.port
    except ValueError:
        return "is no URL: its port is no number from 1 to 65535, or its host cannot be read"
    if parts.scheme.lower() not in SCHEMES:
        return "need a URL that begins with rtsp://, rtsps://, http:// or https://"
    if parts.path.lower().endswith((".m3u8", ".mpd")):
        return "comes in pieces of several seconds (HLS, DASH), too late for an alarm. Name the camera's RTSP stream"
    if not parts.hostname or port == 0:
        return "is no URL of a camera: it names no host"
    if any(letter.isspace() or not letter.isprintable() for letter in plain):
        return "holds a space or a control character; write it as %20 or remove it"
    if "$" in plain or "{" in plain:
        return "holds a $ or { that is no ${NAME}, with a name of letters, digits and _; write it as %24 or %7B"
    return None


def secret_in(url: str) -> bool:
    """Whether a password or token stands in a URL as it is, instead of ``${NAME}``.

    >>> secret_in("rtsp://guard:hunter2@10.0.0.7/live"), secret_in("rtsp://guard:${GATE}@10.0.0.7/live")
    (True, False)
    """
    password = url.partition("://")[2].split("/", 1)[0].rpartition("@")[0].partition(":")[2]
    return any(value and not VARIABLE.fullmatch(value) for value in (password, *_SECRET_KEYS.findall(url)))
