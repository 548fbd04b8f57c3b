"""The counter through torch: on a GPU the fast path, on a CPU the reference that OpenVINO is compared with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crowdwatch.core.records import Frame, HeadMass
from crowdwatch.counters import margins, preparing
from crowdwatch.counters.network import CountingNet
from crowdwatch.detectors import torch_device
from crowdwatch.detectors.recorded_pass import RecordedPass
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["TorchCounter"]

_log = logging.getLogger(__name__)

PRECISIONS = ("f32", "bf16")
MOST_SHAPES = 8
"""Shapes of pictures whose passes are kept on a GPU: cameras of one site have few."""


class TorchCounter:
    """The ``Counter`` port over a ``.pt`` file, one picture a pass.

    Args:
        weights: the file.
        scale: factor on the picture's sides before it is counted.
        precision: ``f32`` or ``bf16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, for the whole process; None leaves torch's choice.
    """

    def __init__(
        self,
        weights: WeightsFile,
        *,
        scale: float = 1.0,
        precision: str = "f32",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
        device = torch_device.choose(device, threads)
        self._scale, self._precision, self._device = preparing.check_scale(scale), precision, device
        self._margins = margins.read(weights.path.parent / margins.FILE)
        net = CountingNet.read(weights.path).eval()
        self._stride = net.stride
        self._one_pass = Lock()
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net: CountingNet | None = net
        self._passes: dict[tuple[int, ...], RecordedPass] = {}
        self._pool: Any = torch.cuda.graph_pool_handle() if device == "cuda" else None
        self._id = f"{weights.name}x{scale:g}/torch-{precision}/{weights.sha256[:12]}"
        _log.info("counter %s on %s: %s", self._id, device, weights.describe())

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
        net = self._net
        if net is None:
            raise ModelError(f"counter {self._id}: it is closed. Build a new one.")
        try:
            if self._device == "cuda":
                answer: NDArray[np.float32] = self._recorded(net, picture.shape)(picture)[0, 0]
                return answer
            with self._one_pass, torch.inference_mode():
                return np.asarray(self._run(net, torch.from_numpy(picture))[0, 0].numpy(), dtype=np.float32)
        except RuntimeError as err:
            raise ModelError(f"counter {self._id}: torch failed: {err}.") from err

    def _run(self, net: CountingNet, picture: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._precision == "bf16", cache_enabled=False):
            counts: torch.Tensor = net(picture.contiguous(memory_format=torch.channels_last))
            return counts.float()

    def _recorded(self, net: CountingNet, shape: tuple[int, ...]) -> RecordedPass:
        """The pass for pictures of a shape: recorded when the first comes, kept while few others do."""
        with self._one_pass:
            found = self._passes.pop(shape, None)
            if found is None:
                found = RecordedPass(partial(self._run, net), shape, torch.float32, self._pool)
            self._passes[shape] = found  # the last is the one used last
            if len(self._passes) > MOST_SHAPES:
                del self._passes[next(iter(self._passes))]
            return found

    def close(self) -> None:
        """Release the model."""
        self._net = None
        self._passes.clear()
