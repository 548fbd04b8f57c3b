"""``crowdwatch live`` as a program with its processes: started, looked at, stopped, killed, and never left behind."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from crowdwatch.errors import ConfigError

__all__ = ["Engine", "Role"]

LAST_WORDS = 2000
GONE_S = 20.0
"""Processes that were killed, or whose engine is gone, have ended after this long, or it is a fault."""


_LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """In the new process: whoever ends us in any way ends it too."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Role(StrEnum):
    """What a process of a live run is there for."""

    ENGINE = "engine"
    STATION = "station"
    NURSERY = "nursery"
    READER = "reader"
    OTHER = "other"


class Engine:
    """One ``crowdwatch live`` at a time, with all that it started. Leaving the context kills whatever is left.

    Args:
        event: the event file.
        folder: for runs, the store and what the processes say.
        options: more of the command line.
    """

    def __init__(self, event: Path, folder: Path, options: Sequence[str] = ("--no-pictures",)) -> None:
        self.event, self.folder, self.options = event, folder, tuple(options)
        self.store_path, self.words = folder / "store.sqlite", folder / "engine.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()
        self._orphans: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for each in self._seen:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(self._seen, GONE_S)

    @property
    def store_url(self) -> str:
        """Of the runs."""
        return f"sqlite:///{self.store_path}"

    def start(self) -> None:
        """Start it; it goes on with an interrupted run by itself. It ends with the thread that started it."""
        command = [sys.executable, "-m", "crowdwatch", "live", str(self.event), "--runs", str(self.folder / "runs")]
        command += ["--store", self.store_url, *self.options]
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.words.open("ab") as words:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True,
                preexec_fn=_end_with_parent,
            )  # fmt: skip

    def check(self) -> None:
        """Raise ConfigError: it has ended."""
        assert self.process is not None, "an engine is started before it is looked at"
        code = self.process.poll()
        if code is not None:
            raise ConfigError(f"crowdwatch live ended with exit code {code}. It said: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what it and its processes said."""
        with suppress(OSError):
            return self.words.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip() or "nothing"
        return "nothing"

    def look(self) -> dict[int, tuple[Role, psutil.Process]]:
        """Its processes now, by number."""
        if self.process is None:
            return {}
        found: dict[int, tuple[Role, psutil.Process]] = {}
        with suppress(psutil.NoSuchProcess):
            engine = psutil.Process(self.process.pid)
            found[engine.pid] = Role.ENGINE, engine
            for child in engine.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found[child.pid] = _role(child), child
        self._seen |= {each for _, each in found.values()}
        return found

    def of(self, role: Role) -> list[psutil.Process]:
        """Its processes of one kind, by number."""
        return [each for _, (kind, each) in sorted(self.look().items()) if kind is role]

    def kill(self) -> None:
        """SIGKILL to the engine alone; the others have to end by themselves. Raises ConfigError: they do not."""
        assert self.process is not None
        left = [each for kind, each in self.look().values() if kind is not Role.ENGINE]
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._orphans = left

    def must_be_alone(self) -> None:
        """Raise ConfigError where processes of a killed engine live on."""
        _, alive = psutil.wait_procs(self._orphans, GONE_S)
        alive = [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        if alive:
            raise ConfigError(f"{len(alive)} processes of a killed engine live on after {GONE_S:.0f} s: {alive}")

    def stop(self, within_s: float) -> float:
        """SIGTERM; seconds until it had ended cleanly. Raises ConfigError: it did not."""
        assert self.process is not None
        self.look()
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"crowdwatch live had not ended {within_s:.0f} s after SIGTERM. It said: {self.last_words()}"
            ) from error
        if code != 0:
            raise ConfigError(
                f"crowdwatch live ended with exit code {code} after SIGTERM. It said: {self.last_words()}"
            )
        return time.monotonic() - began


def _role(process: psutil.Process) -> Role:
    words = " ".join(process.cmdline())
    if "drivers.live.station" in words:
        return Role.STATION
    if "sources.live.nursery" in words:  # readers are forked from it, and look like it
        parent = process.parent()
        nursed = parent is not None and "sources.live.nursery" in " ".join(parent.cmdline())
        return Role.READER if nursed else Role.NURSERY
    return Role.OTHER
