"""Any YOLO or YOLOX as an ONNX file, through OpenVINO: detectors under other licences plug in here.

Nothing in such a file says how its network was trained, so its form is found from what it gives. ``Form`` has the
families; their inputs differ too: YOLOX takes bytes in blue, green, red with the border at the right and below, the
others 0 to 1 in red, green, blue with the picture in the middle.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, Frame
from crowdwatch.detectors.boxes import BoxLimits, ModelShape
from crowdwatch.detectors.letterbox import MULTIPLE, InputSize, Letterbox, blob, letterboxed
from crowdwatch.detectors.openvino_network import Network, cells, read_model
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["Form", "OnnxYolo"]

_log = logging.getLogger(__name__)

COCO = 80
"""Classes of COCO, of which the first is a person."""

ANCHORS = 3
"""Boxes a cell of YOLOv5 and its kin; YOLOX and YOLOv8 have one."""


class Form(StrEnum):
    """What a network gives for N boxes of C classes.

    * ``CLASSES``: (4 + C, N), centre and size in pixels and a score a class (YOLOv8 and later);
    * ``OBJECT``: (N, 5 + C), the same with the score of being an object before the others (YOLOv5, v7);
    * ``CELLS``: the same, but centre and size are in cells, and relative to them (YOLOX without its decoding);
    * ``YOLOX``: decoded YOLOX;
    * ``ROWS``: (N, 6), corners, score and class, after suppression.
    """

    CLASSES = "classes"
    OBJECT = "object"
    CELLS = "cells"
    YOLOX = "yolox"
    ROWS = "rows"


class OnnxYolo:
    """The ``Detector`` port over an ONNX file.

    Args:
        weights: the file.
        image_px: longer side of the network's input where the file leaves it open (640 by default), a multiple of 32;
            the other side then follows the picture's shape.
        limits, anchor, precision, threads, streams: as of :class:`~crowdwatch.detectors.openvino_yolo.OpenVinoYolo`.

    Raises:
        ModelError: it cannot be read, is of another task, or has no class that is counted.
        ConfigError: ``image_px`` is another size than the file's own.
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
        model = read_model(weights.path)
        size = _size(weights.path, model, image_px)
        self._network = Network(weights.path, model, precision, threads, streams)
        self._id = f"{weights.name}@{size}/onnx-openvino-{precision}/{weights.sha256[:12]}"
        usual = size.usual_hw
        grey = self.forward(np.full((1, 3, *usual), 0.4, dtype=np.float32))[0]
        self._form, classes = _form(weights.path, grey, usual)
        self._shape = ModelShape.of(str(weights.path), _names(weights.path, model, classes), anchor)
        self._shape.check_rows(str(weights.path), grey, len(cells(usual)), self._limits)
        self._bytes = self._form in (Form.CELLS, Form.YOLOX)
        self._size = replace(size, centred=not self._bytes)
        self._id = self._id.replace("/onnx", f"{self._shape.suffix}/onnx", 1)
        _log.info("detector %s: form %s, %s", self._id, self._form, weights.describe())

    @property
    def detector_id(self) -> str:
        """Name, input size, runtime, precision, first digits of the weights' sha256."""
        return self._id

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate."""
        return self._shape.anchor

    @property
    def form(self) -> Form:
        """What the network gives."""
        return self._form

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of people, one record per frame, in order. Raises ModelError."""
        return [self._one(frame) for frame in frames]

    def forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network alone on a prepared picture (1, 3, h, w). Raises ModelError."""
        return self._network.infer(picture, self._id)

    def close(self) -> None:
        """Release the model."""
        self._network.close()

    def _one(self, frame: Frame) -> Detections:
        fit = self._size.fit(frame.image_hw)
        if self._bytes:
            pictures = letterboxed([frame.image_bgr], [fit])
            picture = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32)
        else:
            picture = blob([frame.image_bgr], [fit])
        output = self.forward(picture)[0]
        self._same_cells(output, fit)
        if self._form not in (Form.CLASSES, Form.ROWS):
            output = _by_class(output, cells(fit.input_hw) if self._form is Form.CELLS else None)
        return self._shape.detections(frame, output, fit, self._limits, self._id)

    def _same_cells(self, output: NDArray[np.float32], fit: Letterbox) -> None:
        """Refuse an answer for another size: a file may leave its input open, and hold the cells of one size."""
        count = len(cells(fit.input_hw)) * (ANCHORS if self._form is Form.OBJECT else 1)
        given = count if self._form is Form.ROWS else output.shape[1 if self._form is Form.CLASSES else 0]
        if given != count:
            height, width = fit.input_hw
            raise ModelError(
                f"detector {self._id}: answers with {given} boxes to an input of {width}x{height}, which has {count}: "
                "its axes are open, but its cells are those of one size. Export it with fixed axes."
            )


def _size(path: Path, model: Any, image_px: int | None) -> InputSize:
    """The network's input: the file's own, or what is asked for where it leaves that open."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{path}: {len(model.inputs)} inputs and {len(model.outputs)} outputs, a detector has one of each. Is it a "
            "network of another task? Export a detector, without suppression in it."
        )
    shape = model.inputs[0].get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 4 or (shape[1].is_static and shape[1].get_length() != 3):
        raise ModelError(f"{path}: its input is {shape}, a detector takes pictures (1, 3, height, width).")
    if shape[2].is_dynamic and shape[3].is_dynamic:
        return InputSize.square(image_px or 640)
    size = tuple(shape[axis].get_length() if shape[axis].is_static else image_px or 640 for axis in (2, 3))
    if image_px is not None and size != (image_px, image_px):
        raise ConfigError(
            f"weights {path}: its input is {size[1]}x{size[0]} pixels, image_px is {image_px}. Leave image_px out."
        )
    if any(side % MULTIPLE for side in size):
        raise ConfigError(f"weights {path}: image_px: {size[1]}x{size[0]}, need multiples of {MULTIPLE}.")
    return InputSize((size[0], size[1]))


