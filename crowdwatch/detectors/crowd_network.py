"""YOLO11n with a second answer: heads, from a branch of its own over the same features.

The detector of people stays exactly what it was, weight for weight, so nothing that was measured of it is lost. The
branch shares everything up to the features of stride 8 and adds its own last merging step and its own boxes. Both
answers come in one table: the candidates of people first, then those of heads.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from crowdwatch.detectors.ultralytics_setup import prepare
from crowdwatch.errors import ModelError

__all__ = ["NAMES", "CrowdYolo"]

NAMES = ("person", "head")
MERGE_LAYER = 16
"""YOLO11's last merging step to stride 8; it takes what layer 15 joined."""

PERSON = 0
"""COCO's class."""


def _shapes(net: Any) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in net.state_dict().items()}


class CrowdYolo(nn.Module):
    """(N, 3, H, W) RGB in 0..1 -> (N, 6, candidates): box centre and size, score of person, score of head.

    Args:
        base: a YOLO11n detection model, not fused; its weights are frozen.
    """

    task = "detect"
    names: ClassVar[dict[int, str]] = dict(enumerate(NAMES))

    def __init__(self, base: Any | None = None) -> None:
        super().__init__()
        prepare()
        from ultralytics.nn.modules.conv import Conv
        from ultralytics.nn.modules.head import Detect
        from ultralytics.nn.tasks import DetectionModel

        yolo: Any = DetectionModel
        fresh = yolo("yolo11n.yaml", verbose=False)
        self.base: Any = fresh if base is None else base
        if _shapes(self.base) != _shapes(fresh):
            raise ModelError("crowd detector: the start is no YOLO11n of 80 classes, not fused. Give yolo11n weights.")
        self.base.requires_grad_(False)
        layer: Any = Conv
        answer: Any = Detect
        self.merge: Any = copy.deepcopy(self.base.model[MERGE_LAYER]).requires_grad_(True)
        self.refine: Any = layer(64, 64, 3)
        self.heads: Any = answer(nc=1, ch=(64,))
        self.heads.stride = torch.tensor([8.0])
        self.heads.bias_init()

    @property
    def model(self) -> Any:
        """The layers of the detector of people; the last one is its answer."""
        return self.base.model

    def features(self, pictures: torch.Tensor) -> tuple[list[Any], torch.Tensor]:
        """What the answer to people takes, and what the branch takes."""
        kept: list[Any] = []
        x: Any = pictures
        joined: Any = None
        for layer in self.base.model[:-1]:
            source: Any = layer.f
            if source != -1:
                x = kept[source] if isinstance(source, int) else [x if i == -1 else kept[i] for i in source]
            if layer.i == MERGE_LAYER:
                joined = x
            x = layer(x)
            kept.append(x if layer.i in self.base.save else None)
        return [kept[i] for i in self.base.model[-1].f], joined

    def branch(self, joined: torch.Tensor) -> Any:
        """The branch's answer: in training Ultralytics' raw one, else decoded boxes and scores."""
        return self.heads([self.refine(self.merge(joined))])

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """People and heads in one table."""
        inputs, joined = self.features(pictures)
        people, heads = (
            answer[0] if isinstance(answer, tuple) else answer
            for answer in (self.base.model[-1](inputs), self.branch(joined))
        )
        person = people[:, 4 + PERSON : 5 + PERSON]
        scores = torch.cat(
            [
                torch.cat([person, torch.zeros_like(person)], dim=1),
                torch.cat([torch.zeros_like(heads[:, 4:5]), heads[:, 4:5]], dim=1),
            ],
            dim=2,
        )
        return torch.cat([torch.cat([people[:, :4], heads[:, :4]], dim=2), scores], dim=1)

    def fuse(self) -> None:
        """Fold the batch norms into the convolutions: for inference, no more for training."""
        from ultralytics.nn.modules.conv import Conv
        from ultralytics.utils import torch_utils

        folded: Any = torch_utils.fuse_conv_and_bn
        for layer in self.modules():
            if isinstance(layer, Conv) and hasattr(layer, "bn"):
                part: Any = layer
                part.conv = folded(part.conv, part.bn)
                del part.bn
                part.forward = part.forward_fuse

    def load(self, state: Mapping[str, torch.Tensor], what: str) -> None:
        """Take weights. Raises ModelError when they are another architecture's."""
        try:
            self.load_state_dict(state)
        except RuntimeError as err:
            first = str(err).strip().splitlines()[0]
            raise ModelError(f"weights {what}: of another architecture than the crowd detector ({first}).") from err
