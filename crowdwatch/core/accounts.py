"""The nouns of people and rights: accounts, sign-ins, and entries of the audit log with their chain."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from crowdwatch.core.rights import ROLES
from crowdwatch.core.text import plain
from crowdwatch.errors import ConfigError

__all__ = [
    "FIRST",
    "MOST_NAME",
    "Account",
    "By",
    "Entry",
    "EntryKind",
    "Found",
    "SignIn",
    "account_key",
    "canonical",
    "check_name",
    "check_role",
    "coded",
    "content_of",
    "digest_of",
    "first_fault",
]

MOST_NAME = 64
"""Characters of an account's name."""

FIRST = "0" * 64
"""What stands before the first entry of the audit log."""


class EntryKind(StrEnum):
    """What an entry of the audit log is about."""

    SIGN_IN = "sign_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGN_OUT = "sign_out"
    ACCOUNT = "account"
    COMMAND = "command"
    HAND_COUNT = "hand_count"
    CLEAR_PICTURE = "clear_picture"
    EXPORT = "export"
    START_REPLAY = "start_replay"
    SETTINGS = "settings"
    DENIED = "denied"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, in which role, and from where (an address, "this machine", "terminal")."""

    name: str
    role: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A local account, without its password."""

    name: str
    role: str
    disabled: bool = False
    created_wall_ns: int = 0
    changed_wall_ns: int = 0


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who is signed in: until when, and how (``local`` or ``oidc``). The token itself is kept nowhere."""

    name: str
    role: str
    way: str
    begun_wall_ns: int
    ends_wall_ns: int
    token_hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the audit log. ``detail`` is canonical JSON without secrets; ``digest`` is the SHA-256 over the
    digest before and :func:`content_of`."""

    seq: int
    wall_ns: int
    kind: str
    actor: str
    role: str
    source: str
    detail: str
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with an audit log: the first entry that does not fit, and why."""

    seq: int
    why: str


E = TypeVar("E", bound=Exception)


def coded(error: E, code: str, **values: object) -> E:
    """An error with a code and values, by which the page says it in its language (``fault.CODE`` of the words)."""
    error.__dict__.update(code=code, values=values)
    return error


def account_key(name: str) -> str:
    """Under which an account is kept: names that look alike in case or width are one.

    >>> account_key("Ana") == account_key("ａｎａ")
    True
    """
    return unicodedata.normalize("NFKC", plain(name)).casefold()


def check_name(name: str) -> str:
    """A name as an account may have it.

    Raises:
        ConfigError: empty, too long, or with characters that draw nothing.
    """
    if not name or plain(name) != name or len(name) > MOST_NAME:
        fault = ConfigError(
            f"account: a name has 1 to {MOST_NAME} visible characters, got {len(name)}: {plain(name)[:MOST_NAME]!r}."
        )
        raise coded(fault, "name", most=MOST_NAME)
    return name


def check_role(role: str) -> str:
    """A role that there is.

    Raises:
        ConfigError: another one.
    """
    if role not in ROLES:
        raise coded(ConfigError(f"role {plain(role)[:40]!r}: there is none. Roles: {', '.join(ROLES)}."), "role")
    return role


def canonical(detail: Mapping[str, Any]) -> str:
    """Values as one JSON text that is always the same: sorted keys, ASCII, no spaces; unknown numbers are null.

    >>> canonical({"b": float("nan"), "a": "é"})
    '{"a":"\\\\u00e9","b":null}'
    """
    safe = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in detail.items()
    }
    return json.dumps(safe, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=str)


def content_of(entry: Entry) -> str:
    """What the digest of an entry covers beside the digest before: all of its own values, as a JSON list."""
    values = [entry.seq, entry.wall_ns, entry.kind, entry.actor, entry.role, entry.source, entry.detail]
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))


def digest_of(entry: Entry) -> str:
    """SHA-256 over the digest before and the content: ``sha256(previous + "\\\\n" + content)``."""
    return hashlib.sha256(f"{entry.previous}\n{content_of(entry)}".encode()).hexdigest()


def first_fault(entries: Iterable[Entry], expect: tuple[int, str] | None = None) -> Found | None:
    """The first entry that is changed, missing, added or out of order; None where the log is whole.

    Args:
        entries: by number.
        expect: number and digest of an entry as they were noted earlier: finds an end that was cut off.
    """
    previous, seq, met = FIRST, 0, expect is None
    for entry in entries:
        seq += 1
        if entry.seq != seq:
            return Found(seq, f"entry {seq} is missing: entry {entry.seq} stands in its place")
        if entry.previous != previous:
            return Found(seq, f"entry {seq} does not follow the entry before it")
        if entry.digest != digest_of(entry):
            return Found(seq, f"entry {seq} was changed: its content does not have its digest")
        if expect is not None and seq == expect[0]:
            met = True
            if entry.digest != expect[1]:
                return Found(seq, f"entry {seq} is not the one that was noted: the log was written anew")
        previous = entry.digest
    if not met and expect is not None:
        return Found(seq + 1, f"entries {seq + 1} to {expect[0]} are missing: the end was cut off")
    return None
