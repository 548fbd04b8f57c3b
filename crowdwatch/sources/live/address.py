"""Where a live camera is found: a URL or a device. Secrets are put in at the last moment and shown to nobody."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from crowdwatch.core.stream_url import VARIABLE
from crowdwatch.errors import SourceUnavailable, redact

__all__ = ["StreamAddress"]


@dataclass(frozen=True, slots=True, repr=False)
class StreamAddress:
    """Where a live camera is found. Its text is redacted.

    Args:
        url: ``rtsp``, ``rtsps``, ``http`` or ``https``; ``${NAME}`` stands for a variable of the environment. Empty for
            a device.
        device: of video on this machine, as ``/dev/video0``; empty for a URL.
        transport: of RTSP: ``tcp`` or ``udp``.
        password_file: file with mode 600 whose first line is the password of the user in ``url``; or empty.
    """

    url: str = ""
    device: str = ""
    transport: Literal["tcp", "udp"] = "tcp"
    password_file: str = ""

    def __str__(self) -> str:
        return redact(self.url) if self.url else self.device

    def __repr__(self) -> str:
        return f"StreamAddress({str(self)!r})"

    @property
    def host_port(self) -> tuple[str, int]:
        """The host and the port that are meant; no secret is looked up."""
        parts = urlsplit(VARIABLE.sub("x", self.url))
        usual = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}[parts.scheme.lower()]
        return parts.hostname or "", parts.port or usual

    def resolved(self, environment: Mapping[str, str] | None = None) -> str:
        """The URL with its secrets, for the library that opens it and for nobody else; the device where there is none.

        What is put in is percent-encoded: variables and files hold plain passwords.

        Raises:
            SourceUnavailable: a variable is not set, or the password file is missing, empty, or readable for others.
        """
        if not self.url:
            return self.device
        known = os.environ if environment is None else environment

        def value(match: re.Match[str]) -> str:
            if not known.get(match[1]):
                raise SourceUnavailable(
                    f"stream {self}: the environment variable {match[1]} is not set. Set it where CrowdWatch starts."
                )
            return quote(known[match[1]], safe="")

        url = VARIABLE.sub(value, self.url)
        return self._with_password(url) if self.password_file else url

    def _with_password(self, url: str) -> str:
        path = Path(self.password_file)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = path.read_text(encoding="utf-8") if not mode & 0o077 else ""
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "is not text"
            raise SourceUnavailable(
                f"stream {self}: password file {path}: {what}. Write the password into it, with mode 600."
            ) from error
        if mode & 0o077:
            raise SourceUnavailable(
                f"stream {self}: password file {path}: has mode {mode:o}, others may read it. Run: chmod 600 {path}"
            )
        password = content.splitlines()[0].strip() if content.strip() else ""
        if not password:
            raise SourceUnavailable(f"stream {self}: password file {path}: its first line is empty.")
        scheme, rest = url.split("://", 1)
        user, at, place = rest.partition("@")
        if not at:
            raise SourceUnavailable(
                f"stream {self}: password_file is given, but no user. Write it into the URL: {scheme}://USER@HOST/..."
            )
        return f"{scheme}://{user.partition(':')[0]}:{quote(password, safe='')}@{place}"
