"""The observation log: bit for bit, whole after a kill at any moment, and honest about damage."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdwatch.core.blocks import BLOCKS_HW, PROFILES, BlockEvidence
from crowdwatch.core.reasons import ESTIMATOR_FAULTS, Code
from crowdwatch.core.records import (
    Anchor,
    Detections,
    Evidence,
    FlowSamples,
    GroundMass,
    GroundPlane,
    Lens,
    LogEvent,
    Observation,
    OperatorAction,
    Positions,
    Stamp,
    Tick,
)
from crowdwatch.errors import LogCorrupt, RecordError, StoreUnavailable
from crowdwatch.sources.synthetic import looking_down
from crowdwatch.store import files
from crowdwatch.store.columns import observation_table
from crowdwatch.store.columns import observations as observations_of
from crowdwatch.store.log import LogReader, LogWriter

CONFIG = '{"id": "nye", "note": "1 µ"}'
SECOND = 1_000_000_000
START = 1_796_083_190 * SECOND  # 2026-12-01T00:00:-10: the hour turns ten seconds later


def observation(camera_id: str, seq: int, t_ns: int, people: int | None = None) -> Observation:
    """A frame with a few people, the same for the same arguments."""
    rng = np.random.default_rng([seq, len(camera_id)])
    n = seq % 4 if people is None else people
    stamp = Stamp(camera_id, seq, t_ns, "capture_rate")
    xyxy = rng.uniform(0, 700, (n, 4)).astype(np.float32)
    score = rng.uniform(0.05, 1, n).astype(np.float32)
    detections = Detections(stamp, xyxy, score, np.zeros(n), Anchor.FEET, (576, 768), "yolo11n/int8/abc", n == 3)
    places = rng.normal(size=(n, 2)) / 3
    places[: n // 3] = math.nan
    positions = Positions(stamp, places, np.abs(places[:, 0]), detections.score)
    evidence = Evidence(f"{seq:016x}", 100.0 + seq, 0.1, 1 / 3, math.nan, blocks_of_frame(seq))
    return Observation(detections, positions, evidence, "0123456789ab", density_map(stamp), flow=flow_of_pair(seq))


def density_map(stamp: Stamp) -> GroundMass | None:
    """Of every second frame; how far it may be off was measured for every second of them."""
    if stamp.seq % 2:
        return None
    shares = (0.1, stamp.seq / 3) if stamp.seq % 4 else (math.nan, math.nan)
    return GroundMass(stamp, np.zeros(2), 0.5, np.arange(6.0).reshape(2, 3) / 7, 0.1, 0.2, "n/f32/abc", *shares)


def flow_of_pair(seq: int) -> FlowSamples | None:
    """Velocities: of every fourth frame none, of some nobody."""
    if seq % 4 == 1:
        return None
    values = np.random.default_rng(seq).normal(size=(seq % 4, 5)) / 3
    return FlowSamples(values[:, :2], values[:, 2:4], np.abs(values[:, 4]), 1 / 7)


def blocks_of_frame(seq: int) -> BlockEvidence | None:
    """Evidence by blocks: of every third frame none, of the first no change, of every second one no profiles."""
    if seq % 3 == 2:
        return None
    rng = np.random.default_rng(seq)
    luma, sharpness, change, profiles = (rng.integers(0, 256, hw) for hw in (*[BLOCKS_HW] * 3, PROFILES))
    return BlockEvidence(luma, sharpness, change if seq else None, profiles if seq % 2 else None)


def night(seconds: int, first_s: int = 0) -> Iterator[LogEvent]:
    """Two cameras at 2 Hz, ``b`` ahead of the ticks by 0.3 s; a late frame that no tick takes; an operator."""
    included: list[tuple[str, int]] = []
    waiting: list[tuple[int, tuple[str, int]]] = []
    for half in range(2 * first_s, 2 * seconds):
        t_ns = START + half * SECOND // 2
        for camera_id, ahead_ns in (("a", 0), ("b/ 火", 3 * SECOND // 10)):
            found = observation(camera_id, half, t_ns + ahead_ns)
            waiting.append((found.stamp.t_ns, found.stamp.id))
            yield found
        if half % 2:
            if half % 10 == 9:
                yield OperatorAction(
                    half, t_ns, "shelve", "north", "crowding", "Ada", 2, "commander", "u", "", 1 / 3, 9.0
                )
                yield observation("late", half, t_ns - 4 * SECOND)
            included = [name for stamp_ns, name in waiting if stamp_ns <= t_ns]
            waiting = [pair for pair in waiting if pair[0] > t_ns]
            yield Tick(t_ns, tuple(included))


def exact(event: LogEvent) -> tuple[Any, ...]:
    """Everything in an event, floats as their bits."""
    if not isinstance(event, Observation):
        return (type(event).__name__, repr(event))
    boxes, places, evidence = event.detections, event.positions, event.evidence
    floats = (evidence.luma, evidence.contrast, evidence.sharpness, evidence.change)
    arrays = (boxes.xyxy_px, boxes.score, boxes.class_id, places.xy_m, places.sigma_m, places.score)
    stamp, rest = event.stamp, (boxes.anchor, boxes.image_hw, boxes.detector_id, boxes.saturated, event.plane_id)
    mass, rest = event.mass, (*rest, event.counter_fault)
    blocks = evidence.blocks
    if blocks is not None:
        each = (blocks.luma, blocks.sharpness, blocks.change, blocks.profiles)
        arrays = (*arrays, *(np.empty((0, 0, 0)) if part is None else part for part in each))
    if mass is not None:
        floats = (*floats, *mass.origin_m, mass.cell_m, mass.beyond, mass.unseen, mass.fewer_frac, mass.more_frac)
        arrays, rest = (*arrays, mass.mass), (*rest, mass.counter_id)
    if event.flow is not None:
        floats = (*floats, event.flow.span_s)
        arrays = (*arrays, event.flow.xy_m, event.flow.v_m_s, event.flow.sigma_m_s)
    plane = event.plane
    if plane is not None:
        floats = (*floats, plane.head_plane_m, plane.rmse_m, plane.hull_reach, plane.max_sigma_m, plane.pixel_sigma_px)
        rest = (*rest, plane.image_hw, plane.plane_id, None if plane.lens is None else plane.lens.model)
        lens = (None, None) if plane.lens is None else (plane.lens.camera_matrix, plane.lens.coefficients)
        parts = (plane.image_to_ground, plane.camera_centre_m, plane.hull_m, plane.homography_cov, *lens)
        arrays = (*arrays, *(np.empty((0, 0, 0)) if part is None else part for part in parts))
    return (
        (stamp.camera_id, stamp.seq, stamp.t_ns, stamp.t_source, evidence.frame_hash, *rest),
        struct.pack(f"{len(floats)}d", *floats),
        tuple((array.shape, array.dtype.str, array.tobytes()) for array in arrays),
    )


def write(folder: Path, events: Iterable[LogEvent], *, complete: bool = True, **options: Any) -> None:
    writer = LogWriter(folder, CONFIG, **options)
    for event in events:
        writer.append(event)
    writer.close(complete)


def same(found: Iterable[LogEvent], expected: Iterable[LogEvent]) -> None:
    assert [exact(event) for event in found] == [exact(event) for event in expected]


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def data_set(folder: Path) -> list[tuple[str, int]]:
    """What any other reader of Parquet finds."""
    found = ds.dataset(folder / "observations", partitioning="hive").to_table(columns=["camera_id", "seq", "camera"])
    assert found["camera_id"].to_pylist() == found["camera"].to_pylist()
    return sorted(zip(found["camera_id"].to_pylist(), found["seq"].to_pylist(), strict=True))


# ---------------------------------------------------------------------------------------------------------- round trip


def test_everything_comes_back_in_its_order(tmp_path: Path) -> None:
    write(tmp_path, night(30), part_s=7)
    log = LogReader(tmp_path)
    same(log.events(), night(30))
    assert (log.complete, log.config_json, log.event_id) == (True, CONFIG, "nye")
    assert log.last_tick_ns == START + 59 * SECOND // 2
    assert log.observation_count == sum(isinstance(event, Observation) for event in night(30)) == 126
    assert len(list((tmp_path / "timeline").iterdir())) == 5


wild = st.floats(allow_nan=True, allow_infinity=True, width=64)
calm = st.floats(allow_nan=False, allow_infinity=False, width=64)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.integers(-(2**62), 2**62)
numbers = st.integers(0, 2**53)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    n = draw(st.integers(0, 4))
    array = st.lists(calm, min_size=n, max_size=n)
    unknown = st.lists(wild, min_size=n, max_size=n)
    stamp = Stamp(draw(words), draw(numbers), draw(times), draw(words))
    xyxy = np.array([draw(array) for _ in range(4)]).T
    classes = draw(st.lists(st.integers(-5, 2**40), min_size=n, max_size=n))
    hw = draw(st.tuples(st.integers(1, 2**16), st.integers(1, 2**16)))
    score = draw(array)
    detections = Detections(
        stamp, xyxy, score, classes, draw(st.sampled_from(Anchor)), hw, draw(words), draw(st.booleans())
    )
    places = np.array([draw(unknown), draw(unknown)]).T
    position_score = draw(st.one_of(st.just(score), unknown))
    positions = Positions(stamp, places, draw(unknown), position_score)
    evidence = Evidence(draw(words), *(draw(wild) for _ in range(4)), blocks_of_frame(draw(st.integers(0, 5))))
    mass = draw(st.one_of(st.none(), masses(stamp)))
    plane = draw(st.one_of(st.none(), planes()))
    fault = draw(st.sampled_from([None, *sorted(ESTIMATOR_FAULTS)]))
    return Observation(detections, positions, evidence, draw(words), mass, fault, plane)


@st.composite
def planes(draw: st.DrawFn) -> GroundPlane:
    def array(kind: st.SearchStrategy[float], *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.reshape(draw(st.lists(kind, min_size=size, max_size=size)), shape)

    def maybe(make: Callable[[], Any]) -> Any:
        return make() if draw(st.booleans()) else None

    def lens() -> Lens:
        coefficients = draw(st.lists(wild, max_size=3))
        return Lens(draw(st.sampled_from(["opencv", "tsai"])), array(wild, 3, 3), np.array(coefficients))

    hw = draw(st.tuples(st.integers(1, 2**16), st.integers(1, 2**16)))
    rest = [draw(wild) for _ in range(5)]
    return GroundPlane(
        array(calm, 3, 3), hw, maybe(lens), maybe(lambda: array(wild, 3)), rest[0], rest[1],
        maybe(lambda: array(wild, draw(st.integers(0, 4)), 2)), *rest[2:],
        maybe(lambda: np.tile(array(wild, 3), 27).reshape(9, 9)),
    )  # fmt: skip


@st.composite
def masses(draw: st.DrawFn, stamp: Stamp) -> GroundMass:
    rows, cols = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    persons = st.one_of(st.sampled_from([0.0, -0.0]), st.floats(0, allow_infinity=False))
    cells = draw(st.lists(persons, min_size=rows * cols, max_size=rows * cols))
    origin = [draw(calm), draw(calm)]
    cell_m, left = draw(st.floats(0, allow_infinity=False, exclude_min=True)), [draw(persons), draw(persons)]
    known = st.tuples(st.floats(0, 1), st.floats(0, allow_infinity=False))
    shares = draw(st.one_of(st.just((math.nan, math.nan)), known))
    return GroundMass(stamp, origin, cell_m, np.reshape(cells, (rows, cols)), *left, draw(words), *shares)


events_of_any_kind = st.one_of(
    observations(),
    st.builds(Tick, times, st.lists(st.tuples(words, numbers), max_size=3).map(tuple)),
    st.builds(OperatorAction, numbers, times, words, words, words, words, st.integers(-1, 4)),
)


@given(st.lists(events_of_any_kind, max_size=12), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_any_events_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, events: list[LogEvent], size: int
) -> None:
    folder = tmp_path_factory.mktemp("log") / "log"
    write(folder, events, part_events=size)
    same(LogReader(folder).events(), events)
    shutil.rmtree(folder)


def test_the_kind_of_nan_is_kept(tmp_path: Path) -> None:
    payload = struct.unpack("d", struct.pack("Q", 0xFFF8_0000_DEAD_BEEF))[0]
    base = observation("a", 2, START)
    places = Positions(base.stamp, np.full((2, 2), payload), [payload, 1.0], base.detections.score)
    event = Observation(base.detections, places, Evidence("0" * 16, payload, payload, 0.0, -0.0), "p")
    write(tmp_path, [event])
    same(LogReader(tmp_path).events(), [event])


def drone(seq: int, plane: GroundPlane | None) -> Observation:
    base = observation("drone", seq, START + seq * SECOND)
    plane_id = "" if plane is None else plane.plane_id
    return Observation(base.detections, base.positions, base.evidence, plane_id, plane=plane)


def looking(t_s: float) -> GroundPlane:
    """A pose with everything that a plane can have."""
    lens = Lens("opencv", np.array([[900.0, 0, 480], [0, 900, 270], [0, 0, 1]]), np.array([0.1, -0.02, 1e-4, 0.0]))
    pose = looking_down((t_s, -20.0, 30.0 + t_s), (0.0, 5.0), (540, 960))
    return replace(
        pose, lens=lens, head_plane_m=2, rmse_m=1 / 3, hull_m=np.array([[0.0, 0], [9, 0], [t_s, 7]]),
        hull_reach=1.25, max_sigma_m=0.7, pixel_sigma_px=3, homography_cov=np.eye(9) * (t_s + 1 / 7),
    )  # fmt: skip


def test_the_plane_of_a_camera_that_moves_comes_back_whole(tmp_path: Path) -> None:
    poses = [looking(0.1 * seq) for seq in range(8)]
    poses[3] = looking_down((0.0, -9.0, 30.0), (0.0, 5.0))  # no lens, no hull, no covariance
    write(tmp_path, [*(drone(seq, plane) for seq, plane in enumerate(poses)), drone(8, None)])
    found = [event for event in LogReader(tmp_path).events() if isinstance(event, Observation)]
    same(found, [*(drone(seq, plane) for seq, plane in enumerate(poses)), drone(8, None)])
    for event, plane in zip(found, poses, strict=False):
        assert event.plane is not None
        assert event.plane.plane_id == plane.plane_id == event.plane_id
        for field in fields(GroundPlane):
            ours, theirs = getattr(event.plane, field.name), getattr(plane, field.name)
            if field.name == "lens":
                assert (ours is None) == (theirs is None)
            elif isinstance(theirs, np.ndarray):
                assert ours.shape == theirs.shape
                assert ours.tobytes() == theirs.tobytes()
            else:
                assert (ours, type(ours)) == (theirs, type(theirs))
    assert found[-1].plane is None


def test_a_drone_that_stays_where_it_is_writes_its_plane_once(tmp_path: Path) -> None:
    sizes = {}
    seqs = range(600)
    for name, poses in (
        ("none", [None for _ in seqs]),
        ("one", [looking(0.0) for _ in seqs]),
        ("many", [looking(0.1 * seq) for seq in seqs]),
    ):
        write(tmp_path / name, (drone(seq, plane) for seq, plane in enumerate(poses)), part_events=10**6)
        sizes[name] = sum(len(content) for content in contents(tmp_path / name).values())
    # one plane of 1 kB and the names of fifteen columns, whatever the number of pictures; each of its own is larger
    assert sizes["one"] - sizes["none"] < 6_000
    assert sizes["many"] - sizes["none"] > 60_000


def make_older(folder: Path, schema: int) -> None:
    """Turn a log into one of an older schema: 5 without velocities and what actions say, 4 without the shares of
    density maps too, 3 without the columns of blocks too, 2 without those of planes too."""
    header = json.loads((folder / "event.json").read_text())
    (folder / "event.json").write_text(json.dumps(header | {"schema": schema}))
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        facts = {**table.schema.metadata, b"crowdwatch_log": str(schema).encode()}
        more = ("role", "subject", "text", "value", "duration_s")
        parts = ("flow_", "mass_fewer", "mass_more", "block_", "plane_", "lens_")
        gone = parts[: {5: 1, 4: 3, 3: 4, 2: 6}[schema]]
        left = [name for name in table.column_names if name not in more]
        kept = [name for name in left if not name.startswith(gone) or name == "plane_id"]
        pq.write_table(table.select(kept).replace_schema_metadata(facts), path, write_page_checksum=True)


def as_older(events: Iterable[LogEvent], schema: int) -> Iterator[LogEvent]:
    for event in events:
        if isinstance(event, Observation):
            blocks = event.evidence.blocks if schema >= 4 else None
            mass = event.mass
            if mass is not None and schema < 5:
                mass = replace(mass, fewer_frac=math.nan, more_frac=math.nan)
            event = replace(event, evidence=replace(event.evidence, blocks=blocks), mass=mass, flow=None)
        elif isinstance(event, OperatorAction):
            event = replace(event, role="", subject="", text="", value=0.0, duration_s=0.0)
        yield event


@pytest.mark.parametrize("schema", [2, 3, 4, 5])
def test_an_older_log_is_read(tmp_path: Path, schema: int) -> None:
    write(tmp_path, night(30), part_s=7)
    make_older(tmp_path, schema)
    names = pq.read_schema(sorted((tmp_path / "observations").rglob("*.parquet"))[0]).names
    of = ("plane_head_m", "block_luma", "mass_more_frac", "flow_span_s")
    assert [name in names for name in of] == [schema >= 3, schema >= 4, schema >= 5, False]
    log = LogReader(tmp_path)
    same(log.events(), as_older(night(30), schema))
    assert log.complete


@pytest.mark.parametrize("schema", [2, 3, 4, 5])
def test_an_older_log_is_gone_on_with(tmp_path: Path, schema: int) -> None:
    write(tmp_path, night(30), part_s=7, complete=False)
    make_older(tmp_path, schema)
    writer = LogWriter(tmp_path, CONFIG, resume=True)
    added = drone(7, looking(0.3))
    tick = Tick(START + 40 * SECOND, (added.stamp.id,))
    for event in (added, tick):
        writer.append(event)
    writer.close(True)
    found = list(LogReader(tmp_path).events())
    assert exact(found[-2]) == exact(added)
    assert found[-1] == tick


def test_an_empty_log(tmp_path: Path) -> None:
    write(tmp_path, [])
    log = LogReader(tmp_path)
    assert (list(log.events()), log.complete, log.last_tick_ns, log.observation_count) == ([], True, None, 0)


def test_two_runs_give_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, night(20), part_s=5)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_observations_by_camera_and_time(tmp_path: Path) -> None:
    write(tmp_path, night(30), part_s=7)
    log = LogReader(tmp_path)
    every = [event for event in night(30) if isinstance(event, Observation)]
    same(log.observations(), every)
    low, high = START + 8 * SECOND, START + 17 * SECOND
    wanted = [each for each in every if each.stamp.camera_id == "a" and low <= each.stamp.t_ns < high]
    assert len(wanted) == 18
    same(log.observations("a", low, high), wanted)
    same(
        log.observations("a", high), [each for each in every if each.stamp.camera_id == "a" and each.stamp.t_ns >= high]
    )
    assert list(log.observations("nobody")) == []


def test_it_is_a_partitioned_data_set(tmp_path: Path) -> None:
    write(tmp_path, night(20), part_s=5)
    expected = sorted(event.stamp.id for event in night(20) if isinstance(event, Observation))
    assert data_set(tmp_path) == expected
    hours = {path.name for path in (tmp_path / "observations" / "event=nye" / "camera=a").iterdir()}
    assert hours == {"hour=20261130T23", "hour=20261201T00"}
    frame = pytest.importorskip("dask.dataframe").read_parquet(str(tmp_path / "observations"))
    assert len(frame) == len(expected)


def test_no_column_can_hold_a_picture(tmp_path: Path) -> None:
    write(tmp_path, night(5))
    for path in tmp_path.rglob("*.parquet"):
        kinds = {str(field.type) for field in pq.read_schema(path)}
        plain = {"int64", "int32", "string", "double", "bool", "list<element: double>", "list<element: int64>",
                 "list<element: string>", "list<element: uint8>"}  # fmt: skip
        assert kinds <= plain
        for field in pq.read_schema(path):
            if str(field.type) == "list<element: uint8>":  # as long as a coarse grid, or four profiles
                lengths = {len(each) for each in pq.read_table(path)[field.name].to_pylist() if each is not None}
                assert lengths <= {PROFILES[0] * PROFILES[1] if field.name == "block_profiles" else 12 * 16}


def test_parts_are_closed_when_many_events_wait(tmp_path: Path) -> None:
    """Memory is bounded by events (and boxes), with ticks and without."""
    write(tmp_path / "ticks", night(30), part_events=40)
    # 100 crowded frames weigh 1 + 640/64 = 11 events each; without a tick a part is closed at 2 x 110
    write(tmp_path / "none", (observation("a", seq, START + seq, 640) for seq in range(100)), part_events=110)
    for name, most in (("ticks", 46), ("none", 20)):
        rows = [pq.read_metadata(path).num_rows for path in sorted((tmp_path / name / "timeline").iterdir())]
        assert len(rows) >= 4
        assert max(rows) <= most
    assert LogReader(tmp_path / "none").observation_count == 100


# ----------------------------------------------------------------------------------------------------------- resuming


def uncut(events: Iterable[LogEvent], last_tick_ns: int | None) -> list[LogEvent]:
    """What a resumed log must still hold."""
    return [each for each in events if last_tick_ns is not None and _t_ns(each) <= last_tick_ns]


def _t_ns(event: LogEvent) -> int:
    return event.stamp.t_ns if isinstance(event, Observation) else event.t_ns


def resume_and_finish(folder: Path, events: list[LogEvent]) -> None:
    """What an engine does: continue with everything after the last tick in the log."""
    writer = LogWriter(folder, CONFIG, part_s=4, resume=True)
    last = writer.last_tick_ns
    kept = list(LogReader(folder).events())
    same(kept, uncut(kept, last))
    seen = {exact(event) for event in kept}
    for event in events:
        if exact(event) not in seen:
            writer.append(event)
        else:
            assert last is not None
            assert _t_ns(event) <= last
    writer.close(True)


def check_finished(folder: Path, events: list[LogEvent]) -> None:
    """Every event is there once; those after a tick may come later than in an uncut log, never those of a tick."""
    log = LogReader(folder)
    found = list(log.events())
    assert sorted(map(repr, map(exact, found))) == sorted(map(repr, map(exact, events)))
    came: set[tuple[str, int]] = set()
    for event in found:
        if isinstance(event, Observation):
            came.add(event.stamp.id)
        elif isinstance(event, Tick):
            assert came.issuperset(event.included)
    ticks = [event for event in found if isinstance(event, Tick)]
    assert ticks == [event for event in events if isinstance(event, Tick)]
    assert log.complete
    assert data_set(folder) == sorted(event.stamp.id for event in events if isinstance(event, Observation))
    assert not [path for path in folder.rglob("*") if files.is_scratch(path)]


@pytest.mark.parametrize("events_written", [0, 1, 4, 5, 6, 30, 31, 33, 50])
def test_a_stopped_run_resumes_after_its_last_tick(tmp_path: Path, events_written: int) -> None:
    events = list(night(15))
    write(tmp_path, events[:events_written], complete=False, part_s=4)
    stopped = LogReader(tmp_path)
    same(stopped.events(), events[:events_written])
    assert not stopped.complete
    resume_and_finish(tmp_path, events)
    check_finished(tmp_path, events)


def test_late_observations_stay_and_the_future_is_cut(tmp_path: Path) -> None:
    ahead, late = observation("b", 1, START + 9 * SECOND), observation("c", 1, START - 9 * SECOND)
    action = OperatorAction(1, START + 1, "acknowledge", "n", "crowding", "Ada", 2)
    tick = Tick(START, ())
    write(tmp_path, [ahead, late, tick, action], complete=False)
    LogWriter(tmp_path, CONFIG, resume=True).close(False)
    same(LogReader(tmp_path).events(), [late, tick])
    assert data_set(tmp_path) == [("c", 1)]


def test_a_complete_log_can_go_on(tmp_path: Path) -> None:
    events = list(night(12))
    part = [event for event in events if _t_ns(event) <= START + 5 * SECOND + SECOND // 2]
    write(tmp_path, part, part_s=4)
    resume_and_finish(tmp_path, events)
    check_finished(tmp_path, events)


class _Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs on the disk."""


