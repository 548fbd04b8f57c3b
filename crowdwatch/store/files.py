"""Files that are either whole or not there: written under a hidden name, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from crowdwatch.errors import StoreBusy, StoreUnavailable

__all__ = ["hold", "is_scratch", "make_folder", "release", "remove", "replace_file", "sync", "writable"]

_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, then resume the run.",
    errno.EDQUOT: "The quota is used up: free some space, then resume the run.",
    errno.EFBIG: "A limit on the size of files was reached (ulimit -f): raise it, then resume the run.",
    errno.EROFS: "The disk is read-only: name a folder that can be written.",
    errno.EACCES: "Make the folder writable, or name another.",
    errno.EPERM: "Make the folder writable, or name another.",
    errno.ENOTDIR: "A file stands where a folder is needed: name another folder.",
    errno.EEXIST: "A file stands where a folder is needed: name another folder.",
}


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn an error of the disk into :class:`StoreUnavailable` with a remedy."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreUnavailable):
            raise
        reason = error.strerror or str(error)
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk, then resume the run.")
        raise StoreUnavailable(
            f"observation log {path}: cannot be written: {reason}. {remedy} Nothing already written is lost."
        ) from error


def replace_file(path: Path, write: Callable[[BinaryIO], object], by: str = "") -> None:
    """Write a file so that after a kill or a power cut the old one, the new one or none is there, never a half.

    ``by`` names the writer where several may write the same file at once.

    Raises:
        StoreUnavailable: disk full, read-only.
    """
    scratch = path.with_name(f".{path.name}.{by}.tmp" if by else f".{path.name}.tmp")
    try:
        with writable(path):
            make_folder(path.parent)
            with scratch.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
            sync(path.parent)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def is_scratch(path: Path) -> bool:
    """Whether a file is what an interrupted :func:`replace_file` left behind."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def remove(path: Path) -> None:
    """Remove a file; none is fine."""
    with writable(path):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and put each new name on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hold(path: Path, what: str = "observation log") -> int:
    """Take the lock that lets one process write here; it ends with the process. Returns what :func:`release` needs.

    The kernel gives an flock back when its process ends, however it ends: no lock is left behind by a kill, and none
    has to be told from a live one by its age.

    Raises:
        StoreBusy: another process holds it, or one that was killed has not quite ended.
        StoreUnavailable: the folder cannot be written.
    """
    with writable(path):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreBusy(
                f"{what} {path.parent}: another process is writing it. Stop that one, or name another folder."
            ) from error
    return descriptor


def release(descriptor: int) -> None:
    """Give the lock back."""
    os.close(descriptor)
