"""YOLO through torch: on a GPU the fast path, on a CPU the reference that OpenVINO is compared with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock

import torch

from crowdwatch.detectors import ultralytics_models
from crowdwatch.detectors.boxes import Limits, ModelShape, blob
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.records import Anchor, Detections, Frame

__all__ = ["TorchYolo"]

_log = logging.getLogger(__name__)

CUDA_BATCH = 16
"""Pictures per pass on a GPU. On a CPU it is 1: there batches gain nothing (12.4 images/s at batch 1 and at 4,
yolo11n, 640 pixels, 2 cores), and at 1 a picture's boxes do not depend on which pictures came with it."""


class TorchYolo:
    """The ``Detector`` port over a ``.pt`` file; f32, without Ultralytics' predictor.

    Args:
        weights: the file.
        image_px: side of the network's square input, a multiple of 32.
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
        limits: Limits | None = None,
        anchor: Anchor = Anchor.FEET,
        device: str = "auto",
        threads: int | None = None,
        batch: int | None = None,
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError("device 'cuda': torch finds no usable GPU. Use device 'auto' or 'cpu'.")
        if image_px < 32 or image_px % 32:
            raise ConfigError(f"image_px: got {image_px}, need a multiple of 32.")
        if threads is not None:
            torch.set_num_threads(threads)
        self._limits = limits or Limits()
        model, names = ultralytics_models.load(weights, max_det=self._limits.max_det)
        self._shape = ModelShape.of(str(weights.path), names, (image_px, image_px), anchor)
        # channels last: 49 ms a picture instead of 58 on 2 CPU cores (yolo11n, 640 pixels)
        self._one_pass = Lock()
        self._model: torch.nn.Module | None = model.to(device, memory_format=torch.channels_last)
        self._device = device
        self._batch = batch or (CUDA_BATCH if device.startswith("cuda") else 1)
        self._id = f"{weights.name}@{image_px}{self._shape.suffix}/torch-f32/{weights.sha256[:12]}"
        _log.info("detector %s on %s: %s", self._id, device, weights.describe())

    @property
    def detector_id(self) -> str:
        """Name, input size, runtime, precision, first digits of the weights' sha256."""
        return self._id

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate."""
        return self._shape.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of people, one record per frame, in order. Raises ModelError."""
        if self._model is None:
            raise ModelError(f"detector {self._id}: it is closed. Build a new one.")
        found: list[Detections] = []
        for start in range(0, len(frames), self._batch):
            found += self._pass(self._model, frames[start : start + self._batch])
        return found

    def _pass(self, model: torch.nn.Module, frames: Sequence[Frame]) -> list[Detections]:
        pictures, fits = blob([frame.image_bgr for frame in frames], self._shape.input_hw)
        try:
            with self._one_pass, torch.inference_mode():
                answer = model(torch.from_numpy(pictures).to(self._device, memory_format=torch.channels_last))
                output = (answer[0] if isinstance(answer, tuple) else answer).float().cpu().numpy()
        except RuntimeError as err:
            raise ModelError(f"detector {self._id}: torch failed: {err}. On a GPU, lower the batch.") from err
        return [
            self._shape.detections(frame, one, fit, self._limits, self._id)
            for frame, one, fit in zip(frames, output, fits, strict=True)
        ]

    def close(self) -> None:
        """Release the model."""
        self._model = None
