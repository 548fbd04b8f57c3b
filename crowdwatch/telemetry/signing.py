"""Short-lived signed addresses of pictures.

A route beside the page is not covered by its sign-in, so the address itself is the ticket: it names one run, one
camera, one form and the second at which it ends, under an HMAC-SHA256 (RFC 2104) with a key that only the page and the
picture server can read. Its end is in the address, not its beginning, so that two hosts' clocks may differ by a few
seconds either way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from crowdwatch.errors import ConfigError

__all__ = ["KEY_NAME", "LIFE_S", "LONGEST_LIFE_S", "PictureKey"]

KEY_NAME = "pictures.key"
"""The key's file, beside the store's file or in the runs folder."""

KEY_BYTES = 32

LIFE_S = 60
"""How long an address is good: the page asks for a new one long before."""

LONGEST_LIFE_S = 300
"""An address that ends later is refused, whoever signed it."""


class PictureKey:
    """Signs addresses and judges them.

    Args:
        secret: at least 16 bytes.

    >>> key = PictureKey(b"0123456789abcdef")
    >>> ticket = key.query("night-1", "north gate", "jpg", now_s=1000.0)
    >>> ticket[:10]
    'until=1060'
    >>> key.admits("night-1", "north gate", "jpg", *[part.split("=")[1] for part in ticket.split("&")], now_s=1059.0)
    True
    >>> key.admits("night-1", "south", "jpg", *[part.split("=")[1] for part in ticket.split("&")], now_s=1059.0)
    False
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ConfigError(
                f"key of pictures: got {len(secret)} bytes, need 16 or more. Remove its file: a new one is made."
            )
        self._secret = secret

    @classmethod
    def of(cls, path: Path) -> PictureKey:
        """Read the key, or make it for its owner alone where there is none. Two that begin at once get the same.

        Raises:
            ConfigError: others can read it, it is too short, or it cannot be read or made.
        """
        try:
            if not path.exists():
                _make(path)
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise ConfigError(
                    f"{path}: others than its owner can read it (mode {mode:o}), so that they could sign. Run: "
                    f"rm '{path}', and start again: a new one is made."
                )
            return cls(bytes.fromhex(path.read_text(encoding="ascii").strip()))
        except ConfigError:
            raise
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no key"
            raise ConfigError(
                f"{path}: the key of pictures cannot be read or made: {reason}. Let this user read and write it, or "
                f"remove it: a new one is made."
            ) from None

    def query(self, run_id: str, camera_id: str, form: str, *, now_s: float, life_s: float = LIFE_S) -> str:
        """The query of an address that is good for ``life_s`` from now on (seconds of UTC)."""
        until = str(int(now_s + min(life_s, LONGEST_LIFE_S)))
        return urlencode({"until": until, "sig": self._sign(run_id, camera_id, form, until)})

    def address(self, base: str, run_id: str, camera_id: str, form: str, *, now_s: float) -> str:
        """The whole address.

        Args:
            base: of the picture server, as the reader's browser reaches it: ``https://HOST``.
            run_id, camera_id: whose picture.
            form: ``jpg`` or ``mjpeg``.
            now_s: seconds of UTC.
        """
        where = f"/pictures/{quote(run_id, safe='')}/{quote(camera_id, safe='')}.{form}"
        return f"{base.rstrip('/')}{where}?{self.query(run_id, camera_id, form, now_s=now_s)}"

    def admits(self, run_id: str, camera_id: str, form: str, until: str, sig: str, *, now_s: float) -> bool:
        """Whether an address is signed for just this and has not ended."""
        if not hmac.compare_digest(self._sign(run_id, camera_id, form, until).encode(), sig.encode("utf-8", "replace")):
            return False
        return until.isdecimal() and now_s <= int(until) <= now_s + LONGEST_LIFE_S

    def _sign(self, *parts: str) -> str:
        return hmac.new(self._secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def _make(path: Path) -> None:
    """Put a whole key in place or none, and never over another's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
