"""What a process and those that it started cost: time of the processor, and peak memory from ``/proc`` (Linux)."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from crowdwatch.errors import ConfigError

__all__ = ["Cost", "Watch", "cpu_s", "peak_mb", "tree"]


def tree(pid: int | None = None) -> list[int]:
    """A process and all that it started, itself first; of one that has ended, itself alone."""
    pid = os.getpid() if pid is None else pid
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]


def peak_mb(pid: int | None = None) -> float:
    """Peak resident memory of a process since it started its program, in MB; NaN when it has ended.

    psutil has the memory of now alone on Linux, and ``ru_maxrss`` would count the parent's.

    Raises:
        ConfigError: this system does not say.
    """
    pid = os.getpid() if pid is None else pid
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    if not psutil.LINUX:
        raise ConfigError("benchmark: only Linux tells the peak memory of a process. Measure there, or leave it out.")
    return math.nan  # gone, or ended and not yet waited for: the kernel has given its memory back


def cpu_s(pid: int) -> float:
    """Seconds of the processor that a process has used, in user code and for it in the kernel; 0 when it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


@dataclass(frozen=True, slots=True)
class Cost:
    """What a span of work cost.

    Args:
        wall_s: seconds on the clock.
        cpu_s: seconds of all processors, of the process and those that it had started by the end.
        peaks_mb: peak memory of each that has not ended, this process first.
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
        used_s = sum(max(0.0, cpu_s(pid) - self.before.get(pid, 0.0)) for pid in pids)
        peaks_mb = (peak_mb(pid) for pid in pids)
        return Cost(wall_s, used_s, tuple(mb for mb in peaks_mb if not math.isnan(mb)))
