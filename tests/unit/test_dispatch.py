"""Units: one task at a time, refusals said, nearest on foot, and how fast alerts are answered."""

import json
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from corridor import corridor
from notices import LIVE, T0, S, alert
from scenes import every_second, fold, ladder, square, started
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.analytics.dispatch import figures, first_roster, roster_of, step, wilson
from crowdwatch.analytics.walking import Walker
from crowdwatch.assets.examples import example
from crowdwatch.commands.cli import app
from crowdwatch.core.commands import judge
from crowdwatch.core.dispatch import Unit, UnitKind, UnitNow, UnitState
from crowdwatch.core.outcomes import AlarmState, Level, Outcome
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.inlet import CommandInlet
from crowdwatch.drivers.live.memory import read_state, state_bytes
from crowdwatch.store.sql import SqlStore

UNITS = tuple(
    Unit(name, {"en": name}, kind, at)
    for name, kind, at in (
        ("p1", UnitKind.PATROL, (5.0, 5.0)), ("p2", UnitKind.PATROL, (55.0, 5.0)), ("d1", UnitKind.DRONE, (30.0, 40.0))
    )
)  # fmt: skip
SITE = corridor(units=UNITS)
STANDING = {("middle", "crowding"), ("east", "crowding")}


def act(number, kind, unit="p1", zone_id="", text="", second=0):
    alarm = "crowding" if zone_id else ""
    return OperatorAction(number, T0 + second * S, kind, zone_id, alarm, "ana", 0, "operator", unit, text)


def after(*actions, standing=STANDING, roster=None):
    return step(roster or first_roster(SITE), actions, standing, T0)


def test_a_unit_goes_through_its_task_and_is_free_again():
    roster, events = after(
        act(1, "assign", zone_id="middle"), act(2, "accept"), act(3, "arrive"), act(4, "release"),
        act(5, "assign", zone_id="east"),
    )  # fmt: skip
    assert [event.transition for event in events] == ["assigned", "accepted", "arrived", "released", "assigned"]
    assert {event.zone_id for event in events[:4]} == {"middle"}
    assert roster.units["p1"] == UnitNow("p1", UnitState.ASSIGNED, 5.0, 5.0, "east", "crowding", T0)


REFUSED = [
    ([act(1, "assign", zone_id="middle"), act(2, "assign", zone_id="east")], Code.UNIT_BUSY),
    ([act(1, "assign", zone_id="middle"), act(2, "assign", zone_id="middle")], Code.UNIT_BUSY),
    ([act(1, "assign", "nobody", "middle")], Code.REFUSED_UNIT),
    ([act(1, "assign", zone_id="west")], Code.NO_ALARM),
    ([act(1, "accept")], Code.UNIT_FREE),
    ([act(1, "release")], Code.UNIT_FREE),
    ([act(1, "unit", text="off"), act(2, "assign", zone_id="middle")], Code.UNIT_OFF),
    ([act(1, "assign", zone_id="middle"), act(2, "unit", text="off")], Code.UNIT_BUSY),
    ([act(1, "assign", zone_id="middle"), act(2, "arrive"), act(3, "accept")], Code.UNIT_BUSY),
]


@pytest.mark.parametrize(("actions", "code"), REFUSED)
def test_what_cannot_be_done_is_refused_changes_nothing_and_is_said(actions, code):
    before, _ = after(*actions[:-1])
    roster, events = after(*actions)
    assert events[-1].transition == "refused"
    assert [reason.code for reason in events[-1].reasons] == [code]
    assert roster.units == before.units


def test_a_unit_says_where_it_is_and_keeps_its_task():
    roster, events = after(act(1, "assign", zone_id="middle"), act(2, "unit", text="12.5,-3"))
    assert roster.units["p1"].zone_id == "middle"
    assert (roster.units["p1"].east_m, events[1].north_m) == (12.5, -3.0)


def test_the_units_are_found_again_from_what_the_store_has():
    actions = [act(1, "assign", zone_id="middle"), act(2, "unit", "p2", text="50,5"), act(3, "assign", "p2", "east")]
    actions += [act(4, "release"), act(5, "unit", text="off"), act(6, "assign", zone_id="east")]
    roster, events = after(*actions)
    assert roster_of(SITE, events[::-1]).units == roster.units


def test_events_are_the_same_whenever_they_are_made():
    ids = [event.event_id for event in after(act(1, "assign", zone_id="middle"), act(2, "accept"))[1]]
    assert ids == [event.event_id for event in after(act(1, "assign", zone_id="middle"), act(2, "accept"))[1]]
    assert len(set(ids)) == 2


