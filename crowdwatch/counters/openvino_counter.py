"""The counter through OpenVINO: the fast path on a CPU, without torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from crowdwatch.core.records import Frame, HeadMass
from crowdwatch.counters import margins, preparing
from crowdwatch.detectors.weights import OPENVINO, WeightsFile, read_yaml, xml_of
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["OpenVinoCounter", "stride_of"]

_log = logging.getLogger(__name__)

PRECISIONS = ("f32", "bf16")


class OpenVinoCounter:
    """The ``Counter`` port over an OpenVINO folder, or over a ``.pt`` that is exported once into the cache.

    The model is compiled once, for pictures of any size: on 2 CPU cores that gives the very numbers and the speed of a
    model compiled for one size (125 ms for 1024x768 at f32, 84 at bf16), and no size has to be compiled again.

    Args:
        weights: the file or folder.
        scale: factor on the picture's sides before it is counted.
        precision: ``f32`` or ``bf16``; what was quantised to INT8 stays INT8. On a CPU without bf16 it is f32, and the
            counter's id says so.
        threads: None leaves OpenVINO's choice, one per core.
    """

    def __init__(
        self, weights: WeightsFile, *, scale: float = 1.0, precision: str = "f32", threads: int | None = None
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
        self._scale = preparing.check_scale(scale)
        self._margins = margins.read(weights.path.parent / margins.FILE)
        folder = weights.path
        if weights.kind != OPENVINO:
            from crowdwatch.counters.exporting import exported  # imports torch

            folder = exported(weights)
        self._stride = stride_of(folder)
        self._one_pass = Lock()
        self._model, precision = _compile(folder, precision, threads)
        self._id = f"{weights.name}x{scale:g}/openvino-{precision}/{weights.sha256[:12]}"
        _log.info("counter %s: %s", self._id, weights.describe())

    @property
    def counter_id(self) -> str:
        """Name, input scale, runtime, precision, first digits of the weights' sha256."""
        return self._id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Expected heads per block, one record per frame, in order. Raises ModelError."""
        return [
            preparing.count(
                frame, self._forward, stride=self._stride, scale=self._scale, counter_id=self._id, margins=self._margins
            )
            for frame in frames
        ]

    def _forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._model is None:
            raise ModelError(f"counter {self._id}: it is closed. Build a new one.")
        try:
            with self._one_pass:  # one after the other: features of a whole picture take most of the memory
                return np.array(self._model(picture)[0][0, 0], dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"counter {self._id}: OpenVINO failed: {err}.") from err

    def close(self) -> None:
        """Release the model."""
        self._model = None


def stride_of(folder: Path) -> int:
    """Side of the blocks of a counter's OpenVINO folder, from its ``metadata.yaml``.

    Raises:
        ModelError: it is no counter's.
    """
    path = folder / "metadata.yaml"
    known = read_yaml(path)
    stride = known.get("stride")
    if known.get("task") != "count" or not isinstance(stride, int) or not 1 <= stride <= 32:
        raise ModelError(
            f"{path}: got task {known.get('task')!r}, stride {stride!r}; need task count and the side of a block in "
            "pixels. Give a counter's weights, or export them again."
        )
    return stride


def _compile(folder: Path, precision: str, threads: int | None) -> tuple[Any, str]:
    core = ov.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        _log.warning("precision bf16: this CPU has none; f32 is used, which is slower and closer to the training")
        precision = "f32"
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
        # a process with fewer threads than cores has neighbours, and OpenVINO pins the threads of each process to the
        # same first cores: two workers of one thread each would share one core
        settings["ENABLE_CPU_PINNING"] = False
    try:
        model = core.read_model(xml_of(folder))
        model.reshape([1, 3, -1, -1])
        return core.compile_model(model, "CPU", settings), precision
    except RuntimeError as err:
        first = str(err).strip().splitlines()[-1]
        raise ModelError(f"{folder}: OpenVINO cannot read the model ({first}). Export it again.") from err
