"""How large a network is and how much it computes, read from its OpenVINO model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import openvino as ov

from crowdwatch.detectors.weights import xml_of
from crowdwatch.errors import ModelError

__all__ = ["network_size"]

CONVOLUTIONS = ("Convolution", "GroupConvolution")


def network_size(folder: Path, input_hw: tuple[int, int]) -> tuple[int, float]:
    """Parameters of a network as it runs (batch norms folded), and 1e9 floating-point operations of one picture.

    Counted are weights and biases of convolutions and matrix products, and two operations for every multiply-add of
    them; activations, resizing and boxes are left out. Papers often give multiply-adds instead, half of that.

    Args:
        folder: of an OpenVINO model.
        input_hw: size of the network's input.

    Raises:
        ModelError: it cannot be read, or takes no such input.
    """
    try:
        model = ov.Core().read_model(xml_of(folder))
        model.reshape([1, 3, *input_hw])
    except RuntimeError as err:
        raise ModelError(f"{folder}: OpenVINO cannot read the model for {input_hw} ({err}).") from err
    parameters, multiply_adds = 0, 0
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind in CONVOLUTIONS:
            weights = math.prod(op.input(1).get_shape())
            parameters += weights
            multiply_adds += weights * math.prod(op.output(0).get_shape()[2:])
        elif kind == "MatMul":
            inner = op.input(0).get_shape()[-2 if op.get_attributes().get("transpose_a") else -1]
            multiply_adds += inner * math.prod(op.output(0).get_shape())
            parameters += sum(math.prod(port.get_shape()) for port in op.inputs() if _constant(port))
        elif kind == "Add":
            parameters += sum(
                math.prod(port.get_shape()) for port in op.inputs() if _constant(port) and _bias(op, port)
            )
    return parameters, 2 * multiply_adds / 1e9


def _bias(op: Any, port: Any) -> bool:
    """Whether an addend is one number a channel of a convolution's answer."""
    other = op.input(1 - port.get_index()).get_source_output().get_node()
    return other.get_type_name() in CONVOLUTIONS and math.prod(port.get_shape()) == op.output(0).get_shape()[1]


def _constant(port: Any) -> bool:
    """Whether an input is a constant, possibly unpacked from fewer bits."""
    node = port.get_source_output().get_node()
    if node.get_type_name() == "Constant":
        return True
    return bool(node.inputs()) and all(_constant(one) for one in node.inputs())
