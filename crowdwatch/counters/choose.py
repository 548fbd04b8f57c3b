"""Which counter and which runtime: the composition inside ``counters``."""

from __future__ import annotations

from typing import Any

from crowdwatch.core.ports import Counter
from crowdwatch.detectors import weights as weights_files
from crowdwatch.detectors.choose import has_gpu
from crowdwatch.detectors.weights import OPENVINO, PT, WeightsFile
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["PRECISIONS", "RUNTIMES", "is_counter", "load"]

RUNTIMES = ("auto", "torch", "openvino")
INT8 = "_int8"
"""How the name of a quantised model ends."""
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
        model: a name or path; ``auto`` is the default among the shipped counters.
        runtime: ``torch``, ``openvino``, or ``auto``: torch on a machine with an NVIDIA GPU, else OpenVINO.
        precision: ``f32``, ``bf16``, ``int8``, or ``auto``: what the model's ``model.yaml`` says under ``precision``,
            chosen by measurement; where it says nothing, the model as it was found, at f32. Torch has no INT8: there
            ``auto`` is f32 in its place.
        scale: factor on the picture's sides; None is what ``model.yaml`` says under ``scale``, else 1.0.
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
    on_gpu = runtime == "auto" and has_gpu()
    kinds = {"torch": (PT,), "openvino": (OPENVINO, PT)}.get(runtime, (PT, OPENVINO) if on_gpu else (OPENVINO, PT))
    found = weights_files.find(name, kinds=kinds, download=False)
    card = _card(found)
    scale = float(card.get("scale", 1.0)) if scale is None else scale
    own = "int8" if found.name.endswith(INT8) else "f32"
    if name == found.path.parent.name:  # the model as a whole was asked for, and not one of its files
        own = str(card.get("precision", own))
    if runtime == "torch" or (on_gpu and found.kind == PT):
        from crowdwatch.counters.torch_counter import TorchCounter

        precision = own.replace("int8", "f32") if precision == "auto" else precision
        return TorchCounter(found, scale=scale, precision=precision, threads=threads)
    from crowdwatch.counters.openvino_counter import OpenVinoCounter

    precision = own if precision == "auto" else precision
    found = _of_precision(found, precision)
    return OpenVinoCounter(found, scale=scale, precision=precision.replace("int8", "f32"), threads=threads)


def is_counter(weights: WeightsFile) -> bool:
    """Whether weights are a counter's and not a detector's."""
    try:
        if weights.kind == OPENVINO:
            return weights_files.read_yaml(weights.path / "metadata.yaml").get("task") == "count"
        from crowdwatch.counters.network import stored

        stored(weights.path)
    except ModelError:
        return False
    return True


def _card(weights: WeightsFile) -> dict[str, Any]:
    """The ``model.yaml`` beside the weights, if there is one."""
    path = weights.path.parent / "model.yaml"
    if not path.is_file():
        return {}
    card = weights_files.read_yaml(path)
    if card.get("task") != "count":
        raise ModelError(f"{path}: task: got {card.get('task', 'detect')!r}, need count. Give a counter's name.")
    scale, precision = card.get("scale", 1.0), card.get("precision", "f32")
    if not isinstance(scale, int | float) or precision not in PRECISIONS[1:]:
        raise ModelError(
            f"{path}: got scale {scale!r}, precision {precision!r}; need a number and one of "
            f"{', '.join(PRECISIONS[1:])}. Restore the file."
        )
    return card


def _of_precision(found: WeightsFile, precision: str) -> WeightsFile:
    """What was found, or the INT8 model or the other one beside it; the ``.pt`` is exported at f32 where that is not
    there."""
    if (precision == "int8") == found.name.endswith(INT8):
        return found
    name = found.name.removesuffix(INT8) + (INT8 if precision == "int8" else "")
    beside = found.path.parent / f"{name}{weights_files.IR_SUFFIX}"
    if precision != "int8" and not beside.exists():
        beside = found.path.parent / f"{name}.pt"
    return weights_files.find(beside, kinds=(OPENVINO, PT), download=False)
