"""A camera's factor from hand counts: closed forms, what is left aside, and that its interval holds what it says."""

import math
from dataclasses import replace

import numpy as np
import pytest

from crowdwatch.analytics.audit import BETWEEN_PICTURES, bias, camera_biases, of_program, standing, table
from crowdwatch.core.intervals import BETWEEN_CAMERAS, Z
from crowdwatch.core.runs import Audit, Mode, Run
from crowdwatch.store.sql import SqlStore


def entry(audit_id, counted=12, found=10.0, **more):
    base = Audit("a", audit_id, counted, found, "ana", 0, "r", "yolo", 0.25, audit_id=audit_id)
    return replace(base, **more)


def test_one_count_by_hand():
    """1/V = 1/t^2 + 1/(s^2 + 1/(n + 1/2)), B = V y / v, with n = 20 and m = 10."""
    v = BETWEEN_PICTURES**2 + 1 / 20.5
    weight = 1 / BETWEEN_CAMERAS**2 + 1 / v
    middle = math.log(20.5 / 10.5) / v / weight
    found = bias("a", [entry(1, 20, 10.0)])
    assert found.factor == pytest.approx(math.exp(middle), rel=1e-12)
    assert found.low == pytest.approx(math.exp(middle - Z * weight**-0.5), rel=1e-12)
    assert found.high == pytest.approx(math.exp(middle + Z * weight**-0.5), rel=1e-12)
    assert (found.audits, found.counted, found.found, found.audited) == (1, 20, 10.0, True)


def test_more_counts_draw_less_and_narrow():
    few, many = (bias("a", [entry(k, 20, 10.0) for k in range(1, n + 1)]) for n in (2, 50))
    assert 1 < few.factor < many.factor < 20.5 / 10.5
    assert many.high / many.low < few.high / few.low


def test_an_empty_picture_is_a_count_too():
    found = bias("a", [entry(1, 0, 0.0)])
    assert found.audited
    assert found.factor == 1.0


def test_the_interval_holds_the_true_factor_nine_times_in_ten():
    """Cameras and pictures drawn from the model that the docstring states: 4000 of them put the share of a 90 %
    interval within 1.5 % (three standard errors)."""
    rng = np.random.default_rng(4)
    held, cameras = 0, 4000
    for _ in range(cameras):
        factor = math.exp(rng.normal(0, BETWEEN_CAMERAS))
        people = rng.integers(40, 200, 8)
        found = [float(n / factor * math.exp(rng.normal(0, math.hypot(BETWEEN_PICTURES, n**-0.5)))) for n in people]
        one = bias("a", [entry(k, int(n), m) for k, (n, m) in enumerate(zip(people, found, strict=True), 1)])
        held += one.low <= factor <= one.high
    assert held / cameras == pytest.approx(0.9, abs=0.015)


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
    assert camera_biases(store, "nye", ["a"], programs={"a": ("new", 0.25)})["a"].factor == 1.0
    store.close()
