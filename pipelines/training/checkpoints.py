"""What every training does the same way: files that are whole or not there, norms that keep their statistics, and the
learning rate over the steps."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import torch

from crowdwatch.detectors import torch_files
from crowdwatch.errors import ModelError

__all__ = ["keep_norms", "rate", "read", "write", "write_log"]


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


def read(path: Path, device: str) -> dict[str, Any]:
    """A state as it was saved; no code in the file is run. Raises ModelError."""
    try:
        state = torch_files.tensors(path, device)
    except ModelError as err:
        raise ModelError(
            f"{path}: cannot be read as a checkpoint ({err}). Remove it: the training then starts again."
        ) from err
    if not {"recipe", "step", "average"} <= set(state):
        raise ModelError(f"{path}: cannot be read as a checkpoint of a training. Give another --out, or remove it.")
    return state


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