def _form(path: Path, output: NDArray[np.float32], input_hw: tuple[int, int]) -> tuple[Form, int]:
    """The form of an output, and the number of classes; 0 where it does not tell."""
    places = cells(input_hw)
    count = len(places)
    if output.ndim == 2:
        rows, columns = output.shape
        if columns == count and rows > 4:
            return Form.CLASSES, rows - 4
        if rows == count and columns > 5:
            # decoded centres lie near the middle of their cells; the others are that far from it, in cells
            at, side = places[:, :2], places[:, 2:]
            decoded = np.median(np.abs(output[:, :2] / side - at - 0.5)) < np.median(np.abs(output[:, :2] - 0.5))
            return (Form.YOLOX if decoded else Form.CELLS), columns - 5
        if rows == ANCHORS * count and columns > 5:
            return Form.OBJECT, columns - 5
        if columns == 6 and rows < count:
            return Form.ROWS, 0
    raise ModelError(
        f"{path}: its output is {output.shape}, for {count} cells. Need a YOLO or YOLOX: (4 + classes, {count}), "
        f"({count} or {ANCHORS * count}, 5 + classes) or (rows, 6)."
    )


def _names(path: Path, model: Any, classes: int) -> list[str]:
    """Names of the classes: as Ultralytics writes them into the file, else COCO's first, else people alone."""
    names: list[str] = []
    if model.has_rt_info(["framework", "names"]):
        try:
            written = ast.literal_eval(str(model.get_rt_info(["framework", "names"]).astype(str)))
            names = [str(written[key]) for key in sorted(written)]
        except (ValueError, SyntaxError, TypeError, AttributeError):
            names = []
    if classes and len(names) != classes:
        names = []
    if names:
        return names
    if classes in (0, 1):
        return ["person"]
    if classes == COCO:
        return ["person", *(f"class {number}" for number in range(1, COCO))]
    raise ModelError(
        f"{path}: {classes} classes without names. Which of them are people cannot be known: give a file with "
        f"{COCO} classes of COCO, with people alone, or with their names in it."
    )


def _by_class(output: NDArray[np.float32], places: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(N, 5 + C) -> (4 + C, N) in pixels, the scores times that of being an object.

    Cells of YOLOX: centre = (offset + cell) x stride, size = exp(value) x stride (Ge et al. 2021, arXiv:2107.08430).
    """
    found = np.empty((output.shape[1] - 1, len(output)), np.float32)
    found[:4] = output[:, :4].T
    if places is not None:
        found[:2] = (found[:2] + places[:, :2].T) * places[:, 2]
        found[2:4] = np.exp(np.minimum(found[2:4], 10)) * places[:, 2]
    np.multiply(output[:, 5:].T, output[:, 4], out=found[4:])
    return found
