"""The counter through OpenVINO: the fast path on a CPU. Reads an exported model without importing torch."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from crowdwatch.counters import preparing
from crowdwatch.detectors.weights import WeightsFile, read_yaml, xml_of
from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.records import Frame, HeadMass

__all__ = ["PRECISIONS", "OpenVinoCounter"]

_log = logging.getLogger(__name__)

PRECISIONS = ("f32", "bf16")

SIZES = 4
"""Compiled picture sizes that are kept: a site's cameras have few. Compiling one takes half a second."""


class OpenVinoCounter:
    """The ``Counter`` port over an OpenVINO folder.

    Args:
        weights: the folder.
        scale: pictures are resized by this factor first.
        precision: ``f32`` or ``bf16``; what was quantised to INT8 stays INT8.
        threads: None leaves OpenVINO's choice, one per core.
    """

    def __init__(
        self, weights: WeightsFile, *, scale: float = 1.0, precision: str = "f32", threads: int | None = None
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
        meta = read_yaml(weights.path / "metadata.yaml")
        if meta.get("task") != "count" or not isinstance(meta.get("stride"), int):
            raise ModelError(
                f"{weights.path / 'metadata.yaml'}: got task {meta.get('task')!r}, stride {meta.get('stride')!r}; need "
                "task count and a stride. Give a counter's folder."
            )
        # latency: one picture at a time over all cores, as the detector
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._core = ov.Core()
        self._folder, self._scale, self._stride = weights.path, scale, int(meta["stride"])
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._id = f"{weights.name}x{scale:g}/openvino-{precision}/{weights.sha256[:12]}"
        self._compile((1, 3, 64, 64))  # a damaged file is found at the door
        self._open = True
        _log.info("counter %s: %s", self._id, weights.describe())

    @property
    def counter_id(self) -> str:
        """Name, scale, runtime, precision, first digits of the weights' sha256."""
        return self._id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Head mass, one record per frame, in order. Raises ModelError."""
        return [
            preparing.count(frame, self.forward, stride=self._stride, scale=self._scale, counter_id=self._id)
            for frame in frames
        ]

    def forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network alone on a prepared picture (1, 3, h, w); benchmarks time it. Raises ModelError."""
        if not self._open:
            raise ModelError(f"counter {self._id}: it is closed. Build a new one.")
        try:
            return np.asarray(self._compile(picture.shape)(picture)[0][0, 0], dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"counter {self._id}: OpenVINO failed: {err}.") from err

    def _compile(self, shape: tuple[int, ...]) -> Any:
        if shape in self._compiled:
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
        try:
            model = self._core.read_model(xml_of(self._folder))
            model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(model, "CPU", self._settings)
        except RuntimeError as err:
            first = str(err).strip().splitlines()[-1]
            raise ModelError(f"{self._folder}: OpenVINO cannot read the counter ({first}). Export it again.") from err
        if len(self._compiled) > SIZES:
            self._compiled.popitem(last=False)
        return self._compiled[shape]

    def close(self) -> None:
        """Release the model."""
        self._open = False
        self._compiled.clear()
