"""Work in a process of its own, whose failure is an error here and never a wait without end."""

from __future__ import annotations

import multiprocessing
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from crowdwatch.errors import ConfigError

__all__ = ["SPAWN", "alone", "check_alive", "fresh_process", "seconds_of"]

Result = TypeVar("Result")

SPAWN = multiprocessing.get_context("spawn")
"""A child begins as Python does: nothing of the parent is in its memory."""


@contextmanager
def fresh_process() -> Iterator[ProcessPoolExecutor]:
    """A pool of one process that has done nothing yet; it lives until the context ends.

    Raises:
        ConfigError: the process ended in the middle of its work.
    """
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise ConfigError(
                f"benchmark: a process of it ended in the middle of its work ({error}). Its last words stand above; "
                "without any, the machine ran out of memory."
            ) from error


def alone(work: Callable[..., Result], *args: Any) -> Result:
    """Do a piece of work in a fresh process, so that nothing of one is warm or resident for another.

    Raises:
        ConfigError: the process ended in the middle of it. An error that the work raises is raised here.
    """
    with fresh_process() as pool:
        return pool.submit(work, *args).result()


def check_alive(processes: Sequence[BaseProcess]) -> None:
    """Raise ConfigError when one of these processes has ended."""
    if ended := wait([process.sentinel for process in processes], timeout=0):
        gone = next(process for process in processes if process.sentinel in ended)
        gone.join()
        raise ConfigError(
            f"benchmark: {gone.name} ended with exit code {gone.exitcode} in the middle of its work. Its last words "
            "stand above."
        )


def seconds_of(command: Sequence[str]) -> float:
    """Run a program to its end; seconds on the clock.

    Raises:
        ConfigError: it failed; the message has the end of what it said.
    """
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing")[-2000:]
        raise ConfigError(f"benchmark: {' '.join(command)} failed with exit code {done.returncode}. It said: {said}")
    return time.perf_counter() - began