def _kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Let the ``step``-th change of a file be the last; before it, or between writing and renaming."""
    count = 0
    real_replace, real_remove = Path.replace, Path.unlink

    def step_on() -> None:
        nonlocal count
        count += 1
        if count >= step:
            raise _Killed

    def replace(self: Path, target: Path) -> Path:
        step_on()
        return real_replace(self, target)

    def unlink(self: Path, missing_ok: bool = False) -> None:
        step_on()  # after the kill nothing is tidied up either
        real_remove(self, missing_ok)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    return lambda: count


def _write_until_killed(folder: Path, events: list[LogEvent], *, resume: bool) -> bool:
    writer = None
    try:
        writer = LogWriter(folder, CONFIG, part_s=2, resume=resume)
        for event in events:
            if not resume or writer.last_tick_ns is None or _t_ns(event) > writer.last_tick_ns:
                writer.append(event)
        writer.close(False)
    except _Killed:
        if writer is not None:
            writer._release()  # the kernel does this for a killed process
        return True
    return False


def test_a_kill_between_any_two_changes_of_files_is_survived(tmp_path: Path) -> None:
    """Also between the observations and the timeline of one flush, and within the tidying of a resume."""
    events = list(night(8))
    step = 0
    killed = True
    while killed:
        step += 1
        folder = tmp_path / str(step)
        with pytest.MonkeyPatch.context() as patch:
            _kill_at(patch, step)
            killed = _write_until_killed(folder, events[:-3], resume=False)
        if not killed:
            break
        if (folder / "event.json").exists():
            log = LogReader(folder)
            same(log.events(), events[: len(list(log.events()))])
        for again in (1, 2, 3):  # killed while resuming, at a different place each time
            with pytest.MonkeyPatch.context() as patch:
                _kill_at(patch, again)
                _write_until_killed(folder, events, resume=True)
        resume_and_finish(folder, events)
        check_finished(folder, events)
    assert step > 10


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.unit.test_log import *
writer = LogWriter(Path(sys.argv[1]), CONFIG, part_s=1, resume=True)
last = writer.last_tick_ns
print("resumed" if last else "began", flush=True)
seen = set(map(exact, LogReader(Path(sys.argv[1])).events()))
for event in night(100_000):
    if exact(event) not in seen:
        writer.append(event)
        if isinstance(event, Tick):
            print(event.t_ns, flush=True)
"""