BAD_COMMANDS = [
    ({"kind": CommandKind.ASSIGN, "zone_id": "z", "subject": "../../etc"}, Code.REFUSED_UNIT),
    ({"kind": CommandKind.ASSIGN, "zone_id": "z", "subject": "x" * 1_000_000}, Code.REFUSED_UNIT),
    ({"kind": CommandKind.ASSIGN, "zone_id": "nowhere", "subject": "p1"}, Code.REFUSED_ZONE),
    ({"kind": CommandKind.UNIT, "subject": "p1", "text": "here"}, Code.REFUSED_PLACE),
    ({"kind": CommandKind.UNIT, "subject": "p1", "text": "nan,1"}, Code.REFUSED_PLACE),
    ({"kind": CommandKind.UNIT, "subject": "p1", "text": "1" * 1_000_000}, Code.REFUSED_PLACE),
    ({"kind": CommandKind.RELEASE, "subject": ""}, Code.REFUSED_UNIT),
]


@pytest.mark.parametrize(("more", "code"), BAD_COMMANDS)
def test_hostile_commands_are_refused_at_the_door(more, code):
    assert judge(Command(run_id="r", actor="ana", wall_ns=0, **more), {"z"}).code is code


def test_dispatch_goes_through_the_fold_and_acknowledges_nothing():
    """An ASSIGN that names an alarm is no acknowledgement of it."""
    site = replace(square(limits=ladder(0.05, 0.1, 0.15)), units=(Unit("p1", {}, UnitKind.PATROL, (0.0, 0.0)),))
    crowd = np.array([[x, 3.0] for x in np.linspace(-3, 3, 12)])
    events = every_second(lambda second: crowd, 12)
    action = OperatorAction(1, events[-1].t_ns, "assign", "z", "crowding", "ana", 4, subject="p1")
    state, outcomes = fold(started(site), [*events[:-1], action, events[-1]])
    last = outcomes[-1]
    assert [(event.transition, event.zone_id) for event in last.dispatched] == [("assigned", "z")]
    assert [alarm.state for alarm in last.alarms] == [AlarmState.UNACKNOWLEDGED]
    again = fold(started(site), [*events[:-1], action, events[-1]])[1]
    assert again[-1].dispatched == last.dispatched
    kept = read_state(state_bytes(state), state.view).roster
    assert kept.units == state.roster.units, "an engine that was killed knows its units"
    assert kept.units["p1"].state is UnitState.ASSIGNED


# --------------------------------------------------------------------------------------------------- walking distance


def unit(name, x, y, state=UnitState.FREE):
    return UnitNow(name, state, x, y)


def test_distance_on_open_ground_is_straight_within_three_percent():
    walker = Walker(corridor())
    for x, y in ((15.0, 5.0), (5.0, 1.0), (10.25, 9.25)):
        found = walker.to_zone("middle", [unit("u", x, y)])["u"]
        truth = 21.0 - x
        assert truth - 1.0 <= found <= 1.03 * truth + 1.0  # of the size of a cell at both ends


def test_walls_are_walked_around_and_corners_are_not_cut():
    """A wall across all but the northernmost metre: from its south side one walks up and down again."""
    wall = np.array([[20, 0], [20.6, 0], [20.6, 9], [20, 9]], float)
    walker = Walker(corridor(obstacles=(wall,)))
    found = walker.to_zone("middle", [unit("u", 19.5, 0.5)])["u"]
    truth = math.dist((19.5, 0.5), (20, 9)) + 0.6 + 0.4  # up to the gap, through it, into the zone from x = 21
    assert truth - 1.0 <= found <= 1.03 * truth + 1.5


def test_the_nearest_on_foot_is_not_the_nearest_as_the_crow_flies():
    wall = np.array([[20, 0], [20.6, 0], [20.6, 9.4], [20, 9.4]], float)
    site = corridor(obstacles=(wall,), units=tuple(replace(each, at_m=(0.0, 0.0)) for each in UNITS))
    units = [unit("p1", 19.0, 0.5), unit("p2", 45.0, 0.5), unit("d1", 19.0, 0.5)]
    found = Walker(site).nearest("middle", units)
    assert [each.unit_id for each, _ in found] == ["d1", "p2", "p1"]
    assert found[0][1] == pytest.approx(2.0), "a drone flies"


