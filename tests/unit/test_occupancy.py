"""The ledger of the whole site: by gates, corrected by zones, clickers and turnstiles; and the balance's forecast."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from crowdwatch.analytics.balance import Measured, time_to_limit
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.analytics.occupancy import anchored, corrected, crossed_over, first_ledger
from crowdwatch.commands.cli import app
from crowdwatch.commands.gate_commands import read_counts
from crowdwatch.core.commands import judge
from crowdwatch.core.gate_counts import GateCount, count_text
from crowdwatch.core.movement import SiteOccupancy
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import OperatorAction, Tick
from crowdwatch.core.runs import Command, CommandKind, Mode, Run
from crowdwatch.core.site import Gate, Site
from crowdwatch.errors import AuditRefused
from crowdwatch.store.sql import SqlStore
from pipelines.evaluation.evening import draw_evening
from tests.scenes import SQUARE, T0, S, see, square

WHOLE = square(zone=SQUARE, area_m2=120.0)
EDGE = np.array([True])


def site(*, site_edge: bool = True) -> Site:
    """A site that is one zone, with a gate that a camera sees and one that none sees."""
    seen = Gate("north", {"en": "n"}, np.array([[2.0, 3.0], [-2.0, 3.0]]), 4.0, site_edge=site_edge)
    return replace(WHOLE, gates=(seen,))


def ticks(
    state: State, seconds: range, people: int, action: OperatorAction | None = None
) -> tuple[State, SiteOccupancy]:
    said = None
    for second in seconds:
        at = np.stack([np.linspace(-4, 4, people), np.zeros(people)], axis=1)
        one = see(T0 + second * S, at)
        state, _ = advance(state, one)
        if action is not None and second == seconds[-1]:
            state, _ = advance(state, action)
        state, outcome = advance(state, Tick(one.t_ns, (one.stamp.id,)))
        assert outcome is not None
        said = outcome.occupancy
    assert said is not None
    return state, said


def counted(people: float, way: str = "in", gate: str = "north", duration_s: float = 0.0) -> OperatorAction:
    kind = CommandKind.GATE_COUNT.value
    return OperatorAction(1, T0, kind, "", "", "ana", 0, subject=gate, text=way, value=people, duration_s=duration_s)


def test_the_ledger_begins_with_what_the_zones_count() -> None:
    _, said = ticks(start(view_site(site())), range(5), 8)
    assert said.count == pytest.approx(8, abs=0.5)
    assert said.count_low < 8 < said.count_high
    assert said.anchored_s < 5


def test_before_the_zones_are_counted_nothing_is_known() -> None:
    _, outcome = advance(start(view_site(site())), Tick(T0, ()))
    assert outcome is not None
    assert outcome.occupancy is not None
    assert math.isnan(outcome.occupancy.count)
    assert Code.NOT_ANCHORED in [reason.code for reason in outcome.occupancy.reasons]


def test_a_clicker_takes_the_place_of_the_cameras_count() -> None:
    state, before = ticks(start(view_site(site())), range(5), 8)
    state, said = ticks(state, range(5, 30), 8, counted(3))
    assert said.count == pytest.approx(before.count + 3, abs=0.5)


def test_who_clicks_twice_for_the_same_time_counts_once() -> None:
    state, _ = ticks(start(view_site(site())), range(5), 8)
    state, once = ticks(state, range(5, 30), 8, counted(3, duration_s=20))
    state, twice = ticks(state, range(30, 31), 8, replace(counted(3, duration_s=20), command_id=2))
    assert twice.count == pytest.approx(once.count + 3 / 20, abs=0.05)  # a second of it is new


def test_a_gate_inside_the_site_changes_nothing() -> None:
    _, outcome = advance(start(view_site(site(site_edge=False))), Tick(T0, ()))
    assert outcome is not None
    assert outcome.occupancy is None


def test_an_unwatched_gate_widens_the_interval_and_is_named() -> None:
    unseen = Gate("south", {"en": "s"}, np.array([[40.0, 40.0], [42.0, 40.0]]), 2.0)
    world = replace(site(), gates=(*site().gates, unseen))
    state, early = ticks(start(view_site(world)), range(3), 8)
    for second in range(3, 70, 4):
        state, said = ticks(state, range(second, second + 1), 0)
    assert said.count_high - said.count_low > early.count_high - early.count_low or said.anchored_s < 60
    names = [dict(reason.values).get("gate_id") for reason in said.reasons]
    assert "south" in names or said.anchored_s < 60


def test_zones_do_not_make_the_ledger_surer_than_they_are() -> None:
    """A thousand counts that share an error of 5 % leave 5 %, less only what the gates know."""
    view = view_site(site())
    ledger = first_ledger(view)
    for minute in range(1000):
        ledger = anchored(ledger, 1000.0, 0.05, minute * 60 * S)
        ledger = crossed_over(ledger, np.zeros((1, 2)), EDGE, 60.0)
    assert math.sqrt(ledger.spread[0, 0]) > 0.04 * 1000


def test_the_gates_error_is_learned_from_the_zones() -> None:
    """A gate that counts 90 % of a thousand, with zones known to 0.5 %."""
    ledger = anchored(first_ledger(view_site(site())), 0.0, 0.005, 0)
    for minute in range(1, 100):
        ledger = crossed_over(ledger, np.array([[9.0, 0.0]]), EDGE, 60.0)
        ledger = anchored(ledger, 10.0 * minute, 0.005, minute * 60 * S)
    assert ledger.state[0] == pytest.approx(990, rel=0.02)
    assert ledger.state[1] == pytest.approx(0.11, abs=0.05)


def test_a_turnstiles_count_of_an_uncounted_gate_narrows_the_interval() -> None:
    ledger = anchored(first_ledger(view_site(site())), 100.0, 0.02, 0)
    ledger = replace(ledger, history=((0, np.zeros((1, 2))),))
    blind = crossed_over(ledger, np.full((1, 2), np.nan), EDGE, 600.0)
    assert blind.gaps_s.tolist() == [[600.0, 600.0]]
    told = corrected(blind, 0, GateCount("north", True, 50.0, 600.0), 600 * S)
    assert told.gaps_s.tolist() == [[0.0, 600.0]]
    assert told.state[0] == pytest.approx(150)


def test_an_evening_with_gates_at_95_percent() -> None:
    true, said, half = draw_evening(1)
    assert abs(said[-1] / true[-1] - 1) < 0.03
    assert abs(said[-1] - true[-1]) <= half[-1]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"value": -5.0}, Code.REFUSED_VALUE),
        ({"value": 2.5}, Code.REFUSED_VALUE),
        ({"value": 1e7}, Code.REFUSED_VALUE),
        ({"value": math.nan}, Code.REFUSED_VALUE),
        ({"duration_s": -60.0}, Code.REFUSED_VALUE),
        ({"subject": "nowhere"}, Code.REFUSED_GATE),
        ({"text": "around"}, Code.REFUSED_KIND),
    ],
)
def test_counts_that_cannot_be_are_refused(changes: dict[str, object], code: Code) -> None:
    good = Command("r", CommandKind.GATE_COUNT, "ana", 0, subject="north", value=12.0, text=count_text(True))
    assert judge(good, gate_ids={"north"}) is None
    refused = judge(replace(good, **changes), gate_ids={"north"})  # type: ignore[arg-type]
    assert refused is not None
    assert refused.code is code


def test_the_table_of_turnstiles_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    file = tmp_path / "turnstiles.csv"
    file.write_text(
        "until,duration_s,gate_id,in,out\n2026-12-31T21:10:00Z,300,north,40,2\n2026-12-31T21:05:00Z,300,north,30,1\n"
    )
    rows = read_counts(file)
    assert [(row.into, row.out) for row in rows] == [(30, 1), (40, 2)]
    file.write_text("until,duration_s,gate_id,in,out\nnoon,300,north,-4,2\n")
    with pytest.raises(AuditRefused, match="line 2"):
        read_counts(file)
    file.write_text("when,gate\n1,2\n")
    with pytest.raises(AuditRefused, match="columns"):
        read_counts(file)


def test_a_count_is_queued_for_a_gate_of_the_event_alone(tmp_path: Path) -> None:
    from crowdwatch import config
    from crowdwatch.assets.examples import example

    event = config.load(example("pets2009"))
    url = f"sqlite:///{tmp_path}/crowd.sqlite"
    store = SqlStore(url)
    store.begin(Run("r", event.id, Mode.REPLAY, event.model_dump_json(), str(tmp_path), 0, S, 0))
    runner = CliRunner()
    done = runner.invoke(app, ["gate", "count", "r", "west-gate", "--in", "12", "--out", "3", "--store", url])
    assert done.exit_code == 0, done.output
    assert [(c.subject, c.text, c.value) for c in store.pending("r")] == [
        ("west-gate", "in", 12),
        ("west-gate", "out", 3),
    ]
    for wrong in (["nowhere", "--in", "1"], ["west-gate", "--in", "-5"]):
        refused = runner.invoke(app, ["gate", "count", "r", *wrong, "--store", url])
        assert isinstance(refused.exception, AuditRefused)
    assert len(store.pending("r")) == 2
    store.close()


def test_the_balance_knows_its_bounds() -> None:
    flows = Measured(2.0, 1.5, 2.5), Measured(1.0, 0.5, 1.5)
    said = time_to_limit(Measured(400, 380, 420), *flows, 500)
    assert said.soonest_s < said.value_s < said.latest_s
    assert time_to_limit(Measured(600, 580, 620), *flows, 500).value_s == 0
    unknown = time_to_limit(Measured(math.nan, math.nan, math.nan), *flows, 500)
    assert math.isnan(unknown.value_s)
    level = time_to_limit(Measured(400, 400, 400), Measured(1.0, 0.8, 1.2), Measured(1.0, 0.8, 1.2), 500)
    assert math.isinf(level.latest_s)
    assert level.soonest_s < math.inf
