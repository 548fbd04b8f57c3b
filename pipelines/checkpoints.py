"""What every training does the same way: files that are whole or not there, norms that keep their statistics, and the
learning rate over the steps."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch

from crowdwatch.detectors import torch_files
from crowdwatch.errors import ModelError

__all__ = ["keep_norms", "rate", "read", "write"]


def write(state: dict[str, Any], path: Path) -> None:
    """Save a state under its name only when it is complete."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


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
