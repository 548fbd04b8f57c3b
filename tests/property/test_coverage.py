"""Who counts which ground: once and whole, whatever cameras come and go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import SQUARE, T0, S, camera, fold, see, square, started

from crowdwatch.analytics.coverage import cover, first_cover, view_site
from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.records import Tick
from crowdwatch.errors import ConfigError
from crowdwatch.ground import make_grid, parts_at, polygon, site_ground
from crowdwatch.sources.synthetic import lattice, looking_down

PLACES = {"a": (-9.3, -14, 9), "b": (9.1, -13, 11), "c": (0.4, 18, 8), "d": (-14, 3, 12)}
FOUR = square(cameras=[camera(name, looking_down(place, (0.3, 2.1))) for name, place in PLACES.items()])
VIEW = view_site(FOUR)
NOBODY = first_cover(VIEW)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.frozensets(st.sampled_from("abcd")), min_size=1, max_size=6))
def test_a_change_gives_what_working_it_all_out_anew_gives(sets):
    """What is kept of the moment before is only what the change does not touch."""
    step = NOBODY
    for healthy in sets:
        step = cover(VIEW, step, VIEW.cameras, healthy)
        anew = cover(VIEW, NOBODY, VIEW.cameras, healthy)
        assert step.healthy == healthy == frozenset(step.owned) == frozenset(step.zone_shares)
        assert np.array_equal(step.seen, anew.seen)
        assert np.array_equal(step.px2_m2, anew.px2_m2, equal_nan=True)
        assert np.allclose(step.kernel, anew.kernel, atol=1e-12, equal_nan=True)
        assert np.array_equal(step.visible_frac, anew.visible_frac)
        for camera_id in healthy:
            assert np.array_equal(step.owned[camera_id], anew.owned[camera_id])
            assert np.array_equal(step.zone_shares[camera_id], anew.zone_shares[camera_id])
            assert np.array_equal(step.owned_shares[camera_id], anew.owned_shares[camera_id])


@given(st.frozensets(st.sampled_from("abcd"), min_size=1))
def test_every_part_that_is_seen_has_one_owner(healthy):
    both = cover(VIEW, NOBODY, VIEW.cameras, healthy)
    owners = np.zeros((*VIEW.grid.shape, 16), dtype=int)
    for camera_id in healthy:
        window = VIEW.cameras[camera_id].window
        owners[window.slices] += both.owned[camera_id][:, :, None] >> np.arange(16, dtype=np.uint16) & 1
        assert not (both.owned[camera_id] & ~VIEW.cameras[camera_id].seen).any()
    assert np.array_equal(owners, both.seen[:, :, None] >> np.arange(16, dtype=np.uint16) & 1)


def test_nothing_changes_while_nobody_changes():
    both = cover(VIEW, NOBODY, VIEW.cameras, frozenset("ab"))
    assert cover(VIEW, both, VIEW.cameras, frozenset("ab")) is both


def test_of_two_views_with_equal_errors_the_first_id_counts():
    plane = looking_down((0, -12, 10), (0, 3))
    view = view_site(square(cameras=[camera("two", plane), camera("one", plane)]))
    both = cover(view, first_cover(view), view.cameras, frozenset(view.cameras))
    assert np.array_equal(both.owned["one"], view.cameras["one"].seen)
    assert not both.owned["two"].any()


@pytest.mark.parametrize("cameras", [70, 500])
def test_a_crowd_of_cameras_over_one_spot_counts_everybody_once(cameras):
    """More of them than an integer has bits, and as many as an event file may have."""
    angles = np.linspace(0, 2 * np.pi, cameras, endpoint=False)
    planes = [looking_down((14 * np.sin(at), 3 - 14 * np.cos(at), 9.0), (0, 3)) for at in angles]
    site = square(cameras=[camera(f"c{n:03}", plane) for n, plane in enumerate(planes)])
    crowd = lattice(4.0, -6, -2, 6, 8)
    seen = [see(T0, crowd, camera_id=one.camera_id, seq=0) for one in site.cameras]
    _, (outcome,) = fold(started(site), [*seen, Tick(T0, tuple(one.stamp.id for one in seen))])
    assert outcome.readings[0].count == 192
    assert outcome.readings[0].visible_frac == 1.0


@pytest.mark.parametrize("side_m", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("at_m", [(1.0, 1.0), (1.12, 2.31)])
def test_a_zone_smaller_than_a_cell_is_read(side_m, at_m):
    east, north = at_m
    zone = [[east, north], [east + side_m, north], [east + side_m, north + side_m], [east, north + side_m]]
    middle = np.array([[east + side_m / 2, north + side_m / 2], [east - 0.02, north], [east + side_m + 0.02, north]])
    seen = see(T0, middle, seq=0)
    _, (outcome,) = fold(
        started(square(zone=zone, area_m2=side_m**2, capacity=None)), [seen, Tick(T0, (seen.stamp.id,))]
    )
    (reading,) = outcome.readings
    assert reading.count == 1
    assert reading.visible_frac == pytest.approx(1.0)
    assert reading.density_p_m2 == pytest.approx(1 / side_m**2)


def test_a_zone_that_no_view_reaches_is_never_read():
    far = [[-6, 500], [6, 500], [6, 510], [-6, 510]]
    site = square(zone=far, walkable=[[-6, -2], [6, -2], [6, 510], [-6, 510]], area_m2=120.0)
    seen = see(T0, lattice(1.0, -6, -2, 6, 8), seq=0)
    _, (outcome,) = fold(started(site), [seen, Tick(T0, (seen.stamp.id,))])
    (reading,) = outcome.readings
    assert (reading.quality, reading.level, reading.age_s) == (Quality.BLIND, Level.UNKNOWN, np.inf)
    assert np.isnan(reading.count)


def test_only_ground_that_is_reached_is_gridded():
    """A walkable area of 3 x 3 km of which one camera and one zone reach a corner."""
    site = square(walkable=[[-1500, -1500], [1500, -1500], [1500, 1500], [-1500, 1500]])
    grid = site_ground(site).grid
    assert grid.shape[0] * grid.shape[1] < 100_000
    crowd = lattice(4.0, -6, -2, 6, 8)
    seen = see(T0, crowd, seq=0)
    _, (outcome,) = fold(started(site), [seen, Tick(T0, (seen.stamp.id,))])
    assert outcome.readings[0].count == 192


def test_ground_that_is_too_large_is_refused_with_the_number_of_cells_and_the_remedy():
    vast = polygon([[0, 0], [3000, 0], [3000, 3000], [0, 3000]])
    with pytest.raises(ConfigError, match=r"3000 x 3000 m, which is 36,000,000 cells of 0.5 m.*cell_m: 1\.1"):
        make_grid(vast, 0.5)
    assert make_grid(vast, 1.1).shape == (2728, 2728)


def test_memory_does_not_grow_with_changes_of_health():
    """Nothing is kept by the sets of cameras that were healthy: 15 of them come and go here."""
    state = started(FOUR)
    held = []
    for second in range(200):
        t_ns = T0 + second * S
        speaking = [name for bit, name in enumerate("abcd") if second // 8 >> bit & 1]
        seen = [see(t_ns, lattice(1.0, -6, -2, 6, 8), camera_id=name) for name in speaking]
        state, _ = fold(state, [*seen, Tick(t_ns, tuple(one.stamp.id for one in seen))])
        assert state.coverage is not None
        sizes = [array.nbytes for array in (*state.coverage.owned.values(), *state.coverage.zone_shares.values())]
        held.append((len(sizes), sum(sizes)))
        assert len(state.fields) <= 10
    assert max(held[:100]) == max(held[100:])


def test_people_at_the_edge_of_the_grid_have_a_cell():
    grid = make_grid(polygon(SQUARE), 0.5)
    cell, bit = parts_at(grid, np.array([[-6.0, -2.0], [6.0, 8.0], [6.001, 8.0], [np.nan, 0.0]]))
    assert cell.tolist() == [0, grid.shape[0] * grid.shape[1] - 1, -1, -1]
    assert bit.tolist() == [1, 1 << 15, 0, 0]


def test_a_factor_of_a_camera_belongs_to_its_own_ground():
    """Two cameras meet; the one that reads too low counts its part times two."""
    plane = looking_down((0, -12, 10), (0, 3))
    left, right = ([[-9, -5], [0, -5], [0, 11], [-9, 11]], [[0, -5], [9, -5], [9, 11], [0, 11]])
    cameras = [
        camera(name, replace(plane, hull_m=np.array(hull), hull_reach=1.0))
        for name, hull in (("left", left), ("right", right))
    ]
    view = view_site(square(cameras=cameras))
    both = cover(view, first_cover(view), view.cameras, frozenset(view.cameras))
    east, _ = view.grid.centres()
    for name, side in (("left", east < 0), ("right", east > 0)):
        whole = np.zeros(view.grid.shape, dtype=np.uint16)
        whole[view.cameras[name].window.slices] = both.owned[name]
        assert whole[:, side].any()
        assert not whole[:, ~side].any()


@pytest.mark.parametrize("shift_m", [0.0, 0.03, 0.06, 0.09])
def test_whoever_stands_on_the_very_edge_of_a_view_is_counted(shift_m):
    """Boxes cut off by the picture's edge have their feet on it; the parts of cells there may be seen or not."""
    edge = 2.0 + shift_m
    hull = np.array([[-6.0, -2.0], [6.0, -2.0], [6.0, edge], [-6.0, edge]])
    plane = replace(looking_down((0, -12, 10), (0, 3)), hull_m=hull, hull_reach=1.0)
    people = np.column_stack([np.linspace(-3, 3, 7), np.full(7, edge)])
    beyond = people + np.array([0.0, 0.01])
    seen = see(T0, np.concatenate([people, beyond]), seq=0)
    _, (outcome,) = fold(started(square(cameras=[camera(plane=plane)])), [seen, Tick(T0, (seen.stamp.id,))])
    assert outcome.readings[0].count == 7
