"""The counter through torch: on a GPU the fast path, on a CPU the reference that OpenVINO is compared with."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crowdwatch.counters import preparing
from crowdwatch.counters.network import CountingNet
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.records import Frame, HeadMass

__all__ = ["TorchCounter", "read_network"]

_log = logging.getLogger(__name__)


def read_network(path: Path) -> CountingNet:
    """Read a counter's ``.pt``: its stride, its width and its tensors, without running code that it carries.

    Raises:
        ModelError: it is no counter, or one of another architecture.
    """
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        net = CountingNet(int(state["stride"]), int(state["width"]))
        tensors = state["state"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, AttributeError) as err:
        raise _no_counter(path, f"{type(err).__name__}: {str(err).strip().splitlines()[0]}") from err
    except pickle.UnpicklingError as err:
        raise _no_counter(path, "not a PyTorch file, or one that carries objects") from err
    net.load(tensors, str(path))
    return net.eval().requires_grad_(False)


def _no_counter(path: Path, why: str) -> ModelError:
    return ModelError(f"weights {path}: no counter in it ({why}). Give the .pt of a counting network.")


class TorchCounter:
    """The ``Counter`` port over a ``.pt``; f32.

    Args:
        weights: the file.
        scale: pictures are resized by this factor first.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, for the whole process; None leaves torch's choice.
    """

    def __init__(
        self, weights: WeightsFile, *, scale: float = 1.0, device: str = "auto", threads: int | None = None
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError("device 'cuda': torch finds no usable GPU. Use device 'auto' or 'cpu'.")
        if threads is not None:
            torch.set_num_threads(threads)
        self._net: CountingNet | None = read_network(weights.path).to(device)
        self._device, self._scale, self._stride = device, scale, self._net.stride
        self._id = f"{weights.name}x{scale:g}/torch-f32/{weights.sha256[:12]}"
        _log.info("counter %s on %s: %s", self._id, device, weights.describe())

    @property
    def counter_id(self) -> str:
        """Name, scale, runtime, precision, first digits of the weights' sha256."""
        return self._id

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Head mass, one record per frame, in order. Raises ModelError."""
        return [
            preparing.count(frame, self._forward, stride=self._stride, scale=self._scale, counter_id=self._id)
            for frame in frames
        ]

    def _forward(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._net is None:
            raise ModelError(f"counter {self._id}: it is closed. Build a new one.")
        try:
            with torch.inference_mode():
                answer: NDArray[np.float32] = self._net(torch.from_numpy(picture).to(self._device))[0, 0].cpu().numpy()
        except RuntimeError as err:
            raise ModelError(f"counter {self._id}: torch failed: {err}.") from err
        return answer

    def close(self) -> None:
        """Release the model."""
        self._net = None
