"""Along the edges of what is seen: the density map of a cell that is cut stands on the seen part of it, once and whole.

A perfect model: the crowd is uniform and its mass is worked out here, so a zone's density must be the crowd's whatever
cuts the cells. What is left comes from blocks of 8 px, half a metre and more on the ground, that lie across an edge.
"""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from scenes import SQUARE, T0, camera, fold, see, square, started

from crowdwatch.analytics.coverage import cover, first_cover, view_site
from crowdwatch.core.outcomes import Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Anchor, HeadMass, Stamp, Tick
from crowdwatch.core.site import Bias
from crowdwatch.drivers.hand_count import people_found
from crowdwatch.ground import ground_seen, inside, polygon, site_ground, to_image
from crowdwatch.observation.projection import project_to_ground
from crowdwatch.sources.synthetic import looking_down

RHO = 4.0
WIDE = [[-20.2, -15.3], [20.2, -15.3], [20.2, 20.2], [-20.2, 20.2]]
FINE_M = 0.04
NOBODY = np.empty((0, 2))


def crowd(plane, walkable, camera_id="c", block_px=8.0):
    """Density map of a uniform crowd of 4 p/m2 on all of the walkable ground, as far as heads are in the picture."""
    (west, south), (east, north) = np.min(walkable, axis=0), np.max(walkable, axis=0)
    x, y = np.meshgrid(np.arange(west + FINE_M / 2, east, FINE_M), np.arange(south + FINE_M / 2, north, FINE_M))
    people = np.stack([x.ravel(), y.ravel()], axis=1)
    people = people[inside(polygon(walkable), people)]
    uv = to_image(plane, people, plane.head_plane_m)
    height, width = plane.image_hw
    block = (uv[((uv >= 0) & (uv < (width, height))).all(axis=1)] / block_px).astype(int)
    mass = np.zeros((int(height / block_px), int(width / block_px)))
    np.add.at(mass, (block[:, 1], block[:, 0]), RHO * FINE_M**2)
    return HeadMass(Stamp(camera_id, 0, T0), mass, block_px, plane.image_hw, "n")


def site_of(cameras, walkable, zone):
    return square(
        cameras=cameras,
        walkable=walkable,
        zone=zone,
        area_m2=polygon(zone).intersection(polygon(walkable)).area,
    )


def masses_of(site):
    ground = site_ground(site)
    return [project_to_ground(crowd(c.plane, site.walkable_m, c.camera_id), c.plane, ground) for c in site.cameras]


def read(site, masses=None):
    """What all cameras together read of that crowd, with no boxes at all."""
    seen = [
        replace(see(T0, NOBODY, camera_id=mass.stamp.camera_id, seq=0), mass=mass) for mass in masses or masses_of(site)
    ]
    _, outcomes = fold(started(site), [*seen, Tick(T0, tuple(one.stamp.id for one in seen))])
    return outcomes[0]


@pytest.mark.parametrize("anchor", [Anchor.HEAD, Anchor.FEET])
@pytest.mark.parametrize("mast_m", [6.0, 10.0, 20.0])
@pytest.mark.parametrize("zone", [WIDE, [[4, -2], [12, -2], [12, 6], [4, 6]]], ids=["everything", "one side"])
def test_a_view_s_edge_loses_nobody(mast_m, anchor, zone):
    """Cells cut by the view's edge were counted by the square of their share: 0.972 of the truth. With feet as anchors
    ground whose heads are above the picture's edge was taken for seen and empty besides: 0.887 of the truth."""
    plane = looking_down((0, -12, mast_m), (0, 3))
    outcome = read(site_of([camera(plane=plane, anchor=anchor)], WIDE, zone))
    reading = outcome.readings[0]
    assert reading.visible_frac < 0.995  # the view's edge runs through the zone
    assert reading.density_p_m2 == pytest.approx(RHO, rel=0.01)
    # on the map nothing falls off or piles up along the edge: a fifth is what blocks across the edge leave
    known = outcome.grid.rho_p_m2[np.isfinite(outcome.grid.rho_p_m2)]
    assert known.min() > 0.8 * RHO
    assert known.max() < 1.05 * RHO


@pytest.mark.parametrize("shift_m", [0.0, 0.1, 0.25, 0.4])
def test_a_wall_through_cells_loses_nobody(shift_m):
    """Nobody stands beyond it, so that what is in the cell is on this side: 0.953 of the truth before."""
    walls = (np.array(SQUARE) + np.sign(SQUARE) * shift_m).tolist()
    site = site_of([camera(plane=looking_down((0, -15, 10), (0, 3)))], walls, walls)
    assert read(site).readings[0].density_p_m2 == pytest.approx(RHO, rel=0.01)


def halves(at_m):
    """Two cameras, each calibrated up to a line that runs north at ``at_m`` east."""
    plane = looking_down((0, -16, 12), (0, 3))
    hulls = {"a": [[-9, -5], [at_m, -5], [at_m, 11], [-9, 11]], "b": [[at_m, -5], [9, -5], [9, 11], [at_m, 11]]}
    return [camera(name, replace(plane, hull_m=np.array(hull), hull_reach=1.0)) for name, hull in hulls.items()]


@pytest.mark.parametrize("at_m", [0.1, 0.25, 0.4])
def test_two_views_that_meet_within_cells_count_as_if_they_met_between_them(at_m):
    """0.937 of that when they met in the middle of cells, in a zone of four metres."""
    zone = [[-2, 0], [2, 0], [2, 6], [-2, 6]]
    between, within = (read(site_of(halves(x), SQUARE, zone)).readings[0] for x in (0.0, at_m))
    assert within.count == pytest.approx(between.count, rel=0.002)
    assert within.visible_frac == pytest.approx(1.0)
    assert within.density_p_m2 == pytest.approx(RHO, rel=0.01)


