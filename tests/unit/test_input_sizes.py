"""``image_px: auto``: how tall people look decides the detector's input, and who counts."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from pydantic import ValidationError
from scenes import camera, square

from crowdwatch import config
from crowdwatch.analytics.coverage import view_camera, view_site
from crowdwatch.analytics.handover import heads_of
from crowdwatch.assets.examples import example
from crowdwatch.config.heights import expected_recall, zone_heights
from crowdwatch.config.input_sizes import chosen_px, watched_statures_px
from crowdwatch.config.programs import DetectorSettings
from crowdwatch.core.records import GroundMass, Stamp
from crowdwatch.core.site import HandOver
from crowdwatch.drivers import build
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.ground import plane_from_pose, statures_px
from crowdwatch.sources.synthetic import looking_down

from .test_site_commands import ran

AUTO = DetectorSettings(image_px="auto")
UP_M, FOCAL_PX, HW = 10.0, 2000.0, (1080, 1920)


def level(up_m=UP_M):
    """A camera that looks north along the horizon: somebody d metres away is 1.7 f / d pixels tall."""
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    matrix = np.array([[FOCAL_PX, 0, HW[1] / 2], [0, FOCAL_PX, 100], [0, 0, 1]])
    return plane_from_pose(matrix, rotation, rotation @ [0, 0, -up_m], image_hw=HW, max_sigma_m=50)


def ground(near_m, far_m):
    return shapely.box(-2, near_m, 2, far_m)


def event_of(**detector):
    event = config.load(example("pets2009"))
    return config.EventFile.model_validate({**event.model_dump(mode="json"), "detector": detector})


def test_people_of_a_known_distance():
    tall = watched_statures_px(level(), ground(25, 50))
    assert tall[0] == pytest.approx(1.7 * FOCAL_PX / 50, rel=0.02)
    assert tall[-1] == pytest.approx(1.7 * FOCAL_PX / 25, rel=0.02)
    assert len(watched_statures_px(level(), ground(-50, -25))) == 0
    assert np.isnan(statures_px(replace(level(), camera_centre_m=None), np.array([[0.0, 30.0]]))).all()


@pytest.mark.parametrize(("near", "far", "px"), [(24, 26, 960), (30, 33, 1216), (18, 20, 736), (12, 14, 640)])
def test_the_smallest_size_that_shows_them_tall_enough(near, far, px):
    chosen = chosen_px(AUTO, level(5.0), ground(near, far))
    at = far - 0.05 * (far - near)
    needed = max(1920 * 64 / (1.7 * FOCAL_PX / at), 640)
    assert chosen == px == pytest.approx(math.ceil(needed / 32) * 32, abs=32)  # a step of the lattice either way


def test_the_budget_the_picture_and_what_is_not_known_bound_it():
    assert chosen_px(AUTO, level(), ground(60, 100)) == 1280
    assert chosen_px(DetectorSettings(image_px="auto", image_px_most=1600), level(), ground(60, 100)) == 1600
    assert chosen_px(DetectorSettings(image_px="auto", image_px_most=4096), level(), ground(60, 100)) == 1920
    assert chosen_px(AUTO, level(), ground(-60, -20)) == 640  # none of it is seen
    assert chosen_px(AUTO, None, ground(20, 30)) == 1280  # a camera that moves
    assert chosen_px(AUTO, replace(level(), camera_centre_m=None), ground(20, 30)) == 1280
    assert chosen_px(DetectorSettings(image_px=960), level(), ground(60, 100)) is None
    assert chosen_px(DetectorSettings(), level(), ground(60, 100)) is None


def test_each_camera_has_a_detector_of_its_own_size(monkeypatch):
    asked = []
    monkeypatch.setattr(build.detectors, "load", lambda *_, image_px, **__: asked.append(image_px) or image_px)
    event = event_of(image_px="auto")
    site = config.to_site(event)
    models = build.Models(event, site)
    cameras = [replace(site.cameras[0], image_px=px) for px in (768, 1280, 768)]
    assert [models.detector(one) for one in cameras] == [768, 1280, 768]
    assert asked == [768, 1280]
    assert build.Models(event_of(), site).detector(replace(cameras[0], image_px=None)) is None
    assert build.Models(event_of(image_px=960), site).detector(replace(cameras[0], image_px=None)) == 960


def test_tiles_have_a_size_of_their_own():
    with pytest.raises(ValidationError, match="leave tiles out"):
        event_of(image_px="auto", tiles={"tile_px": 640})
    for wrong in (641, 32, 5000, True, "large", 640.0):
        with pytest.raises(ValidationError, match="need a multiple of 32 from 64 to 4096, or auto"):
            event_of(image_px=wrong)
    again = config.from_json(event_of(image_px="auto").model_dump_json())
    assert again.detector.image_px == "auto"


def weights(image_px, rho_p_m2):
    """The hand-over's weight, south to north, where people stand ``rho_p_m2`` dense everywhere."""
    plane = level()
    strip = [[-2.0, 20.0], [2.0, 20.0], [2.0, 60.0], [-2.0, 60.0]]
    site = square(cameras=(camera("c", plane),), zone=strip, walkable=strip, area_m2=160.0)
    view = view_site(site)
    seen = view_camera(view, replace(camera("c", plane), image_px=image_px), plane)
    grid = view.grid
    mass = np.full(grid.shape, rho_p_m2 * grid.cell_m**2)
    given = GroundMass(Stamp("c", 0, 0), grid.origin_m, grid.cell_m, mass, 0.0, 0.0, "n")
    heads = heads_of(seen, given, grid, 1.0, HandOver())
    column = int((0.0 - grid.origin_m[0]) / grid.cell_m) - seen.window.col
    north = grid.centres(seen.window)[1]
    return north, np.where(seen.heads_share[:, column] > 0.9, heads.weight[:, column], np.nan)


