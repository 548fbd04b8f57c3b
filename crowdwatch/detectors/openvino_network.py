"""A network in OpenVINO, compiled for every size of input that is asked for.

An export for one size holds the middles and the sides of the cells in which it looks as constants; the rest of it works
out its shapes itself, or does not. Where it does, the constants are written anew, and the same weights take any size.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import combinations
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from crowdwatch.errors import ConfigError, ModelError

__all__ = ["PRECISIONS", "STRIDES", "Network", "cells", "read_model", "resizable"]

PRECISIONS = ("f32", "bf16", "auto")
"""``auto`` is OpenVINO's own choice: bf16 where the CPU has it."""

STRIDES = (8, 16, 32)
"""Sides of the cells in which these networks look, in pixels of their input."""

MOST_SIZES = 16
"""Sizes that stay compiled; each holds its own features (yolo11n at 640 pixels: 40 MB)."""


def cells(input_hw: tuple[int, int], strides: tuple[int, ...] = STRIDES) -> NDArray[np.float32]:
    """(cells, 3) column, row and stride of every cell, in the order of a network's output.

    >>> cells((32, 64), (32,)).tolist()
    [[0.0, 0.0, 32.0], [1.0, 0.0, 32.0]]
    """
    parts = []
    for stride in strides:
        row, col = np.mgrid[0 : input_hw[0] // stride, 0 : input_hw[1] // stride]
        parts.append(np.stack([col.ravel(), row.ravel(), np.full(row.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def read_model(path: Path) -> Any:
    """Read an OpenVINO or ONNX file. Raises ModelError."""
    try:
        return ov.Core().read_model(path)
    except RuntimeError as err:
        raise unreadable(path, err) from err


def _resized(model: Any, input_hw: tuple[int, int]) -> Any:
    """The same network for pictures (1, 3, h, w). Raises RuntimeError where it cannot take them."""
    own = model.clone()
    shape = own.inputs[0].get_partial_shape()
    if shape[2].is_static and shape[3].is_static:
        was_hw = shape[2].get_length(), shape[3].get_length()
        if was_hw != input_hw:
            _rewrite_cells(own, was_hw, input_hw)
    own.inputs[0].get_node().set_partial_shape(ov.PartialShape([1, 3, *input_hw]))
    own.validate_nodes_and_infer_types()
    return own


def _rewrite_cells(model: Any, was_hw: tuple[int, int], input_hw: tuple[int, int]) -> None:
    known: dict[int, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = {}
    for some in (strides for count in (1, 2, 3) for strides in combinations(STRIDES, count)):
        was, now = cells(was_hw, some).T, cells(input_hw, some).T
        known.setdefault(was.shape[1], []).extend([(was[:2] + 0.5, now[:2] + 0.5), (was[2:], now[2:])])
    for op in model.get_ops():
        if op.get_type_name() != "Constant" or not len(shape := tuple(op.output(0).shape)):
            continue
        for was, now in known.get(shape[-1], []):
            if np.array_equal(op.data.reshape(-1), was.reshape(-1)):
                anew = now.reshape(*shape[:-1], now.shape[1]).astype(op.data.dtype)
                for user in op.output(0).get_target_inputs():
                    user.replace_source_output(ov.opset13.constant(anew).output(0))
                break


def resizable(model: Any) -> bool:
    """Whether a network with one input and one output takes pictures of other sizes than its own."""
    shape = model.inputs[0].get_partial_shape()
    if shape[2].is_dynamic and shape[3].is_dynamic:
        return True
    if shape.is_dynamic or model.outputs[0].get_partial_shape().is_dynamic:
        return False
    other_hw = (96, 64)
    try:
        other = _resized(model, other_hw)
    except RuntimeError:
        return False
    # cells are as many as the area has: an answer that stays the same was not made for the new size
    answers = [list(one.outputs[0].shape)[-1] for one in (model, other)]
    return bool(answers[0] * math.prod(other_hw) == answers[1] * shape[2].get_length() * shape[3].get_length())


class Network:
    """A network that takes one picture at a time, of any of the sizes that it can, from several threads.

    A size is compiled when the first picture of it comes (0.3 s, yolo11n on 2 CPU cores); pictures wait meanwhile.

    Args:
        path: of its file or folder, for messages.
        model: as it was read.
        precision: one of :data:`PRECISIONS`; what was quantised to INT8 stays INT8.
        threads: None leaves OpenVINO's choice, one per core.
        streams: pictures that are looked at at once, each by its share of the threads; further calls wait.

    Raises:
        ConfigError: the precision is unknown.
    """

    def __init__(self, path: Path, model: Any, precision: str, threads: int | None, streams: int) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
        self._path, self._streams = path, streams
        self._model: Any = model
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if streams > 1:
            self._settings = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": streams}
        if precision != "auto":
            self._settings["INFERENCE_PRECISION_HINT"] = precision
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        if threads is not None or streams > 1:  # threads that have neighbours, see the counter's adapter
            self._settings["ENABLE_CPU_PINNING"] = False
        self._waiting: OrderedDict[tuple[int, int], SimpleQueue[Any]] = OrderedDict()
        self._lock = Lock()

    def infer(self, picture: NDArray[np.float32], detector_id: str) -> NDArray[np.float32]:
        """The first output for a picture (1, 3, h, w). Raises ModelError, in the name of the detector."""
        waiting = self._of((picture.shape[2], picture.shape[3]), detector_id)
        request = waiting.get()
        try:
            return np.array(request.infer(picture, share_inputs=True, share_outputs=True)[0], dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"detector {detector_id}: OpenVINO failed: {err}.") from err
        finally:
            waiting.put(request)

    def close(self) -> None:
        """Release the network."""
        with self._lock:
            self._model = None
            self._waiting.clear()

    def _of(self, input_hw: tuple[int, int], detector_id: str) -> SimpleQueue[Any]:
        with self._lock:
            if self._model is None:
                raise ModelError(f"detector {detector_id}: it is closed. Build a new one.")
            if input_hw not in self._waiting:
                self._waiting[input_hw] = self._compiled(input_hw)
                if len(self._waiting) > MOST_SIZES:
                    self._waiting.popitem(last=False)
            self._waiting.move_to_end(input_hw)
            return self._waiting[input_hw]

    def _compiled(self, input_hw: tuple[int, int]) -> SimpleQueue[Any]:
        """Requests of one size: one more than streams waits in OpenVINO, so that no stream waits for Python."""
        try:
            compiled = ov.Core().compile_model(_resized(self._model, input_hw), "CPU", self._settings)
            waiting: SimpleQueue[Any] = SimpleQueue()
            for _ in range(self._streams + 1):
                waiting.put(compiled.create_infer_request())
            # OpenVINO's Python layer sets itself up on its first inference, and two threads that begin it at once may
            # hang: the first one is done here, under the lock
            first = waiting.get()
            first.infer(np.zeros((1, 3, *input_hw), dtype=np.float32))
            waiting.put(first)
        except RuntimeError as err:
            raise unreadable(self._path, err) from err
        return waiting


def unreadable(path: Path, err: RuntimeError) -> ModelError:
    """OpenVINO's words for a file that it refuses."""
    first = str(err).strip().splitlines()[-1]
    return ModelError(f"{path}: OpenVINO cannot read the model ({first}). Export or fetch it again.")
