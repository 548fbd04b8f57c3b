"""A camera's factor and offset from hand counts: the posterior, what is not used, and that intervals hold what they
say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from crowdwatch.analytics.audit import BETWEEN_PICTURES, FALSE_BOXES, bias, camera_biases, of_program, standing, table
from crowdwatch.core.intervals import BETWEEN_CAMERAS, Z
from crowdwatch.core.runs import Audit, Mode, Run
from crowdwatch.store.sql import SqlStore


def entry(audit_id, counted=12, found=10.0, **more):
    base = Audit("a", audit_id, counted, found, "ana", 0, "r", "yolo", 0.25, audit_id=audit_id)
    return replace(base, **more)


def improbable(pairs, log_f, b):
    """Minus the logarithm of the density that the docstring states, of ln f and b."""
    said = (log_f / BETWEEN_CAMERAS) ** 2 / 2 + (b / FALSE_BOXES) ** 2 / 2
    for n, m in pairs:
        v = BETWEEN_PICTURES**2 + 1 / (n + 0.5)
        said = said + (math.log(n + 0.5) - np.log(np.maximum(np.exp(log_f) * m + b, 0) + 0.5)) ** 2 / (2 * v)
    return said


@pytest.mark.parametrize(
    "pairs", [[(20, 10.0)], [(6, 9.0)] * 30, [(8, 10.0), (0, 3.5), (170, 150.0)], [(0, 9.0)] * 30, [(90_000, 8.0)]]
)
def test_factor_and_offset_are_the_most_probable(pairs):
    found = bias("a", [entry(k, n, m) for k, (n, m) in enumerate(pairs, 1)])
    log_f, b = np.meshgrid(np.linspace(-1, 7, 1601), np.linspace(-12, 12, 961), indexing="ij")
    everywhere = improbable(pairs, log_f, b)
    assert improbable(pairs, math.log(found.factor), found.offset) <= everywhere.min()
    best = np.unravel_index(everywhere.argmin(), everywhere.shape)
    assert math.log(found.factor) == pytest.approx(log_f[best], abs=0.02)
    assert found.offset == pytest.approx(b[best], abs=0.1)
    assert (found.audits, found.counted, found.found) == (
        len(pairs),
        sum(n for n, _ in pairs),
        sum(m for _, m in pairs),
    )
    assert (found.most_found, found.audited) == (max(m for _, m in pairs), True)


def test_the_errors_of_one_count_by_hand():
    """The slopes of ln(f m + b + 1/2) are f m / (f m + b + 1/2) and 1 / (f m + b + 1/2), with n = m = 10."""
    found = bias("a", [entry(1, 10, 10.0)])
    slope = np.array([10.0, 1.0]) / 10.5
    v = BETWEEN_PICTURES**2 + 1 / 10.5
    errors = np.linalg.inv(np.outer(slope, slope) / v + np.diag([BETWEEN_CAMERAS**-2, FALSE_BOXES**-2]))
    assert (found.factor, found.offset) == (1.0, 0.0)
    assert found.low == pytest.approx(math.exp(-Z * errors[0, 0] ** 0.5), rel=1e-12)
    assert found.high == pytest.approx(math.exp(Z * errors[0, 0] ** 0.5), rel=1e-12)
    assert [found.offset_low, found.offset_high] == pytest.approx([-Z * errors[1, 1] ** 0.5, Z * errors[1, 1] ** 0.5])
    assert found.correlation == pytest.approx(errors[0, 1] / (errors[0, 0] * errors[1, 1]) ** 0.5)


def test_more_counts_draw_less_and_narrow():
    few, many = (bias("a", [entry(k, 200, 100.0) for k in range(1, n + 1)]) for n in (2, 50))
    assert 1 < few.factor < many.factor < 2
    assert many.high / many.low < few.high / few.low


def test_an_empty_picture_is_a_count_too():
    found = bias("a", [entry(1, 0, 0.0)])
    assert found.audited
    assert (found.factor, found.offset) == (1.0, 0.0)


def test_lamp_posts_are_an_offset():
    """Six people and three lamp posts in every picture: mostly an offset, and what was counted is met."""
    found = bias("a", [entry(k, 6, 9.0) for k in range(1, 31)])
    assert found.offset < -2
    assert found.factor > 0.9
    assert found.factor * 9 + found.offset == pytest.approx(6, abs=0.25)


def test_few_and_many_people_tell_factor_and_offset_apart():
    """A fifth too few, and four things that look like people: 30 counts of either range tell both."""
    found = [10.0 + k / 10 for k in range(30)] + [150.0 + k for k in range(30)]
    said = bias("a", [entry(k, round(1.25 * m - 4), m) for k, m in enumerate(found, 1)])
    assert said.factor == pytest.approx(1.25, abs=0.03)
    assert said.offset == pytest.approx(-4, abs=1)
    assert said.low < 1.25 < said.high
    assert said.offset_low < -4 < said.offset_high < 0
    same = bias("a", [entry(k, round(1.25 * 100 - 4), 100.0) for k in range(1, 61)])
    assert same.offset_high > 0, "counts of one number cannot tell"


def test_intervals_hold_the_truth_nine_times_in_ten():
    """Cameras and pictures drawn from the model that the docstring states: 1200 of them put the share of a 90 %
    interval within 2.6 % (three standard errors)."""
    rng = np.random.default_rng(4)
    held, cameras = np.zeros(2), 1200
    for _ in range(cameras):
        factor, offset = math.exp(rng.normal(0, BETWEEN_CAMERAS)), rng.normal(0, FALSE_BOXES)
        found = rng.uniform(30, 200, 8)
        true = factor * found + offset
        people = true * np.exp(rng.normal(0, np.hypot(BETWEEN_PICTURES, true**-0.5)))
        one = bias("a", [entry(k, round(n), m) for k, (n, m) in enumerate(zip(people, found, strict=True), 1)])
        held += one.low <= factor <= one.high, one.offset_low <= offset <= one.offset_high
    assert held / cameras == pytest.approx([0.9, 0.9], abs=0.026)


def test_what_stands():
    entries = [entry(1, t_ns=5), entry(2, t_ns=5, corrects=1), entry(3, t_ns=5, corrects=2), entry(4, t_ns=6)]
    assert [each.audit_id for each in standing(entries)] == [3, 4]
    again = entry(9, t_ns=6, run_id="r-again")  # the same picture in a replay of the log weighs once
    assert [each.audit_id for each in standing([*entries, again])] == [3, 9]
    other = entry(9, t_ns=6, run_id="r2", detector_id="other")
    assert [each.audit_id for each in standing([*entries, other])] == [3, 4, 9]


def test_a_factor_holds_for_one_program_alone():
    entries = [entry(1, 20, 10.0), entry(2, 20, 10.0), entry(3, 20, 20.0, detector_id="new")]
    newest = of_program("a", entries)
    assert (newest.audits, newest.left_aside, newest.factor) == (1, 2, 1.0)
    old = of_program("a", entries, ("yolo", 0.25))
    assert (old.audits, old.left_aside) == (2, 1)
    assert old.factor > 1.1
    assert of_program("a", entries, ("yolo", 0.5)).audits == 0  # another score limit is another program
    assert not of_program("b", entries).audited


def test_a_table_lists_every_camera_and_those_that_are_gone():
    rows = table([entry(1, camera_id="gone")], ["b", "a"])
    assert [(row.camera_id, row.audited) for row in rows] == [("b", False), ("a", False), ("gone", True)]


def test_the_factors_of_an_event_come_from_all_its_runs(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/s.sqlite")
    for run_id, event_id in (("r", "nye"), ("r2", "nye"), ("x12", "other")):
        store.begin(Run(run_id, event_id, Mode.REPLAY, "{}", "", 0, 9, 1))
        store.add_audit(entry(0, 20, 10.0, run_id=run_id, t_ns=len(run_id)))
    found = camera_biases(store, "nye", ["a", "never"])
    assert list(found) == ["a", "never"]
    assert found["a"].audits == 2
    assert (found["never"].factor, found["never"].audits) == (1.0, 0)
    assert camera_biases(store, "nye", ["a"], programs={"a": ("new", 0.25)})["a"].audits == 0
    store.close()