def test_sigkill_while_writing_loses_at_most_the_open_part(tmp_path: Path) -> None:
    """A real process, a real SIGKILL, three times; another process reads while it writes."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    said: list[int] = []
    for lines in (4, 6, 5):
        command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == ("resumed\n" if said else "began\n")
                said += [int(process.stdout.readline()) for _ in range(lines)]
                log = LogReader(tmp_path)  # while it is written
                assert _behind(log, said[-1]) <= 2 * SECOND
                found = list(log.events())
            finally:
                process.send_signal(signal.SIGKILL)
                said += [int(line) for line in process.stdout.read().splitlines()]  # type: ignore[union-attr]
        assert len({exact(event) for event in found}) == len(found) > lines
        after = LogReader(tmp_path)
        found = list(after.events())
        same(found, _known(found))
        assert _behind(after, said[-1]) <= 2 * SECOND
    LogWriter(tmp_path, CONFIG, resume=True).close(False)
    log = LogReader(tmp_path)
    ticks = [event.t_ns for event in log.events() if isinstance(event, Tick)]
    assert ticks[0] == START + SECOND // 2
    assert all(after - before == SECOND for before, after in pairwise(ticks))
    assert data_set(tmp_path) == sorted(each.stamp.id for each in log.observations())


def _behind(log: LogReader, t_ns: int) -> int:
    """How far the log is behind: parts of one second, so at most the open one."""
    return t_ns - (START - SECOND if log.last_tick_ns is None else log.last_tick_ns)


def _known(found: list[LogEvent]) -> list[LogEvent]:
    """The events of a log, made anew: each must be one of those that were written, once."""
    seconds = sum(isinstance(event, Tick) for event in found)
    expected = {exact(event): event for event in night(seconds + 2)}
    assert len({exact(event) for event in found}) == len(found)
    return [expected[exact(event)] for event in found]


# ---------------------------------------------------------------------------------------------------- refusing to write


def test_an_event_of_a_kind_that_nothing_makes_any_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        row = {"kind": "restart", "t_ns": START}
        patched.setattr("crowdwatch.store.log.event_row", lambda log_seq, event: {"log_seq": log_seq, **row})
        write(tmp_path, [Tick(START, ())])
    with pytest.raises(LogCorrupt, match=r"event 0 is impossible: its kind is 'restart', need .* replay the footage"):
        list(LogReader(tmp_path).events())


def test_an_old_log_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, night(5))
    before = contents(tmp_path)
    with pytest.raises(StoreUnavailable, match="already holds one"):
        LogWriter(tmp_path, CONFIG)
    with pytest.raises(StoreUnavailable, match="another configuration"):
        LogWriter(tmp_path, '{"id": "nye", "note": "2"}', resume=True)
    assert contents(tmp_path) == before


def test_parts_without_a_header_are_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, night(5))
    (tmp_path / "event.json").unlink()
    for resume in (False, True):
        with pytest.raises(StoreUnavailable, match=r"event\.json is gone"):
            LogWriter(tmp_path, CONFIG, resume=resume)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first = LogWriter(tmp_path, CONFIG)
    with pytest.raises(StoreUnavailable, match="another process is writing"):
        LogWriter(tmp_path, CONFIG, resume=True)
    first.close(False)
    first.close(False)
    with pytest.raises(StoreUnavailable, match="closed"):
        first.append(Tick(0, ()))
    LogWriter(tmp_path, CONFIG, resume=True).close(False)


def test_the_event_without_an_id_goes_by_its_digest(tmp_path: Path) -> None:
    for number, config in enumerate(("not json", "[1]", "{}", '{"id": 5}')):
        LogWriter(tmp_path / str(number), config).close(True)
        assert len(LogReader(tmp_path / str(number)).event_id) == 12


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="A file stands where a folder is needed"):
        LogWriter(tmp_path / "file" / "log", CONFIG)


def _limited(bytes_at_most: int) -> Callable[[], None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_the_disk_refuses_can_be_written_later(tmp_path: Path) -> None:
    """A limit on the size of files: no root needed, and the error comes in the middle of a file."""
    writer = LogWriter(tmp_path, CONFIG, part_s=4)
    events = list(night(20))
    lift = _limited(3_000)
    try:
        with pytest.raises(StoreUnavailable, match=r"ulimit -f.*Nothing already written is lost"):
            writer.close(_append_all(writer, events))
    finally:
        lift()
    same(LogReader(tmp_path).events(), [])
    assert not [path for path in tmp_path.rglob("*") if files.is_scratch(path)]
    rest = events[_append_all.taken :]
    for event in rest:
        writer.append(event)
    writer.close(True)
    same(LogReader(tmp_path).events(), events)


class _AppendAll:
    """Appends and counts: an event whose flush failed has been taken."""

    taken = 0

    def __call__(self, writer: LogWriter, events: list[LogEvent]) -> bool:
        for self.taken, event in enumerate(events, start=1):
            writer.append(event)
        return True


_append_all = _AppendAll()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MB that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no right to mount here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_already_written(small_disk: Path) -> None:
    folder, ballast = small_disk / "log", small_disk / "ballast"
    writer = LogWriter(folder, CONFIG, part_s=4)
    ballast.write_bytes(bytes(600_000))
    events, append_all = list(night(400)), _AppendAll()
    with pytest.raises(StoreUnavailable, match=r"The disk is full: free some space"):
        append_all(writer, events)
    closed = list(LogReader(folder).events())
    assert 0 < len(closed) < append_all.taken
    same(closed, events[: len(closed)])
    ballast.unlink()
    writer.close(False)
    same(LogReader(folder).events(), events[: append_all.taken])


# ------------------------------------------------------------------------------------------------------------- damage


def _one(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[1]


def _flip(path: Path) -> None:
    """Another last byte of the first column's data: what its checksum is for."""
    column = pq.read_metadata(path).row_group(0).column(0)
    start = column.data_page_offset if column.dictionary_page_offset is None else column.dictionary_page_offset
    raw = bytearray(path.read_bytes())
    raw[start + column.total_compressed_size - 1] ^= 0xFF
    path.write_bytes(raw)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


