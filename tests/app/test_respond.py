"""What the page says and does about an alert: the playbook, units, and who was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crowdwatch.analytics.dispatch import first_roster, step
from crowdwatch.core.notices import Form, NotificationState, Target, TargetKind
from crowdwatch.core.outcomes import Level, Outcome
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import CommandKind, RunState
from crowdwatch.notify.courier import notification_of
from crowdwatch.store.outgoing import SqlOutgoing
from crowdwatch.ui.view import site_of
from crowdwatch.words import LANGUAGES

from .conftest import NS, START_NS, surge

MEASURE = {
    "levels": ["watch", "caution", "alert", "critical"],
    "do": {"en": "Hold people at {hold}, <b>not</b> inside {zone}.", "zh": "在{hold}拦截，不要在{zone}内。"},
    "call": ["duty officer"],
    "hold_gates": ["g1"],
    "send_to": "stairs",
    "message": {"en": "{zone} is full.", "zh": "{zone}已满。"},
}
EVENT = {
    "playbook": {"measures": [MEASURE]},
    "units": [
        {"id": "p1", "name": {"en": "Patrol 1", "zh": "巡逻一组"}, "kind": "patrol", "at_m": [35, 5]},
        {"id": "p2", "name": {"en": "Patrol 2", "zh": "巡逻二组"}, "kind": "patrol", "at_m": [20, 10]},
    ],
}


def test_the_playbook_of_the_alert_is_shown_and_what_speaks_against_it(seed: Any, open_page: Any) -> None:
    seed.run(density=lambda zone_id, second: surge(zone_id, second) + (4 if zone_id == "stairs" else 0), **EVENT)
    page = open_page()
    page.test.selectbox(key="respond").set_value("front|crowding").run()
    assert "Hold people at Gate 1, &lt;b&gt;not&lt;/b&gt; inside Stage front." in page.html
    assert "Call: duty officer" in page.html
    assert "Read out: Stage front is full." in page.html
    assert "sends people to stairs, which is not green" in page.html
    assert "Nobody has been told" in page.html


def _senders(page: Any) -> list[Any]:
    """The buttons that send a unit."""
    return [button for button in page.test.button if button.label.startswith("Send ") and "report" not in button.label]


def test_the_nearest_unit_comes_first_and_is_sent_by_a_command(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, **EVENT)
    page = open_page()
    buttons = _senders(page)
    assert [button.label for button in buttons] == ["Send Patrol 2 (2 m)", "Send Patrol 1 (10 m)"]
    buttons[0].click().run()
    (command,) = seed.store.pending("r1")
    assert (command.kind, command.subject, command.zone_id) == (CommandKind.ASSIGN, "p2", "front")
    assert all(button.disabled for button in _senders(page))


def test_a_unit_that_is_away_is_said_and_not_offered(seed: Any, open_page: Any) -> None:
    def hook(outcome: Outcome) -> Outcome:
        if outcome.t_ns != START_NS + 80 * NS:
            return outcome
        actions = [
            OperatorAction(n, outcome.t_ns, "assign", "front", "crowding", "ana", 0, subject="p2") for n in (1, 2)
        ]
        roster = first_roster(site_of(seed.store.run("r1").config_json))
        return replace(outcome, dispatched=step(roster, actions, {("front", "crowding")}, outcome.t_ns)[1])

    seed.run(density=surge, hook=hook, **EVENT)
    page = open_page()
    assert "Patrol 2: assigned, Stage front" in page.html
    assert "Not done: p2: unit p2 is assigned to front (crowding) already" in page.html
    assert [button.label for button in _senders(page)] == ["Send Patrol 1 (10 m)"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_was_told_is_listed_with_its_fault_or_reason(seed: Any, open_page: Any, language: str) -> None:
    seed.run(density=surge, **EVENT)
    run, outgoing = seed.store.run("r1"), SqlOutgoing(seed.url)
    first = next(each for each in reversed(seed.store.alerts("r1")) if each.zone_id == "front")
    target = Target("duty", TargetKind.WEBHOOK, Form.JSON, "x")
    row = notification_of(run, target, first, START_NS, why="", first=None)
    outgoing.put(
        [
            replace(row, state=NotificationState.SENT, done_wall_ns=START_NS, attempts=1),
            replace(row, target_id="room", attempts=3, why="room: answered <500>."),
            replace(row, target_id="chief", state=NotificationState.SUPPRESSED, why="quiet"),
        ]
    )
    outgoing.close()
    page = open_page(lang=language)
    for part in {
        "en": ("delivered at", "waiting, 3 tries: room: answered &lt;500&gt;.", "not told: quiet hours"),
        "zh": ("已送达", "已尝试 3 次", "未通知：该对象处于免打扰时段"),
    }[language]:
        assert part in page.html


def test_a_run_that_is_over_sends_nobody_and_a_calm_one_shows_nothing(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, state=RunState.FINISHED, **EVENT)
    page = open_page()
    assert all(button.disabled for button in _senders(page))
    seed.run("r2")
    assert not [each for each in open_page().test.selectbox if each.key == "respond"]
    assert Level.NORMAL == 0
