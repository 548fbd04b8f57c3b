"""YOLO through OpenVINO: the fast path on a CPU. Reads an exported model without importing torch: ready after 0.4 to
0.8 s with 260 MB, where torch takes 2.5 s and 500 MB (yolo11n, imports included)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeGuard

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, Frame
from crowdwatch.detectors.boxes import BoxLimits, Letterbox, ModelShape, blob
from crowdwatch.detectors.weights import OPENVINO, WeightsFile, read_yaml, xml_of
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["PRECISIONS", "OpenVinoYolo", "Requests", "compiled"]

_log = logging.getLogger(__name__)

PRECISIONS = ("f32", "bf16", "auto")
"""``auto`` is OpenVINO's own choice: bf16 where the CPU has it."""


class Requests:
    """A compiled network that several threads may ask at once.

    Args:
        model: the network.
        streams: pictures that are looked at at once; one more waits in OpenVINO, so that no stream waits for Python.
    """

    def __init__(self, model: Any, streams: int) -> None:
        self._waiting: SimpleQueue[Any] | None = SimpleQueue()
        for _ in range(streams + 1):
            self._waiting.put(model.create_infer_request())

    def infer(self, picture: NDArray[np.float32], detector_id: str) -> NDArray[np.float32]:
        """The first output for a picture. Raises ModelError, in the name of the detector."""
        waiting = self._waiting
        if waiting is None:
            raise ModelError(f"detector {detector_id}: it is closed. Build a new one.")
        request = waiting.get()
        try:
            return np.array(request.infer(picture, share_inputs=True, share_outputs=True)[0], dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"detector {detector_id}: OpenVINO failed: {err}.") from err
        finally:
            waiting.put(request)

    def close(self) -> None:
        """Release the network."""
        self._waiting = None


class OpenVinoYolo:
    """The ``Detector`` port over an OpenVINO folder, or over a ``.pt`` that is exported once into the cache.

    Args:
        weights: the file or folder.
        image_px: side of the network's square input; None takes an exported model's own, and 640 for a ``.pt``.
        limits: what is cut off before the seam.
        anchor: FEET for boxes of people, HEAD for boxes of heads.
        precision: ``f32``, ``bf16`` or ``auto``; what was quantised to INT8 stays INT8.
        threads: None leaves OpenVINO's choice, one per core.
        streams: pictures that are looked at at once, each by its share of the threads; further calls wait.
    """

    def __init__(
        self,
        weights: WeightsFile,
        *,
        image_px: int | None = None,
        limits: BoxLimits | None = None,
        anchor: Anchor = Anchor.FEET,
        precision: str = "f32",
        threads: int | None = None,
        streams: int = 1,
    ) -> None:
        self._limits = limits or BoxLimits()
        folder = weights.path
        if weights.kind != OPENVINO:
            from crowdwatch.detectors.openvino_export import exported  # imports torch

            folder = exported(weights, image_px=image_px or 640, max_det=self._limits.max_det)
        self._shape = _shape(folder, weights, image_px, anchor)
        model = _compile(folder, self._shape, precision, threads, streams)
        self._requests = Requests(model, streams)
        self._id = (
            f"{weights.name}@{self._shape.input_hw[1]}{self._shape.suffix}/openvino-{precision}/{weights.sha256[:12]}"
        )
        # OpenVINO's Python layer sets itself up on its first inference, and two threads that begin it at once may hang
        self.forward(np.zeros((1, 3, *self._shape.input_hw), dtype=np.float32))
        _log.info("detector %s: %s", self._id, weights.describe())

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
        return [self._one(frame) for frame in frames]

    def prepare(self, images_bgr: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Pictures as :meth:`forward` takes them, one after the other, and how each was fitted."""
        return blob(images_bgr, self._shape.input_hw)

    def forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network alone on a prepared picture (1, 3, h, w); benchmarks time it. Raises ModelError."""
        return self._requests.infer(picture, self._id)

    def _one(self, frame: Frame) -> Detections:
        picture, fits = self.prepare([frame.image_bgr])
        return self._shape.detections(frame, self.forward(picture)[0], fits[0], self._limits, self._id)

    def close(self) -> None:
        """Release the model."""
        self._requests.close()


def _shape(folder: Path, weights: WeightsFile, image_px: int | None, anchor: Anchor) -> ModelShape:
    """Input size and classes from the folder's ``metadata.yaml``."""
    path = folder / "metadata.yaml"
    meta = read_yaml(path)
    names, size = meta.get("names"), meta.get("imgsz")
    if meta.get("task") == "count":
        raise ModelError(f"{path}: this is a counter, and boxes are wanted. Name it under counter, not under detector.")
    if meta.get("task") != "detect" or not _by_index(names) or not isinstance(size, list) or len(size) != 2:
        raise ModelError(
            f"{path}: got task {meta.get('task')!r}, names {type(names).__name__}, imgsz {size!r}; need task detect, "
            "names by index and imgsz [height, width]. Export the model again."
        )
    if image_px is not None and size != [image_px, image_px]:
        raise ModelError(
            f"weights {weights.path}: exported for {size[1]}x{size[0]} pixels, image_px is {image_px}. "
            "Set image_px to the model's own size, or give the .pt file."
        )
    ordered = [str(names[index]) for index in sorted(names, key=int)]
    return ModelShape.of(str(weights.path), ordered, (int(size[0]), int(size[1])), anchor)


def _by_index(names: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(names, dict) and all(str(key).isdecimal() for key in names)


def _compile(folder: Path, shape: ModelShape, precision: str, threads: int | None, streams: int) -> Any:
    try:
        model = ov.Core().read_model(xml_of(folder))
    except RuntimeError as err:
        raise _unreadable(folder, err) from err
    return compiled(folder, model, shape.input_hw, precision, threads, streams)


def compiled(
    path: Path, model: Any, input_hw: tuple[int, int], precision: str, threads: int | None, streams: int
) -> Any:
    """A model for one picture of a size at a time, compiled for the CPU; see :class:`OpenVinoYolo`.

    Raises:
        ConfigError: the precision is unknown.
        ModelError: OpenVINO refuses the model.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if streams > 1:
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
    if precision != "auto":
        settings["INFERENCE_PRECISION_HINT"] = precision
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    if threads is not None or streams > 1:  # threads that have neighbours, see the counter's adapter
        settings["ENABLE_CPU_PINNING"] = False
    try:
        model.reshape([1, 3, *input_hw])
        return ov.Core().compile_model(model, "CPU", settings)
    except RuntimeError as err:
        raise _unreadable(path, err) from err


def _unreadable(path: Path, err: RuntimeError) -> ModelError:
    first = str(err).strip().splitlines()[-1]
    return ModelError(f"{path}: OpenVINO cannot read the model ({first}). Export it again.")