OBSERVATIONS, TIMELINE = "camera=a/**/part-*.parquet", "timeline/part-*.parquet"


@pytest.mark.parametrize(
    ("pattern", "damage", "says"),
    [
        (TIMELINE, Path.unlink, "a part is missing"),
        (TIMELINE, lambda path: path.write_bytes(b""), "cannot be read"),
        (TIMELINE, lambda path: path.write_bytes(path.read_bytes()[:-20]), "cannot be read"),
        (TIMELINE, lambda path: path.write_text("hello"), "cannot be read"),
        (TIMELINE, _flip, "cannot be read"),
        (OBSERVATIONS, Path.unlink, "it is missing"),
        (OBSERVATIONS, lambda path: path.write_bytes(path.read_bytes()[:100]), "cannot be read"),
        (OBSERVATIONS, _flip, "cannot be read"),
    ],
)
def test_a_damaged_part_is_named(tmp_path: Path, pattern: str, damage: Callable[[Path], object], says: str) -> None:
    write(tmp_path, night(30), part_s=5)
    path = _one(tmp_path, pattern)
    damage(path)
    with pytest.raises(LogCorrupt, match=says) as caught:
        list(LogReader(tmp_path).events())
    assert "part-" in str(caught.value)
    assert "Restore it from a copy, or replay the footage" in str(caught.value)