def test_who_cannot_get_there_or_is_busy_is_not_offered():
    wall = np.array([[20, 0], [20.6, 0], [20.6, 10], [20, 10]], float)
    site = corridor(obstacles=(wall,), units=UNITS)
    units = [unit("p1", 5.0, 5.0), unit("p2", 55.0, 5.0), unit("p3", 50.0, 5.0, UnitState.ASSIGNED)]
    assert [each.unit_id for each, _ in Walker(site).nearest("middle", units)] == ["p2"]
    assert Walker(site).to_zone("middle", [unit("far", 500.0, 5.0)])["far"] == math.inf
    assert Walker(site).nearest("middle", units, kinds=[UnitKind.MEDIC]) == []


# ------------------------------------------------------------------------------------------------------------ figures


def sent(second, transition="assigned", zone_id="middle", unit_id="p1"):
    _, (event,) = step(
        first_roster(SITE), [act(1, "assign", unit_id, zone_id)], {(zone_id, "crowding")}, T0 + round(second * S)
    )
    return replace(event, transition=transition, event_id=f"{second}{transition}{unit_id}")


def rose(second, zone_id="middle", level=Level.ALERT, transition="raised"):
    return alert(second, transition, level, zone_id=zone_id)


def test_the_one_minute_rate_counts_the_undispatched_as_misses():
    alerts = [rose(0, "a"), rose(0, "b"), rose(0, "c"), rose(0, "d"), rose(560, "e"), rose(0, "f", Level.CAUTION)]
    alerts += [alert(30, "cleared", Level.NORMAL, zone_id="d")]
    units = [sent(20, zone_id="a"), sent(60, zone_id="b"), sent(61, zone_id="c"), sent(5, zone_id="f")]
    found = figures(alerts, units, T0 + 600 * S)
    assert (found.within, found.alerts, found.undispatched, found.open) == (2, 4, 1, 1)
    assert (found.rate, found.low, found.high) == (0.5, *wilson(2, 4))
    assert (found.dispatch.n, found.dispatch.p50_s, found.dispatch.p90_s) == (3, 60.0, 60.8)


def test_time_runs_from_the_actionable_level_to_the_first_answer():
    alerts = [rose(0, level=Level.WATCH), rose(100, level=Level.ALERT, transition="level_up")]
    alerts += [alert(130, "acknowledged", Level.ALERT, zone_id="middle"), rose(140, level=Level.CRITICAL)]
    found = figures(alerts, [sent(110), sent(170, "arrived"), sent(180, "arrived", unit_id="p2")], T0 + 600 * S)
    assert (found.dispatch.p50_s, found.acknowledge.p50_s, found.arrive.p50_s) == (10.0, 30.0, 70.0)
    assert found.alerts == 1


def test_a_unit_that_is_there_already_counts_at_once_and_one_that_left_does_not():
    alerts = [rose(0, level=Level.WATCH), rose(100, level=Level.ALERT, transition="level_up")]
    assert figures(alerts, [sent(50)], T0 + 600 * S).dispatch.p50_s == 0.0
    gone = figures(alerts, [sent(50), sent(80, "released")], T0 + 600 * S)
    assert (gone.undispatched, gone.rate) == (1, 0.0)


def test_what_was_shelved_before_anybody_was_sent_is_left_out():
    shelved = replace(alert(10, "shelved", Level.ALERT, zone_id="middle"))
    object.__setattr__(shelved, "to_state", type("State", (), {"value": "shelved"})())
    assert figures([rose(0), shelved], [], T0 + 600 * S).alerts == 0


def test_alarms_of_one_lost_camera_are_one_alert_and_one_unit_answers_them():
    zones = "west", "middle", "east"
    lost = [replace(alert(n, zone_id=z, alarm="blindness"), cause_key="camera:a") for n, z in enumerate(zones)]
    over = [
        replace(alert(100 + n, "cleared", Level.NORMAL, zone_id=z, alarm="blindness"), cause_key="camera:a")
        for n, z in enumerate(zones)
    ]
    own = replace(alert(5, zone_id="west"), cause_key="zone:west")
    unit = replace(sent(30), zone_id="middle", alarm="blindness")
    found = figures([*lost, own, *over], [unit], T0 + 600 * S)
    assert (found.within, found.alerts, found.undispatched) == (1, 2, 1), "crowding is a cause of its own"
    again = [replace(each, t_ns=each.t_ns + 300 * S, event_id=each.event_id + "2") for each in (*lost, *over)]
    assert figures([*lost, *over, *again], [unit], T0 + 900 * S).alerts == 2, "lost again later is lost again"
    aside = replace(lost[0], transition="shelved", to_state=AlarmState.SHELVED, t_ns=T0 + 5 * S, event_id="s")
    assert figures([*lost, aside, *over], [], T0 + 600 * S).alerts == 1, "two zones of it are still asked for"


