"""The evaluation of movement: what it calls right, and a simulated crowd whose flow is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluation.evening import balance_figures
from pipelines.evaluation.laboratory import Experiment, simulate
from pipelines.evaluation.movement import Crossed, _score, matched


def at(t_s: float, gate: int = 0, *, inward: bool = True) -> Crossed:
    return Crossed(gate, inward, t_s, 0.0)


def test_a_crossing_at_the_wrong_gate_is_missed_and_invented() -> None:
    true, found = [at(1), at(5), at(9)], [at(1), at(5, gate=1), at(9.5)]
    figures = _score(true, found, 0.0)
    assert figures["crossings_frac"] == pytest.approx(2 / 3)
    assert figures["crossings_off_frac"] == pytest.approx(2 / 3)


def test_frames_that_choices_were_made_on_count_for_nothing() -> None:
    figures = _score([at(1), at(20)], [at(1), at(20), at(2)], 10.0)
    assert (figures["crossings_true"], figures["crossings_found"]) == (1, 1)


def test_each_crossing_is_found_once() -> None:
    assert matched([at(1)], [at(1), at(1.1)]) == [(0, 0)]
    assert matched([at(1)], [at(4)]) == []


def test_a_steady_crowd_has_density_times_speed_times_width() -> None:
    """2 p/m2 at 0.6 m/s through a corridor of 2 m: 2.4 persons a second."""
    rate_hz, seconds = 10.0, 14
    rng = np.random.default_rng(2)
    people = int(2.0 * 2 * 24)
    x, y = rng.uniform(-1, 1, people), np.linspace(-14, 10, people, endpoint=False)
    rows = [
        (who, frame, x[who], y[who] + 0.6 * frame / rate_hz)
        for frame in range(int(seconds * rate_hz))
        for who in range(people)
        if -8 < y[who] + 0.6 * frame / rate_hz < 8
    ]
    lab = Experiment(
        "steady", rate_hz, np.array(rows), (-1.0, -8.5, 1.0, 8.5), (), (-1.0, -1.0, 1.0, 1.0),
        np.array([[1.0, 0.0], [-1.0, 0.0]]),
    )  # fmt: skip
    said = [outcome for outcome, _ in simulate(lab, seconds=seconds - 2)]
    spent_s = (said[-1].t_ns - said[0].t_ns) / 1e9
    came = said[-1].gates[0].ingress_total - said[0].gates[0].ingress_total
    assert came / spent_s == pytest.approx(2.4, rel=0.1)
    assert said[-1].gates[0].egress_total < 0.02 * came


def test_the_balance_holds_the_truth_nine_times_in_ten() -> None:
    assert balance_figures(100)["balance_held"] >= 0.84  # 0.9 less two standard errors of 100 draws
