"""A network's pass on an NVIDIA GPU, recorded once and played again: one launch where there are hundreds, so that a
small network is not kept waiting by Python."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["RecordedPass"]

WARM_UP = 3
"""Passes before the recording, in which libraries choose their kernels and allocate what they keep."""

_gpu = Lock()  # nothing else runs there while a pass is recorded, and passes share memory


class RecordedPass:
    """A pass over an input of a fixed shape (a CUDA graph). Fewer pictures fill it in part: the same kernels run
    whatever comes together, so that a picture's answer does not depend on its company.

    Args:
        network: input on the GPU -> answer, of as many rows. No pass of another shape may change what it keeps, as
            Ultralytics' networks do with their anchors: give each pass a copy.
        shape: of the input.
        dtype: of the input.
        pool: of :func:`torch.cuda.graph_pool_handle`; passes of one pool share the memory of what is between input and
            answer.

    Raises:
        RuntimeError: torch's, such as too little memory.
    """

    def __init__(
        self, network: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, ...], dtype: torch.dtype, pool: Any
    ) -> None:
        stream: Any = torch.cuda.Stream
        aside, self._graph = stream(), torch.cuda.CUDAGraph()
        self._network = network
        with _gpu, torch.inference_mode():
            self._input = torch.zeros(shape, dtype=dtype, device="cuda")
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    network(self._input)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
                self._answer = network(self._input).float()

    def __call__(self, given: NDArray[Any]) -> NDArray[np.float32]:
        """The answer to an input with at most as many rows as were recorded. Raises torch's RuntimeError."""
        with _gpu, torch.inference_mode():
            self._input[: len(given)].copy_(torch.from_numpy(given))
            self._graph.replay()
            return np.asarray(self._answer[: len(given)].cpu().numpy(), dtype=np.float32)
