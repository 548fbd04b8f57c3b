"""Gates: whoever crosses is counted once, whoever does not is not, and what nobody sees is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from crowdwatch.analytics import gates as gates_module
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.analytics.gate_flow import WAITING_M_S
from crowdwatch.analytics.gate_gaps import gate_gaps
from crowdwatch.analytics.gates import capacity_p_min, interval
from crowdwatch.core.movement import GateReading
from crowdwatch.core.quality import Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import FloatArray, GroundMass, Stamp, Tick
from crowdwatch.core.site import Camera, Gate, Site
from crowdwatch.sources.synthetic import looking_down
from tests.scenes import T0, S, camera, see, square

HZ = 5
Walk = Callable[[float], Sequence[tuple[float, float]]]


def site(*lines: Sequence[Sequence[float]], cameras: Sequence[Camera] | None = None, **kwargs: object) -> Site:
    gates = tuple(
        Gate(f"g{n}", {"en": "g"}, np.array(line, dtype=float), float(np.hypot(*np.subtract(*line))))
        for n, line in enumerate(lines)
    )
    return replace(square(cameras=cameras, **kwargs), gates=gates)  # type: ignore[arg-type]


def fold(
    world: Site, walk: Walk, seconds: float, *, cameras: Sequence[str] = ("c",), mass: GroundMass | None = None,
    keep: Callable[[int, str], bool] = lambda frame, camera_id: True, noise_m: float = 0.05, state: State | None = None,
) -> tuple[State, list[tuple[GateReading, ...]]]:  # fmt: skip
    """Every camera sees everybody, five times a second, a tick a second."""
    rng = np.random.default_rng(1)
    state = start(view_site(world)) if state is None else state
    said, named = [], []
    for frame in range(int(seconds * HZ)):
        t_ns = T0 + frame * S // HZ
        for camera_id in cameras:
            people = np.array(walk(frame / HZ), dtype=float).reshape(-1, 2)
            people = people + rng.normal(0, noise_m, people.shape)
            one = see(t_ns, people if keep(frame, camera_id) else people[:0], camera_id=camera_id, seq=frame)
            if mass is not None:
                one = replace(one, mass=replace(mass, stamp=one.stamp))
            state, _ = advance(state, one)
            named.append(one.stamp.id)
        if frame % HZ == HZ - 1:
            state, outcome = advance(state, Tick(t_ns, tuple(named)))
            assert outcome is not None
            said.append(outcome.gates)
            named = []
    return state, said


def through(x: float, speed_m_s: float = 1.2, start_s: float = 0.0, from_y: float = 0.0) -> Walk:
    return lambda t: [(x, from_y + speed_m_s * (t - start_s))] if t >= start_s else []


GATE = [[2.0, 3.0], [-2.0, 3.0]]
"""Seen from its first point to its second, the south is on its left: ingress goes north."""


def totals(said: Sequence[tuple[GateReading, ...]]) -> tuple[float, float]:
    return said[-1][0].ingress_total, said[-1][0].egress_total


def test_who_crosses_is_counted_once_in_their_direction() -> None:
    _, said = fold(site(GATE), through(0.5), 6)
    assert totals(said) == (1, 0)
    _, said = fold(site(GATE[::-1]), through(0.5), 6)
    assert totals(said) == (0, 1)


def test_who_turns_back_on_the_line_has_not_crossed() -> None:
    _, said = fold(site(GATE), lambda t: [(0.0, 3.1 - 0.5 * abs(t - 5))], 10)  # 0.1 m past it, and back
    assert totals(said) == (0, 0)


def test_a_hesitating_one_is_one() -> None:
    def walk(t: float) -> list[tuple[float, float]]:
        y = 1.0 + 0.6 * t if t < 3.5 else 3.0 + 0.15 * math.sin(3 * t) if t < 20 else 3.0 + 0.6 * (t - 20)
        return [(0.0, y)]

    _, said = fold(site(GATE), walk, 24)
    assert totals(said) == (1, 0)


def test_re_entry_counts_both_ways() -> None:
    _, said = fold(site(GATE), lambda t: [(0.0, 3.0 - 1.5 * math.cos(2 * math.pi * t / 10))], 26)
    assert totals(said) == (3, 2)


def test_who_walks_around_the_gate_has_not_crossed_it() -> None:
    _, said = fold(site(GATE), through(3.0), 6)
    assert totals(said) == (0, 0)


def test_missed_boxes_lose_nobody() -> None:
    rng = np.random.default_rng(5)
    dropped = rng.random(1000) < 0.3
    walk: Walk = lambda t: [(-1.5 + 1.0 * (k % 4), 1.2 * (t - 2 * k)) for k in range(20) if t >= 2 * k][-4:]  # noqa: E731
    _, said = fold(site(GATE), walk, 50, keep=lambda frame, _: not dropped[frame])
    assert abs(totals(said)[0] - 20) <= 1
    assert totals(said)[1] == 0


def test_two_cameras_over_one_gate_count_everybody_once() -> None:
    """Each owns about half of it; people cross on both halves and on the seam."""
    two = [camera("a", looking_down((-6, -12, 10), (0, 3))), camera("b", looking_down((6, -12, 10), (0, 3)))]
    walk: Walk = lambda t: [(-1.8 + 0.4 * k, 1.2 * (t - 2 * k)) for k in range(10) if 0 <= t - 2 * k < 6]  # noqa: E731
    _, said = fold(site(GATE, cameras=two), walk, 30, cameras=("a", "b"), noise_m=0.1)
    assert totals(said) == (10, 0)


def test_a_gate_that_nobody_sees_is_unknown() -> None:
    _, said = fold(site(GATE, [[30.0, 30.0], [32.0, 30.0]]), through(0.5), 3)
    unseen = said[-1][1]
    assert unseen.quality is Quality.BLIND
    assert math.isnan(unseen.ingress_p_min)
    assert math.isnan(unseen.capacity_frac)
    assert [reason.code for reason in unseen.reasons] == [Code.GATE_UNSEEN]


def test_a_gate_over_the_edge_of_a_view_says_how_much_of_it_is_seen() -> None:
    only = [camera("c", looking_down((0, -12, 10), (0, 3)))]
    _, said = fold(site([[40.0, 3.0], [-2.0, 3.0]], cameras=only), through(0.5), 6)
    reading = said[-1][0]
    assert 0 < reading.watched_frac < 0.9
    assert reading.quality in (Quality.DEGRADED, Quality.BLIND)


def test_a_silent_camera_makes_its_gate_unknown_and_its_total_stands() -> None:
    state, said = fold(site(GATE), through(0.5), 6)
    assert totals(said) == (1, 0)
    for second in range(6, 15):
        state, outcome = advance(state, Tick(T0 + second * S, ()))
    assert outcome is not None
    (reading,) = outcome.gates
    assert reading.quality is Quality.STALE
    assert math.isnan(reading.ingress_p_min)
    assert reading.ingress_total == 1


class Steady:
    """Everybody walks north."""

    def __init__(self, speed_m_s: float) -> None:
        self.speed_m_s = speed_m_s

    def velocity_at(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.tile([0.0, self.speed_m_s], (len(xy_m), 1)), np.full(len(xy_m), 0.05)


def dense(world: Site, p_m2: float) -> GroundMass:
    grid = view_site(world).grid
    return GroundMass(Stamp("c", 0, T0), grid.origin_m, grid.cell_m, np.full(grid.shape, p_m2 * 0.25), 0.0, 0.0, "n")


@pytest.mark.parametrize(("p_m2", "speed_m_s"), [(2.0, 0.5), (4.0, 0.15)])
def test_a_dense_crowd_flows_by_density_times_speed(
    monkeypatch: pytest.MonkeyPatch, p_m2: float, speed_m_s: float
) -> None:
    """rho v b = 2 x 0.5 x 4 = 4 persons a second, all of them in."""
    real = gates_module.step_gates
    monkeypatch.setattr("crowdwatch.analytics.engine.step_gates", lambda *given: real(*given[:6], Steady(speed_m_s)))
    world = site(GATE)
    _, said = fold(world, lambda t: [], 20, mass=dense(world, p_m2))
    reading = said[-1][0]
    assert reading.ingress_p_min == pytest.approx(60 * p_m2 * speed_m_s * 4, rel=0.02)
    assert reading.egress_p_min == 0
    assert reading.capacity_frac == pytest.approx(reading.ingress_p_min / (82 * 4))
    waits = speed_m_s < WAITING_M_S
    assert reading.queue == pytest.approx(p_m2 * 4 * 5 if waits else 0, rel=0.05)
    assert reading.ingress_low < reading.ingress_p_min < reading.ingress_high


def test_a_dense_crowd_whose_speed_nobody_knows_is_unknown() -> None:
    world = site(GATE)
    _, said = fold(world, lambda t: [], 10, mass=dense(world, 3.0))
    reading = said[-1][0]
    assert reading.quality is Quality.BLIND
    assert math.isnan(reading.ingress_p_min)
    assert Code.GATE_FLOW_UNKNOWN in [reason.code for reason in reading.reasons]


class Trembling:
    """Everybody stands; what is measured of it is chance."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)

    def velocity_at(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.rng.normal(0, 0.05, (len(xy_m), 2)), np.full(len(xy_m), 0.05)


def test_a_standing_crowd_does_not_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """96 people in the band: less than 2 % of what they would be at 1 m/s."""
    real, field = gates_module.step_gates, Trembling()
    monkeypatch.setattr("crowdwatch.analytics.engine.step_gates", lambda *given: real(*given[:6], field))
    world = site(GATE)
    _, said = fold(world, lambda t: [], 20, mass=dense(world, 3.0))
    assert said[-1][0].ingress_p_min < 0.02 * 60 * 3.0 * 4
    assert said[-1][0].egress_p_min < 0.02 * 60 * 3.0 * 4


def test_capacity_is_that_of_the_usable_width() -> None:
    gate = Gate("g", {"en": "g"}, np.array([[0.0, 0.0], [3.0, 0.0]]), 2.0, stairs=True)
    assert capacity_p_min(gate) == 132
    assert capacity_p_min(replace(gate, stairs=False)) == 164


def test_the_interval_holds_the_count_and_nobody_is_not_certain() -> None:
    low, high = interval(100.0, 0.0)
    assert 80 < low < 100 < high < 120
    assert interval(0.0, 0.0)[1] == pytest.approx(-math.log(0.1))


def test_a_site_without_gates_follows_nobody() -> None:
    state, said = fold(square(), through(0.5), 3)
    assert said[-1] == ()
    assert state.gates is None


def test_no_number_of_a_track_leaves_the_fold() -> None:
    """The outcome is all that leaves: no field of it is named after a track, and no two people can be told apart."""
    state, said = fold(site(GATE), through(0.5), 6)
    assert state.gates is not None
    assert len(state.gates.cameras["c"].tracks) == 1
    names = set(GateReading.__dataclass_fields__)
    assert not {name for name in names if "track" in name or "number" in name}
    assert all(isinstance(each, GateReading) for tick in said for each in tick)


def test_check_warns_of_gates_that_cannot_be_counted() -> None:
    """The camera stands at (0, -12) and looks north: a line to the north lies along its view."""
    world = site(GATE, [[0.0, -1.0], [0.0, 7.0]], [[60.0, 60.0], [62.0, 60.0]])
    said = gate_gaps(view_site(world))
    assert len(said) == 2
    assert said[0].startswith("gate g1: it lies along the view of camera c")
    assert said[1].startswith("gate g2: no camera sees both sides of it")
