"""When ground was last seen, and where a drone should look next."""

import numpy as np
import pytest

from crowdwatch.analytics.patrol import FreeDrone, propose, risk_of
from crowdwatch.analytics.sightings import note, nothing_seen
from crowdwatch.ground import AerialPose, Grid, aerial_plane, to_image, valid_px
from pipelines.evaluation import drone_ground
from pipelines.evaluation.drone_fold import Look, drawn_site, run_fold, zone_grid

GRID = Grid(np.array([0.0, 0.0]), 1.0, (100, 100))
ONE = np.ones(GRID.shape)


def drone(name="a", **more):
    told = {"at_m": (50.0, 0.0), "home_m": (50.0, 0.0), "flight_s": 1200.0, "speed_m_s": 8.0, "height_m": 50.0}
    return FreeDrone(name, **{**told, "focal_px": 1300.0, "image_hw": (1080, 1920), **more})


def risk(*spots):
    found = np.zeros(GRID.shape)
    for row, col, value in spots:
        found[row : row + 5, col : col + 5] = value
    return found


def test_after_a_patrol_the_age_of_every_cell_is_right():
    found = drone_ground.coverage_ages()
    assert found["cells"] > 1000
    assert (found["wrong_age"], found["seen_but_not_in_view"]) == (0, 0)


def test_a_revisit_replaces_and_who_saw_it_is_known():
    ring = np.array([[-10.0, 0.0], [10.0, 0.0], [10.0, 20.0], [-10.0, 20.0]])
    site = drawn_site(ring, zone_grid(-10, 0, 10, 20), {}, ("one", "two"))
    errors = AerialPose(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0)
    plane = aerial_plane(AerialPose(0.0, -5.0, 40.0, 0.0, -70.0, 0.0, 1000.0), errors, (1080, 1920))
    people = np.array([[0.0, 10.0]])
    folded = run_fold(site, [[Look("one", plane, plane, people)], [Look("two", plane, plane, people)]])
    view = folded.states[0].view
    first = note(nothing_seen(view.grid), folded.states[0].coverage, folded.outcomes[0].t_ns)
    second = note(first, folded.states[1].coverage, folded.outcomes[1].t_ns)
    row, col = int(10 / view.grid.cell_m - view.grid.origin_m[1] / view.grid.cell_m), view.grid.shape[1] // 2
    assert first.cameras[first.camera[row, col]] == "one"
    assert first.age_s(folded.outcomes[1].t_ns)[row, col] == 1.0
    assert second.age_s(folded.outcomes[1].t_ns)[row, col] == 0.0
    assert 0 < second.sigma_m[row, col] < 1
    assert second.px_m[row, col] == pytest.approx(1000 / 43, rel=0.2)
    watched = np.full(view.grid.shape, view.grid.cell_m**2)
    assert 0 < second.fresh_frac(folded.outcomes[1].t_ns, 5.0, watched) <= 1
    assert np.isinf(nothing_seen(view.grid).age_s(0)).all()


def test_what_was_seen_just_now_is_no_risk_and_what_never_was_is():
    rho = np.array([[1.0, 1.0, np.nan, 3.9]])
    age = np.array([[0.0, 600.0, np.inf, 20.0]])
    found = risk_of(rho, age, np.full((1, 4), 4.0), np.ones((1, 4)))[0]
    assert found[0] == 0
    assert found[1] > 0.5  # it may be anything by now
    assert found[2] == pytest.approx(0.6)
    assert found[3] == pytest.approx(0.75)  # close to its limit, so soon over it


def test_a_drone_is_sent_to_where_the_risk_is_and_sees_it_from_there():
    field = risk((70, 20, 1.0))
    (found,) = propose([drone()], field, GRID, ONE)
    assert found.risk_frac == pytest.approx(1.0)
    plane = aerial_plane(found.pose, AerialPose(1.5, 1.5, 0.5, 1.0, 0.5, 0.5, 0.0), (1080, 1920), max_sigma_m=5.0)
    assert valid_px(plane, to_image(plane, np.array([[22.5, 72.5]]))).all()
    assert found.hover_s > 0


def test_two_drones_share_the_ground():
    found = propose([drone("a"), drone("b")], risk((90, 0, 1.0), (0, 90, 1.0)), GRID, ONE)
    assert [each.drone_id for each in found] == ["a", "b"]
    assert sum(each.risk_frac for each in found) == pytest.approx(1.0)
    assert all(each.risk_frac == pytest.approx(0.5) for each in found)


def test_a_fence_and_a_battery_hold():
    field = risk((90, 50, 1.0))
    fence = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 70.0], [0.0, 70.0]])
    (found,) = propose([drone(fence_m=fence)], field, GRID, ONE)
    assert found.pose.north_m <= 70.0
    assert propose([drone(flight_s=125.0)], field, GRID, ONE) == []


def test_without_risk_nobody_is_sent():
    assert propose([drone()], np.zeros(GRID.shape), GRID, ONE) == []