@pytest.mark.parametrize("shift_m", [0.0, 0.1, 0.25, 0.4])
def test_a_zone_s_edge_through_cells_takes_its_own_part(shift_m):
    zone = (np.array([[-4, 0], [4, 0], [4, 6], [-4, 6]]) + shift_m).tolist()
    site = site_of([camera(plane=looking_down((0, -16, 12), (0, 3)))], SQUARE, zone)
    assert read(site).readings[0].density_p_m2 == pytest.approx(RHO, rel=0.01)


def test_zones_and_cameras_share_the_mass_out():
    """Zones that tile the ground and cameras that overlap: the parts of a cell's mass add up to it, and to no more."""
    cut = 0.13
    zones = [[[-6, -2], [cut, -2], [cut, 8], [-6, 8]], [[cut, -2], [6, -2], [6, 8], [cut, 8]]]
    planes = {"a": looking_down((-9.3, -14, 9), (-1, 2)), "b": looking_down((9.1, -13, 11), (1.3, 2.7))}
    site = site_of([camera(name, plane) for name, plane in planes.items()], SQUARE, zones[0])
    one = site.zones[0]
    site = replace(site, zones=tuple(replace(one, zone_id=f"z{n}", polygon_m=np.array(z)) for n, z in enumerate(zones)))
    view = view_site(site)
    nobody = first_cover(view)
    covers = {who: cover(view, nobody, view.cameras, frozenset(who)) for who in ("a", "b", "ab")}
    both = covers["ab"]
    for name in planes:
        camera_view = view.cameras[name]
        by_zone = np.bincount(camera_view.cells, both.zone_shares[name], camera_view.seen.size)
        owned = both.owned_shares[name]
        assert by_zone.reshape(owned.shape) == pytest.approx(owned, abs=1e-9)
        assert owned.min() >= 0
        assert owned.max() <= 1 + 1e-9
        assert (owned <= covers[name].owned_shares[name] + 1e-9).all()
    # ground that both see is counted by one of them: each one's share of its own cell, put back into square metres
    area = (
        sum((both.owned_shares[name] * view.cameras[name].heads_share).sum() for name in planes) * view.grid.cell_m**2
    )
    walkable = polygon(site.walkable_m)
    union = shapely.union_all([ground_seen(plane, Anchor.FEET, True, walkable)[0] for plane in planes.values()])
    # cells of which less than a hundredth is seen are left out, and the edge of a view runs between parts of cells
    assert area == pytest.approx(union.area, rel=2e-3)
    assert np.bitwise_count(both.owned["a"]).sum() + np.bitwise_count(both.owned["b"]).sum() == (
        np.bitwise_count(both.seen).sum()
    )


def test_ground_whose_heads_are_cut_off_is_not_seen_when_a_counter_counts():
    plane = looking_down((0, -12, 6), (0, 3))
    walkable = polygon(WIDE)
    for counts in (True, False):
        one = replace(camera(plane=plane), counts_heads=counts)
        site = site_of([one], WIDE, WIDE)
        view = view_site(site)
        seen, heads = ground_seen(plane, Anchor.FEET, counts, walkable)
        alone = cover(view, first_cover(view), view.cameras, frozenset("c"))
        # the masks know an edge to half a part of a cell, 0.06 m, and are off to either side of it
        assert alone.visible_frac[0] == pytest.approx(seen.area / walkable.area, rel=2e-3)
        heads_m2 = view.cameras["c"].heads_share.sum() * view.grid.cell_m**2
        assert heads_m2 == pytest.approx(heads.area if counts else 0.0, rel=2e-3)


def test_a_camera_left_to_boxes_ignores_density_map_of_a_log():
    one = camera(plane=looking_down((0, -16, 12), (0, 3)))
    site = site_of([one], SQUARE, SQUARE)
    masses = masses_of(site)
    reading = read(replace(site, cameras=(replace(one, counts_heads=False),)), masses).readings[0]
    assert reading.count == 0
    assert read(site, masses).readings[0].count > 400


@pytest.mark.parametrize("anchor", [Anchor.HEAD, Anchor.FEET])
def test_a_hand_count_of_a_cut_view_is_compared_with_what_zones_count(anchor):
    one = camera(plane=looking_down((0, -12, 10), (0, 3)), anchor=anchor)
    site = site_of([one], WIDE, WIDE)
    (mass,) = masses_of(site)
    found = people_found(site, one, replace(see(T0, NOBODY, seq=0), mass=mass), mass)
    assert found == pytest.approx(read(site, [mass]).readings[0].count, rel=1e-9)


def test_the_rest_of_a_reading_uses_the_same_shares():
    """A detector that is full costs nothing where heads count; a factor scales what is counted."""
    one = camera(plane=looking_down((0, -12, 10), (0, 3)))
    zone = [[4, -2], [10, -2], [10, 6], [4, 6]]
    site = site_of([one], WIDE, zone)
    (mass,) = masses_of(site)
    full = replace(see(T0, NOBODY, seq=0, saturated=True), mass=mass)
    reading = fold(started(site), [full, Tick(T0, (full.stamp.id,))])[1][0].readings[0]
    assert reading.quality is Quality.DEGRADED
    said = (Reason.of(Code.PARTLY_SEEN, visible_frac=reading.visible_frac),)
    assert reading.reasons == said, "and nothing of the limit"
    assert reading.count_high > reading.count / reading.visible_frac  # up to the unseen ground, as dense as the seen
    scaled = read(replace(site, cameras=(replace(one, bias=Bias(1.5, 1.5, 1.5, 40)),)), [mass]).readings[0]
    assert scaled.count == pytest.approx(1.5 * reading.count)
