"""Loads a detection model from a ``.pt`` of Ultralytics, or from one of ours that builds on it."""

from __future__ import annotations

import pickle
from typing import Any

from crowdwatch.detectors import torch_files
from crowdwatch.detectors.crowd_network import CrowdYolo
from crowdwatch.detectors.ultralytics_setup import prepare
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ModelError

__all__ = ["load"]


def load(weights: WeightsFile, *, max_det: int, fuse: bool = True) -> tuple[Any, tuple[str, ...]]:
    """Load a detection model at f32 on the CPU, for inference.

    Args:
        weights: a ``.pt`` file.
        max_det: rows of a network that has nothing but an end-to-end answer (Ultralytics' own 300 would cut off a
            crowd). Where it has both answers (YOLO26, YOLOv10), the other one is taken: it has no such limit.
        fuse: fold the batch norms into the convolutions; not for training.

    Returns:
        The ``torch.nn.Module`` and the names of its classes, by index.

    Raises:
        ModelError: the file holds no detection model.
    """
    prepare()
    if (own := _crowd(weights, fuse)) is not None:
        return own, tuple(own.names.values())
    from ultralytics.nn import tasks

    _restrict(tasks, weights)
    try:
        model, _ = tasks.load_checkpoint(str(weights.path))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, EOFError, KeyError, AttributeError, TypeError, ImportError, ValueError) as err:
        raise _no_model(weights, f"{type(err).__name__}: {str(err).strip().splitlines()[0]}") from err
    except pickle.UnpicklingError as err:
        raise _no_model(weights, "not a PyTorch file, or one that carries code of its own") from err
    if getattr(model, "task", None) != "detect":
        raise _no_model(weights, f"its task is {getattr(model, 'task', None)!r}")
    _leave_end_to_end(model.model[-1], weights)
    model.model[-1].max_det = max_det
    if fuse:  # afterwards: it removes the answer that is not taken
        model.fuse(verbose=False)
    names = model.names
    return model, tuple(str(names[index]) for index in range(len(names)))


def _leave_end_to_end(head: Any, weights: WeightsFile) -> None:
    """Have a head with two answers give the one that we suppress ourselves.

    Raises:
        ModelError: this Ultralytics cannot switch it.
    """
    if not getattr(head, "end2end", False):
        return
    try:
        head.end2end = False
    except AttributeError as err:
        raise ModelError(
            f"weights {weights.path}: their end-to-end answer stops at 300 boxes, which this Ultralytics cannot leave. "
            "Install the newest ultralytics 8.4."
        ) from err


def _restrict(tasks: Any, weights: WeightsFile) -> None:
    """Have Ultralytics read known classes alone. Where it cannot (torch before 2.6, an early 8.4) it would read any
    pickle without a word, and a pickle may run code.

    Raises:
        ModelError: it cannot.
    """
    if not getattr(getattr(tasks, "_SafeLoad", None), "SUPPORTED", False):
        raise ModelError(
            f"weights {weights.path}: cannot be read without running code that they may carry. Install torch 2.6 or "
            "newer and the newest ultralytics 8.4, or give an OpenVINO model."
        )
    tasks.SAFE_LOAD = True  # also where Ultralytics was imported before by somebody else


def _crowd(weights: WeightsFile, fuse: bool) -> Any | None:
    """The crowd detector, if the file holds one: tensors only, no objects."""
    try:
        content = torch_files.tensors(weights.path)
    except ModelError:  # a checkpoint of Ultralytics holds objects
        return None
    if "crowd_yolo" not in content:
        return None
    net = CrowdYolo()
    net.load(content["state"], str(weights.path))
    net.eval()
    if fuse:
        net.fuse()
    return net


def _no_model(weights: WeightsFile, why: str) -> ModelError:
    return ModelError(
        f"weights {weights.path}: no detection model could be read ({why}). Give an Ultralytics .pt file."
    )
