"""What every training does the same way: its state and the checkpoint of it, files that are whole or not there, norms
that keep their statistics, and the learning rate over the steps."""

from __future__ import annotations

import json
import logging
import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from crowdwatch.detectors import torch_files
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["State", "keep_norms", "rate", "text_of", "write", "write_log"]

PARTS = ("net", "average", "optimiser", "schedule")
VALUES = ("recipe", "step", "recent", "history")
"""What a checkpoint holds: parts by their state, values as they are."""

_log = logging.getLogger(__name__)


def write(state: dict[str, Any], path: Path) -> None:
    """Save a state under its name only when it is complete."""
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:  # a full disk is then an OSError, and not one of torch's own
            torch.save(state, file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_log(history: list[dict[str, Any]], out: Path) -> None:
    """Write the validations so far to ``validation.json``, which :mod:`pipelines.training.curves` draws."""
    text = json.dumps(history, indent=1, allow_nan=False)
    (out / "validation.json").write_text(text + "\n", encoding="utf-8")


def text_of(recipe: Any) -> str:
    """What of a recipe decides a training, as a text; ``why`` does not."""
    return json.dumps(asdict(replace(recipe, why="")), sort_keys=True)


@dataclass(slots=True, eq=False)
class State:
    """All that a checkpoint keeps of a training.

    Args:
        net: what learns: the network, or the branch of one.
        average: its moving average.
        optimiser, schedule: as torch has them.
        recipe: as :func:`text_of` writes it.
        step: how many were done.
        recent: losses of the last hundred steps.
        history: validations so far.
    """

    net: torch.nn.Module
    average: torch.nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    recipe: str
    step: int = 0
    recent: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def learned(self, loss: float) -> float:
        """Count a step; the mean loss of the last hundred."""
        self.step += 1
        self.recent = [*self.recent[-99:], loss]
        return sum(self.recent) / len(self.recent)

    def save(self, path: Path) -> None:
        """Write the checkpoint under its name only when it is complete."""
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        write({**parts, **{name: getattr(self, name) for name in VALUES}}, path)

    def resume(self, path: Path, device: str) -> None:
        """Go on from a checkpoint; no code in the file is run.

        Raises:
            ModelError: it is no checkpoint.
            ConfigError: it belongs to another recipe.
        """
        try:
            state = torch_files.tensors(path, device)
        except ModelError as err:
            raise ModelError(
                f"{path}: cannot be read as a checkpoint ({err}). Remove it: the training then starts again."
            ) from err
        if not {*PARTS, *VALUES} <= set(state):
            raise ModelError(f"{path}: cannot be read as a checkpoint of a training. Give another --out, or remove it.")
        if state["recipe"] != self.recipe:
            raise ConfigError(f"{path}: belongs to another recipe. Give another --out, or remove it.")
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in VALUES:
            setattr(self, name, state[name])
        _log.info("going on from step %d", self.step)


def keep_norms(net: torch.nn.Module) -> None:
    """Let batch norms use and keep the statistics that they have, as in inference."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def rate(step: int, steps: int, *, warmup: int, hold_frac: float) -> float:
    """Share of the learning rate at a step: a straight rise, a plateau, then half a cosine down to zero.

    >>> [round(rate(step, 100, warmup=10, hold_frac=0.5), 2) for step in (0, 9, 50, 75, 100)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    fall = (step - hold_frac * steps) / max(1.0, (1 - hold_frac) * steps)
    rise = min(1.0, (step + 1) / max(1, warmup))
    return rise * (1.0 if fall <= 0 else 0.5 * (1 + math.cos(math.pi * min(1.0, fall))))
