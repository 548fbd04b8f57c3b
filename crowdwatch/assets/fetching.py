"""Download a file that is known by its sha256; it has its name only once it is whole and checked."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import platformdirs

__all__ = ["AnotherContentError", "cache_dir", "download", "offline", "written_whole"]

TIMEOUT_S = 30.0
"""Without a byte for so long, a server is given up."""

READ_BYTES = 1 << 20
LARGEST_BYTES = 1 << 30
"""A wrong answer does not fill the disk."""


class AnotherContentError(Exception):
    """What arrived is not the file that was asked for; callers turn it into an error of their own.

    Args:
        sha256: of what arrived.
        size_bytes: of it.
    """

    def __init__(self, sha256: str, size_bytes: int) -> None:
        super().__init__(sha256, size_bytes)
        self.sha256, self.size_bytes = sha256, size_bytes


def cache_dir() -> Path:
    """The folder for what was downloaded or exported: ``$CROWDWATCH_CACHE`` or the user's cache folder."""
    return Path(os.environ.get("CROWDWATCH_CACHE") or platformdirs.user_cache_dir("crowdwatch", appauthor=False))


def offline() -> bool:
    """Whether ``CROWDWATCH_OFFLINE`` forbids every download."""
    return os.environ.get("CROWDWATCH_OFFLINE", "") not in ("", "0")


def download(url: str, target: Path, sha256: str, size_bytes: int = LARGEST_BYTES) -> Path:
    """Download a file to ``target``.

    Args:
        url: where it is published.
        target: its path; the folder is made.
        sha256: its content.
        size_bytes: no more than one byte beyond this is read.

    Raises:
        OSError: no connection, a refusal by the server, or a folder that cannot be written.
        AnotherContentError: what arrived has another sha256; it is thrown away.
    """
    digest, left = hashlib.sha256(), size_bytes + 1
    with written_whole(target) as file, urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
        while left > 0 and (block := reply.read(min(READ_BYTES, left))):
            digest.update(block)
            file.write(block)
            left -= len(block)
        if digest.hexdigest() != sha256:
            raise AnotherContentError(digest.hexdigest(), size_bytes + 1 - left)
    return target


@contextmanager
def written_whole(target: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the name ``target`` when the context ends, and is removed when it fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as part:
        partial = Path(part.name)
        try:
            yield part
            part.flush()
            os.fsync(part.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
