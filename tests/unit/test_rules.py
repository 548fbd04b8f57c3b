"""Rules: what each says of histories that can be worked out by hand."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from alarm_nights import NAN, night, reading, site
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import T0, S, camera, every_second, fold, ladder, square, started

from crowdwatch.analytics.alerts import Around
from crowdwatch.analytics.rules import REGISTRY, Inputs, Sample
from crowdwatch.analytics.rules.early import minutes_ahead
from crowdwatch.analytics.rules.parameters import faults, read
from crowdwatch.analytics.trend import forecast, theil_sen
from crowdwatch.core.movement import Precursor, PrecursorKind, ZoneMovement
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code
from crowdwatch.core.site import Bias, Expected, Quantity, RuleSetting

ZONE = square().zones[0]


def history(values, every_s=10.0, *, too_few=()):
    """Samples of a zone of 48 m2 that end now."""
    first = T0 - round((len(values) - 1) * every_s * S)
    return tuple(
        Sample(first + round(n * every_s * S), value, value * 48, n in too_few) for n, value in enumerate(values)
    )


def says(rule, inputs, **parameters):
    return REGISTRY[rule].judge(inputs, read(REGISTRY[rule].parameters, tuple(parameters.items())))


def inputs(density=1.0, past=(), **more):
    return Inputs(ZONE, reading(T0, density), ladder(1.0, 2.0, 3.0, 4.0), history(past) if past else (), **more)


def signs(**held_s):
    """Movement in which signs have been there for so long; 0 is looked for and not there."""
    found = tuple(Precursor(PrecursorKind(kind), 0.5, 0.2, "share", seconds) for kind, seconds in held_s.items())
    return ZoneMovement("z", T0, 10.0, *[0.5] * 12, precursors=found)


def test_a_sign_in_movement_is_worth_a_look_and_two_are_worth_more():
    assert says("movement", inputs()).level is Level.UNKNOWN, "nobody measures movement"
    assert says("movement", inputs(movement=signs())).level is Level.UNKNOWN, "no sign could be looked for"
    assert says("movement", inputs(movement=signs(counter_flow=0.0))).level is Level.NORMAL
    one = says("movement", inputs(movement=signs(counter_flow=12.0, pressure=0.0)))
    assert (one.level, one.reason.code) == (Level.WATCH, Code.SIGN)
    assert dict(one.reason.values)["sign"] == "counter_flow"
    two = inputs(movement=signs(counter_flow=12.0, slowing=30.0))
    assert says("movement", two).level is Level.CAUTION
    assert says("movement", two, slowing=False).level is Level.WATCH
    assert says("movement", two, level="alert").level is Level.ALERT, "never CRITICAL by signs alone"


def test_theil_sen_is_the_median_of_slopes_and_agrees_with_scipy():
    from scipy.stats import theilslopes

    chance = np.random.default_rng(3)
    t = np.arange(20) * 10.0
    y = 0.02 * t + chance.normal(0, 1, 20)
    y[4] = 90.0
    mine, theirs = theil_sen(t, y), theilslopes(y, t, 0.9)
    assert mine.slope == pytest.approx(theirs.slope)
    assert mine.low == pytest.approx(theirs.low_slope)
    assert mine.high == pytest.approx(theirs.high_slope)


def test_a_forecast_of_a_straight_rise_is_exact():
    t = np.arange(0, 180, 10)
    found = forecast(t, 1 + t / 60, 5.0)  # one a minute; 3.83 now
    assert found.minutes == pytest.approx((5 - (1 + 170 / 60)) / 1)
    assert found.low == found.high == pytest.approx(found.minutes)
    assert forecast(t, 1 + t / 60, 3.0).minutes == 0, "it is reached"


@pytest.mark.parametrize(
    "values",
    [
        [2.0] * 18,
        [2 + 0.5 * (n % 2) for n in range(18)],
        [3 - 0.05 * n for n in range(18)],
        [1 + 0.2 * n for n in range(9)] + [2.6] * 9,
        [0.01 * n for n in range(18)],
        [1.0, 1.5, 2.0, 2.5, 3.0],
    ],
    ids=["flat", "up and down", "falling", "has stopped", "far away", "too few"],
)
def test_a_forecast_is_silent_where_it_has_no_skill(values):
    found = forecast(np.arange(len(values)) * 10, values, 5.0)
    assert math.isnan(found.minutes)
    assert math.isnan(found.low)


def test_a_single_outlier_moves_no_forecast():
    t = np.arange(0, 180, 10)
    y = 1 + t / 60
    y[3] = 9.0
    assert forecast(t, y, 5.0).minutes == pytest.approx(forecast(t, 1 + t / 60, 5.0).minutes, abs=0.1)


@given(st.floats(0.2, 3.0), st.floats(0.5, 20.0), st.floats(1.1, 100.0))
@settings(deadline=None, max_examples=40)
def test_units_do_not_matter(slope, limit, scale):
    t = np.arange(0, 180, 10)
    one, other = forecast(t, slope * t / 60, limit), forecast(t, slope * t / 60 * scale, limit * scale)
    assert one.minutes == pytest.approx(other.minutes, nan_ok=True, abs=1e-5)


def test_build_up_is_said_from_a_density_on_and_when_it_is_sure():
    rising = [1.0 + 0.1 * n for n in range(12)]  # 0.6 p/m2 a minute
    verdict = says("build_up", inputs(2.1, rising))
    assert (verdict.level, verdict.reason.code) == (Level.CAUTION, Code.BUILDS_UP)
    assert verdict.value == pytest.approx(0.6)
    assert says("build_up", inputs(0.5, [value - 1.8 for value in rising])).level is Level.NORMAL
    assert says("build_up", inputs(2.0, [2.0] * 12)).level is Level.NORMAL
    assert says("build_up", inputs(2.0, rising[:3])).level is Level.UNKNOWN
    assert says("build_up", inputs(None, [*rising, NAN])).level is Level.UNKNOWN


def test_counts_that_were_too_low_before_are_no_rise():
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5] + [2.0] * 6
    sure = Inputs(ZONE, reading(T0, 2.0), history=history(values, too_few=range(6)))
    assert says("build_up", sure).level is Level.NORMAL
    assert says("build_up", replace(sure, history=history(values))).level > Level.NORMAL


def test_time_to_limit_names_the_limit_that_is_reached_first():
    rising = [1.0 + 0.06 * n for n in range(18)]  # 0.36 a minute, 2.02 now: 3.0 is 2.7 minutes away
    verdict = says("time_to_limit", inputs(2.0, rising))
    assert (verdict.level, verdict.reason.code) == (Level.CAUTION, Code.REACHES_LIMIT)
    assert verdict.value == pytest.approx(0.98 / 0.36, abs=0.01)
    people = ladder(0, 0, 110.0, quantity=Quantity.COUNT)[2:]
    both = inputs(2.0, rising)
    both = replace(both, limits=(*both.limits, *people))
    assert dict(says("time_to_limit", both).reason.values)["quantity"] == "count"
    assert says("time_to_limit", inputs(2.0, rising, crowding=Level.ALERT)).level is Level.NORMAL
    assert says("time_to_limit", inputs(2.0, [2.0] * 18)).level is Level.NORMAL
    assert says("time_to_limit", inputs(2.0, rising[:4])).level is Level.UNKNOWN


def test_earlier_than_planned_by_the_events_own_curve():
    hour = 3600 * S
    plan = Expected("z", (T0 - hour, T0 + hour, T0 + 2 * hour), (0.0, 240.0, 0.0))  # 120 planned now
    assert minutes_ahead(plan, T0, 120.0) == pytest.approx(0)
    assert minutes_ahead(plan, T0, 180.0) == pytest.approx(30)
    assert says("early", inputs(180 / 48, expected=plan)).level is Level.CAUTION
    assert says("early", inputs(120 / 48, expected=plan)).level is Level.NORMAL
    above = says("early", inputs(300 / 48, expected=plan))
    assert (above.level, above.reason.code) == (Level.ALERT, Code.ABOVE_PLAN)
    assert says("early", inputs(1.0)).level is Level.UNKNOWN, "nobody planned"
    later = replace(inputs(180 / 48, expected=plan), reading=reading(T0 + 90 * 60 * S, 180 / 48))
    assert says("early", later).level is Level.NORMAL, "after the planned peak people leave"


def test_cameras_that_nobody_audited_or_that_are_badly_calibrated():
    sound = replace(camera(), bias=Bias(1.0, 0.9, 1.1, audits=4))
    plane = sound.fixed_plane
    sound = replace(sound, plane=replace(plane, rmse_m=0.1))
    never, ill = replace(sound, bias=None), replace(sound, plane=replace(plane, rmse_m=0.9))
    levels = [says("uncalibrated", inputs(cameras=(each,))).level for each in (sound, never, ill)]
    assert levels == [Level.NORMAL, Level.WATCH, Level.CAUTION]
    assert says("uncalibrated", inputs()).level is Level.UNKNOWN
    unknown = replace(sound, plane=replace(plane, rmse_m=NAN))
    verdict = says("uncalibrated", inputs(cameras=(unknown,)))
    assert (verdict.level, verdict.cause_key) == (Level.CAUTION, "calibration:c")


def test_somebody_where_nobody_should_be_raises_and_the_zone_has_that_level():
    where = site(limits=(), rules=[RuleSetting("presence", (), 5.0, 10.0)])
    done = night([0.0] * 3 + [1 / 48] * 10 + [None] * 20 + [0.0] * 15, where=where)
    assert [each[1:] for each in done.seen("presence")] == [("raised", "ALERT"), ("cleared", "NORMAL")]
    assert done.seen("presence")[0][0] == 8
    assert done.levels[10] is Level.ALERT
    assert done.seen("presence")[1][0] == 43, "ten seconds of sight after the blindness, not during it"


def test_a_rule_that_looks_back_raises_through_the_alarms_and_clears_when_the_rise_ends():
    rules = [RuleSetting("build_up", (), 0.0, 20.0), RuleSetting("time_to_limit", (), 0.0, 20.0)]
    rise = [1.0 + 0.01 * s for s in range(150)]
    done = night(rise + [2.5] * 300, where=site(rules=rules))
    assert done.seen("build_up")[0] == (50, "raised", "CAUTION")
    assert done.seen("build_up")[-1][1] == "cleared"
    warned = done.seen("time_to_limit")[0]
    assert warned[1] == "raised"
    assert warned[0] < 150, "before the limit of 3.0, which is not reached"
    assert done.seen("time_to_limit")[-1][1] == "cleared"
    assert done.alarms[120]["time_to_limit"].unit == "min"


def test_a_rule_raises_an_alarm_of_its_own_and_lowers_nothing():
    plain = night([3.5] * 60)
    ruled = night([3.5] * 60, where=site(rules=[RuleSetting(name) for name in REGISTRY if REGISTRY[name].judge]))
    assert ruled.seen() == plain.seen()
    assert all(ruled.levels[second] >= level for second, level in plain.levels.items())


def test_loss_of_sight_clears_no_rule_and_raises_none():
    rules = [RuleSetting("build_up", (), 0.0, 10.0)]
    rise = [1.0 + 0.01 * s for s in range(100)]
    done = night(rise + [None] * 100, where=site(rules=rules))
    assert [each[1] for each in done.seen("build_up")] == ["raised"]
    assert night([None] * 200, where=site(rules=rules)).seen("build_up") == []


def test_a_phase_without_the_rule_ends_its_alarm_once_the_zone_is_seen():
    where = site(limits=(), rules=[RuleSetting("presence", (), 2.0, 5.0)])
    from crowdwatch.core.site import Phase, ZoneLimits

    where = replace(where, phases=(*where.phases, Phase("open", T0 + 10 * S, (ZoneLimits("z", ()),))))
    done = night([0.5] * 60, where=where)
    assert [each[1] for each in done.seen("presence")] == ["raised", "cleared"]
    assert done.events[-1].reasons[0].code is Code.RULE_ENDED


def test_around_gives_the_cameras_to_the_rules():
    rules = [RuleSetting("uncalibrated", (), 0.0, 5.0)]
    done = night([0.0] * 5, where=site(rules=rules), around=Around({"z": (camera(),)}))
    assert done.seen("uncalibrated")[0][1] == "raised"
    assert night([0.0] * 5, where=site(rules=rules)).seen("uncalibrated") == []


@pytest.mark.parametrize("name", REGISTRY)
def test_parameters_say_their_unit_and_source_and_their_defaults_are_sound(name):
    kind = REGISTRY[name].parameters
    rule = kind()
    given = {each.name: getattr(rule, each.name) for each in fields(kind)}
    assert faults(kind, given) == []
    for each in fields(kind):
        assert each.metadata["source"], each.name
        assert "unit" in each.metadata


BAD = [
    ("build_up", {"rises": 1}, "there is no such parameter"),
    ("build_up", {"over_s": 5}, "need a number from 60 to 300 s"),
    ("build_up", {"over_s": True}, "need a number"),
    ("build_up", {"over_s": NAN}, "need a number"),
    ("build_up", {"rise_p_m2_min": {"watch": 1.0, "alert": 0.5}}, "must rise"),
    ("time_to_limit", {"minutes": {"watch": 2, "alert": 5}}, "must fall"),
    ("time_to_limit", {"target": "soon"}, "need one of watch, caution"),
    ("presence", {"persons": {}}, "need a limit for some of"),
    ("presence", {"persons": 3}, "need a limit for some of"),
]


@pytest.mark.parametrize(("name", "given_", "text"), BAD)
def test_parameters_that_cannot_be_are_told(name, given_, text):
    assert any(text in said for _, said in faults(REGISTRY[name].parameters, given_)), given_


def test_the_fold_gives_rules_what_they_need_and_zones_their_level():
    rules = [RuleSetting("uncalibrated", (), 2.0, 5.0), RuleSetting("presence", (), 2.0, 5.0)]
    where = site(limits=(), rules=rules)
    _, outcomes = fold(started(where), every_second(lambda _: np.array([[0.0, 3.0]]), 12))
    raised = {alert.alarm: alert for outcome in outcomes for alert in outcome.alerts}
    assert set(raised) == {"uncalibrated", "presence"}
    assert raised["uncalibrated"].cause_key == "calibration:c"
    assert outcomes[-1].readings[0].level is Level.ALERT
    assert {alarm.alarm for alarm in outcomes[-1].alarms} == {"uncalibrated", "presence"}
