"""A child that fails ends the command with the child's message, at once and without a wait that has no end."""

import os
import sys
import time

import pytest
from failing_children import raise_unreadable, refuse, vanish

from crowdwatch.errors import ClusterUnavailable, ConfigError, WeightsNotFound
from pipelines.benchmarks import benchmark_scheduler
from pipelines.benchmarks.child_process import SPAWN, alone, check_alive, seconds_of


def test_what_the_child_makes_comes_back_from_another_process() -> None:
    assert alone(os.getpid) != os.getpid()


def test_an_error_of_the_child_is_raised_as_it_is() -> None:
    with pytest.raises(WeightsNotFound, match="Name a folder"):
        alone(refuse)


def test_an_error_that_pickle_cannot_read_ends_the_wait() -> None:
    with pytest.raises(ConfigError, match="ended in the middle of its work") as caught:
        alone(raise_unreadable)
    assert "Unreadable" in str(caught.value.__cause__.__cause__)


def test_a_child_that_vanishes_ends_the_wait() -> None:
    with pytest.raises(ConfigError, match="ended in the middle of its work"):
        alone(vanish)


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(ConfigError, match=r"exit code 3. It said: no such film"):
        seconds_of([sys.executable, "-c", "import sys; print('no such film', file=sys.stderr); sys.exit(3)"])


def test_a_process_that_has_ended_is_told_from_those_at_work() -> None:
    working = SPAWN.Process(target=time.sleep, args=(60,))
    ended = SPAWN.Process(target=vanish, name="the helper")
    working.start()
    try:
        check_alive([working])
        ended.start()
        ended.join()
        with pytest.raises(ConfigError, match="the helper ended with exit code 7"):
            check_alive([working, ended])
    finally:
        working.kill()
        working.join()


def test_a_scheduler_that_cannot_start_ends_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_scheduler, "_scheduler", vanish)
    with pytest.raises(ClusterUnavailable, match="exit code 7 before it listened"):
        benchmark_scheduler.simulate(tasks=1, task_s=0, workers=1, hosts=1)


def test_workers_that_cannot_start_end_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_scheduler, "_workers", vanish)
    with pytest.raises(ConfigError, match="a process of workers ended with exit code 7"):
        benchmark_scheduler.simulate(tasks=1, task_s=0, workers=1, hosts=1)
