"""A process that must not live on when the engine that started it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

__all__ = ["FLUSH_S", "ends_with_engine"]

FLUSH_S = 1.0
"""What a station has not sent when it ends is sent within this time, or left out."""

PR_SET_PDEATHSIG = 1


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
