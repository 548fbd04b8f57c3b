"""The event file: what loads, what is refused and how it is said, and what becomes of it."""

import copy
import io
import os
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from crowdwatch import config
from crowdwatch.calibration.tsai_files import read_tsai
from crowdwatch.config.times import format_time, parse_time
from crowdwatch.core.outcomes import Level
from crowdwatch.core.records import Anchor
from crowdwatch.core.site import Quantity, ZoneKind
from crowdwatch.errors import ConfigError

PETS = Path(__file__).parents[2] / "examples" / "pets2009" / "event.yaml"

POSE = {
    "focal_px": [100.0, 100.0],
    "centre_px": [50.0, 50.0],
    "rotation": [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
    "translation_m": [0.0, 0.0, 10.0],
}
"""A camera 10 m up that looks straight down: it sees 10 m by 10 m around the origin."""


def square(west: float, south: float, side: float) -> list[list[float]]:
    return [[west, south], [west + side, south], [west + side, south + side], [west, south + side]]


def plain() -> dict:
    """A small sound event."""
    return {
        "version": 1,
        "id": "small",
        "name": {"en": "Small"},
        "site": {"walkable_area_m": square(-5.0, -5.0, 10.0)},
        "zones": [{"id": "middle", "kind": "moving", "polygon_m": square(-2.0, -2.0, 4.0)}],
        "cameras": [
            {
                "id": "mast",
                "source": {"synthetic": "plaza", "start_time": "2026-12-31T22:00:00+08:00"},
                "image_size_px": [100, 100],
                "calibration": {"pose": copy.deepcopy(POSE)},
            }
        ],
    }


def write(folder: Path, event: object) -> Path:
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(event, text)
    path = folder / "event.yaml"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return str(caught.value)


def test_a_small_event_becomes_a_site_with_the_default_limits(tmp_path: Path) -> None:
    site = config.to_site(config.load(write(tmp_path, plain())))
    assert site.zones[0].usable_area_m2 == pytest.approx(16.0, abs=1e-6)  # 4 m by 4 m; stored to the millionth
    assert site.zones[0].name == {"en": "middle", "zh": "middle"}
    assert site.cameras[0].plane.camera_centre_m == pytest.approx([0.0, 0.0, 10.0])
    assert [phase.phase_id for phase in site.phases] == ["event"]
    assert site.phases[0].start_ns == parse_time("2026-12-31T14:00:00Z")
    limits = site.phases[0].zone_limits[0].limits
    assert {limit.quantity for limit in limits} == {Quantity.DENSITY, Quantity.PEAK}, "no capacity is declared"
    density, peak = ([x for x in limits if x.quantity is each] for each in (Quantity.DENSITY, Quantity.PEAK))
    assert [(x.level, x.raise_at) for x in density] == [
        (Level.WATCH, 2.0),
        (Level.CAUTION, 3.0),
        (Level.ALERT, 4.0),
        (Level.CRITICAL, 5.0),
    ]
    assert [(x.level, x.raise_at) for x in peak] == [(Level.ALERT, 4.0), (Level.CRITICAL, 5.0)]
    # T - max(0.3 p/m2, 8 %)
    assert [limit.clear_below for limit in limits] == pytest.approx([1.7, 2.7, 3.68, 4.6, 3.68, 4.6])
    assert [limit.on_delay_s for limit in limits] == [10, 10, 10, 5, 10, 5]
    assert {limit.off_delay_s for limit in limits} == {30}


@pytest.mark.parametrize(("kind", "raises"), [("standing", [2.5, 3.5, 4.7, 6.0]), ("stairs", [1.5, 2.5, 3.5, 4.5])])
def test_the_kind_of_a_zone_decides_its_default_limits(tmp_path: Path, kind: str, raises: list[float]) -> None:
    event = plain()
    event["zones"][0] |= {"kind": kind, "capacity_persons": 40}
    site = config.to_site(config.load(write(tmp_path, event)))
    assert site.zones[0].kind is ZoneKind(kind)
    limits = site.phases[0].zone_limits[0].limits
    assert [x.raise_at for x in limits if x.quantity is Quantity.DENSITY] == raises
    assert [x.raise_at for x in limits if x.quantity is Quantity.OCCUPANCY] == [0.6, 0.8, 0.9, 1.0]


def test_limits_combine_kind_then_zone_then_phase(tmp_path: Path) -> None:
    event = plain()
    event["limits_by_kind"] = {"moving": {"density_p_m2": {"watch": 1.0, "caution": 1.5}, "off_delay_s": 7}}
    event["zones"][0]["limits"] = {"density_p_m2": {"caution": 1.6}, "clear_density_p_m2": {"caution": 1.5}}
    event["phases"] = [
        {"id": "doors", "kind": "doors", "start_offset_s": 0},
        {
            "id": "egress",
            "kind": "egress",
            "start_time": "2026-12-31T15:00:00Z",
            "limits_by_kind": {"moving": {"density_p_m2": {"critical": "off"}}},
            "limits_by_zone": {"middle": {"density_p_m2": {"caution": 2.5}, "on_delay_s": {"alert": 1}}},
        },
    ]
    doors, egress = config.to_site(config.load(write(tmp_path, event))).phases
    assert egress.start_ns - doors.start_ns == 3600 * 10**9
    assert [x.raise_at for x in doors.zone_limits[0].limits] == [1.0, 1.6, 4.0, 5.0, 4.0, 5.0], "density, then peak"
    assert doors.zone_limits[0].limits[1].clear_below == 1.5
    assert {x.off_delay_s for x in doors.zone_limits[0].limits} == {7}
    assert [x.raise_at for x in egress.zone_limits[0].limits] == [1.0, 2.5, 4.0, 4.0, 5.0], "critical density is off"
    assert egress.zone_limits[0].limits[1].clear_below == pytest.approx(2.2), "a new raise limit clears anew"
    assert [x.on_delay_s for x in egress.zone_limits[0].limits] == [10, 10, 1, 1, 5]


def test_a_log_holds_the_event_file_and_gives_the_same_site(tmp_path: Path) -> None:
    event = plain()
    event["zones"][0]["limits"] = {"density_p_m2": {"watch": "off"}}
    for path in (write(tmp_path, event), PETS):
        loaded = config.load(path)
        again = config.from_json(loaded.model_dump_json())
        assert again == loaded
        assert again.model_dump_json() == loaded.model_dump_json()
        assert config.to_site(again).phases == config.to_site(loaded).phases
        assert config.to_site(again).cameras[0].plane.plane_id == config.to_site(loaded).cameras[0].plane.plane_id
        assert {row[2] for row in config.explain(again) if not row[0].startswith("in_force")} == {"the log"}


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"version": 1}'])
def test_a_spoiled_event_in_a_log_is_an_error_with_a_remedy(text: str) -> None:
    with pytest.raises(ConfigError, match="written by another version"):
        config.from_json(text)


