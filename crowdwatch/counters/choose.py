"""Which counter and which runtime: the composition inside ``counters``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crowdwatch.detectors import weights as weights_files
from crowdwatch.detectors.weights import OPENVINO, PT, WeightsFile
from crowdwatch.errors import ConfigError, ModelError
from crowdwatch.ports import Counter

__all__ = ["PRECISIONS", "RUNTIMES", "load"]

RUNTIMES = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "f32", "bf16", "int8")


def load(
    model: str = "auto",
    runtime: str = "auto",
    *,
    precision: str = "auto",
    scale: float | None = None,
    threads: int | None = None,
) -> Counter:
    """Find weights, choose a runtime, return a counter.

    Args:
        model: a name or path; ``auto`` is the shipped counter.
        runtime: ``torch``, ``openvino``, or ``auto``: OpenVINO where there is an exported model, else torch.
        precision: ``f32``, ``bf16``, ``int8``, or ``auto``, the model card's own choice; torch knows f32 only.
        scale: pictures are resized by this factor first; None is the card's.
        threads: of the runtime; None leaves it to choose.

    Raises:
        ConfigError: a setting is wrong.
        WeightsNotFound, WeightsMismatch, ModelError: see :mod:`crowdwatch.detectors.weights`.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime: got {runtime!r}, need one of {', '.join(RUNTIMES)}.")
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: got {precision!r}, need one of {', '.join(PRECISIONS)}.")
    name = weights_files.default_model(task="count") if model == "auto" else model
    kinds = {"torch": (PT,), "openvino": (OPENVINO,)}.get(runtime, (OPENVINO, PT))
    found = weights_files.find(name, kinds=kinds, download=False)
    card = _card(found)
    scale = float(card.get("scale", 1.0)) if scale is None else scale
    if found.kind == PT:
        if precision not in ("auto", "f32"):
            raise ConfigError(f"precision: got {precision!r} with runtime torch, need f32. Use runtime openvino.")
        from crowdwatch.counters.torch_counter import TorchCounter

        return TorchCounter(found, scale=scale, threads=threads)
    from crowdwatch.counters.openvino_counter import OpenVinoCounter

    if precision == "auto":
        precision = str(card.get("precision", "f32"))
    found = _of_precision(found, precision)
    return OpenVinoCounter(found, scale=scale, precision="bf16" if precision == "bf16" else "f32", threads=threads)


def _card(found: WeightsFile) -> dict[str, Any]:
    path = found.path.parent / "model.yaml"
    if not path.is_file():
        return {}
    card = weights_files.read_yaml(path)
    if card.get("task") != "count":
        raise ModelError(f"{path}: task: got {card.get('task', 'detect')!r}, need count. Give a counter's name.")
    return card


def _of_precision(found: WeightsFile, precision: str) -> WeightsFile:
    """The INT8 folder, or the one that is not, beside what was found."""
    plain = found.name.removesuffix("_int8")
    want = f"{plain}_int8" if precision == "int8" else plain
    if want == found.name:
        return found
    return weights_files.find(str(Path(found.path.parent) / f"{want}{weights_files.IR_SUFFIX}"), kinds=(OPENVINO,))
