"""A counter's ``.pt`` -> OpenVINO at f32, for pictures of any size. Torch is imported only when an export is made."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import openvino as ov

from crowdwatch.detectors.openvino_export import cached
from crowdwatch.detectors.weights import WeightsFile
from crowdwatch.errors import ModelError

__all__ = ["export", "exported"]

_log = logging.getLogger(__name__)

EXPORT_VERSION = 1
"""Raise it when the export changes: cached models of another version are left alone."""


def exported(weights: WeightsFile) -> Path:
    """The folder of the f32 OpenVINO model made from a counter's ``.pt``: from the cache, or made now.

    Raises:
        ModelError: no counter in the file, or the cache cannot be written.
    """
    return cached(f"{weights.sha256[:16]}-count-v{EXPORT_VERSION}", weights.name, lambda to: export(weights, to))


def export(weights: WeightsFile, folder: Path) -> None:
    """Write ``<name>.xml``, ``.bin`` and ``metadata.yaml`` into a folder. Raises ModelError."""
    import torch
    from torch.jit._trace import TracerWarning

    from crowdwatch.counters.network import CountingNet

    _log.info("exporting %s to OpenVINO ...", weights.path.name)
    net = CountingNet.read(weights.path).eval()
    example = torch.zeros(1, 3, 96, 64)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            # torch calls tracing deprecated, and warns of shapes that become constants; the sides stay free, which
            # the parity test holds over pictures of several sizes
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", TracerWarning)
            traced = torch.jit.trace(net, example, check_trace=False)  # type: ignore[no-untyped-call]
            converted = ov.convert_model(traced, input=[1, 3, -1, -1], example_input=example)
    except RuntimeError as err:
        raise ModelError(
            f"weights {weights.path}: OpenVINO cannot convert the model: {err}. Use runtime torch."
        ) from err
    ov.save_model(converted, folder / f"{weights.name}.xml", compress_to_fp16=False)
    known = f'task: count\nstride: {net.stride}\nexported_from_sha256: "{weights.sha256}"\n'
    (folder / "metadata.yaml").write_text(known, encoding="utf-8")
