"""What the fold makes of velocities: fields, zones, signs; against numbers that can be worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.flow_field import first_field, pressure, remember_flow
from crowdwatch.analytics.movement import step_movement
from crowdwatch.analytics.precursors import oscillation, stop_and_go
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.movement import PrecursorKind
from crowdwatch.core.outcomes import Level, Quality, ZoneReading
from crowdwatch.core.reasons import Code
from crowdwatch.core.site import Site, Zone, ZoneKind

NS = 1_000_000_000
SQUARE = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]])
MIDDLE = np.array([[5.0, 5.0], [15.0, 5.0], [15.0, 15.0], [5.0, 15.0]])


@pytest.fixture(scope="module")
def view():
    zone = Zone("z", {"en": "z"}, MIDDLE, ZoneKind.MOVING, 100.0)
    return view_site(Site("e", {}, {}, SQUARE, (), (zone,), (), (), ()))


def everywhere(velocity, sigma=0.03, noise=0.03, seed=1):
    """One sample on every square metre of the site; ``velocity`` is one, or a function of their places."""
    xy = np.stack(np.meshgrid(np.arange(20) + 0.5, np.arange(20) + 0.5), axis=2).reshape(-1, 2)
    v = velocity(xy) if callable(velocity) else np.tile(velocity, (len(xy), 1)).astype(float)
    v = v + noise * np.random.default_rng(seed).standard_normal(v.shape)
    return FlowSamples(xy, v, np.full(len(xy), sigma), 0.2)


def reading(density, t_ns, quality=Quality.GOOD):
    count = density * 100
    return ZoneReading(
        "z", t_ns, 10.0, count, count, count, density, density, density, density, 1.0, 1.0, 0.0, quality, Level.NORMAL,
        math.nan, ()
    )  # fmt: skip


class Fold:
    """Ticks of a second over one zone."""

    def __init__(self, view, density=2.0):
        self.view, self.density, self.movement, self.n = view, density, None, 0

    def tick(self, velocity, *, density=None, quality=Quality.GOOD, **of):
        self.n += 1
        rho = np.full(self.view.grid.shape, self.density if density is None else density)
        flow = velocity if isinstance(velocity, FlowSamples | None) else everywhere(velocity, seed=self.n, **of)
        found = [] if flow is None else [(self.n * NS, flow)]
        at = reading(float(rho[0, 0]), self.n * NS, quality)
        self.movement, (told,), self.picture = step_movement(
            self.view, self.movement, found, rho, rho, [at], self.n * NS
        )
        return told

    def ticks(self, velocities, **of):
        return [self.tick(each, **of) for each in velocities][-1]


def held(told):
    return {each.kind for each in told.precursors if each.held_s > 0}


def test_a_stream_through_a_zone_is_what_it_is(view):
    """2 p/m2 at 0.5 m/s to the east through edges of 10 m: 10 p/s in, 10 out, 1 p/s on a metre."""
    told = Fold(view).ticks([(0.5, 0.0)] * 12)
    assert told.speed_m_s == pytest.approx(0.5, abs=0.01)
    assert told.speed_low < 0.5 < told.speed_high
    assert told.direction_rad == pytest.approx(0.0, abs=0.02)
    assert told.moving_frac > 0.99
    assert told.specific_flow_p_m_s == pytest.approx(1.0, abs=0.02)
    assert told.inflow_p_s == pytest.approx(10.0, abs=0.3)  # pieces of the edge between squares
    assert told.outflow_p_s == pytest.approx(10.0, abs=0.3)
    assert told.counter_flow_frac == 0.0
    assert told.measured_frac == pytest.approx(1.0)
    assert (told.reasons, held(told)) == ((), set())


def test_who_stands_stands(view):
    told = Fold(view).ticks([(0.0, 0.0)] * 12)
    assert told.speed_m_s < 0.03
    assert told.moving_frac < 0.01
    assert math.isnan(told.direction_rad)
    assert told.inflow_p_s + told.outflow_p_s < 0.2  # 2 p/m2 along 40 m; noise alone must not be people


def test_without_velocities_nothing_is_known_and_nothing_is_a_sign(view):
    fold = Fold(view)
    for told in (fold.tick(None), fold.ticks([(0.5, 0.0)] * 3) and fold.ticks([None] * 12)):
        assert math.isnan(told.speed_m_s + told.inflow_p_s + told.moving_frac + told.specific_flow_p_m_s)
        assert [each.code for each in told.reasons] == [Code.NO_VELOCITIES]
        assert told.precursors == ()


def test_a_blind_zone_has_no_movement(view):
    fold = Fold(view)
    told = fold.ticks([(0.5, 0.0)] * 5) and fold.tick((0.5, 0.0), quality=Quality.BLIND)
    assert math.isnan(told.speed_m_s)
    assert math.isnan(told.inflow_p_s)
    assert told.reasons


def test_lanes_are_counter_flow_and_a_stream_is_not(view):
    def lanes(xy):
        return np.stack([np.where(xy[:, 1] % 4 < 2, 0.8, -0.8), 0 * xy[:, 0]], axis=1)

    told = Fold(view).ticks([lanes] * 12)
    assert told.counter_flow_frac == pytest.approx(0.4, abs=0.11)  # rows 6, 7 and 10, 11 and 14 of ten
    assert PrecursorKind.COUNTER_FLOW in held(told)
    assert told.inflow_p_s == pytest.approx(told.outflow_p_s, rel=0.1)


def test_pressure_of_drawn_turbulence_is_its_closed_form(view):
    """Velocities drawn with variance s^2 in each component, noise of 0.1 beside: P = rho 2 s^2."""
    rng = np.random.default_rng(3)
    field, grid = first_field(view), view.grid
    rho = np.full(grid.shape, 5.0)
    found = []
    for n in range(1, 51):
        flow = everywhere((0.0, 0.0), sigma=0.1, noise=0.0)
        v = 0.2 * rng.standard_normal(flow.v_m_s.shape) + 0.1 * rng.standard_normal(flow.v_m_s.shape)
        field = remember_flow(view, field, [(n * NS, replace(flow, v_m_s=v))], rho, n * NS)
        if n % 10 == 0:
            found.append(pressure(field, rho, grid))
    assert len(found[0].density_p_m2) == 9 * 9  # the grid is that of the zone
    mean = np.mean([(each.density_p_m2 * each.variance_m2_s2).mean() for each in found])
    assert mean == pytest.approx(5.0 * 2 * 0.2**2, rel=0.05)  # 4000 velocities: 2 %


def test_turbulence_is_a_sign_only_when_it_lasts_in_a_dense_slow_crowd(view):
    def shoved(xy):
        return 0.15 * np.random.default_rng(int(xy[0, 0]) + fold.n).standard_normal(xy.shape)

    for density, seconds, there in ((5.0, 45, True), (2.0, 45, False)):
        fold = Fold(view, density)
        told = fold.ticks([shoved] * seconds)
        assert (PrecursorKind.PRESSURE in held(told)) is there


@pytest.mark.parametrize("period_s", [5, 20])
def test_stop_and_go_is_found_with_its_period(view, period_s):
    fold = Fold(view)
    for n in range(4 * period_s + 10):
        told = fold.tick((0.6 if n % period_s < period_s / 2 else 0.0, 0.0))
    (waves,) = (each for each in told.precursors if each.kind is PrecursorKind.STOP_AND_GO)
    assert waves.held_s > 0
    assert waves.period_s == pytest.approx(period_s, rel=0.1)


def test_a_steady_stream_shows_no_sign(view):
    fold = Fold(view, 4.5)
    signs = [held(fold.tick((0.3, 0.1), noise=0.08, sigma=0.08)) for _ in range(60)]
    assert set().union(*signs) == set()


def test_a_crowd_that_swings_is_found_and_noise_is_not():
    t = np.arange(0.0, 120.0)
    rng = np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal((120, 2))
    swing = 0.2 * np.stack([np.cos(2 * np.pi * t / 18), np.sin(2 * np.pi * t / 18)], axis=1)
    found = oscillation(t, swing + noise)
    assert found.period_s == pytest.approx(18, rel=0.1)
    assert found.share > 0.8
    assert found.chirality > 0.9
    assert oscillation(t, noise).share < 0.5
    assert stop_and_go(t, np.full(120, np.nan)).cycles == 0


def test_a_sudden_stop_and_a_turn_are_signs(view):
    fold = Fold(view)
    fold.ticks([(0.8, 0.0)] * 15)
    assert PrecursorKind.SUDDEN_STOP in held(fold.ticks([(0.0, 0.0)] * 4))
    fold = Fold(view)
    fold.ticks([(0.8, 0.0)] * 20)
    assert PrecursorKind.REVERSAL in held(fold.ticks([(-0.8, 0.0)] * 8))


def test_a_place_that_fills_from_all_sides_converges(view):
    def inwards(xy):
        away = xy - 10.0
        return -0.4 * away / np.maximum(np.hypot(*away.T), 0.1)[:, None]

    told = Fold(view).ticks([inwards] * 12)
    assert told.outflow_p_s < 0.5 < 10 < told.inflow_p_s
    assert PrecursorKind.CONVERGENCE in held(told)


def test_a_speed_that_no_crowd_walks_at_is_doubted(view):
    told = Fold(view, 4.0).ticks([(1.3, 0.0)] * 12)
    assert Code.SPEED_IMPLAUSIBLE in [each.code for each in told.reasons]


def test_the_map_has_a_field_every_five_seconds(view):
    fold = Fold(view)
    pictures = [fold.tick((0.5, 0.0)) and fold.picture for _ in range(12)]
    assert [n for n, each in enumerate(pictures, 1) if each is not None] == [1, 6, 11]
    grid = pictures[10]
    assert grid.v_m_s.shape == (10, 10, 2)
    assert np.nanmean(grid.v_m_s, axis=(0, 1)) == pytest.approx((0.5, 0.0), abs=0.01)
    assert grid.n.max() == 10
    assert (grid.age_s == 0).all()


def test_gates_can_ask_for_the_velocity_at_a_place(view):
    fold = Fold(view)
    fold.ticks([(0.5, 0.0)] * 5)
    v, sigma = fold.movement.flow.velocity_at(np.array([[10.2, 9.9], [500.0, 0.0]]))
    assert v[0] == pytest.approx((0.5, 0.0), abs=0.05)
    assert 0 < sigma[0] < 0.05
    assert np.isnan(v[1]).all()
    assert math.isnan(sigma[1])
