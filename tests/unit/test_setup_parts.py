"""What the set-up page is made of: plans, first guesses, control points in the making, shapes, capacity, files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.calibration.calibrate import from_pose
from crowdwatch.calibration.first_guess import first_guess
from crowdwatch.calibration.plan import by_distance, by_scale, from_geotiff, read_upload, sheet
from crowdwatch.calibration.survey import Mark, as_pairs, from_pairs, placed, tried
from crowdwatch.config import event_files, event_shapes
from crowdwatch.config.capacity import Exit, capacity
from crowdwatch.errors import CalibrationError, ConfigError
from crowdwatch.ground import plane_from_pose, to_ground, to_image

HW = (480, 640)
K = np.array([[520.0, 0, 320], [0, 520.0, 240], [0, 0, 1]])
ROTATION = np.array(
    [[1, 0, 0], [0, -np.sin(0.5), -np.cos(0.5)], [0, np.cos(0.5), -np.sin(0.5)]]
)  # 0.5 rad below the horizontal
PLANE = plane_from_pose(K, ROTATION, -ROTATION @ np.array([0.0, 0.0, 8.0]), image_hw=HW)
GROUND = [(-4.0, 8.0), (4.0, 8.0), (6.0, 20.0), (-6.0, 20.0), (0.0, 13.0), (3.0, 16.0)]


def seen(xy, height_m=0.0):
    return to_image(PLANE, np.array([xy], dtype=float), height_m)[0]


def marks(ground=GROUND):
    return tuple(Mark(f"P{n}", *map(float, seen(xy)), *xy) for n, xy in enumerate(ground, 1))


def test_control_points_tell_their_error_at_every_click():
    trial = tried(marks(), HW, (0.0, 0.0, 8.0))
    assert trial.calibration is not None
    assert trial.rmse_m < 1e-6
    assert np.nanmax(trial.alone_m) < 1e-6
    wrong = (*marks()[:5], marks()[5].at(ground=(3.0, 17.0)))
    assert tried(wrong, HW, None).residual_m[5] > 0.1
    assert np.isnan(tried((*marks(), Mark("half", 3, 4)), HW, None).residual_m[6])
    read = from_pairs(as_pairs(marks()))
    assert [mark.name for mark in read] == [mark.name for mark in marks()]
    assert max(abs(a.u_px - b.u_px) for a, b in zip(read, marks(), strict=True)) <= 0.05, "a tenth of a pixel is kept"
    one, chosen = placed((), None, ground=(1.0, 2.0))
    assert placed(one, chosen, pixel=(5.0, 6.0))[0] == (Mark("P1", 5.0, 6.0, 1.0, 2.0),)


BAD_POINTS = {
    "need at least 4": marks()[:3],
    "lie on a line": marks([(n, 10.0) for n in (-4.0, -2.0, 1.0, 4.0, 5.0)]),
    "mirrored": tuple(mark.at(ground=(mark.north_m, mark.east_m)) for mark in marks()),
    "are the same": (*marks(), marks()[0]),
}


def test_points_that_decide_nothing_are_refused_with_the_reason():
    for says, given in BAD_POINTS.items():
        trial = tried(given, HW, None)
        assert trial.calibration is None, says
        assert says in trial.fault


def test_a_plan_and_its_scale(tmp_path):
    plan = by_distance((600, 800), np.array([[100, 100], [300, 100]]), 10.0, (5.0, -2.0))
    assert plan.metres_per_px == pytest.approx(0.05)
    there = np.array([[7.5, 3.25], [40.0, 20.0]])
    assert np.allclose(plan.ground_m(plan.pixels(there)), there)
    picture, empty = sheet(-20, 0, 20, 30)
    assert np.allclose(empty.ground_m(np.array([[0, picture.shape[0]]])), [[-20, 0]])
    for says, make in {
        "is no picture": lambda: read_upload("x.png", b"<script>"),
        "no picture": lambda: read_upload("cut.png", cv2.imencode(".png", picture)[1].tobytes()[:60]),
        "more than 20000": lambda: read_upload(
            "wide.png", cv2.imencode(".png", np.zeros((1, 20001), "u1"))[1].tobytes()
        ),
        "10": lambda: by_distance((9, 9), np.array([[1, 1], [2, 2]]), 5.0),
        "need > 0": lambda: by_distance((99, 99), np.array([[1, 1], [50, 2]]), -5.0),
        "m a pixel": lambda: by_scale((9, 9), 0.0),
    }.items():
        with pytest.raises(CalibrationError, match=says):
            make()
    assert read_upload("4k.png", cv2.imencode(".png", np.zeros((2160, 3840, 3), "u1"))[1].tobytes()).shape[1] == 3840


def test_an_orthophoto_brings_its_map(tmp_path):
    path = tmp_path / "ortho.tif"
    tags = [
        (33550, "d", 3, (0.25, 0.25, 0.0)),
        (33922, "d", 6, (0.0, 0.0, 0.0, 448000.3, 4418100.0, 0.0)),
        (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32650)),
    ]
    tifffile.imwrite(
        path, np.zeros((80, 100, 3), np.uint8), photometric="rgb", extratags=[(*tag, True) for tag in tags]
    )
    _, plan, crs, origin = from_geotiff("ortho.tif", path.read_bytes(), "local", None)
    assert (crs, origin) == ("EPSG:32650", (448000.0, 4418080.0))
    assert np.allclose(plan.ground_m(np.array([[0, 80]])), [[0.3, 0.0]])
    with pytest.raises(CalibrationError, match="lies on EPSG:32650, the site on EPSG:32651"):
        from_geotiff("ortho.tif", path.read_bytes(), "EPSG:32651", (0.0, 0.0))
    with pytest.raises(CalibrationError, match="no georeference"):
        from_geotiff("plain.png", cv2.imencode(".png", np.zeros((9, 9), "u1"))[1].tobytes(), "local", None)


def test_a_first_guess_without_a_survey():
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])

    def line(a, b):
        return np.array([seen(np.array(a) @ turn.T), seen(np.array(b) @ turn.T)])

    along = [line((-1, 9), (-1, 18)), line((4, 8), (4, 16))]
    across = [line((0, 10), (6, 10)), line((-1, 15), (6, 15))]
    person = [np.array([seen((1, 14)), seen((1, 14), 1.7)])]
    guess = first_guess(HW, along, across, person)
    assert guess.focal_px == pytest.approx(520, rel=1e-6)
    assert guess.height_m == pytest.approx(8, rel=1e-6)
    assert 0.3 < guess.height_sigma_m < 3, "8 cm of stature alone are 0.38 m"
    pose = guess.calibration(HW)["pose"]
    plane = from_pose(K, np.array(pose["rotation"]), np.array(pose["translation_m"]), HW)
    assert plane.camera_centre_m[2] == pytest.approx(8, rel=1e-4)
    assert np.isnan(plane.rmse_m), "an unknown error: readings are DEGRADED"
    turned = to_ground(plane, np.array([seen((0, 10)), seen((3, 14))]))
    assert np.linalg.norm(turned[1] - turned[0]) == pytest.approx(5, rel=1e-3), "metres, whichever way north is"
    straight = [np.array([seen((x, 9)), seen((x, 20))]) for x in (-3, 0.5, 3)]
    alone = first_guess(HW, straight, [], person, view_deg=float(np.degrees(2 * np.arctan(320 / 520))))
    assert alone.height_m == pytest.approx(8, rel=1e-3), "the lens is said, the camera stands upright"
    for says, given in {
        "nobody is drawn": (along, across, []),
        "at least 2 along": (along[:1], [], person),
        "right angles": (along, [*along], person),
        "horizon": (straight, [], [np.array([[320, -100], [320, -120]])]),
    }.items():
        with pytest.raises(CalibrationError, match=says):
            first_guess(HW, *given)


def test_the_error_of_a_first_guess_is_what_it_says():
    """Clicks of 2 px, statures of 8 cm about 1.7 m: the true height is within one standard error two times in three."""
    chance, within = np.random.default_rng(5), []
    for _ in range(40):

        def click(xy, height_m=0.0):
            return seen(xy, height_m) + chance.normal(0, 2, 2)

        along = [np.array([click((x, 8)), click((x, 20))]) for x in (-4.0, 0.0, 4.0)]
        at = (chance.uniform(-2, 2), chance.uniform(11, 16))
        person = [np.array([click(at), click(at, chance.normal(1.7, 0.08))])]
        guess = first_guess(HW, along, [], person, view_deg=float(np.degrees(2 * np.arctan(320 / 520))))
        within.append(abs(guess.height_m - 8) < guess.height_sigma_m)
    assert 0.45 < np.mean(within) < 0.9, "0.68 of a normal distribution; 40 draws of it leave this in 1 of 300"


def values():
    return {"site": {"walkable_area_m": [[0, 0], [20, 0], [20, 10], [0, 10]]}, "zones": [], "gates": []}


def test_shapes_are_drawn_snapped_and_measured():
    made, zone = event_shapes.added(values(), "zone", "北门 <b>", "")
    made, second = event_shapes.added(made, "zone", "北门 <i>", "")
    assert [each["id"] for each in made["zones"]] == ["b", "i"]
    for at in [(1, 1), (5, 1), (5, 5), (1, 5)]:
        ring, _ = event_shapes.corner_placed(event_shapes.corners(made, zone), at)
        made = event_shapes.with_corners(made, zone, ring)
    assert event_shapes.usable_area_m2(made, zone) == 16
    made, stage = event_shapes.added(made, "obstacle")
    made = event_shapes.with_corners(made, stage, [(4, 4), (9, 4), (9, 9), (4, 9)])
    assert event_shapes.usable_area_m2(made, zone) == 15
    assert event_shapes.usable_area_m2(made, ("walkable", 0)) == 175
    crossed = event_shapes.with_corners(made, zone, [(1, 1), (5, 5), (5, 1), (1, 5)])
    assert "crosses itself" in event_shapes.shape_fault(crossed, zone)
    assert "outside" in event_shapes.shape_fault(
        event_shapes.with_corners(made, zone, [(30, 1), (35, 5), (35, 1)]), zone
    )
    assert "50 %" in event_shapes.shape_fault(
        event_shapes.with_corners(made, zone, [(18, 1), (22, 1), (22, 5), (18, 5)]), zone
    )
    assert "crosses itself" in event_shapes.shape_fault(
        event_shapes.with_corners(made, ("walkable", 0), [(0, 0), (9, 9), (9, 0), (0, 9)]), ("walkable", 0)
    )
    assert event_shapes.shapes(event_shapes.removed(made, second)) == [("walkable", 0), ("obstacle", 0), ("zone", 0)]
    history = event_shapes.History(values()).then(made)
    assert history.undo().now == values()
    assert history.undo().redo().now == made


def test_capacity_with_the_largest_exit_closed():
    found = capacity(500, 4.7, [Exit("a", 4.0), Exit("b", 2.0), Exit("steps", 3.0, stairs=True)])
    assert found.holding == 2350
    assert found.leaving == pytest.approx(8 * (2 * 82 + 3 * 66)), "Green Guide: 82 level, 66 stepped, 8 minutes"
    assert (found.people, found.closed) == (2350, "a")
    assert capacity(5000, 4.7, [Exit("a", 4.0), Exit("b", 2.0)]).people == 1312


def test_files_keep_remarks_versions_and_what_somebody_else_saved(tmp_path: Path):
    home = tmp_path / "square"
    home.mkdir()
    (home / "event.yaml").write_text(example("synthetic").read_text(encoding="utf-8"), encoding="utf-8")
    read, stored = event_files.read_event(tmp_path, "square")
    assert event_files.text_of(read, stored) == stored
    assert event_files.event_ids(tmp_path) == ["square"]
    changed = event_files.text_of(event_files.with_limit(read, 0, "watch", 0.35), stored)
    assert [row for row in event_files.difference(stored, changed) if row[0] in "+-"]
    assert all(line in changed for line in stored.splitlines() if line.lstrip().startswith("#"))
    version = event_files.save(tmp_path, "square", changed, "ann <b>\u202e", "2026-12-31T20:00:00Z", stored)
    assert (home / "versions" / version.file).read_text(encoding="utf-8") == changed
    assert config.load(home / "event.yaml").zones[0].limits.density_p_m2["watch"] == 0.35
    assert [each.person for each in event_files.versions(tmp_path, "square")] == ["ann <b>"]
    with pytest.raises(ConfigError, match="somebody else"):
        event_files.save(tmp_path, "square", stored, "bob", "2026-12-31T20:01:00Z", stored)
    broken = json.loads(json.dumps(read))
    broken["zones"][0]["polygon_m"] = [[0, 0], [9, 9], [9, 0], [0, 9]]
    broken["cameras"][0]["sample_hz"] = -1
    _, faults = event_files.checked(tmp_path, "square", event_files.text_of(broken, changed))
    assert len(faults) == 2, "all at once"
    assert all(fault.startswith("event.yaml:") for fault in faults)
    with pytest.raises(ConfigError, match="has faults and was not saved"):
        event_files.save(tmp_path, "square", event_files.text_of(broken, changed), "bob", "x", changed)
    for name in ("../square", "a b", "x" * 65, ""):
        with pytest.raises(ConfigError, match="need a short name"):
            event_files.read_event(tmp_path, name)
    assert sorted(path.name for path in home.iterdir()) == ["event.yaml", "versions"]
