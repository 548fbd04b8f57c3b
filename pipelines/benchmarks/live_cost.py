"""What the processes of a live run cost: time of the processor and memory, by what they are there for."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

from pipelines.benchmarks.live_process import Engine, Role

__all__ = ["CostWatch"]

LOOK_S = 2.0
"""Adding up the pages of a process takes milliseconds of the kernel."""


@dataclass(slots=True)
class CostWatch:
    """Looks at the processes of an engine, from entering the context to leaving it.

    Memory is the proportional set size: what processes share is counted once.

    Args:
        engine: running.
    """

    engine: Engine
    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """(seconds since it began, MB of each kind of process)."""
    _cpu: dict[int, tuple[Role, float, float]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _ended: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._look()
        self._thread = threading.Thread(target=self._run, name="cost watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._look()
        self._ended = time.monotonic()

    @property
    def cores_by_role(self) -> dict[str, float]:
        """Processors kept busy by each kind of process; of one that ended meanwhile, up to the last look."""
        found: dict[str, float] = {}
        for role, before, after in self._cpu.values():
            found[role.value] = found.get(role.value, 0.0) + (after - before) / (self._ended - self._began)
        return found

    def growth_mb(self, after_s: float = 0.0, of: Collection[Role] = tuple(Role)) -> float:
        """Median of the last fifth of the time less that of the first.

        Args:
            after_s: what was before is left out.
            of: which processes; those that end and begin meanwhile say nothing of growth.
        """
        totals = [sum(mb.get(role.value, 0.0) for role in of) for at_s, mb in self.memory if at_s >= after_s]
        fifth = max(1, len(totals) // 5)
        return statistics.median(totals[-fifth:]) - statistics.median(totals[:fifth])

    @property
    def memory_mb(self) -> float:
        """Of all processes: median of the last fifth of the time."""
        return statistics.median(sum(mb.values()) for _, mb in self.memory[-max(1, len(self.memory) // 5) :])

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        memory: dict[str, float] = {}
        for pid, (role, process) in self.engine.look().items():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory[role.value] = memory.get(role.value, 0.0) + process.memory_full_info().pss / 2**20
                times = process.cpu_times()
                now = times.user + times.system
                _, before, _ = self._cpu.get(pid, (role, now, now))
                self._cpu[pid] = role, before, now
        self.memory.append((time.monotonic() - self._began, memory))
