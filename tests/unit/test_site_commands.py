"""``check`` and ``calibrate``: what somebody reads who sets a site up."""

import json
import re
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import film
from typer.testing import CliRunner

from crowdwatch.commands import terminal
from crowdwatch.commands.cli import app
from crowdwatch.errors import CrowdWatchError

from .test_calibration_files import EXTRINSIC, INTRINSIC, OPENCV_YAML
from .test_config import plain, square, write

CORNERS = [(100, 500, 0, 0), (650, 500, 10, 0), (500, 200, 10, 20), (250, 200, 0, 20), (380, 300, 5, 12)]


def ran(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if isinstance(done.exception, CrowdWatchError):
        raise done.exception
    return f"{done.exit_code}\n{done.output}"


def points_file(folder: Path, size: str = "image_size_px: [768, 576]\n") -> Path:
    rows = "".join(f"  - {{pixel_px: [{u}, {v}], ground_m: [{x}, {y}]}}\n" for u, v, x, y in CORNERS)
    path = folder / "points.yaml"
    path.write_text(f"{size}points:\n{rows}", encoding="utf-8")
    return path


def frame(folder: Path, width: int = 768, height: int = 576) -> Path:
    """A checkerboard of single pixels: nothing of it would be left in a coarsened picture."""
    board = (np.indices((height, width)).sum(axis=0) % 2 * 254).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    cv2.imwrite(str(folder / "frame.png"), board)
    return folder / "frame.png"


def test_the_grid_is_drawn_over_the_clear_frame_for_the_user_alone(tmp_path: Path) -> None:
    saved = tmp_path / "grid.png"
    saved.write_bytes(b"an older picture that everybody could read")
    said = ran("calibrate", points_file(tmp_path), "--picture", frame(tmp_path), "--save", saved)
    assert "5 control points: RMSE" in said
    assert "is clear, not coarsened: people in it can be recognised. It lies in this file alone" in said
    shown = cv2.imread(str(saved))
    middle = shown[350:400, 350:400].astype(int)  # within the grid, between its lines
    beside = np.abs(np.diff(middle[:, :, 1], axis=1))
    assert (beside > 200).mean() > 0.5, "single pixels can still be told apart"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame.png", "grid.png", "points.yaml"]


def test_points_of_another_picture_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the grid is saved by default
    says = r"is 1536 x 1152, but the points were clicked in one of 768 x 576 \(image_size_px of .*points\.yaml\)"
    with pytest.raises(CrowdWatchError, match=says):
        ran("calibrate", points_file(tmp_path), "--picture", frame(tmp_path, 1536, 1152))
    assert "5 control points" in ran("calibrate", points_file(tmp_path, ""), "--picture", frame(tmp_path))


def test_every_key_is_printed_whole_at_any_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, plain())
    monkeypatch.setenv("COLUMNS", "40")
    piped = ran("check", path, "--explain")
    assert re.search(r"in_force\.event\.middle\.density_p_m2\.critical\.raise_at +5  \[default", piped)
    monkeypatch.setattr(terminal.out, "_force_terminal", True)
    monkeypatch.setattr(terminal.out, "_width", 40)
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", ran("check", path, "--explain"))
    keys = "".join(line[:14].strip() for line in narrow.splitlines()[2:])
    assert "in_force.event.middle.density_p_m2.critical.raise_at" in keys, "folded, and nothing of it is lost"
    assert "…" not in narrow


def test_what_was_found_for_programs(tmp_path: Path) -> None:
    code, text = ran("check", write(tmp_path, plain()), "--explain", "--json").split("\n", 1)
    found = json.loads(text)
    assert (code, found["sound"], found["zones"], found["faults"]) == ("0", True, ["middle"], [])
    values = {each["key"]: (each["value"], each["from"]) for each in found["values"]}
    assert values["readings.window_s"] == (10.0, "default (the default limits are 10 s means)")
    assert values["in_force.event.middle.density_p_m2.critical.raise_at"][0] == 5.0
    assert values["site.walkable_area_m"][0][0] == plain()["site"]["walkable_area_m"][0]
    event = plain()
    event["colour"] = "red"
    code, text = ran("check", write(tmp_path, event), "--json").split("\n", 1)
    assert code == "1"
    assert json.loads(text)["sound"] is False
    assert re.fullmatch(r"event\.yaml:\d+: colour: is an unknown key\..*", *json.loads(text)["faults"])


def many_zones(**changed: object) -> list[dict]:
    return [
        {"id": f"z{n}", "kind": "moving", "polygon_m": square(0.1 * n - 2, 0, 2), **changed} for n in range(36)
    ]  # fmt: skip


