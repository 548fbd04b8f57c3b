"""Recall by height and density: who is counted as standing there, how close, and how far a number falls."""

import numpy as np
import pytest

from crowdwatch.core.records import Anchor, HeadMass, Stamp
from crowdwatch.ground import inside, to_image, visible_area
from crowdwatch.sources.synthetic import lattice, looking_down
from pipelines.evaluation.perspective import HEAD_M
from pipelines.evaluation.recall import AnnotatedHeads, by_density, densities, matched, of_height, standing, worst_fall

PLANE = looking_down((0, -6, 6.0), (0, 3), (768, 1024), 1024.0)


def test_only_people_whose_feet_are_in_the_picture_stand_there():
    """The ground under a head near the lower edge is not seen: no box can be put there, and no density map counts."""
    xy = np.array([[0.0, 3.0], [0.0, -2.0]])
    heads = to_image(PLANE, xy, HEAD_M)
    feet = to_image(PLANE, xy)
    assert (heads[:, 1] < 768).all()
    assert feet[1, 1] > 768
    here, placed = standing(PLANE, heads)
    assert here.tolist() == [True, False]
    assert placed == pytest.approx(xy, abs=0.2)  # the test's plane takes heads to be 1.65 m up


def test_a_density_is_what_the_hand_over_reads():
    """Somebody alone reads the kernel's own height, an even crowd its density up to the edge of what is seen."""
    alone, _ = densities(PLANE, np.array([[0.25, 3.25]]))
    assert alone == pytest.approx([1 / (2 * np.pi)], rel=0.01)
    seen = visible_area(PLANE)
    crowd = lattice(2.0, *(-20, -5, 20, 40))
    crowd = crowd[inside(seen, crowd)]
    near = (crowd[:, 1] < 6) & (np.abs(crowd[:, 0]) < 5)
    read, _ = densities(PLANE, crowd)
    assert np.median(read[near]) == pytest.approx(2.0, rel=0.01)
    assert read[near] == pytest.approx(2.0, rel=0.15)  # at the edge, where the lattice's own rows begin somewhere


def test_density_map_is_set_beside_the_truth():
    xy = lattice(1.0, -2, 2, 2, 6)
    heads = to_image(PLANE, xy, PLANE.head_plane_m)
    blocks = np.zeros((96, 128))
    np.add.at(blocks, tuple((heads[:, ::-1] // 8).astype(int).T), 1.0)
    true, mass = densities(PLANE, xy, HeadMass(Stamp("c", 0, 0), blocks, 8.0, (768, 1024), "n"))
    assert mass == pytest.approx(true, rel=0.15)
    assert np.isnan(densities(PLANE, xy)[1]).all()


def test_a_box_claims_one_head():
    heads = np.array([[50.0, 20.0], [54.0, 24.0], [50.0, 90.0]])
    assert matched(heads, np.array([[30.0, 10.0, 70.0, 110.0]]), Anchor.FEET).tolist() == [True, False, False]


def heads_of(density, boxed, tall_px):
    return AnnotatedHeads(np.array(density), np.array(boxed), np.array(tall_px), np.full(len(density), np.nan))


def test_heights_are_told_apart():
    """Far people stand closer and are missed for being small: one table of both would say that closeness does it."""
    near, far = ([0.3] * 30, [True] * 30, [150.0] * 30), ([0.9] * 30, [False] * 30, [50.0] * 30)
    both = heads_of(*(a + b for a, b in zip(near, far, strict=True)))
    assert [row["recall"] for row in by_density(both)] == [1.0, 0.0]
    assert [row["recall"] for row in of_height(both, 128, 1000)["densities"]] == [1.0]
    tall = of_height(both, 128, 1000)["worst_fall_by_band_and_counter_share"]
    assert tall["0.75 to 1.5"]["1"] == 0.0
    assert worst_fall(by_density(both), (0.75, 1.5), 1.0) > 0.5
    assert of_height(both, 64, 90) == {
        "from_px": 64, "to_px": 90, "densities": [], "worst_fall_by_band_and_counter_share": {},
    }  # fmt: skip


def test_few_heads_tell_no_recall():
    assert by_density(heads_of([0.3] * 19, [True] * 19, [100.0] * 19)) == []
