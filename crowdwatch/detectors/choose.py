"""Which model and which runtime: the composition inside ``detectors``."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from crowdwatch.core.ports import Detector
from crowdwatch.core.records import Anchor
from crowdwatch.detectors import weights as weights_files
from crowdwatch.detectors.boxes import NMS_IOU, BoxLimits
from crowdwatch.detectors.weights import ONNX, OPENVINO, PT
from crowdwatch.errors import ConfigError

__all__ = ["RUNTIMES", "has_gpu", "load"]

RUNTIMES = ("auto", "torch", "openvino")


def load(
    model: str = "auto",
    runtime: str = "auto",
    *,
    precision: str = "f32",
    image_px: int | None = None,
    score_floor: float = 0.05,
    nms_iou: float = NMS_IOU,
    max_det: int = 3000,
    threads: int | None = None,
    streams: int = 1,
    anchor: Anchor = Anchor.FEET,
    allow_download: bool = True,
) -> Detector:
    """Find weights, choose a runtime, return a detector.

    Args:
        model: a name or path; ``auto`` is the default among the shipped models, and yolo11n while there is none.
        runtime: ``torch``, ``openvino``, or ``auto``: torch on a machine with an NVIDIA GPU, else OpenVINO (twice
            as fast as torch on a CPU at f32, four times with INT8 weights).
        precision: ``f32`` (numbers repeat between machines), ``bf16`` or ``auto``; torch knows f32 only.
        image_px: side of the network's input; None is the model's own (640 for a ``.pt``).
        score_floor: lowest score that is kept; the working limit is applied later.
        nms_iou: overlap above which the weaker of two boxes is dropped.
        max_det: most boxes in a picture; near it the record says ``saturated``.
        threads: of the runtime; None leaves it to choose.
        streams: pictures that OpenVINO looks at at once; torch looks at one list after the other.
        anchor: FEET finds people, HEAD finds heads, with weights that know them.
        allow_download: whether Ultralytics' published weights may be fetched.

    Raises:
        ConfigError: a setting is wrong.
        WeightsNotFound, WeightsMismatch, ModelError: see :mod:`crowdwatch.detectors.weights`.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime: got {runtime!r}, need one of {', '.join(RUNTIMES)}.")
    limits = BoxLimits(score_floor, nms_iou, max_det)
    name = weights_files.default_model() if model == "auto" else model
    if runtime == "torch" and precision != "f32":
        raise ConfigError(f"precision: got {precision!r} with runtime torch, need f32. Use runtime openvino.")
    on_gpu = runtime == "auto" and precision == "f32" and has_gpu()
    either = (PT, OPENVINO, ONNX) if on_gpu else (OPENVINO, PT, ONNX)
    kinds = {"torch": (PT,), "openvino": (OPENVINO, PT, ONNX)}.get(runtime, either)
    found = weights_files.find(name, kinds=kinds, download=allow_download)
    if runtime == "torch" or (on_gpu and found.kind == PT):
        from crowdwatch.detectors.torch_yolo import TorchYolo

        return TorchYolo(found, image_px=image_px or 640, limits=limits, anchor=anchor, threads=threads)
    if found.kind == ONNX:
        from crowdwatch.detectors.onnx_yolo import OnnxYolo

        return OnnxYolo(
            found,
            image_px=image_px,
            limits=limits,
            anchor=anchor,
            precision=precision,
            threads=threads,
            streams=streams,
        )
    from crowdwatch.detectors.openvino_yolo import OpenVinoYolo

    return OpenVinoYolo(
        found, image_px=image_px, limits=limits, anchor=anchor, precision=precision, threads=threads, streams=streams
    )


def has_gpu() -> bool:
    """Whether torch can use a GPU; torch, slow to import, is asked only where NVIDIA's driver is installed."""
    if shutil.which("nvidia-smi") is None or find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