def test_the_example_is_the_calibration_of_the_recording(data_dir: Path) -> None:
    site = config.to_site(config.load(PETS))
    surveyed = read_tsai(data_dir / "pets2009" / "calibration_view_001_tsai.xml")
    assert site.cameras[0].plane.plane_id == surveyed.plane_id
    assert site.cameras[0].sample_interval_s == pytest.approx(1 / 7)
    assert "DEMONSTRATION" in site.labels
    assert "DEMONSTRATION" in site.notice["en"]
    assert "演示" in site.notice["zh"]
    assert all(zone.usable_area_m2 >= 10 for zone in site.zones)


def test_explain_names_an_origin_for_every_value(tmp_path: Path) -> None:
    event = plain()
    event["zones"][0]["limits"] = {"off_delay_s": 9}
    path = write(tmp_path, event)
    rows = {key: (value, origin) for key, value, origin in config.explain(config.load(path))}
    lines = path.read_text(encoding="utf-8").splitlines()
    assert rows["id"] == ("small", f"event.yaml:{lines.index('id: small') + 1}")
    assert rows["zones[middle].usable_area_m2"][1].startswith("calculated from polygon_m")
    assert rows["readings.window_s"] == ("10.0", "default (the default limits are 10 s means)")
    assert rows["start_time"] == ("2026-12-31T14:00:00Z", "calculated from the first frame of the earliest camera")
    off = next(number for number, line in enumerate(lines, start=1) if "off_delay_s" in line)
    assert rows["in_force.event.middle.density_p_m2.watch.off_delay_s"] == ("9", f"event.yaml:{off}")
    assert rows["in_force.event.middle.density_p_m2.watch.raise_at"][1].startswith("default (Still")
    assert rows["in_force.event.middle.density_p_m2.alert.clear_below"][1].startswith("calculated from the raise")
    assert all(origin for _, origin in rows.values())


