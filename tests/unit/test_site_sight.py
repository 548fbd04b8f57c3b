"""What moving cameras look at and how old the sight of the ground is: in the fold's outcome, and on the map."""

from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from crowdwatch.analytics.sightings import note, nothing_seen
from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.ground import AerialPose, aerial_plane, picture_edges_px, to_ground
from crowdwatch.ui.patrol_layers import age_layer, age_text, drone_layers
from pipelines.evaluation.drone_fold import Look, drawn_site, run_fold, zone_grid

RING = np.array([[-20.0, -10.0], [20.0, -10.0], [20.0, 20.0], [-20.0, 20.0]])
ERRORS = AerialPose(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0)
HW = (1080, 1920)


def plane(east_m):
    return aerial_plane(AerialPose(east_m, -5.0, 25.0, 0.0, -75.0, 0.0, 1600.0), ERRORS, HW, max_sigma_m=1.0)


def test_ages_and_footprints_of_a_patrol_are_those_of_what_was_seen():
    site = drawn_site(RING, zone_grid(-20, -10, 20, 20), {}, ("drone",))
    planes = [plane(-12.0), plane(-12.0), plane(12.0)]
    folded = run_fold(site, [[Look("drone", each, each, np.array([[0.0, 5.0]]))] for each in planes])
    noted = nothing_seen(folded.states[0].view.grid)
    for state, outcome, true in zip(folded.states, folded.outcomes, planes, strict=True):
        noted = note(noted, state.coverage, outcome.t_ns)
        sight = outcome.sight
        whole = noted.whole
        assert (sight.age_s[whole] == noted.age_s(outcome.t_ns)[whole]).all()
        assert np.isinf(sight.age_s[~noted.ever]).all()
        (footprint,) = sight.footprints
        assert footprint.at_m == pytest.approx(true.camera_centre_m)
        left, top, right, bottom = picture_edges_px(HW)
        corners = to_ground(true, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
        shown, told = shapely.Polygon(corners), shapely.Polygon(footprint.ring_m)
        assert shown.symmetric_difference(told).area < 0.01 * shown.area
    assert sight.age_s.max() == np.inf
    assert {0.0, 1.0} <= set(np.unique(sight.age_s[np.isfinite(sight.age_s)]))
    fixed = drawn_site(RING, zone_grid(-20, -10, 20, 20), {"mast": planes[0]}, ())
    assert run_fold(fixed, [[Look("mast", planes[0], planes[0], np.empty((0, 2)))]]).outcomes[0].sight is None


def test_the_map_shows_drones_their_ground_and_the_age_of_sight():
    ring = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]])
    prints = (
        Footprint("a", ring, np.array([1.0, -2.0, 60.0]), 1.5),
        Footprint("b", np.empty((0, 2)), np.full(3, np.nan), np.nan),
    )
    sight = SiteSight(0, np.zeros(2), 0.5, np.array([[0.0, 20.0, 400.0, np.inf]]), prints)
    heat = age_layer(sight, "en")
    assert heat.z[0][:3].tolist() == [0.0, 2.0, 5.0]
    assert np.isnan(heat.z[0][3])  # never seen: the hatching shows through
    site = SimpleNamespace(cameras=[SimpleNamespace(camera_id="a", name={"en": "Drone A", "zh": "无人机甲"})])
    for language, name in (("en", "Drone A"), ("zh", "无人机甲")):
        layers = drone_layers(SimpleNamespace(site=site, footprints=prints), language)
        assert [len(layer.x) for layer in layers] == [4, 1]
        assert name in layers[1].hovertext
        assert "60" in layers[1].hovertext
        assert "33" in age_text(sight, 10.0, language)
