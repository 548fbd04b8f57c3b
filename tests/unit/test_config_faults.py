"""Every fault of an event file at once, each with its line, its key and a remedy; never a traceback."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crowdwatch import config
from crowdwatch.errors import ConfigError

from .test_config import plain, refused, square, write

FAULT = re.compile(r"event\.yaml:(\d+): (?:[\w.\[\]-]+: )?.+[.?]$")


def _set(path: str, value: Any) -> Callable[[dict], None]:
    """A change of one value; the path is written as cameras.0.anchor."""

    def change(event: dict) -> None:
        *holders, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target: Any = event
        for part in holders:
            target = target[part]
        target[last] = value

    return change


def _drone(source: dict[str, str]) -> Callable[[dict], None]:
    def change(event: dict) -> None:
        camera = event["cameras"][0]
        del camera["calibration"]
        camera |= {"moves": True, "source": source}

    return change


PHASES = [
    {"id": "one", "kind": "doors", "start_offset_s": 60},
    {"id": "two", "kind": "egress", "start_offset_s": 30},
]
SAME = [{"id": "a", "kind": "moving", "polygon_m": square(0, 0, 1)} for _ in range(2)]

FAULTS: list[tuple[Callable[[dict], None], str]] = [
    (_set("colour", "red"), "colour: is an unknown key"),
    (_set("zone", []), "Did you mean zones?"),
    (_set("zones.0.polygon", []), "zones[middle].polygon: is an unknown key. Did you mean polygon_m?"),
    (_set("zones.0.polygon_m", [[0, 0], [2, 2], [2, 0], [0, 2]]), "the edge crosses itself near (1.00, 1.00)"),
    (_set("zones.0.polygon_m", [[0, 0], [2, 2]]), "need at least 3 entries"),
    (_set("zones.0.polygon_m", [[0, 0], [1, 1], [2, 2]]), "all corners lie on one line"),
    (_set("zones.0.polygon_m", square(50, 50, 4)), "lies outside the walkable area"),
    (_set("zones.0.polygon_m.1.0", float("nan")), "need a finite number"),
    (_set("zones.0.polygon_m.1.0", float("inf")), "zones[middle].polygon_m[1][0]: got inf"),
    (_set("zones.0.usable_area_m2", 20.0), "got 20 m2, need <= 16.00 m2"),
    (_set("zones.0.usable_area_m2", 0), "need > 0"),
    (_set("zones.0.capacity_persons", 0), "zones[middle].capacity_persons: got 0, need > 0"),
    (_set("zones.0.capacity_persons", "many"), "got 'many', need a number"),
    (_set("zones.0.capacity_persons", True), "need a number"),
    (_set("zones.0.kind", "sitting"), "need 'moving', 'standing' or 'stairs'"),
    (_set("zones.0.id", 7), "zones[0].id: got 7, need a text"),
    (_set("zones.0.id", "north gate"), "need letters, digits"),
    (_set("detector", {"tiles": {"tile_px": 640, "overlap_px": 400}}), "got 400, need at most half of tile_px 640"),
    (_set("zones", SAME), "got 'a', which line"),
    (_set("counter", {"band_p_m2": [0.8, 0.4]}), ": counter: band_p_m2: got [0.8, 0.4], need the lower density first"),
    (_set("counter", {"band_p_m2": [0.4, 0.4]}), "need the lower density first"),
    (_set("counter", {"band_p_m2": [0.4, float("nan")]}), "counter.band_p_m2[1]: got nan, need a finite number"),
    (_set("counter", {"band_p_m2": [-0.4, 0.4]}), "counter.band_p_m2[0]: got -0.4, need >= 0"),
    (_set("counter", {"band_p_m2": [0.2, 0.4, 0.8]}), "counter.band_p_m2: got a list of 3, need at most 2 entries"),
    (_set("counter", {"band_p_m2": [4, 40]}), "counter.band_p_m2[1]: got 40, need <= 10"),
    (_set("counter", {"every_s": 0}), "counter.every_s: got 0, need >= 0.04"),
    (_set("counter", {"hold_s": 1e9}), "counter.hold_s: got 1000000000.0, need <= 180"),
    (_set("counter", {"every_s": 10, "hold_s": 2}), "counter.hold_s: got 2 s, need >= every_s 10 s"),
    (_set("counter", {"dense_every_s": 30}), "counter.dense_every_s: got 30 s, need <= every_s 1 s"),
    (_set("cameras.0.counter", {"dense_every_s": 30}), "counter.dense_every_s: got 30 s, need <= every_s 1 s"),
    (_set("cameras.0.counter", {"use": "maybe"}), "counter.use: got 'maybe', need true or false"),
    (_set("detector", {"tiles": {"overview": "no"}}), "detector.tiles.overview: got 'no', need true or false"),
    (_set("cameras.0.bias", {"factor": 1e9, "low": 1, "high": 1e9}), "bias.factor: got 1000000000.0, need <= 2"),
    (_set("cameras.0.bias", {"factor": 0.01, "low": 0.01, "high": 1}), "bias.factor: got 0.01, need >= 0.5"),
    (_set("zones.0.limits", {"density_p_m2": {"critical": 50}}), "critical: got 50 p/m2, need <= 10: nobody can stand"),
    (_set("readings", {"alert_probability": 1}), "readings.alert_probability: got 1, need < 1"),
    (_set("readings", {"hand_counts": "carefull"}), "readings.hand_counts: got 'carefull', need 'careful', 'all' or"),
    (_set("zones", []), "need at least 1 entries"),
    (_set("zones.0.limits", {"density_p_m2": {"watch": 3.5}}), "caution: got 3 p/m2, need > 3.5"),
    (_set("zones.0.limits", {"density_p_m2": {"wach": 1.0}}), "is no step of a ladder"),
    (_set("zones.0.limits", {"density_p_m2": {"watch": None}}), "the word off"),
    (_set("zones.0.limits", {"clear_density_p_m2": {"watch": 2.5}}), "clears below 2.5 p/m2, need <= 2"),
    (_set("zones.0.limits", {"density_p_m2": {"watch": 0.2}}), "that is never. Give clear_density_p_m2"),
    (_set("zones.0.limits", {"occupancy_frac": {"watch": 0.5}}), "has no capacity_persons"),
    (_set("zones.0.limits", {"on_delay_s": -1}), "need >= 0"),
    (_set("site.walkable_area_m", [[0, 0], [2, 2], [2, 0], [0, 2]]), "site.walkable_area_m: got a list of 4"),
    (_set("site.obstacles_m", [square(-9, -9, 20)]), "leave no walkable area"),
    (_set("site.obstacles_m", [square(20, 20, 1)]), "site.obstacles_m[0]: lies outside"),
    (_set("site.crs", "EPSG:32650"), "site.origin_m: is missing beside an EPSG code"),
    (_set("site.crs", "EPSG:4326"), "got 'EPSG:4326': WGS 84 is a Geographic 2D CRS, need a projected map"),
    (_set("site.crs", "EPSG:2272"), "counts in US survey foot, need metres"),
    (_set("site.crs", "EPSG:2048"), "do not run east and north"),
    (_set("site.crs", "EPSG:7405"), "is a Compound CRS, need a projected map without heights"),
    (_set("site.crs", "EPSG:9999"), "no such code is registered"),
    (_set("site.crs", "utm"), "need 'local', or the EPSG code"),
    (_set("site.origin_m", [0, 0]), "means nothing with crs: local"),
    (_set("gates", [{"id": "g", "line_m": [[0, 0], [0, 0]]}]), "gates[g].line_m: is 0.00 m long"),
    (_set("gates", [{"id": "g", "line_m": [[0, 0], [2, 0]], "usable_width_m": 3}]), "need <= 2.00 m"),
    (_set("gates", [{"id": "g", "line_m": [[50, 0], [52, 0]]}]), "nobody can cross it"),
    (_set("phases", PHASES), "got 30 s, need later than 60 s, where phase one starts"),
    (_set("phases", [{"id": "x", "kind": "doors"}]), "need exactly one of start_time, start_offset_s"),
    (
        _set("phases", [{"id": "x", "kind": "doors", "start_offset_s": 0, "limits_by_zone": {"midle": {}}}]),
        "there is no such zone. Did you mean middle?",
    ),
    (_set("cameras.0.anchor", "knee"), "need 'feet' or 'head'"),
    (_set("cameras.0.source.file", "no.mp4"), "got file and synthetic, need exactly one of"),
    (_set("cameras.0.source", {"file": "no.mp4", "start_time": "2026-01-01T00:00Z"}), "no such file"),
    (_set("cameras.0.source.capture_rate_hz", 0), "need > 0"),
    (_set("cameras.0.image_size_px", [100.5, 100]), "need a whole number"),
    (_set("cameras.0.calibration", {}), "got none of them, need exactly one of"),
    (_set("cameras.0.calibration", None), "cameras[mast].calibration: is missing. Add it."),
    (_set("cameras.0.moves", True), "calibration: belongs to a camera that stands still"),
    (_drone({"file": "no.mp4", "start_time": "2026-01-01T00:00Z"}), "does not say from where its pictures were taken"),
    (_set("cameras.0.calibration.lens", {}), "belongs to control points"),
    (_set("cameras.0.calibration.pose.translation_m", [0, 0, -10]), "the camera lies -10.00 m above the ground"),
    (_set("cameras.0.calibration.pose.rotation", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]), "camera"),
    (_set("cameras.0.calibration", {"tsai_file": "no.xml"}), "calibration.tsai_file: "),
    (_set("cameras.0.calibration", {"points_file": "no.csv"}), "calibration.points_file: "),
    (_set("cameras.0.score_min", 30), "need <= 1"),
    (_set("cameras.0.score_min", 0.01), "score_min: got 0.01, need >= score_floor 0.05"),
    (_set("detector", {"score_floor": 0.4}), "score_min: got 0.25, need >= score_floor 0.4"),
    (_set("detector", {"intervals": {"spread": 0, "between": 7, "bands": [{"low": -1, "high": 1}]}}), "need <= 1"),
    (_set("readings", {"tick_s": 5, "window_s": 2}), "readings.window_s: got 2 s, need >= tick_s 5 s"),
    (_set("detector", {"image_px": 641}), "need a multiple of 32"),
    (_set("name", "Small"), "name: got 'Small', need keys with values below it"),
    (_set("name", {"en": " "}), "need some text"),
    (_set("version", 2), "version: got 2, need 1"),
    (_set("version", True), "version: got True, need 1"),
]


@pytest.mark.parametrize(("change", "said"), FAULTS, ids=[said[:40] for _, said in FAULTS])
def test_each_fault_is_said_with_its_line(tmp_path: Path, change: Callable[[dict], None], said: str) -> None:
    event = copy.deepcopy(plain())
    change(event)
    path = write(tmp_path, event)
    message = refused(path)
    assert said in message
    count = len(path.read_text(encoding="utf-8").splitlines())
    for row in message.splitlines()[1:]:
        match = FAULT.match(row)
        assert match, row
        assert 1 <= int(match[1]) <= count


def test_twenty_faults_are_listed_at_once(tmp_path: Path) -> None:
    event = plain()
    event |= {"colour": "red", "id": "a b", "gates": [{"id": "g", "line_m": [[0, 0], [0, 0]]}]}
    event["site"] |= {"crs": "utm", "unit": "m"}
    event["zones"] = [
        {"id": "crossed", "kind": "moving", "polygon_m": [[0, 0], [2, 2], [2, 0], [0, 2]], "capacity_persons": -1},
        {"id": "far", "kind": "moving", "polygon_m": square(90, 0, 2)},
        {"id": "far", "kind": "flying", "polygon_m": square(0, 0, 2)},
        {"id": "low", "kind": "moving", "polygon_m": square(0, 0, 2), "limits": {"density_p_m2": {"alert": 1.0}}},
        {"id": "big", "kind": "moving", "polygon_m": square(0, 0, 2), "usable_area_m2": 9},
    ]
    event["cameras"][0] |= {"anchor": "knee", "sample_hz": 0, "score_min": 3, "tilt": 1}
    event["cameras"][0]["source"] |= {"start_time": "noon", "file": "x.mp4"}
    event["phases"] = [*PHASES, {"id": "one", "kind": "party", "start_offset_s": 90}]
    event["readings"] = {"tick_s": 2, "window_s": 1}
    event["detector"] = {"runtime": "abacus", "image_px": 5}
    message = refused(write(tmp_path, event))
    rows = message.splitlines()[1:]
    assert len(rows) >= 20
    assert message.splitlines()[0].endswith(f"{len(rows)} faults in the event file. Nothing was started.")
    lines = [int(row.split(":")[1]) for row in rows]
    assert lines == sorted(lines)
    for said in (
        "colour", "zones[crossed].polygon_m", "zones[crossed].capacity_persons", "outside the walkable",
        "which line", "zones[low].limits.density_p_m2.alert", "need <= 4.00 m2", "tilt", "start_time",
        "where phase one", "abacus", "gates[g]",
    ):  # fmt: skip
        assert said in message, said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"just words\n", "need keys with values"),
        (b"- a\n- b\n", "got a list of 2"),
        (b"id: \xff\n", "event.yaml:1: byte 0xff is not UTF-8"),
        (b"id: a\n\tname: b\n", "event.yaml:2: the line is indented with a tab"),
        (b"id: [1, 2\n", "is not YAML"),
        (b"id: a\nname: {en: x}\nid: b\n", "event.yaml:3: id: stands twice, first on line 1"),
        (b"id: &x a\nname: *x\n", "is an alias"),
        (b"id: !secret a\n", "has the tag !secret"),
        (b"id: a\n---\nid: b\n", "is not YAML"),
        (b"? [1, 2]\n: 3\n", "as a key"),
        (b"id: \x07\n", "is not YAML"),
        (b"[" * 3000, "nested too deeply"),
        (b"[" * 3000 + b"]" * 3000, "event.yaml"),
        (b"id: " + b"9" * 5000 + b"\n", "id: got"),
        (b"x: " * 10 + b"\n", "is not YAML"),
    ],
)
def test_files_that_are_no_event_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "event.yaml"
    path.write_bytes(content)
    assert said in refused(path)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)
    assert "no such event file" in refused(tmp_path / "none.yaml")
    with pytest.raises(ConfigError):
        config.load("nul\0.yaml")
