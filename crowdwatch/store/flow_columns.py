"""Velocities on the ground as Parquet columns, and back, bit for bit. See :mod:`crowdwatch.store.columns`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from crowdwatch.core.flow import FlowSamples

__all__ = ["FLOW", "flow_columns", "flow_of"]

_NUMBERS = pa.list_(pa.field("element", pa.float64()))
_PARTS: dict[str, Callable[[FlowSamples], Any]] = {
    "flow_east_m": lambda flow: flow.xy_m[:, 0],
    "flow_north_m": lambda flow: flow.xy_m[:, 1],
    "flow_v_east_m_s": lambda flow: flow.v_m_s[:, 0],
    "flow_v_north_m_s": lambda flow: flow.v_m_s[:, 1],
    "flow_sigma_m_s": lambda flow: flow.sigma_m_s,
}

FLOW = (pa.field("flow_span_s", pa.float64()), *(pa.field(name, _NUMBERS) for name in _PARTS))
"""Null where no velocity could be measured, and in older logs."""


def flow_columns(found: Sequence[FlowSamples | None]) -> list[Any]:
    """Velocities as the columns :data:`FLOW`; None is a row of nulls."""
    ends = np.cumsum([0, *(0 if flow is None else len(flow) for flow in found)]).astype(np.int32)
    missing = pa.array([flow is None for flow in found], pa.bool_())
    measured = [flow for flow in found if flow is not None]

    def column(of: Callable[[FlowSamples], Any]) -> Any:
        joined = pa.array(np.concatenate([np.empty(0), *(of(flow) for flow in measured)]))
        return pa.ListArray.from_arrays(pa.array(ends), joined, type=_NUMBERS, mask=missing)

    spans = pa.array([None if flow is None else flow.span_s for flow in found], pa.float64())
    return [spans, *(column(of) for of in _PARTS.values())]


def flow_of(fact: dict[str, Any], lists: dict[str, Callable[[int], Any]], row: int) -> FlowSamples | None:
    """The velocities of one row, from its facts and its lists by column as functions of the row.

    Raises:
        RecordError: the row breaks the rules of :class:`FlowSamples`.
    """
    if fact["flow_span_s"] is None:
        return None
    east, north, v_east, v_north, sigma = (lists[name](row) for name in _PARTS)
    return FlowSamples(np.stack([east, north], axis=1), np.stack([v_east, v_north], axis=1), sigma, fact["flow_span_s"])