def test_one_fault_of_36_zones_is_one_line(tmp_path: Path) -> None:
    event = plain()
    event["zones"] = many_zones(colour="red")
    with pytest.raises(CrowdWatchError) as caught:
        ran("check", write(tmp_path, event))
    head, *rows = str(caught.value).splitlines()
    assert "1 fault in the event file" in head
    assert len(rows) == 1
    assert rows[0].startswith(f"event.yaml:{rows[0].split(':')[1]}: zones[z0].colour: is an unknown key.")
    assert rows[0].endswith("The same with 35 more zones: " + ", ".join(f"z{n}" for n in range(1, 36)) + ".")


@pytest.mark.parametrize(
    ("changed", "limits_by_kind", "says"),
    [
        # one line of the file, which 36 zones inherit
        (
            {},
            {"moving": {"density_p_m2": {"watch": 5, "caution": 3}}},
            "caution: zone z0, phase event, density caution",
        ),
        ({"limits": "occupancy_frac: {watch: 0.5}"}, None, "zone z0 has no capacity_persons"),
        ({"limits": "density_p_m2: {watch: 50}"}, None, "zone z0, phase event, density watch: got 50 p/m2"),
    ],
)
def test_one_fault_that_names_its_zone_is_one_line(
    tmp_path: Path, changed: dict, limits_by_kind: dict | None, says: str
) -> None:
    event = plain()
    event["zones"] = many_zones(**changed)
    if limits_by_kind is not None:
        event["limits_by_kind"] = limits_by_kind
    path = write(tmp_path, event)
    path.write_text(path.read_text(encoding="utf-8").replace("limits: '", "limits: {").replace("}'", "}}"))
    with pytest.raises(CrowdWatchError) as caught:
        ran("check", path)
    head, *rows = str(caught.value).splitlines()
    assert "1 fault in the event file" in head
    assert len(rows) == 1
    assert says in rows[0]
    assert rows[0].endswith("The same with 35 more zones: " + ", ".join(f"z{n}" for n in range(1, 36)) + ".")


def test_one_line_that_two_zones_inherit_is_one_fault(tmp_path: Path) -> None:
    event = plain()
    event["zones"] = many_zones()[:2]
    event["limits_by_kind"] = {"moving": {"density_p_m2": {"watch": 5, "caution": 3}}}
    with pytest.raises(CrowdWatchError, match=r"1 fault in the (.|\n)*The same with 1 more zone: z1\.$"):
        ran("check", write(tmp_path, event))


def test_items_without_a_name_of_their_own_are_told_by_their_lines(tmp_path: Path) -> None:
    event = plain()
    event["zones"] = [each | {"id": "same"} for each in many_zones()[:6]]
    with pytest.raises(CrowdWatchError, match=r"rename one\. The same with lines \d+, \d+, \d+, \d+\.$"):
        ran("check", write(tmp_path, event))


def test_one_gap_of_36_zones_is_one_line(tmp_path: Path) -> None:
    event = plain()
    # the camera sees 10 m by 10 m around (0, 0)
    event["site"] = {"walkable_area_m": square(0, 0, 60)}
    event["zones"] = [
        {"id": f"z{n}", "kind": "moving", "polygon_m": square(2 + 0.01 * n, 0, 4)} for n in range(36)
    ]  # fmt: skip
    said = [line for line in ran("check", write(tmp_path, event)).splitlines() if "the cameras see" in line]
    assert len(said) == 1
    assert re.match(r"zones z0, z1, .*z35: the cameras see \d+% to \d+% of each, so they will be degraded\.", said[0])


@pytest.mark.parametrize("intrinsic", [OPENCV_YAML, INTRINSIC], ids=["says its size", "does not"])
def test_intrinsics_of_another_size_than_the_footage(tmp_path: Path, intrinsic: str) -> None:
    """The size is told by the file, else by the centre of the matrix, else by the footage that is opened."""
    event = plain()
    camera = event["cameras"][0]
    (tmp_path / "i.yml").write_text(intrinsic, encoding="utf-8")
    (tmp_path / "e.xml").write_text(EXTRINSIC, encoding="utf-8")
    camera["calibration"] = {"opencv": {"intrinsics_file": "i.yml", "extrinsics_file": "e.xml", "unit_m": 0.01}}
    camera["image_size_px"] = [640, 480]
    said = r"made for pictures of 1920 x 1080" if intrinsic is OPENCV_YAML else r"centre at \(960, 540\) px"
    with pytest.raises(CrowdWatchError, match=said):
        ran("check", write(tmp_path, event))
    film(tmp_path / "gate.mp4")
    camera["source"] = {"file": "gate.mp4", "start_time": "2026-05-01T12:00:00Z"}
    camera["image_size_px"] = [1920, 1080]
    found = ran("check", write(tmp_path, event))
    assert found.startswith("1\n")
    assert re.search(r"pictures are \d+x\d+, the calibration of camera 'mast' is for 1920x1080", found)
    assert "is sound" not in found