def test_parts_in_each_others_place_are_found_out(tmp_path: Path) -> None:
    write(tmp_path, night(30), part_s=5)
    first, second, *_ = sorted(tmp_path.rglob(OBSERVATIONS))
    shutil.copy(first, second)
    with pytest.raises(LogCorrupt, match="of the timeline is not in it"):
        list(LogReader(tmp_path).events())
    first, second, *_ = sorted(tmp_path.rglob(TIMELINE))
    shutil.copy(first, second)
    with pytest.raises(LogCorrupt, match="a part is missing"):
        LogReader(tmp_path)
    shutil.copy(sorted(tmp_path.rglob(OBSERVATIONS))[0], second)
    with pytest.raises(LogCorrupt, match="footer"):
        LogReader(tmp_path)


def test_a_lost_last_part_of_a_complete_log_is_missed(tmp_path: Path) -> None:
    write(tmp_path, night(30), part_s=5)
    sorted(tmp_path.rglob(TIMELINE))[-1].unlink()
    with pytest.raises(LogCorrupt, match="the log is complete with"):
        LogReader(tmp_path)


def test_a_foreign_file_in_the_timeline_is_named(tmp_path: Path) -> None:
    write(tmp_path, night(5))
    (tmp_path / "timeline" / "notes.txt").write_text("x")
    with pytest.raises(LogCorrupt, match=r"notes\.txt: not a part of a timeline"):
        LogReader(tmp_path)


