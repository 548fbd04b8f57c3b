"""How much memory a value holds: everything that can be reached from it, each object once."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

__all__ = ["held_mb"]

PROGRAM = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
"""What belongs to the program, not to a value. (A method would lead to the object that it is bound to.)"""

POINT_BYTES = 16
"""Of a shapely geometry only its points are counted: GEOS does not say what else it keeps."""


def held_mb(*values: Any) -> float:
    """MB (2^20 bytes) that the values hold together: objects, arrays and what these share counted once.

    A view of an array holds the whole array. What C libraries keep for themselves (prepared geometries) is not seen.

    >>> one = np.zeros(2**17)
    >>> round(held_mb([one, one[5:], {"again": one}]), 2)
    1.0
    """
    found, waiting, total = set[int](), list(values), 0
    keep = []  # nothing may be freed on the way, or its id would come back as another object's
    while waiting:
        value = waiting.pop()
        if id(value) in found or isinstance(value, PROGRAM):
            continue
        found.add(id(value))
        keep.append(value)
        total += sys.getsizeof(value)
        if isinstance(value, np.ndarray):
            waiting.append(value.base)
            waiting += value.ravel().tolist() if value.dtype.hasobject else []
        elif isinstance(value, BaseGeometry):
            total += POINT_BYTES * int(shapely.get_num_coordinates(value))
        waiting += gc.get_referents(value)
    return total / 2**20
