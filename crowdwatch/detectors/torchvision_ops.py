"""The torchvision trap, in one place.

The package registry's torchvision is linked against the CUDA build of torch. Beside a CPU build of torch its library
does not load, ``import torchvision`` raises ``operator torchvision::nms does not exist``, and Ultralytics' ``predict``
and ``train`` fail with it. :func:`ensure` defines the missing operators in plain torch, when and only when the native
ones do not load. Call it before anything imports torchvision.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

__all__ = ["ensure", "native_ops_load", "nms"]

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[Any] = []  # an operator lives as long as the library object that defined it


def ensure() -> bool:
    """Make ``import torchvision`` work; return True when our operators had to step in.

    Where the native library loads this costs a ``dlopen``; in the trap it imports torchvision (2 s), because one
    check inside it has to be answered after the import.
    """
    if _libraries:
        return True
    if importlib.util.find_spec("torchvision") is None or native_ops_load():
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(name + _SIGNATURE)  # type: ignore[no-untyped-call]
        library.impl(name, nms, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    _libraries.append(library)
    boxes = importlib.import_module("torchvision.ops.boxes")
    # it asks whether the native library is there, not whether the operator is: now it is
    boxes._assert_has_ops = lambda: None  # type: ignore[attr-defined]
    return True


def native_ops_load() -> bool:
    """Whether torchvision's own compiled operators fit this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for library in sorted(Path(spec.origin).parent.glob("_C*")):
        if library.suffix not in (".so", ".pyd", ".dylib"):
            continue
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return hasattr(torch.ops.torchvision, "nms")
    return False


def nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression: keep the best box, drop every box that overlaps it by more than the limit.

    iou = intersection / (area_a + area_b - intersection)

    Args:
        dets: (N, 4) left, top, right, bottom.
        scores: (N,).
        iou_threshold: boxes above it are dropped; equal is kept.

    Returns:
        (K,) int64 indices of the kept boxes, by falling score.

    >>> nms(torch.tensor([[0.0, 0, 2, 1], [1, 0, 3, 1]]), torch.tensor([0.5, 0.9]), 0.3).tolist()  # iou 1/3
    [1]
    >>> nms(torch.tensor([[0.0, 0, 2, 1], [1, 0, 3, 1]]), torch.tensor([0.5, 0.9]), 0.4).tolist()
    [1, 0]
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    boxes = dets.detach()[order].to(torch.float64 if dets.dtype == torch.float64 else torch.float32)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        corner = torch.maximum(boxes[i, :2], boxes[i + 1 :, :2])
        size = (torch.minimum(boxes[i, 2:], boxes[i + 1 :, 2:]) - corner).clamp(min=0)
        shared = size[:, 0] * size[:, 1]
        alive[i + 1 :] &= ~(shared / (area[i] + area[i + 1 :] - shared) > iou_threshold)  # 0/0 is NaN: kept
    return order[alive]
