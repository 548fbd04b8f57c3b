"""The counting network: YOLO11's layers up to their finest merged features, then persons per pixel block.

The features (64 channels at stride 8) already join three scales; two convolutions turn them into the expected number
of people in every block, kept positive by softplus. With ``stride=4`` the features are doubled in size and joined with
the backbone's own at stride 4. With ``context`` dilated convolutions look further around a block before it is counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crowdwatch.detectors import torch_files, ultralytics_setup
from crowdwatch.errors import ModelError

__all__ = ["STRIDES", "CountingNet", "Stored", "stored"]

FEATURE_LAYERS = 17
"""YOLO11's layers 0..16: the backbone and the two merging steps that lead to stride 8."""

FINE_LAYER = 2
"""The backbone's features at stride 4."""

STRIDES = (4, 8)

FEW = -3.5
"""Bias of the last layer at the start: softplus gives 0.03 persons a block, about what ShanghaiTech A and B hold at
stride 8."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A counting network as its file holds it.

    Args:
        stride: side of a block in pixels.
        width: channels of the head.
        context: dilations of the layers before the head; files from before there were any have none.
        state: tensors by name.
    """

    stride: int
    width: int
    context: tuple[int, ...]
    state: Mapping[str, torch.Tensor]


def stored(path: Path) -> Stored:
    """Read a counter's ``.pt``, or the averaged network of a training's checkpoint; no code in the file is run.

    Raises:
        ModelError: it holds no counting network.
    """
    try:
        content = torch_files.tensors(path)
        if "average" in content:
            recipe = json.loads(content["recipe"])
            average = {key.removeprefix("module."): value for key, value in content["average"].items()}
            average.pop("n_averaged", None)
            content = {**recipe, "state": average}
        context = tuple(int(dilation) for dilation in content.get("context", ()))
        found = Stored(int(content["stride"]), int(content["width"]), context, dict(content["state"]))
    except ModelError as err:
        raise _no_counter(path, str(err)) from err
    except (LookupError, TypeError, ValueError, AttributeError) as err:
        raise _no_counter(path, f"{type(err).__name__}: {err}") from err
    if found.width < 1 or not all(isinstance(value, torch.Tensor) for value in found.state.values()):
        raise _no_counter(path, "its content is not made of tensors")
    return found


def _no_counter(path: Path, why: str) -> ModelError:
    return ModelError(f"weights {path}: no counting network could be read ({why}). Give a counter's .pt file.")


class _Around(nn.Module):
    """Adds what a dilated convolution sees around; nothing at first, so that a trained network stays what it was."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
        )
        self.add = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.add.weight)
        nn.init.zeros_(self.add.bias)  # type: ignore[arg-type]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) -> the same shape."""
        seen: torch.Tensor = features + self.add(self.look(features))
        return seen


class CountingNet(nn.Module):
    """(N, 3, H, W) RGB in 0..1, H and W multiples of 32 -> (N, 1, H / stride, W / stride) persons per block.

    Args:
        stride: side of a block in pixels, 8 or 4.
        width: channels of the head.
        context: a layer of that dilation for each, between the features and the head.
    """

    def __init__(self, stride: int = 8, width: int = 64, context: tuple[int, ...] = ()) -> None:
        super().__init__()
        if stride not in STRIDES:
            raise ModelError(f"counting network: stride: got {stride}, need one of {STRIDES}.")
        ultralytics_setup.prepare()
        from ultralytics.nn.tasks import DetectionModel

        whole: Any = DetectionModel("yolo11n.yaml", verbose=False)  # type: ignore[no-untyped-call]
        self.features = nn.ModuleList(whole.model[:FEATURE_LAYERS])
        self._kept = frozenset(whole.save) | ({FINE_LAYER} if stride == 4 else set())
        self.stride = stride
        channels = 64
        if stride == 4:
            self.fine = nn.Sequential(nn.Conv2d(64 + 64, 64, 1, bias=False), nn.BatchNorm2d(64), nn.SiLU())
        self.context = nn.Sequential(*(_Around(channels, dilation) for dilation in context))
        last = nn.Conv2d(width, 1, 1)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(last.bias, FEW)  # type: ignore[arg-type]
        self.head = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            last,
        )

    @classmethod
    def read(cls, path: Path) -> CountingNet:
        """The network of a file, in training mode. Raises ModelError."""
        content = stored(path)
        net = cls(content.stride, content.width, content.context)
        net.load(content.state, str(path))
        return net

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Expected persons per block."""
        kept: list[Any] = []
        x: Any = pictures
        for layer in self.features:
            source: Any = layer.f
            if source != -1:
                x = kept[source] if isinstance(source, int) else [x if i == -1 else kept[i] for i in source]
            x = layer(x)
            kept.append(x if layer.i in self._kept else None)
        if self.stride == 4:
            doubled = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.fine(torch.cat([doubled, kept[FINE_LAYER]], dim=1))
        return nn.functional.softplus(self.head(self.context(x)).float())

    def start_from_detector(self, detector: Any) -> int:
        """Copy the layers that a YOLO11n detection model (not fused) has in common; return how many tensors.

        Raises:
            ModelError: it is another architecture.
        """
        own = self.features.state_dict()
        theirs = nn.ModuleList(detector.model[:FEATURE_LAYERS]).state_dict()
        if set(own) != set(theirs) or any(own[key].shape != theirs[key].shape for key in own):
            raise ModelError("counting network: the start is no YOLO11n detection model. Give yolo11n weights.")
        self.features.load_state_dict(theirs)
        return len(own)

    def load(self, state: Mapping[str, torch.Tensor], what: str) -> None:
        """Take weights. Raises ModelError when they are another architecture's."""
        try:
            self.load_state_dict(state)
        except RuntimeError as err:
            first = str(err).strip().splitlines()[0]
            raise ModelError(f"weights {what}: of another architecture than the counting network ({first}).") from err
