"""What the processes of a live run have in common: how they end with the engine that started them, and how many files
they may open."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
import time
from contextlib import suppress

__all__ = ["FLUSH_S", "NO_ROOM", "ends_with_engine", "open_all_files"]

FLUSH_S = 1.0
"""What a station has not sent when it ends is sent within this time, or left out."""

NO_ROOM = 71
"""Exit code of a station that got no file, process or memory (``EX_OSERR`` of ``sysexits.h``)."""

FILES = 65536
"""Many systems begin with 1024, or fewer; some allow so many that programs that count them all become slow."""

PR_SET_PDEATHSIG = 1


def open_all_files() -> None:
    """Let this process and its children open as many files as it may allow itself, up to :data:`FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the system does not allow it: it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def ends_with_engine(life: int) -> threading.Event:
    """Watch the pipe of the engine's life.

    Args:
        life: the pipe's end for reading. Nothing is written to it; it ends when the engine closes it, or dies.

    Returns:
        An event that is set then. A process that has not ended twice :data:`FLUSH_S` later is ended hard.
    """
    over = threading.Event()
    # also where this process is stopped or hangs in a library, and cannot read the pipe
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait() -> None:
        while os.read(life, 1024):
            pass
        over.set()
        time.sleep(2 * FLUSH_S)
        os._exit(0)

    threading.Thread(target=wait, name="life", daemon=True).start()
    return over
