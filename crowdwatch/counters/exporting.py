"""A counter's ``.pt`` -> an OpenVINO folder, at f32 or quantised to INT8."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from crowdwatch.detectors.weights import IR_SUFFIX
from crowdwatch.errors import ModelError

__all__ = ["export", "quantise"]


def export(weights: Path, folder: Path) -> Path:
    """Write ``<name>_openvino_model/`` (f32) beside the other files of a model and return it.

    Raises:
        ModelError: no counter in the file, or OpenVINO cannot convert it.
    """
    import torch
    from torch.jit._trace import TracerWarning

    from crowdwatch.counters.torch_counter import read_network

    net = read_network(weights)
    example = torch.zeros(1, 3, 384, 384)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", TracerWarning)
            model = ov.convert_model(net, input=[1, 3, -1, -1], example_input=example)
    except RuntimeError as err:
        raise ModelError(f"weights {weights}: OpenVINO cannot convert the counter: {err}.") from err
    return _write(model, folder / f"{weights.stem}{IR_SUFFIX}", weights.stem, net.stride)


def quantise(exported: Path, pictures: Iterable[NDArray[np.float32]], stride: int) -> Path:
    """Write ``<name>_int8_openvino_model/`` beside an exported f32 folder and return it.

    Args:
        exported: folder of the f32 model.
        pictures: prepared pictures (1, 3, h, w) of training photographs.
        stride: of the network.

    Raises:
        ModelError: NNCF is not installed.
    """
    try:
        import nncf
    except ImportError as err:
        raise ModelError("quantisation needs NNCF: pip install 'crowdwatch[train]'.") from err
    name = exported.name.removesuffix(IR_SUFFIX)
    model = ov.Core().read_model(exported / f"{name}.xml")
    shown: list[Any] = list(pictures)
    small: Any = nncf.quantize(
        model, nncf.Dataset(shown), subset_size=len(shown), preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,
    )  # fmt: skip
    return _write(small, exported.parent / f"{name}_int8{IR_SUFFIX}", f"{name}_int8", stride)


def _write(model: Any, folder: Path, name: str, stride: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
    (folder / "metadata.yaml").write_text(f"task: count\nstride: {stride}\n", encoding="utf-8")
    return folder
