"""A station's process, as whoever started it has it: the engine on its own host, a Dask worker on another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from crowdwatch.drivers.live.life import NO_ROOM

__all__ = ["PROGRAM", "StationProcess", "why_lost"]

PROGRAM = (sys.executable, "-m", "crowdwatch.drivers.live.station_main")


@dataclass(slots=True)
class StationProcess:
    """A station's process. It ends with the thread that started it, or when it is ended.

    Args:
        process: the child.
        life: the pipe that is open as long as the child shall live.
    """

    process: subprocess.Popen[bytes]
    life: int

    @classmethod
    def start(cls, program: Sequence[str], orders: bytes) -> Self:
        """Start a station; its orders go through memory that it inherits. Raises OSError: no process is to be had."""
        held, life = os.pipe()
        try:
            given = os.memfd_create("orders")
            try:
                with os.fdopen(given, "wb", closefd=False) as file:
                    file.write(orders)
                os.lseek(given, 0, os.SEEK_SET)
                # what it prints goes where errors go; a signal from the terminal reaches the engine alone
                words = [*program, str(held)]
                child = subprocess.Popen(words, stdin=given, stdout=2, pass_fds=(held,), start_new_session=True)
            finally:
                os.close(given)
        except BaseException:
            os.close(life)
            raise
        finally:
            os.close(held)
        return cls(child, life)

    def end(self, wait_s: float, *, hard: bool = False) -> None:
        """End it: it is asked first, and killed when it has not ended in time, or at once where that is ``hard``."""
        os.close(self.life)
        if hard:
            self.process.send_signal(signal.SIGKILL)
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def worked_s(self) -> float:
        """Processor time that it has used; 0 where it has ended."""
        path = Path(f"/proc/{self.process.pid}/stat")
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def why_lost(code: int | None, silent_s: float) -> str:
    """Why a station is lost, for people: it ended with a code, or None and it is silent."""
    if code is None:
        what = f"has said nothing for {silent_s:.0f} s"
    elif code < 0:
        what = f"was ended by {signal.Signals(-code).name}"
    elif code == NO_ROOM:
        return (
            "The process that observes this camera got no file, process or memory. Raise the limits of processes and "
            "open files (ulimit -u, -n), or free memory."
        )
    else:
        what = f"ended by itself with code {code}"
    return f"The process that observes this camera {what}. If this repeats, look at its log, and at the machine's load."
