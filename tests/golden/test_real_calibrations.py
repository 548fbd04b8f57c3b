"""Real calibrations against annotations made by others."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import shapely

from crowdwatch.calibration import calibrate
from crowdwatch.calibration.calibrate import ControlPoint
from crowdwatch.ground import distort, inside, position_sigma_m, to_ground, to_image, undistort, valid_px, visible_area

CAMERAS = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")


@pytest.fixture(scope="module")
def pets(data_dir):
    return calibrate.read_tsai(data_dir / "pets2009" / "calibration_view_001_tsai.xml")


@pytest.fixture(scope="module")
def pets_feet(data_dir):
    root = ET.parse(data_dir / "pets2009" / "annotations_s2l1.xml").getroot()
    boxes = [[float(box.get(key)) for key in ("xc", "yc", "h")] for box in root.iter("box")]
    xc, yc, h = np.array(boxes).T
    return np.column_stack([xc, yc + h / 2])


def test_the_pets_camera_stands_where_it_is_known_to(pets):
    # published with two and one decimals
    assert np.allclose(pets.camera_centre_m, [-28.9, -19.5, 7.07], atol=[0.05, 0.05, 0.005])


def test_annotated_feet_of_pets_lie_on_the_walkway(pets, pets_feet):
    assert len(pets_feet) == 4650
    xy = to_ground(pets, pets_feet)
    # known range x -20..7, y -16..7 in whole metres
    assert (xy > [-20.5, -16.5]).all()
    assert (xy < [7.5, 7.5]).all()
    # boxes that end below the last row belong to people cut off by it
    below = pets_feet[:, 1] > 576
    assert (valid_px(pets, pets_feet) == ~below).all()
    assert np.abs(to_image(pets, xy) - pets_feet).max() < 1e-6  # the promise of the lens


def test_points_taken_from_pets_find_its_camera_again(pets, pets_feet):
    rng = np.random.default_rng(0)
    uv = np.array([[60.0, 500], [700, 530], [400, 300], [80, 160], [690, 180], [330, 130], [500, 420], [250, 400]])
    xy = to_ground(pets, uv) + rng.normal(0, 0.03, uv.shape)
    uv = uv + rng.normal(0, 1.0, uv.shape)
    points = [ControlPoint(*p, *x, survey_sigma_m=0.03) for p, x in zip(uv, xy, strict=True)]
    made = calibrate.from_points(
        points, (576, 768), lens=pets.lens, camera_centre_m=pets.camera_centre_m, click_sigma_px=1.0
    )
    assert not made.warnings
    feet = pets_feet[::10]
    valid = valid_px(made.plane, feet)
    apart = np.linalg.norm(to_ground(made.plane, feet) - to_ground(pets, feet), axis=1)[valid]
    sigma = position_sigma_m(made.plane, feet)[valid]
    assert valid.mean() > 0.9
    # sigma also holds 2 px of the detection, which is not in here: it must not be exceeded beyond chance
    assert np.mean(apart > 2 * sigma) < 0.05
    assert np.median(apart) < 0.15


def test_visible_area_of_pets_agrees_with_its_pixels(pets):
    within = shapely.box(-25, -20, 12, 20)
    for height_m in (0.0, 1.65):
        seen = visible_area(pets, height_m, within)
        xy = np.random.default_rng(0).uniform((-25, -20), (12, 20), (5000, 2))
        valid = valid_px(pets, to_image(pets, xy, height_m), height_m)
        differ = valid != inside(seen, xy)
        band = shapely.distance(shapely.points(xy[differ]), seen.boundary) if differ.any() else np.zeros(1)
        assert band.max() < 0.01  # chords of 8 px against the lens's curve
        # 5000 points know an area of half the box to 1.5 %
        assert valid.mean() * within.area == pytest.approx(seen.area, rel=0.04)


@pytest.mark.parametrize("view", range(7), ids=CAMERAS)
def test_annotated_positions_of_wildtrack_meet_its_boxes(data_dir, view):
    folder = data_dir / "wildtrack"
    name = CAMERAS[view]
    plane = calibrate.read_opencv(
        folder / "calibrations" / "intrinsic_zero" / f"intr_{name}.xml",
        folder / "calibrations" / "extrinsic" / f"extr_{name}.xml",
        (1080, 1920),
    )
    xy, boxes = [], []
    for path in sorted((folder / "annotations_positions").glob("*.json"))[::5]:
        for person in json.loads(path.read_text()):
            box = next(item for item in person["views"] if item["viewNum"] == view)
            edges = [box[key] for key in ("xmin", "ymin", "xmax", "ymax")]
            if min(edges[:2]) >= 5 and edges[2] <= 1915 and edges[3] <= 1075:  # whole in the picture
                place = person["positionID"]
                xy.append((-3.0 + 0.025 * (place % 480), -9.0 + 0.025 * (place // 480)))
                boxes.append(edges)
    xy, boxes = np.array(xy), np.array(boxes, dtype=float)
    assert len(xy) > 50
    feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
    height = boxes[:, 3] - boxes[:, 1]
    missed = to_image(plane, xy) - feet
    # boxes are cylinders seen in perspective: their lower edge is the near rim, a little below the centre of the feet
    assert np.percentile(np.abs(missed[:, 1]) / height, 90) < 0.02
    assert np.percentile(np.abs(missed[:, 0]) / height, 90) < 0.12
    apart = np.linalg.norm(to_ground(plane, feet) - xy, axis=1)
    # half a person's width; measured medians 0.07 to 0.16 m
    assert np.median(apart) < 0.20
    assert np.percentile(apart, 90) < 0.35


@pytest.mark.parametrize("name", CAMERAS)
def test_original_lenses_of_wildtrack_close(data_dir, name):
    folder = data_dir / "wildtrack" / "calibrations"
    plane = calibrate.read_opencv(
        folder / "intrinsic_original" / f"intr_{name}.xml", folder / "extrinsic" / f"extr_{name}.xml", (1080, 1920)
    )
    u, v = np.meshgrid(np.linspace(0, 1920, 61), np.linspace(0, 1080, 41))
    uv = np.column_stack([u.ravel(), v.ravel()])
    ideal = undistort(plane.lens, uv)
    known = np.isfinite(ideal).all(axis=1)
    assert known.mean() > 0.99  # extreme corners may fold
    assert np.abs(distort(plane.lens, ideal[known]) - uv[known]).max() < 1e-6  # the promise of the lens