def test_a_foreign_parquet_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, night(30), part_s=5)
    path = _one(tmp_path, TIMELINE)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(LogCorrupt, match="not a timeline part"):
        LogReader(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 1}, "got schema 1, this CrowdWatch reads 2 and 3 and 4 and 5"),
        ({"schema": None}, "got schema None"),
        ({"config_json": "{}"}, "was changed after it was written"),
        ({"config_json": 5}, "not the header"),
    ],
)
def test_a_header_that_is_not_ours(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    write(tmp_path, night(5))
    _edit(tmp_path / "event.json", **changes)
    with pytest.raises(LogCorrupt, match=says):
        LogReader(tmp_path)
    with pytest.raises(LogCorrupt, match=says):
        LogWriter(tmp_path, CONFIG, resume=True)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("the counter failed", Code.ESTIMATOR_FAILED),
        ("heads cannot be put on the ground with its calibration", Code.HEADS_NOT_PROJECTED),
        ("estimator_failed", Code.ESTIMATOR_FAILED),
        ("", None),
    ],
)
def test_faults_that_were_written_as_sentences_are_read_as_codes(written: str, code: Code | None) -> None:
    table = observation_table([(0, observation("a", 2, START))])
    place = table.schema.get_field_index("counter_fault")
    old = table.set_column(place, table.schema.field(place), pa.array([written], pa.string()))
    ((_, found),) = observations_of(old)
    assert found.counter_fault is code


def test_a_fault_that_nobody_wrote_is_refused() -> None:
    table = observation_table([(0, observation("a", 2, START))])
    place = table.schema.get_field_index("counter_fault")
    bad = table.set_column(place, table.schema.field(place), pa.array(["bad weather"], pa.string()))
    with pytest.raises(RecordError, match="bad weather"):
        list(observations_of(bad))
    with pytest.raises(RecordError, match="counter_fault"):
        replace(observation("a", 2, START), counter_fault=Code.TEXT)


def test_a_folder_without_a_log(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(LogCorrupt, match=r"event\.json: it is missing.*name the folder of a run"):
            LogReader(folder)
    for text in ("", "[]", "{", "\udcff"):
        (tmp_path / "event.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(LogCorrupt, match=r"event\.json"):
            LogReader(tmp_path)
    (tmp_path / "event.json").unlink()
    write(tmp_path / "whole", night(5))
    (tmp_path / "whole" / "end.json").write_text("{}")
    with pytest.raises(LogCorrupt, match="not the end mark"):
        LogReader(tmp_path / "whole")
