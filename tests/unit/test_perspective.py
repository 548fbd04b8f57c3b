"""The camera of a photograph from the people in it: height, distances and who is left out."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from crowdwatch.ground import to_ground, to_image
from crowdwatch.sources.synthetic import looking_down
from pipelines.evaluation.perspective import HEAD_M, STATURE_M, fitted_plane, ground_of, statures_px

HW = (768, 1024)


def street(up_m, reach_m, focal_px=1024.0, seed=0):
    """Heads and boxes of 40 people of 1.7 m before a camera that looks at the ground ``reach_m`` ahead; in view."""
    plane = looking_down((0, 0, up_m), (0, reach_m), HW, focal_px)
    rng = np.random.default_rng(seed)
    xy = np.stack([rng.uniform(-8, 8, 400), rng.uniform(1, 3 * reach_m, 400)], axis=1)
    feet, heads, tops = (to_image(plane, xy, height) for height in (0.0, HEAD_M, STATURE_M))
    tall = feet[:, 1] - tops[:, 1]
    boxes = np.stack([feet[:, 0] - tall / 5, tops[:, 1], feet[:, 0] + tall / 5, feet[:, 1]], axis=1)
    whole = (boxes[:, 1] > 5) & (boxes[:, 3] < HW[0] - 5) & (boxes[:, 0] > 0) & (boxes[:, 2] < HW[1])
    chosen = np.flatnonzero(whole)[:40]
    assert len(chosen) == 40
    return plane, xy[chosen], heads[chosen], boxes[chosen]


def spread(plane, heads):
    return pdist(to_ground(plane, heads, HEAD_M))


@pytest.mark.parametrize(("up_m", "reach_m"), [(3.0, 9.0), (5.0, 10.0), (5.0, 7.0), (10.0, 14.0), (20.0, 30.0)])
def test_height_and_distances_are_those_of_the_camera_at_every_tilt(up_m, reach_m):
    """Tilts of 18 to 36 degrees."""
    _, xy, heads, boxes = street(up_m, reach_m)
    plane = fitted_plane(HW, heads, boxes[:, 3] - boxes[:, 1])
    assert plane.camera_centre_m[2] == pytest.approx(up_m, rel=0.02)
    assert spread(plane, heads) == pytest.approx(pdist(xy), rel=0.05)
    assert statures_px(plane, heads) == pytest.approx(boxes[:, 3] - boxes[:, 1], rel=0.02)


def test_a_straight_line_of_statures_is_wrong_for_a_tilted_camera():
    """With stature = a + b row the camera would be 1 / b + 1 statures up: 7 m and more instead of 5."""
    _, _, heads, boxes = street(5.0, 7.0)
    b = np.polyfit(heads[:, 1], boxes[:, 3] - boxes[:, 1], 1)[0]
    assert STATURE_M * (1 / b + 1) > 1.4 * 5.0


@pytest.mark.parametrize("focal", [0.8, 1.25])
def test_a_wrong_focal_length_moves_distances_little(focal):
    """A view of 64 or 44 degrees taken for 53: distances within a tenth in the median, densities within a fifth."""
    _, xy, heads, boxes = street(5.0, 9.0, focal * 1024)
    plane = fitted_plane(HW, heads, boxes[:, 3] - boxes[:, 1])
    assert np.median(spread(plane, heads) / pdist(xy)) == pytest.approx(1.0, abs=0.1)


def test_people_of_different_stature_and_wrong_boxes_do_no_harm():
    rng = np.random.default_rng(3)
    _, xy, heads, boxes = street(6.0, 11.0)
    tall = (boxes[:, 3] - boxes[:, 1]) * rng.normal(1.0, 0.07, len(boxes))
    tall[::6] *= 0.5
    plane = fitted_plane(HW, heads, tall)
    assert np.median(spread(plane, heads) / pdist(xy)) == pytest.approx(1.0, abs=0.1)


def test_boxes_at_the_edge_are_left_out():
    """Somebody whom the lower edge cuts off looks small, and says nothing of the perspective."""
    _, _, heads, boxes = apart(*street(5.0, 9.0))
    true = ground_of(HW, boxes, heads).camera_centre_m[2]
    cut_heads = np.stack([50.0 + 100.0 * np.arange(30) + 20000, np.full(30, HW[0] - 50.0)], axis=1)
    cut = np.column_stack([cut_heads[:, 0] - 15, np.full(30, HW[0] - 65.0), cut_heads[:, 0] + 15, np.full(30, HW[0])])
    both = ground_of(HW, np.vstack([boxes, cut]), np.vstack([heads, cut_heads]))
    assert both.camera_centre_m[2] == pytest.approx(true)


@pytest.mark.parametrize("what", ["few", "nobody", "one row"])
def test_without_evidence_there_is_no_camera(what):
    _, _, heads, boxes = apart(*street(5.0, 9.0))
    if what == "few":
        boxes = boxes[:7]
    elif what == "nobody":
        heads = np.empty((0, 2))
    else:
        boxes[:, [1, 3]] += (300 - heads[:, 1])[:, None]
        heads[:, 1] = 300
    assert ground_of(HW, boxes, heads) is None


@pytest.mark.parametrize("what", ["chance", "upside down", "from the ground"])
def test_statures_that_no_camera_sees_are_refused(what):
    _, _, heads, boxes = street(5.0, 9.0)
    tall = boxes[:, 3] - boxes[:, 1]
    if what == "chance":
        tall = np.random.default_rng(5).uniform(30, 300, len(tall))
    elif what == "upside down":
        tall = tall.max() + tall.min() - tall
    else:
        _, _, heads, boxes = street(2.0, 9.0)
        tall = boxes[:, 3] - boxes[:, 1]
    assert fitted_plane(HW, heads, tall) is None


def apart(plane, xy, heads, boxes):
    """Nobody's box holds another's head: columns are far apart. Rows, which the fit looks at, stay."""
    shift = np.arange(len(heads)) * 400.0 - heads[:, 0]
    boxes[:, [0, 2]] += shift[:, None]
    heads[:, 0] += shift
    return plane, xy, heads, boxes
