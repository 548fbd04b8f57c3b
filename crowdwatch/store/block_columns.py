"""Evidence by blocks as Parquet columns, and back, bit for bit. See :mod:`crowdwatch.store.columns`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from crowdwatch.core.blocks import BLOCKS_HW, PROFILES, BlockEvidence
from crowdwatch.errors import RecordError

__all__ = ["BLOCKS", "block_columns", "blocks_of"]

_CODES = pa.list_(pa.field("element", pa.uint8()))
_SHAPES = {"luma": BLOCKS_HW, "sharpness": BLOCKS_HW, "change": BLOCKS_HW, "profiles": PROFILES}

BLOCKS = tuple(pa.field(f"block_{name}", _CODES) for name in _SHAPES)
"""Row by row; null where it was not measured."""


def block_columns(found: Sequence[BlockEvidence | None]) -> list[Any]:
    """Evidence by blocks as the columns :data:`BLOCKS`; None is a row of nulls."""
    return [_column([None if each is None else getattr(each, name) for each in found]) for name in _SHAPES]


def _column(arrays: Sequence[Any]) -> Any:
    flat = [each.ravel() for each in arrays if each is not None]
    ends = np.cumsum([0, *(0 if each is None else each.size for each in arrays)]).astype(np.int32)
    missing = pa.array([each is None for each in arrays], pa.bool_())
    joined = pa.array(np.concatenate([np.empty(0, np.uint8), *flat]))
    return pa.ListArray.from_arrays(pa.array(ends), joined, type=_CODES, mask=missing)


def blocks_of(lists: dict[str, Callable[[int], Any]], row: int) -> BlockEvidence | None:
    """The evidence of one row, from its lists by column as functions of the row.

    Raises:
        RecordError: a list has another length than its grid.
    """
    values: dict[str, Any] = {name: lists[f"block_{name}"](row) for name in _SHAPES}
    if values["luma"] is None:
        return None
    for name, value in values.items():
        if value is None:
            continue
        if value.size != np.prod(_SHAPES[name]):
            raise RecordError(f"block_{name}: got {value.size} values, need {np.prod(_SHAPES[name])}.")
        values[name] = value.reshape(_SHAPES[name])
    return BlockEvidence(**values)
