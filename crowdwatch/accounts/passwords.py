"""Passwords: how they are kept and compared. Argon2id with the parameters that RFC 9106 gives for little memory, which
are those of argon2-cffi: 64 MiB, three passes, four lanes."""

from __future__ import annotations

import threading
from functools import cache

import argon2

from crowdwatch.core.accounts import account_key, coded
from crowdwatch.errors import ConfigError

__all__ = ["LEAST_LENGTH", "MOST_LENGTH", "check_password", "hashed", "is_password"]

LEAST_LENGTH, MOST_LENGTH = 12, 200
"""Characters [design value]: length alone, after NIST SP 800-63B; no rules on which characters."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Each comparison takes 64 MiB: so many at once at most, however many ask."""

_hasher = argon2.PasswordHasher()


def check_password(password: str, name: str) -> str:
    """A password that may be kept.

    Raises:
        ConfigError: too short, too long, the name itself, or one character again and again.
    """
    if not LEAST_LENGTH <= len(password) <= MOST_LENGTH:
        raise coded(
            ConfigError(
                f"password: need {LEAST_LENGTH} to {MOST_LENGTH} characters, got {len(password)}. Use several words."
            ),
            "length",
            least=LEAST_LENGTH,
            most=MOST_LENGTH,
        )
    if (
        account_key(name)
        and account_key(name) in account_key(password)
        and len(password) < len(name) + LEAST_LENGTH // 2
    ):
        raise coded(ConfigError("password: it is hardly more than the name. Choose several words."), "like_name")
    if len(set(password)) < 4:
        raise coded(
            ConfigError("password: it has fewer than four different characters. Choose several words."), "simple"
        )
    return password


def hashed(password: str) -> str:
    """A password as it is kept: Argon2id with its salt and its parameters."""
    with _AT_ONCE:
        return _hasher.hash(password)


@cache
def _nobody() -> str:
    return hashed("nobody has this password")


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the one that was kept. None, for a name that nobody has, takes the same work and is never so."""
    against = password_hash or _nobody()
    with _AT_ONCE:
        try:
            good = _hasher.verify(against, password[:MOST_LENGTH])
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    return good and password_hash is not None
