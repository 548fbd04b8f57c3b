"""What time to limit foretells on a night: where its rule is in force, until crowding is at the limit."""

from dataclasses import replace

import pytest

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.core.records import Tick
from pipelines.evaluation.rule_forecasts import RuleForecasts

NS = 1_000_000_000
RISE_P_M2_S = 0.004


@pytest.fixture(scope="module")
def event():
    return config.load(example("new_year"))


def filled(event, begin_s):
    """What is foretold where every zone fills at a steady pace from 2 p/m2 on."""
    site = config.to_site(event)
    _, blank = advance(start(view_site(site)), Tick(event.start_ns + begin_s * NS, ()))
    found = RuleForecasts(site)
    for since_s in range(0, 240, 3):
        t_ns = event.start_ns + (begin_s + since_s) * NS
        density = 2.0 + RISE_P_M2_S * since_s
        readings = [replace(each, t_ns=t_ns, density_p_m2=density) for each in blank.readings]
        found.see(replace(blank, t_ns=t_ns, readings=tuple(readings), alarms=()))
    return found.found


def test_it_says_when_the_limit_is_reached_where_the_rule_is_in_force(event):
    said = filled(event, 3 * 3600)
    standing = {zone.id for zone in event.zones if zone.kind.value == "standing"}
    assert {each.zone_id for each in said} == standing
    for each in said:
        # readings are kept every ten seconds: the newest may be that old
        truly_min = (each.limit_p_m2 - each.now_p_m2) / RISE_P_M2_S / 60
        assert each.minutes == pytest.approx(truly_min, abs=0.05)
    assert len({each.t_s for each in said}) == 2, "it looks ahead for three times what it has seen"


def test_it_says_nothing_where_the_rule_is_not_in_force(event):
    assert filled(event, 600) == [], "doors: the rule begins with the build-up"
