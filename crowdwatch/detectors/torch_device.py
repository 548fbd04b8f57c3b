"""Where torch computes, and that f32 means f32 there."""

from __future__ import annotations

import torch

from crowdwatch.errors import ConfigError

__all__ = ["choose"]


def choose(device: str = "auto", threads: int | None = None) -> str:
    """Settle where networks of this process compute.

    On a GPU torch would shorten the numbers of f32 convolutions to TF32, 10 bits instead of 23, without a word. That
    is switched off, for the whole process: what is named f32 is f32, as on a CPU.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``; ``auto`` is a GPU where torch can use one.
        threads: of torch on the CPU, for the whole process; None leaves torch's choice.

    Returns:
        ``cpu`` or ``cuda``.

    Raises:
        ConfigError: neither of these, or a GPU is asked for and there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device: got {device!r}, need auto, cpu or cuda. CUDA_VISIBLE_DEVICES chooses among GPUs.")
    if device == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError("device 'cuda': torch finds no usable GPU. Use device 'auto' or 'cpu'.")
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    if threads is not None:
        torch.set_num_threads(threads)
    return device
