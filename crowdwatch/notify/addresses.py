"""Where a target is reached. Secrets are put in at the last moment and shown to nobody."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from crowdwatch.core.notices import Target
from crowdwatch.core.stream_url import VARIABLE
from crowdwatch.errors import ConfigError

__all__ = ["address_of", "key_of_signature", "shown_url"]


def shown_url(url: str) -> str:
    """An address as it may be shown: its path and query are its secret.

    >>> shown_url("https://user:pw@hooks.example.org:8443/services/T00/B00/XYZ?token=1")
    'https://hooks.example.org:8443/***'
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if parts.port is None else f':{parts.port}'}/***"


def address_of(target: Target, environment: Mapping[str, str] | None = None) -> str:
    """The address of a target with its secrets, for the library that opens it and for nobody else.

    A variable that is the whole address is taken as it is; within an address it is percent-encoded, since variables
    hold plain passwords.

    Raises:
        ConfigError: a variable is not set, or the secret file is missing, empty, or readable for others.

    >>> from crowdwatch.core.notices import Form, TargetKind
    >>> target = Target("t", TargetKind.APPRISE, Form.TEXT, "mailto://duty:${PW}@mail.example.org")
    >>> address_of(target, {"PW": "a/b"})
    'mailto://duty:a%2Fb@mail.example.org'
    """
    where = f"notify target {target.target_id!r}"
    if target.secret_file:
        return _first_line(where, Path(target.secret_file))
    return _filled(where, target.address, environment)


def key_of_signature(target: Target, environment: Mapping[str, str] | None = None) -> bytes:
    """The key that signs what a target gets; empty where it is not signed. Raises ConfigError."""
    return _filled(f"notify target {target.target_id!r} key", target.key, environment, encoded=False).encode()


def _filled(where: str, text: str, environment: Mapping[str, str] | None, *, encoded: bool = True) -> str:
    known = os.environ if environment is None else environment
    whole = VARIABLE.fullmatch(text) is not None

    def value(match: re.Match[str]) -> str:
        found = known.get(match[1])
        if not found:
            raise ConfigError(
                f"{where}: the environment variable {match[1]} is not set. Set it where CrowdWatch starts."
            )
        return found if whole or not encoded else quote(found, safe="")

    return VARIABLE.sub(value, text)


def _first_line(where: str, path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_text(encoding="utf-8") if not mode & 0o077 else ""
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(f"{where}: secret_file {path}: {what}. Write the address into it, with mode 600.") from error
    if mode & 0o077:
        raise ConfigError(f"{where}: secret_file {path}: has mode {mode:o}, others may read it. Run: chmod 600 {path}")
    line = content.splitlines()[0].strip() if content.strip() else ""
    if not line:
        raise ConfigError(f"{where}: secret_file {path}: its first line is empty. Write the address into it.")
    return line
