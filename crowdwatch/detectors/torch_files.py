"""Reading what ``torch.save`` wrote, without running code that a file may carry."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

from crowdwatch.errors import ModelError

__all__ = ["tensors"]

UNREADABLE = (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, struct.error)
"""What torch raises over damaged files, besides UnpicklingError."""


def tensors(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The mapping of names to tensors and plain values in a file.

    Raises:
        ModelError: it is no such file; the message is only the reason, for the caller to put into its own.
    """
    import torch

    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except UNREADABLE as err:
        reason = (str(err).strip() or "empty").splitlines()[0]
        raise ModelError(f"{type(err).__name__}: {reason}") from err
    except pickle.UnpicklingError as err:
        raise ModelError("not a PyTorch file, or one that holds more than tensors") from err
    if not isinstance(content, dict):
        raise ModelError(f"it holds a {type(content).__name__}, not tensors by name")
    return content
