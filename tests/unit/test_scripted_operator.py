"""The operator of a scripted night: every alarm is answered, and units are sent and free again."""

import pytest

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.dispatch import figures
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level
from crowdwatch.drivers.scripted_operator import FIRST_NUMBER, ScriptedOperator
from crowdwatch.sources.night import Incident, IncidentKind, Night, NightPlan

CAMERAS = ("pier-west", "roof-west", "street-west")
LOST = Incident("lost", IncidentKind.CAMERAS_LOST, 18.0, 60.0, ("promenade", "exit-west"), cameras=CAMERAS)


@pytest.fixture(scope="module")
def told():
    site = config.to_site(config.load(example("new_year")))
    night = Night(site, NightPlan(5, 6_000, (LOST,)), 0, 0.0, 120.0)
    operator, state = ScriptedOperator(site, 5), start(view_site(site))
    alerts, actions, refused, outcome = [], [], [], None
    for beat in night.beats():
        done = operator.acts(beat.t_ns)
        for each in (*beat.events[:-1], *done, beat.events[-1]):
            state, outcome = advance(state, each)
        operator.see(outcome)
        alerts += outcome.alerts
        actions += done
        refused += outcome.refused
    return operator, alerts, actions, refused, outcome


def test_every_actionable_alert_has_a_unit_within_a_minute(told):
    operator, alerts, _, _, outcome = told
    found = figures(alerts, operator.dispatched, outcome.t_ns)
    zones = {alert.zone_id for alert in alerts if alert.level >= Level.ALERT}
    assert found.alerts >= len(zones) >= 2
    assert found.within == found.alerts
    assert found.acknowledge.n == found.alerts
    assert found.acknowledge.p90_s <= 60


def test_nothing_is_refused_and_no_number_is_used_twice(told):
    operator, _, actions, refused, _ = told
    assert not refused
    assert [each.transition for each in operator.dispatched if each.transition == "refused"] == []
    numbers = [each.command_id for each in actions]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > FIRST_NUMBER


def test_units_are_free_again_when_it_is_over(told):
    operator, _, _, _, outcome = told
    standing = {(alarm.zone_id, alarm.alarm) for alarm in outcome.alarms if alarm.level > Level.NORMAL}
    assert not [key for key in standing if key[1] == "blindness"], "sight is back for a minute"
    said = [each.transition for each in operator.dispatched]
    assert said.count("assigned") == said.count("released") > 0
