"""The loop of every training: batches drawn ahead, validations, checkpoints, and progress on a terminal or in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from pipelines.command_line import err, progress_bar

__all__ = ["Learner", "run_steps"]

SAVE_EVERY = 250
"""Steps between checkpoints: a killed run loses at most these, 1 to 2 minutes on 2 CPU cores."""

SAY_EVERY = 250
"""Steps between the lines of a log, where no terminal shows a bar."""


class Learner(Protocol):
    """A network in training."""

    @property
    def step(self) -> int:
        """How many steps were done."""

    def learn(self, pictures: Any, truth: Any) -> float:
        """One step; the mean loss of the last hundred."""

    def validate(self, judge: Any, loss: float) -> str:
        """Judge the network by what it did not learn from; say how good it is."""

    def save(self) -> None:
        """Write a checkpoint."""


def run_steps(
    run: Learner,
    batch: Callable[[int], tuple[Any, Any]],
    judge: Any,
    *,
    steps: int,
    end: int,
    validate_every: int,
) -> None:
    """Go from where the run stands to step ``end`` of ``steps``.

    Args:
        run: the network; its ``step`` moves on.
        batch: number -> pictures and truth; the next one is drawn while the network learns from this one.
        judge: handed to ``run.validate``.
        steps: of the whole run.
        end: where this call stops, at most ``steps``.
        validate_every: steps between validations; the last step is always validated.
    """
    with ThreadPoolExecutor(1) as pool, progress_bar("training", steps, run.step) as show:
        ahead = pool.submit(batch, run.step)
        said, began = run.step, time.monotonic()
        while run.step < end:
            pictures, truth = ahead.result()
            ahead = pool.submit(batch, run.step + 1)
            loss = run.learn(pictures, truth)
            show(run.step, f"loss {loss:.2f}")
            if not err.is_terminal and run.step % SAY_EVERY == 0:
                pace = (time.monotonic() - began) / (run.step - said)
                left = pace * (end - run.step) / 60
                err.print(f"step {run.step} of {steps}, loss {loss:.2f}, {pace:.2f} s a step, {left:.0f} min left")
                said, began = run.step, time.monotonic()
            if run.step % validate_every == 0 or run.step == steps:
                err.print(run.validate(judge, loss), markup=False)
                run.save()
                began, said = time.monotonic(), run.step
            elif run.step % SAVE_EVERY == 0:
                run.save()
        ahead.cancel()
    run.save()