def test_a_drone_that_looks_past_the_site_sees_none_of_it():
    away = looking_down((300.0, 300.0, 30.0), (340.0, 340.0))
    drone = replace(camera("d", away), image_px=1280)
    seen = view_camera(view_site(square()), drone, away)
    assert not seen.window
    assert seen.unboxed.shape == seen.window.shape


def test_ground_where_people_look_too_small_is_left_to_the_density_map():
    """At 1280 px people look 64 px tall at 35 m; beyond, the density map counts however thinly they stand."""
    limit_m = 1.7 * FOCAL_PX * (1280 / 1920) / 64
    for rho, near_weight in ((0.05, 0.0), (5.0, 1.0)):
        north, weight = weights(1280, rho)
        known = ~np.isnan(weight)
        near, far = known & (north < limit_m - 0.5), known & (north > limit_m + 0.5)
        assert near.sum() > 10
        assert far.sum() > 10
        assert (weight[far] == 1).all()
        assert (weight[near] == near_weight).all()
    north, weight = weights(None, 0.05)
    assert np.nanmax(weight) == 0


def test_check_says_how_tall_people_look_and_what_is_to_be_expected(tmp_path):
    """On the shipped example: 640 px by default, and what auto would choose."""
    event = event_of(image_px="auto")
    (junction, *_) = zone_heights(event, config.to_site(event))
    assert (junction.zone_id, junction.camera_id, junction.image_px) == ("junction", "view-001", 768)
    assert 64 < junction.low_px < junction.high_px < 100
    assert junction.recall == expected_recall(junction.low_px) == (0.9, 0.2)
    assert junction.left_frac == 0
    told = json.loads(ran("check", example("pets2009"), "--json").split("\n", 1)[1])
    assert [row["zone"] for row in told["heights"]] == ["junction", "west-path", "east-road"]
    assert {row["image_px"] for row in told["heights"]} == {640}
    assert told["heights"][0]["low_px"] == pytest.approx(junction.low_px * 640 / 768, abs=0.1)
    assert all(row["left_to_density_map_frac"] == 0 for row in told["heights"])
    path = tmp_path / "auto.yaml"
    path.write_text(
        example("pets2009").read_text(encoding="utf-8") + "\ndetector: {image_px: auto}\n", encoding="utf-8"
    )
    said = ran("check", path, "--explain")
    assert re.search(r"junction +view-001 +768 +\d+ to \d+ +0.9 +0.2 +0%", said)
    row = next(line for line in said.splitlines() if line.startswith("in_force.detector.image_px.view-001"))
    assert "768" in row
    assert "calculated from the calibration and the zones" in row


def test_a_log_that_is_read_again_keeps_how_large_people_were_seen():
    """With another event file too: its pictures are not looked at again."""
    logged = event_of(image_px="auto", image_px_most=960).model_dump_json()
    again = RunConfiguration.for_log(event_of(image_px=1280, score_floor=0.1), logged).event.detector
    assert (again.image_px, again.image_px_most, again.score_floor) == ("auto", 960, 0.1)