def test_no_alerts_give_no_rate():
    found = figures([], [], T0)
    assert math.isnan(found.rate)
    assert found.alerts == found.open == 0


def test_the_store_keeps_what_happened_and_the_command_line_shows_it(tmp_path):
    path = tmp_path / "event.yaml"
    units = "\nunits:\n  - {id: p1, kind: patrol, at_m: [0, 0]}\n  - {id: p2, kind: medic, at_m: [-8, 0]}\n"
    path.write_text(example("synthetic").read_text(encoding="utf-8") + units, encoding="utf-8")
    event = config.load(path)
    site, url = config.to_site(event), f"sqlite:///{tmp_path}/s.sqlite"
    store = SqlStore(url)
    store.begin(replace(LIVE, event_id=event.id, config_json=event.model_dump_json()))
    zone_id = site.zones[0].zone_id
    roster, events = step(first_roster(site), [act(1, "assign", zone_id=zone_id)], {(zone_id, "crowding")}, T0)
    outcome = Outcome(T0, (), None, (alert(0, zone_id=zone_id),), (), (), dispatched=events)
    store.write(LIVE.run_id, [outcome, outcome])
    assert store.dispatches(LIVE.run_id) == list(events)
    assert roster_of(site, store.dispatches(LIVE.run_id)).units == roster.units
    said = CliRunner().invoke(app, ["dispatch", "rate", "--store", url, "--json"])
    assert json.loads(said.output)["rate"] == 1.0
    near = CliRunner().invoke(app, ["dispatch", "units", "--near", zone_id, "--store", url], env={"COLUMNS": "200"})
    assert "p2" in near.output
    assert "p1" not in near.output, "it is not free"
    lost = CliRunner().invoke(app, ["dispatch", "assign", "p9", zone_id, "--store", url])
    assert "Units: p1, p2" in str(lost.exception)
    slow = CliRunner().invoke(app, ["dispatch", "accept", "p1", "--store", url, "--within", "0"])
    assert "no engine has taken it" in str(slow.exception)
    refused = CliRunner().invoke(app, ["dispatch", "assign", "p1", "nowhere", "--store", url])
    assert "no zone nowhere" in str(refused.exception)
    store.rewind(LIVE.run_id, T0 - 1)
    assert store.dispatches(LIVE.run_id) == []
    store.close()


def test_the_engine_answers_the_command_line(tmp_path):
    """A thread stands for the engine: it takes what is queued, and says at the next tick what became of it."""
    path = tmp_path / "event.yaml"
    units = "\nunits:\n  - {id: p1, kind: patrol, at_m: [0, 0]}\n"
    path.write_text(example("synthetic").read_text(encoding="utf-8") + units, encoding="utf-8")
    event, url = config.load(path), f"sqlite:///{tmp_path}/s.sqlite"
    site, store = config.to_site(event), SqlStore(url)
    store.begin(replace(LIVE, event_id=event.id, config_json=event.model_dump_json()))
    zone_id, stop = site.zones[0].zone_id, threading.Event()
    inlet = CommandInlet(store, LIVE.run_id, PacedClock(0), stop, zone_ids={zone_id})

    def engine():
        roster, t_ns = first_roster(site), T0
        while not stop.wait(0.02):
            t_ns += S
            roster, events = step(roster, inlet.take(t_ns), {(zone_id, "crowding")}, t_ns)
            store.write(LIVE.run_id, [Outcome(t_ns, (), None, (), (), (), dispatched=events)])

    thread = threading.Thread(target=engine)
    thread.start()
    try:
        words = ["--store", url, "--within", "20"]
        done = CliRunner().invoke(app, ["dispatch", "assign", "p1", zone_id, *words])
        assert done.output.strip() == f"p1: assigned {zone_id} crowding."
        twice = CliRunner().invoke(app, ["dispatch", "assign", "p1", zone_id, *words])
        assert (twice.exit_code, "is assigned to" in twice.output) == (1, True)
        freed = CliRunner().invoke(app, ["dispatch", "release", "p1", *words])
        assert freed.output.startswith("p1: released")
    finally:
        stop.set()
        thread.join()
        store.close()
