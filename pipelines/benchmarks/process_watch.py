"""What a process and those that it started cost: time of the processor and peak memory, from ``/proc`` (Linux)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from crowdwatch.errors import ConfigError

__all__ = ["Cost", "Watch", "cpu_s", "peak_mb", "tree"]

TICKS_S = os.sysconf("SC_CLK_TCK")


def tree(pid: int | None = None) -> list[int]:
    """A process and all that it started, itself first; those that end meanwhile are left out."""
    pid = os.getpid() if pid is None else pid
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += tree(child)
    return found


def peak_mb(pid: int | str = "self") -> float:
    """Peak resident memory of a process since it started its program, in MB. (``ru_maxrss`` would count the parent's.)

    Raises:
        ConfigError: this system does not say.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ConfigError(f"benchmark: /proc/{pid}/status says no VmHWM. Measure memory on Linux, or leave it out.")


def cpu_s(pid: int) -> float:
    """Seconds of the processor that a process has used, in user code and for it in the kernel; 0 when it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICKS_S


@dataclass(frozen=True, slots=True)
class Cost:
    """What a span of work cost.

    Args:
        wall_s: seconds on the clock.
        cpu_s: seconds of all processors, of the process and those that it had started by the end.
        peaks_mb: peak memory of each, this process first.
    """

    wall_s: float
    cpu_s: float
    peaks_mb: tuple[float, ...]

    @property
    def cpu_share(self) -> float:
        """Share of the processors that this process may use."""
        return self.cpu_s / self.wall_s / len(os.sched_getaffinity(0))


@dataclass(slots=True)
class Watch:
    """Begins when it is made."""

    began: float = field(default_factory=time.perf_counter)
    before: dict[int, float] = field(default_factory=lambda: {pid: cpu_s(pid) for pid in tree()})

    def stop(self) -> Cost:
        """What it cost up to now."""
        wall_s = time.perf_counter() - self.began
        pids = tree()
        used_s = sum(cpu_s(pid) - self.before.get(pid, 0.0) for pid in pids)
        return Cost(wall_s, used_s, tuple(peak_mb(pid) for pid in pids if Path(f"/proc/{pid}").exists()))
