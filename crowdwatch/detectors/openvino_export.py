"""``.pt`` -> OpenVINO at f32, once, into the cache. Torch is imported only when an export has to be made."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from crowdwatch.assets.fetching import cache_dir
from crowdwatch.detectors.weights import IR_SUFFIX, WeightsFile
from crowdwatch.errors import CrowdWatchError, ModelError

__all__ = ["cached", "exported"]

_log = logging.getLogger(__name__)

EXPORT_VERSION = 1
"""Raise it when the export changes: cached models of another version are left alone."""


def exported(weights: WeightsFile, *, image_px: int, max_det: int) -> Path:
    """The folder of the f32 OpenVINO model made from a ``.pt``: from the cache, or made now.

    The cache is keyed by the weights' sha256, the input size, ``max_det`` (an end-to-end network holds it) and the
    versions of the programs.

    Raises:
        ModelError: no detection model in the file, or the cache cannot be written.
    """

    def write(folder: Path) -> None:
        _log.info("exporting %s to OpenVINO at %d pixels, once (a few seconds) ...", weights.path.name, image_px)
        from crowdwatch.detectors import ultralytics_models

        model, names = ultralytics_models.load(weights, max_det=max_det)
        _write(model, names, weights, image_px, folder)

    return cached(f"{weights.sha256[:16]}-{image_px}-{max_det}-v{EXPORT_VERSION}", weights.name, write)


def cached(key: str, name: str, write: Callable[[Path], None]) -> Path:
    """The OpenVINO folder ``name`` under ``key`` and the programs' versions: from the cache, or written now.

    The folder appears under its name only when it is complete, so that two processes may export at once.

    Raises:
        ModelError: the cache cannot be written, or ``write`` raised it.
    """
    versions = f"ov{ov.__version__.split('-')[0]}-torch{version('torch').split('+')[0]}"
    target = cache_dir() / "openvino" / f"{key}-{versions}" / f"{name}{IR_SUFFIX}"
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent, prefix=".part-"))
    except OSError as err:
        raise ModelError(f"cache {target.parent}: cannot be written: {err}. Set CROWDWATCH_CACHE to a folder.") from err
    try:
        write(part)
        with suppress(FileExistsError):
            os.rename(part, target)
    except OSError as err:
        if isinstance(err, CrowdWatchError):
            raise
        if not target.is_dir():  # else another process was first
            raise ModelError(f"cache {target}: cannot be written: {err}. Set CROWDWATCH_CACHE to a folder.") from err
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _log.info("exported to %s", target)
    return target


def _write(model: Any, names: tuple[str, ...], weights: WeightsFile, image_px: int, folder: Path) -> None:
    import torch
    from torch.jit._trace import TracerWarning

    head = model.model[-1]
    head.max_det = min(head.max_det, sum((image_px // int(stride)) ** 2 for stride in head.stride))  # all it has
    head.export, head.format = True, "openvino"  # the head then answers with one tensor, without training outputs
    example = torch.zeros(1, 3, image_px, image_px)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            # torch calls tracing deprecated, and warns of shapes that become constants, as they should here
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", TracerWarning)
            model(example)  # fixes the anchors for this size
            traced = torch.jit.trace(model, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
            converted = ov.convert_model(traced, input=[1, 3, image_px, image_px], example_input=example)
    except RuntimeError as err:
        raise ModelError(
            f"weights {weights.path}: OpenVINO cannot convert the model: {err}. Use runtime torch."
        ) from err
    ov.save_model(converted, folder / f"{weights.name}.xml", compress_to_fp16=False)
    meta = {
        "task": "detect",
        "imgsz": [image_px, image_px],
        "batch": 1,
        "names": dict(enumerate(names)),
        "exported_from_sha256": weights.sha256,
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in meta.items() if key != "names"]
    lines += ["names:"] + [f"  {index}: {json.dumps(name)}" for index, name in enumerate(names)]
    (folder / "metadata.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
