"""The counter through torch: on a GPU the fast path, on a CPU the reference that OpenVINO is compared with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from crowdwatch.counters import preparing
from crowdwatch.counters.network import CountingNet
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.records import Frame, HeadMass

__all__ = ["TorchCounter"]

_log = logging.getLogger(__name__)

PRECISIONS = ("f32", "bf16")


class TorchCounter:
    """The ``Counter`` port over a ``.pt`` file, one picture a pass.

    On an NVIDIA GPU torch computes convolutions at f32 with TF32's shorter mantissa unless it is told otherwise.

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
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError("device 'cuda': torch finds no usable GPU. Use device 'auto' or 'cpu'.")
        if threads is not None:
            torch.set_num_threads(threads)
        self._scale, self._precision, self._device = preparing.check_scale(scale), precision, device
        net = CountingNet.read(weights.path).eval()
        self._stride = net.stride
        self._one_pass = Lock()
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net: CountingNet | None = net
        self._id = f"{weights.name}x{scale:g}/torch-{precision}/{weights.sha256[:12]}"
        _log.info("counter %s on %s: %s", self._id, device, weights.describe())

    @property
    def counter_id(self) -> str:
        """Name, input scale, runtime, precision, first digits of the weights' sha256."""
        return self._id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Expected heads per block, one record per frame, in order. Raises ModelError."""
        return [
            preparing.count(frame, self._forward, stride=self._stride, scale=self._scale, counter_id=self._id)
            for frame in frames
        ]

    def _forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._net is None:
            raise ModelError(f"counter {self._id}: it is closed. Build a new one.")
        try:
            return self._run(self._net, picture)
        except RuntimeError as err:
            raise ModelError(f"counter {self._id}: torch failed: {err}.") from err

    def _run(self, net: CountingNet, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        kind = self._device.split(":")[0]
        x = torch.from_numpy(picture).to(self._device, memory_format=torch.channels_last)
        with (
            self._one_pass,
            torch.inference_mode(),
            torch.autocast(kind, torch.bfloat16, enabled=self._precision == "bf16"),
        ):
            return np.asarray(net(x)[0, 0].float().cpu().numpy(), dtype=np.float32)

    def close(self) -> None:
        """Release the model."""
        self._net = None
