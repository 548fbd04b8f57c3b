"""YOLO through torch: on a GPU the fast path, on a CPU the reference that OpenVINO is compared with."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, Frame
from crowdwatch.detectors import torch_device, ultralytics_models
from crowdwatch.detectors.boxes import BoxLimits, ModelShape
from crowdwatch.detectors.letterbox import SCALE, InputSize, Letterbox, blob, letterboxed
from crowdwatch.detectors.recorded_pass import RecordedPass
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ModelError

__all__ = ["TorchYolo", "of_bytes"]

_log = logging.getLogger(__name__)

CUDA_BATCH = 16
"""Pictures per pass on a GPU. On a CPU it is 1: there batches gain nothing (12.4 images/s at batch 1 and at 4,
yolo11n, 640 pixels, 2 cores), and at 1 a picture's boxes do not depend on which pictures came with it."""


class TorchYolo:
    """The ``Detector`` port over a ``.pt`` file; f32, without Ultralytics' predictor.

    Args:
        weights: the file.
        image_px: longer side of the network's input, a multiple of 32; the other follows the picture's shape.
        limits: what is cut off before the seam.
        anchor: FEET for boxes of people, HEAD for boxes of heads.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, for the whole process; None leaves torch's choice.
        batch: pictures per pass; None for 1 on a CPU and 16 on a GPU.
    """

    def __init__(
        self,
        weights: WeightsFile,
        *,
        image_px: int = 640,
        limits: BoxLimits | None = None,
        anchor: Anchor = Anchor.FEET,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
    ) -> None:
        device = torch_device.choose(device, threads)
        self._size = InputSize.square(image_px)
        self._limits = limits or BoxLimits()
        model, names = ultralytics_models.load(weights, max_det=self._limits.max_det)
        # rows of a network that suppresses by itself are as many as one size has: no other in any runtime
        if getattr(model.model[-1], "end2end", False):
            self._size = InputSize((image_px, image_px))
        self._shape = ModelShape.of(str(weights.path), names, anchor)
        # channels last: 49 ms a picture instead of 58 on 2 CPU cores (yolo11n, 640 pixels)
        self._one_pass = Lock()
        self._model: torch.nn.Module | None = model.to(device, memory_format=torch.channels_last)
        self._on_gpu = device == "cuda"
        self._batch = batch or (CUDA_BATCH if self._on_gpu else 1)
        self._id = f"{weights.name}@{self._size}{self._shape.suffix}/torch-f32/{weights.sha256[:12]}"
        self._recorded = _Recorded(model, {1, self._batch}) if self._on_gpu else None
        if self._recorded is not None:
            try:
                self._recorded.of(self._size.usual_hw)
            except RuntimeError as err:
                raise ModelError(f"detector {self._id}: torch failed on the GPU: {err}.") from err
        _log.info("detector %s on %s: %s", self._id, device, weights.describe())

    @property
    def detector_id(self) -> str:
        """Name, input size, runtime, precision, first digits of the weights' sha256."""
        return self._id

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate."""
        return self._shape.anchor

    @property
    def batch(self) -> int:
        """Pictures per pass."""
        return self._batch

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of people, one record per frame, in order. Raises ModelError."""
        fits = [self._size.fit(frame.image_hw) for frame in frames]
        found: dict[int, Detections] = {}
        for input_hw in dict.fromkeys(fit.input_hw for fit in fits):  # one pass takes pictures of one size
            rows = [row for row, fit in enumerate(fits) if fit.input_hw == input_hw]
            for start in range(0, len(rows), self._batch):
                some = rows[start : start + self._batch]
                found.update(zip(some, self._pass([frames[row] for row in some]), strict=True))
        return [found[row] for row in range(len(frames))]

    def prepare(self, images_bgr: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[Any], list[Letterbox]]:
        """Pictures of one size as :meth:`forward` takes them, and how each was fitted. To a GPU go bytes, a quarter
        as many."""
        fits = [self._size.fit((image.shape[0], image.shape[1])) for image in images_bgr]
        return (letterboxed if self._on_gpu else blob)(images_bgr, fits), fits

    def forward(self, pictures: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network alone on prepared pictures, at most a pass; benchmarks time it. Raises ModelError."""
        model = self._model
        if model is None:
            raise ModelError(f"detector {self._id}: it is closed. Build a new one.")
        try:
            if self._recorded is not None:
                recorded = self._recorded.of((pictures.shape[1], pictures.shape[2]))
                return recorded[1 if len(pictures) == 1 else self._batch](pictures)
            with self._one_pass, torch.inference_mode():
                answer = _table(model(torch.from_numpy(pictures).contiguous(memory_format=torch.channels_last)))
                return np.asarray(answer.numpy(), dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"detector {self._id}: torch failed: {err}. On a GPU, lower the batch.") from err

    def _pass(self, frames: Sequence[Frame]) -> list[Detections]:
        pictures, fits = self.prepare([frame.image_bgr for frame in frames])
        return [
            self._shape.detections(frame, one, fit, self._limits, self._id)
            for frame, one, fit in zip(frames, self.forward(pictures), fits, strict=True)
        ]

    def close(self) -> None:
        """Release the model."""
        self._model = None
        self._recorded = None


def of_bytes(pictures: torch.Tensor) -> torch.Tensor:
    """(N, h, w, 3) BGR bytes -> (N, 3, h, w) f32 RGB in 0..1, number for number what :func:`blob` makes."""
    return pictures.flip(-1).permute(0, 3, 1, 2).float().mul_(float(SCALE))


def _table(answer: Any) -> torch.Tensor:
    table: torch.Tensor = answer[0] if isinstance(answer, tuple) else answer
    return table.float()


class _Recorded:
    """Passes of a network on a GPU, recorded when the first picture of a size comes.

    Args:
        model: on the GPU.
        sizes: pictures of a pass.
    """

    def __init__(self, model: torch.nn.Module, sizes: set[int]) -> None:
        self._model, self._sizes = model, sizes
        self._pool = torch.cuda.graph_pool_handle()
        self._passes: dict[tuple[int, int], dict[int, RecordedPass]] = {}
        self._lock = Lock()

    def of(self, input_hw: tuple[int, int]) -> dict[int, RecordedPass]:
        """Those for inputs of one size, by the pictures of a pass. Raises torch's RuntimeError."""
        with self._lock:
            if input_hw not in self._passes:
                self._passes[input_hw] = {size: self._record(size, input_hw) for size in sorted(self._sizes)}
            return self._passes[input_hw]

    def _record(self, size: int, input_hw: tuple[int, int]) -> RecordedPass:
        own = copy.deepcopy(self._model)
        shape = (size, *input_hw, 3)
        return RecordedPass(lambda pictures: _table(own(of_bytes(pictures))), shape, torch.uint8, self._pool)
