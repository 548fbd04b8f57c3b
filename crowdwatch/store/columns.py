"""Observations and events as Parquet columns, and back, bit for bit.

One row per observation; boxes and positions are lists in it, one column per coordinate with its unit in the name, so
that any reader of Parquet can use them. Every float is 64 bit and keeps its bits, NaN included. There is no column that
could hold an image: what is noted by blocks has the length of its grid, or is refused.

An observation of a camera that moves has its plane beside it, whole. The columns of planes are encoded by dictionary:
a drone that stays where it is writes its plane once a part. A fixed camera's plane is not here: it follows from the
event file, which the log holds once, in its header.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.reasons import ESTIMATOR_FAULTS, Code
from crowdwatch.core.records import (
    Anchor,
    CameraFault,
    Detections,
    Evidence,
    GroundMass,
    LogEvent,
    Observation,
    OperatorAction,
    Positions,
    Stamp,
    Tick,
)
from crowdwatch.errors import RecordError
from crowdwatch.store.block_columns import BLOCKS, block_columns, blocks_of
from crowdwatch.store.dictionary import described
from crowdwatch.store.flow_columns import FLOW, flow_columns, flow_of
from crowdwatch.store.plane_columns import PLANE, plane_columns, plane_of

__all__ = [
    "BEFORE_ACTIONS",
    "OBSERVATIONS",
    "READ_VERSIONS",
    "SCHEMA_VERSION",
    "TIMELINE",
    "EventRow",
    "as_now",
    "event_row",
    "observation_table",
    "observations",
    "row_event",
    "timeline_table",
    "write_parquet",
]

SCHEMA_VERSION = 6
"""1: boxes and positions; 2: density maps on the ground beside them; 3: the planes of cameras that move; 4: evidence by
blocks; 5: how far density maps may be off for the state of their pictures; 6: velocities on the ground, and all that an
action may say."""

READ_VERSIONS = (2, 3, 4, 5, SCHEMA_VERSION)
"""What :func:`as_now` can read."""

EventRow = dict[str, Any]


def _list(kind: Any) -> Any:
    return pa.list_(pa.field("element", kind))


_SHARES = (pa.field("mass_fewer_frac", pa.float64()), pa.field("mass_more_frac", pa.float64()))
"""Null where no counter ran, and in older logs; NaN where nobody measured it for the counter."""

OBSERVATIONS = pa.schema(
    [
        pa.field("log_seq", pa.int64(), nullable=False),
        pa.field("camera_id", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("t_ns", pa.int64(), nullable=False),
        pa.field("t_source", pa.string(), nullable=False),
        # 0 where the frame has a time stamp of its own
        pa.field("t_sigma_s", pa.float64(), nullable=False),
        pa.field("plane_id", pa.string(), nullable=False),
        pa.field("detector_id", pa.string(), nullable=False),
        pa.field("anchor", pa.string(), nullable=False),
        pa.field("image_height_px", pa.int32(), nullable=False),
        pa.field("image_width_px", pa.int32(), nullable=False),
        pa.field("saturated", pa.bool_(), nullable=False),
        pa.field("frame_hash", pa.string(), nullable=False),
        pa.field("luma", pa.float64(), nullable=False),
        pa.field("contrast", pa.float64(), nullable=False),
        pa.field("sharpness", pa.float64(), nullable=False),
        pa.field("change", pa.float64(), nullable=False),
        pa.field("left_px", _list(pa.float64())),
        pa.field("top_px", _list(pa.float64())),
        pa.field("right_px", _list(pa.float64())),
        pa.field("bottom_px", _list(pa.float64())),
        pa.field("score", _list(pa.float64())),
        pa.field("class_id", _list(pa.int64())),
        pa.field("east_m", _list(pa.float64())),
        pa.field("north_m", _list(pa.float64())),
        pa.field("sigma_m", _list(pa.float64())),
        # null where it is the detection's score, as it is unless a maker of positions says otherwise
        pa.field("position_score", _list(pa.float64())),
        pa.field("counter_fault", pa.string(), nullable=False),
        # the rest is null where no counter ran; cells without mass are left out
        pa.field("counter_id", pa.string()),
        pa.field("mass_east_m", pa.float64()),
        pa.field("mass_north_m", pa.float64()),
        pa.field("mass_cell_m", pa.float64()),
        pa.field("mass_rows", pa.int32()),
        pa.field("mass_cols", pa.int32()),
        pa.field("mass_beyond", pa.float64()),
        pa.field("mass_unseen", pa.float64()),
        pa.field("mass_cell", _list(pa.int64())),
        pa.field("mass", _list(pa.float64())),
        *PLANE,
        *BLOCKS,
        *_SHARES,
        *FLOW,
    ]
)

_WITHOUT_FLOW = pa.schema(list(OBSERVATIONS)[: -len(FLOW)])
_WITHOUT_SHARES = pa.schema(list(_WITHOUT_FLOW)[: -len(_SHARES)])
_WITHOUT_BLOCKS = pa.schema(list(_WITHOUT_SHARES)[: -len(BLOCKS)])
_WITHOUT_PLANES = pa.schema(list(_WITHOUT_BLOCKS)[: -len(PLANE)])

TIMELINE = pa.schema(
    [
        pa.field("log_seq", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("t_ns", pa.int64(), nullable=False),
        pa.field("camera_id", pa.string()),
        pa.field("seq", pa.int64()),
        pa.field("included_camera_id", _list(pa.string())),
        pa.field("included_seq", _list(pa.int64())),
        pa.field("command_id", pa.int64()),
        pa.field("action", pa.string()),
        pa.field("zone_id", pa.string()),
        pa.field("alarm", pa.string()),
        pa.field("actor", pa.string()),
        pa.field("seen_level", pa.int32()),
        # null for what is no action, and in logs before version 6
        pa.field("role", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("text", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("duration_s", pa.float64()),
    ]
)

BEFORE_ACTIONS = pa.schema(list(TIMELINE)[:-5])
"""The timeline of logs before version 6."""

_FAULTS: dict[str, Code | None] = {"": None} | {code.value: code for code in ESTIMATOR_FAULTS}
_FAULTS |= {
    "the counter failed": Code.ESTIMATOR_FAILED,
    "heads cannot be put on the ground with its calibration": Code.HEADS_NOT_PROJECTED,
}
"""The column ``counter_fault``: codes, and the only sentences that were written before there were codes."""

_FLOAT_LISTS = [field.name for field in OBSERVATIONS if field.type == _list(pa.float64()) and field not in PLANE]
_PLANE_LISTS = [field.name for field in PLANE if pa.types.is_list(field.type)]
_LISTS = [field.name for field in OBSERVATIONS if pa.types.is_list(field.type)]


_MORE = ("role", "subject", "text", "value", "duration_s")
"""Columns of the timeline that are named as the fields of an action."""


def observation_table(rows: Sequence[tuple[int, Observation]]) -> Any:
    """(log sequence number, observation) -> a table with the schema :data:`OBSERVATIONS`."""
    found = [observation for _, observation in rows]
    boxes = [each.detections for each in found]
    places = [each.positions for each in found]
    facts = [each.evidence for each in found]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in boxes])]).astype(np.int32)

    def floats(values: Iterable[float]) -> Any:
        return pa.array(np.array(list(values), dtype=np.float64))

    def lists(parts: Iterable[Any], kind: type = np.float64, missing: Any = None) -> Any:
        flat: Any = np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
        return pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(flat), type=_list(pa.from_numpy_dtype(kind)), mask=missing
        )

    same = pa.array([each.positions.score.tobytes() == each.detections.score.tobytes() for each in found], pa.bool_())
    columns = [
        pa.array([log_seq for log_seq, _ in rows], pa.int64()),
        pa.array([each.stamp.camera_id for each in found], pa.string()),
        pa.array([each.stamp.seq for each in found], pa.int64()),
        pa.array([each.stamp.t_ns for each in found], pa.int64()),
        pa.array([each.stamp.t_source for each in found], pa.string()),
        floats(each.stamp.t_sigma_s for each in found),
        pa.array([each.plane_id for each in found], pa.string()),
        pa.array([each.detector_id for each in boxes], pa.string()),
        pa.array([each.anchor.value for each in boxes], pa.string()),
        pa.array([each.image_hw[0] for each in boxes], pa.int32()),
        pa.array([each.image_hw[1] for each in boxes], pa.int32()),
        pa.array([bool(each.saturated) for each in boxes], pa.bool_()),
        pa.array([each.frame_hash for each in facts], pa.string()),
        floats(each.luma for each in facts),
        floats(each.contrast for each in facts),
        floats(each.sharpness for each in facts),
        floats(each.change for each in facts),
        *(lists(each.xyxy_px[:, side] for each in boxes) for side in range(4)),
        lists(each.score for each in boxes),
        lists((each.class_id for each in boxes), np.int64),
        lists(each.xy_m[:, 0] for each in places),
        lists(each.xy_m[:, 1] for each in places),
        lists(each.sigma_m for each in places),
        lists((each.score for each in places), missing=same),
        pa.array([each.counter_fault or "" for each in found], pa.string()),
        *_mass_columns([each.mass for each in found]),
        *plane_columns([each.plane for each in found]),
        *block_columns([each.evidence.blocks for each in found]),
        pa.array([None if each.mass is None else each.mass.fewer_frac for each in found], pa.float64()),
        pa.array([None if each.mass is None else each.mass.more_frac for each in found], pa.float64()),
        *flow_columns([each.flow for each in found]),
    ]
    return pa.Table.from_arrays(columns, schema=OBSERVATIONS)


def _mass_columns(masses: Sequence[GroundMass | None]) -> list[Any]:
    """The density map as the last columns of :data:`OBSERVATIONS`."""

    def facts(kind: Any, of: Callable[[GroundMass], Any]) -> Any:
        return pa.array([None if mass is None else of(mass) for mass in masses], kind)

    flat = [None if mass is None else mass.mass.ravel() for mass in masses]
    filled = [None if each is None else np.flatnonzero(each.view(np.int64)) for each in flat]  # keeps -0.0
    values = [each[cells] for each, cells in zip(flat, filled, strict=True) if each is not None]
    ends = np.cumsum([0, *(0 if cells is None else len(cells) for cells in filled)]).astype(np.int32)
    missing = pa.array([mass is None for mass in masses], pa.bool_())

    def lists(parts: Iterable[Any], kind: type) -> Any:
        joined: Any = np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
        return pa.ListArray.from_arrays(
            pa.array(ends), pa.array(joined), type=_list(pa.from_numpy_dtype(kind)), mask=missing
        )

    number = pa.float64()
    return [
        facts(pa.string(), lambda mass: mass.counter_id),
        facts(number, lambda mass: float(mass.origin_m[0])),
        facts(number, lambda mass: float(mass.origin_m[1])),
        facts(number, lambda mass: float(mass.cell_m)),
        facts(pa.int32(), lambda mass: mass.mass.shape[0]),
        facts(pa.int32(), lambda mass: mass.mass.shape[1]),
        facts(number, lambda mass: float(mass.beyond)),
        facts(number, lambda mass: float(mass.unseen)),
        lists((cells for cells in filled if cells is not None), np.int64),
        lists(values, np.float64),
    ]


def as_now(table: Any) -> Any | None:
    """Observations of any version in :data:`READ_VERSIONS` as a table with the columns of this one; None for others."""
    table = table.replace_schema_metadata(None)
    for before, added in (
        (_WITHOUT_PLANES, PLANE),
        (_WITHOUT_BLOCKS, BLOCKS),
        (_WITHOUT_SHARES, _SHARES),
        (_WITHOUT_FLOW, FLOW),
    ):
        if table.schema.equals(before):
            for field in added:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table if table.schema.equals(OBSERVATIONS) else None


def observations(table: Any) -> Iterator[tuple[int, Observation]]:
    """The inverse of :func:`observation_table`, row by row.

    Raises:
        RecordError: the rows break the rules of the nouns.
    """
    table = table.combine_chunks()
    plain = {name: table[name].to_pylist() for name in OBSERVATIONS.names if name not in _LISTS}
    lists = {name: _lists(table[name]) for name in _LISTS}
    for row in range(table.num_rows):
        yield plain["log_seq"][row], _observation({name: values[row] for name, values in plain.items()}, lists, row)


def _observation(fact: dict[str, Any], lists: dict[str, Callable[[int], Any]], row: int) -> Observation:
    stamp = Stamp(fact["camera_id"], fact["seq"], fact["t_ns"], fact["t_source"], fact["t_sigma_s"])
    sides = [lists[name](row) for name in ("left_px", "top_px", "right_px", "bottom_px")]
    score = lists["score"](row)
    detections = Detections(
        stamp,
        np.stack(sides, axis=1),
        score,
        lists["class_id"](row),
        Anchor(fact["anchor"]),
        (fact["image_height_px"], fact["image_width_px"]),
        fact["detector_id"],
        fact["saturated"],
    )
    position_score = lists["position_score"](row)
    positions = Positions(
        stamp,
        np.stack([lists["east_m"](row), lists["north_m"](row)], axis=1),
        lists["sigma_m"](row),
        score if position_score is None else position_score,
    )
    of_whole = fact["frame_hash"], fact["luma"], fact["contrast"], fact["sharpness"], fact["change"]
    evidence = Evidence(*of_whole, blocks_of(lists, row))
    mass = None if fact["counter_id"] is None else _mass(stamp, fact, lists, row)
    if fact["counter_fault"] not in _FAULTS:
        raise RecordError(f"counter_fault: got {fact['counter_fault']!r}, need one of {sorted(ESTIMATOR_FAULTS)}.")
    fault = _FAULTS[fact["counter_fault"]]
    plane = None if fact["plane_height_px"] is None else plane_of(fact, lists, row)
    return Observation(detections, positions, evidence, fact["plane_id"], mass, fault, plane, flow_of(fact, lists, row))


def _mass(stamp: Stamp, fact: dict[str, Any], lists: dict[str, Callable[[int], Any]], row: int) -> GroundMass:
    shape = fact["mass_rows"], fact["mass_cols"]
    cells = np.zeros(shape[0] * shape[1])
    cells[lists["mass_cell"](row)] = lists["mass"](row)
    origin_m = np.array([fact["mass_east_m"], fact["mass_north_m"]])
    shares = (math.nan if fact[field.name] is None else fact[field.name] for field in _SHARES)
    rest = fact["mass_beyond"], fact["mass_unseen"], fact["counter_id"], *shares
    return GroundMass(stamp, origin_m, fact["mass_cell_m"], cells.reshape(shape), *rest)


def _lists(column: Any) -> Callable[[int], Any]:
    """A list column as a function from the row to its values (None for a null)."""
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy()
    values = array.values.to_numpy(zero_copy_only=False)
    known = array.is_valid().to_numpy(zero_copy_only=False)
    return lambda row: values[offsets[row] : offsets[row + 1]] if known[row] else None


def event_row(log_seq: int, event: LogEvent) -> EventRow:
    """One event as a row of the timeline; columns that do not apply are left out."""
    row: EventRow = {"log_seq": log_seq}
    match event:
        case Observation():
            stamp = event.stamp
            return row | {"kind": "observation", "t_ns": stamp.t_ns, "camera_id": stamp.camera_id, "seq": stamp.seq}
        case Tick():
            cameras = [camera_id for camera_id, _ in event.included]
            numbers = [seq for _, seq in event.included]
            included = {"included_camera_id": cameras, "included_seq": numbers}
            return row | {"kind": "tick", "t_ns": event.t_ns} | included
        case OperatorAction():
            who = {"zone_id": event.zone_id, "alarm": event.alarm, "actor": event.actor}
            what = {"command_id": event.command_id, "action": event.kind, "seen_level": event.seen_level}
            more = {name: getattr(event, name) for name in _MORE}
            return row | {"kind": "action", "t_ns": event.t_ns} | what | who | more
        case CameraFault():
            return row | {"kind": "fault", "t_ns": event.t_ns, "camera_id": event.camera_id, "action": event.code.value}


def row_event(row: EventRow) -> Tick | OperatorAction | CameraFault:
    """The inverse of :func:`event_row` for all but observations, whose rows are only references.

    Raises:
        ValueError: there is no such kind of event.
    """
    t_ns = row["t_ns"]
    match row["kind"]:
        case "tick":
            return Tick(t_ns, tuple(zip(row["included_camera_id"], row["included_seq"], strict=True)))
        case "action":
            where = row["zone_id"], row["alarm"]
            more = {name: row[name] for name in _MORE if row.get(name) is not None}
            return OperatorAction(
                row["command_id"], t_ns, row["action"], *where, row["actor"], row["seen_level"], **more
            )
        case "fault":
            return CameraFault(row["camera_id"], t_ns, Code(row["action"]))
    raise ValueError(f"its kind is {row['kind']!r}, need observation, tick, action or fault")


def timeline_table(rows: Sequence[EventRow]) -> Any:
    """Rows of :func:`event_row` -> a table with the schema :data:`TIMELINE`."""
    return pa.Table.from_pylist(list(rows), schema=TIMELINE)


def write_parquet(table: Any, file: BinaryIO, metadata: dict[str, str]) -> None:
    """Write a table as one Parquet file with checksums and what its columns mean; equal tables give equal bytes.

    Floats are split into byte streams before zstd: boxes come from 32 bit models, so that half of their bytes are zero.
    """
    leaves = {name: f"{name}.list.element" for name in (*_FLOAT_LISTS, *_PLANE_LISTS, "included_camera_id")}
    pq.write_table(
        table.replace_schema_metadata(metadata | described(table.column_names)),
        file,
        compression="zstd",
        compression_level=3,
        use_dictionary=[leaves.get(name, name) for name in table.column_names if name not in _FLOAT_LISTS],
        use_byte_stream_split=[leaves[name] for name in _FLOAT_LISTS if name in table.column_names],
        write_page_checksum=True,
    )