def test_calibration_files_are_read_and_put_into_the_event(tmp_path: Path, data_dir: Path) -> None:
    event = plain()
    tsai = data_dir / "pets2009" / "calibration_view_001_tsai.xml"
    # relative paths count from the event file
    event["cameras"][0]["calibration"] = {"tsai_file": os.path.relpath(tsai, tmp_path)}
    del event["cameras"][0]["image_size_px"]
    event["site"] = {"walkable_area_m": square(-20.0, -15.0, 25.0)}
    loaded = config.load(write(tmp_path, event))
    assert loaded.cameras[0].calibration.tsai is not None
    assert loaded.cameras[0].calibration.tsai_file is None
    assert config.to_site(loaded).cameras[0].plane.plane_id == read_tsai(tsai).plane_id
    rows = {key: origin for key, _, origin in config.explain(loaded)}
    assert rows["cameras[mast].calibration.tsai.focal_mm"].startswith("read from ")
    assert rows["cameras[mast].image_size_px"] == "calculated from calibration.tsai"


def test_control_points_from_a_file_locate_feet_and_with_a_position_heads(tmp_path: Path) -> None:
    rows = ["name,u_px,v_px,x_m,y_m"]
    # straight down from 10 m at 100 px focal length: 10 px a metre, y up on the ground and down in the picture
    for name, (x, y) in zip("abcde", [(-4, -4), (4, -4), (4, 4), (-4, 4), (1, 2)], strict=True):
        rows.append(f"{name},{50 + 10 * x},{50 - 10 * y},{x},{y}")
    (tmp_path / "points.csv").write_text("\n".join(rows), encoding="utf-8")
    event = plain()
    camera = event["cameras"][0]
    camera["calibration"] = {"points_file": "points.csv"}
    site = config.to_site(config.load(write(tmp_path, event)))
    scale = 10 * np.diag([1.0, -1.0]) @ site.cameras[0].plane.image_to_ground[:2, :2]
    assert scale / site.cameras[0].plane.image_to_ground[2, 2] == pytest.approx(np.eye(2), abs=1e-6)
    camera["anchor"] = "head"
    assert "anchor head is refused" in refused(write(tmp_path, event))
    camera["calibration"]["camera_position_m"] = [0.0, 0.0, 10.0]
    assert config.to_site(config.load(write(tmp_path, event))).cameras[0].anchor is Anchor.HEAD
    camera["calibration"]["camera_position_m"] = [0.0, 0.0, 1.5]
    assert "need more than head_plane_m 1.65" in refused(write(tmp_path, event))


TIMES = [
    ("2026-12-31T23:30:00+08:00", "2026-12-31T15:30:00Z"),
    ("2026-12-31 15:30Z", "2026-12-31T15:30:00Z"),
    ("2026-12-31T15:30:00.123456789Z", "2026-12-31T15:30:00.123456789Z"),
]


@pytest.mark.parametrize(("written", "utc"), TIMES)
def test_times_keep_their_nanoseconds(written: str, utc: str) -> None:
    assert format_time(parse_time(written)) == utc


@pytest.mark.parametrize(
    "written",
    ["2026-12-31T23:30:00", "2026-02-30T00:00:00Z", "1969-12-31T00:00:00Z", "2026-12-31T23:59:60Z", "noon", ""],
)
def test_times_without_their_offset_or_off_the_calendar_are_refused(tmp_path: Path, written: str) -> None:
    event = plain()
    event["cameras"][0]["source"]["start_time"] = written
    assert "cameras[mast].source.start_time: got" in refused(write(tmp_path, event))


def test_unquoted_times_are_times_with_their_offset(tmp_path: Path) -> None:
    path = write(tmp_path, plain())
    text = path.read_text(encoding="utf-8").replace("'2026-12-31T22:00:00+08:00'", "2026-12-31T22:00:00+08:00")
    path.write_text(text, encoding="utf-8")
    assert config.load(path).start_ns == parse_time("2026-12-31T14:00:00Z")
