"""What must hold of density for any crowd."""

import math

import numpy as np
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crowdwatch.analytics.density import area_share, smooth
from crowdwatch.ground import make_grid

PEOPLE = arrays(np.float64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.floats(-5, 5))
ROOM = shapely.box(-6, -6, 6, 6)
GRID = make_grid(ROOM, 1.0)
SHARE = area_share(GRID, ROOM, 1.0)


@given(PEOPLE, st.randoms(use_true_random=False))
def test_order_of_people_is_irrelevant(xy, random):
    order = list(range(len(xy)))
    random.shuffle(order)
    # sums in another order: rounding only
    assert np.allclose(smooth(GRID, xy, SHARE, 1.0), smooth(GRID, xy[order], SHARE, 1.0), atol=1e-12, equal_nan=True)


@given(PEOPLE, st.integers(-40, 40), st.integers(-40, 40))
def test_moving_everything_changes_nothing(xy, east, north):
    # who stands within rounding of a cell's edge may be in either cell, and the kernel is cut off a cell further
    assume(all(each == round(each) or abs(each - round(each)) > 1e-9 for each in np.ravel(xy)))
    shift = np.array([east, north], float)
    moved = make_grid(shapely.box(-6 + east, -6 + north, 6 + east, 6 + north), 1.0)
    assert np.allclose(smooth(GRID, xy, SHARE, 1.0), smooth(moved, xy + shift, SHARE, 1.0), atol=1e-9, equal_nan=True)


@given(PEOPLE)
@settings(max_examples=30)
def test_a_world_twice_as_large_has_a_quarter_of_the_density(xy):
    big = shapely.box(-12, -12, 12, 12)
    grid = make_grid(big, 2.0)
    share = area_share(grid, big, 2.0)
    assert np.allclose(smooth(grid, xy * 2, share, 2.0), smooth(GRID, xy, SHARE, 1.0) / 4, atol=1e-9, equal_nan=True)


@given(PEOPLE)
def test_one_more_person_never_lowers_any_cell(xy):
    more = np.concatenate([xy, [[1.0, 1.0]]])
    before, after = smooth(GRID, xy, SHARE, 1.0), smooth(GRID, more, SHARE, 1.0)
    assert (after >= before - 1e-12).all()
    assert after.max() >= math.exp(-0.5) / (2 * math.pi)
