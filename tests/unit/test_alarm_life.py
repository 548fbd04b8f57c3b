"""The life of an alarm after ISA-18.2: what people do to it, what time does, and what it keeps."""

import pytest
from alarm_nights import LIMITS, did, night, site
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import T0, S

from crowdwatch.analytics.phases import PhaseByHand, chosen_by_hand
from crowdwatch.core.outcomes import AlarmState, Level
from crowdwatch.core.site import AlarmSettings, Phase, RuleSetting, ZoneLimits

ASKS = AlarmSettings(realarm_s=30, escalate_s=60, second_s=20)


def test_an_alert_keeps_when_it_was_raised_when_it_reached_each_level_its_worst_and_its_value_now():
    done = night([0.0] * 2 + [1.5] * 5 + [3.5] * 5 + [2.2] * 8)
    alarm = done.alarms[19]["crowding"]
    assert [each[1:] for each in done.seen()] == [("raised", "WATCH"), ("level_up", "ALERT"), ("level_down", "CAUTION")]
    assert (alarm.level, alarm.worst_level) == (Level.CAUTION, Level.ALERT)
    assert alarm.first_raised_ns == alarm.since_ns == T0 + 4 * S, "a change of level is no new alarm"
    assert [(level.name, (t_ns - T0) // S) for level, t_ns in alarm.level_ns] == [
        ("WATCH", 4), ("ALERT", 9), ("CAUTION", 15),
    ]  # fmt: skip
    assert (alarm.worst_value, alarm.value, alarm.limit, alarm.unit) == (3.5, 2.2, 2.0, "p/m2")
    assert done.alarms[5]["crowding"].value == 1.5
    assert {event.first_raised_ns for event in done.events} == {T0 + 4 * S}


def test_an_alert_that_comes_back_unacknowledged_is_the_same_alert():
    done = night([1.5] * 5 + [0.0] * 5 + [1.5] * 5)
    assert [each[1] for each in done.seen()] == ["raised", "cleared", "raised"]
    alarm = done.alarms[14]["crowding"]
    assert alarm.first_raised_ns < alarm.since_ns
    over = night([1.5] * 5 + [0.0] * 5 + [1.5] * 5, [did(9, "acknowledge")])
    assert over.alarms[14]["crowding"].first_raised_ns == over.alarms[14]["crowding"].since_ns


def test_a_shelved_alarm_is_evaluated_and_logged_and_comes_back_when_due():
    shelve = did(6, "shelve", text="fence moved", duration_s=10)
    done = night([1.5] * 8 + [2.5] * 0 + [1.5] * 14, [shelve], site(settings=ASKS))
    assert done.alarms[7]["crowding"].state is AlarmState.SHELVED
    assert done.alarms[7]["crowding"].shelved_by == "ana"
    assert done.alarms[7]["crowding"].shelved_text == "fence moved"
    assert done.seen() == [(2, "raised", "WATCH"), (6, "shelved", "WATCH"), (16, "unshelved", "WATCH")]
    assert done.alarms[17]["crowding"].state is AlarmState.UNACKNOWLEDGED
    event = done.events[1]
    assert (event.actor, event.role, event.text, event.seen_level) == ("ana", "commander", "fence moved", 4)
    assert event.until_ns == T0 + 16 * S
    cleared = night([1.5] * 8 + [0.0] * 6, [shelve])
    assert cleared.seen()[-1][1] == "cleared"
    assert cleared.events[-1].to_state is AlarmState.SHELVED


def test_a_level_above_the_one_that_was_shelved_breaks_through():
    done = night([1.5] * 8 + [2.5] * 6, [did(6, "shelve", text="known", duration_s=600)])
    assert done.seen()[-1] == (10, "level_up", "CAUTION")
    assert done.events[-1].from_state is AlarmState.SHELVED
    assert done.events[-1].to_state is AlarmState.UNACKNOWLEDGED
    assert [reason.code.value for reason in done.events[-1].reasons] == ["limit_reached", "broke_through"]
    assert done.alarms[13]["crowding"].shelved_by == ""


def test_what_falls_and_rises_again_below_the_shelved_level_stays_shelved():
    done = night([2.5] * 8 + [1.5] * 6 + [2.5] * 6, [did(6, "shelve", text="known", duration_s=600)])
    assert [each[1] for each in done.seen()] == ["raised", "shelved", "level_down", "level_up"]
    assert done.alarms[19]["crowding"].state is AlarmState.SHELVED


def test_a_critical_alarm_is_shelved_by_two_people_or_not_at_all():
    one = did(6, "shelve", "ana", text="drill", duration_s=60)
    again = did(8, "shelve", " ANA ", text="drill", duration_s=60)
    two = did(10, "shelve", "ben", text="yes", duration_s=30)
    late = did(30, "shelve", "ben", text="yes", duration_s=30)
    done = night([4.5] * 14, [one, again, two], site(settings=ASKS))
    assert [each[1] for each in done.seen()] == ["raised", "shelve_asked", "shelved"]
    assert done.alarms[7]["crowding"].waits_for_second == "ana"
    assert done.alarms[7]["crowding"].state is AlarmState.UNACKNOWLEDGED
    assert done.codes() == ["refused_second"]
    assert done.alarms[12]["crowding"].shelved_by == "ana, ben"
    assert done.alarms[12]["crowding"].shelved_until_ns == T0 + 40 * S, "never longer than either wants"
    alone = night([4.5] * 40, [one, late], site(settings=ASKS))
    asked = [each for each in alone.seen() if "shelve" in each[1]]
    assert asked == [(6, "shelve_asked", "CRITICAL"), (30, "shelve_asked", "CRITICAL")], "the first wish was too old"


def test_an_alarm_out_of_service_is_silent_up_to_the_level_that_was_named():
    off = did(0, "out_of_service", alarm="blindness", text="lens is cleaned", seen_level=3)
    done = night([1.0] * 2 + [None] * 8 + [0.5] * 4, [off, did(12, "in_service", alarm="blindness")])
    assert [each[1] for each in done.seen("blindness")] == ["out_of_service", "raised", "in_service"]
    assert done.alarms[9]["blindness"].state is AlarmState.OUT_OF_SERVICE
    assert done.alarms[9]["blindness"].level is Level.ALERT
    assert done.alarms[13]["blindness"].state is AlarmState.UNACKNOWLEDGED
    operator = night([1.0] * 3, [did(0, "out_of_service", alarm="blindness", text="x", role="operator")])
    assert operator.codes() == ["refused_role"]


def test_who_does_not_acknowledge_is_asked_again_and_then_the_next_role_is():
    done = night([3.5] * 200, where=site(settings=ASKS))
    assert done.seen() == [
        (2, "raised", "ALERT"), (32, "realarmed", "ALERT"), (62, "escalated", "ALERT"), (92, "realarmed", "ALERT"),
        (122, "escalated", "ALERT"), (152, "realarmed", "ALERT"), (182, "realarmed", "ALERT"),
    ]  # fmt: skip
    assert [done.alarms[s]["crowding"].role for s in (10, 70, 130)] == ["operator", "commander", "administrator"]
    watch = night([1.5] * 100, where=site(settings=ASKS))
    assert [each[1] for each in watch.seen()] == ["raised", "realarmed", "realarmed", "realarmed"]
    acked = night([3.5] * 100, [did(10, "acknowledge")], site(settings=ASKS))
    assert [each[1] for each in acked.seen()] == ["raised", "acknowledged"]
    assert acked.alarms[50]["crowding"].acknowledged_by == "ana"


def test_a_latched_alarm_stays_until_a_person_closes_it():
    where = site(rules=[RuleSetting("crowding", latch=True)])
    done = night([1.5] * 5 + [0.0] * 10, [did(9, "acknowledge"), did(12, "close", text="checked")], where)
    assert [each[1] for each in done.seen()] == ["raised", "latched", "acknowledged", "closed"]
    assert done.alarms[8]["crowding"].state is AlarmState.LATCHED_UNACKNOWLEDGED
    assert done.alarms[10]["crowding"].state is AlarmState.LATCHED
    assert "crowding" not in done.alarms[13]
    again = night([1.5] * 5 + [0.0] * 5 + [1.5] * 5, [did(9, "acknowledge")], where)
    assert [each[1] for each in again.seen()] == ["raised", "latched", "acknowledged", "raised"]
    stands = night([1.5] * 9, [did(6, "close", text="no")], where)
    assert stands.codes() == ["refused_stands"]


REPORT = {"alarm": "", "subject": "lost child", "text": "red coat", "seen_level": 2, "command_id": 7}


def test_a_report_has_the_same_life_and_is_closed_by_people():
    told = did(2, "report", "steward 4", **REPORT, role="operator")
    key = {"alarm": "report:7", "seen_level": 2}
    acts = [
        told,
        did(10, "acknowledge", **key),
        did(40, "close", **key, text="found"),
        did(41, "close", **key, text="x"),
    ]
    done = night([0.0] * 50, acts, site(settings=ASKS))
    assert done.seen("report:7") == [
        (2, "reported", "CAUTION"),
        (10, "acknowledged", "CAUTION"),
        (40, "closed", "NORMAL"),
    ]
    alarm = done.alarms[5]["report:7"]
    assert (alarm.kind, alarm.text, alarm.zone_id, alarm.level) == ("lost child", "red coat", "z", Level.CAUTION)
    assert done.codes() == ["refused_over"]
    assert done.levels[5] is Level.NORMAL, "a report is an alert, the zone's level is measured or set"
    assert ("z", "report:7") not in done.book.standing


def test_a_report_about_a_place_that_is_no_zone():
    told = did(2, "report", **REPORT | {"zone_id": "stairs behind the stage <b>"})
    done = night([0.0] * 5, [told])
    assert done.alarms[4]["report:7"].zone_id == "stairs behind the stage <b>"


def test_a_level_set_by_hand_upwards_holds_at_once_and_evidence_above_it_counts():
    up = did(3, "set_level", seen_level=3, text="fight")
    done = night([0.0] * 6 + [4.5] * 6 + [0.0] * 8, [up])
    assert done.seen()[:2] == [(3, "level_set", "NORMAL"), (3, "raised", "ALERT")]
    assert done.levels[4] is Level.ALERT
    assert [each[1:] for each in done.seen()[2:]] == [("level_up", "CRITICAL"), ("level_down", "ALERT")]
    back = night([0.0] * 20, [up, did(9, "set_level", seen_level=0)])
    assert back.levels[10] is Level.NORMAL, "nothing measured is hidden by giving it back"
    timed = night([0.0] * 20, [did(3, "set_level", seen_level=3, text="fight", duration_s=5)])
    assert [each[1] for each in timed.seen()] == ["level_set", "raised", "level_over", "cleared"]


def test_a_level_set_by_hand_downwards_needs_why_and_until_when_and_ends():
    assert night([2.5] * 9, [did(6, "set_level", seen_level=1)]).codes() == ["refused_lower"]
    assert night([2.5] * 9, [did(6, "set_level", seen_level=1, text="band")]).codes() == ["refused_lower"]
    down = did(6, "set_level", seen_level=1, text="marching band", duration_s=10)
    done = night([2.5] * 25, [down])
    assert [each[:2] for each in done.seen()] == [
        (2, "raised"), (6, "level_set"), (6, "level_down"), (16, "level_over"), (16, "level_up"),
    ]  # fmt: skip
    assert done.levels[10] is Level.WATCH
    assert done.events[1].until_ns == T0 + 16 * S


@pytest.mark.parametrize(
    ("rest", "at"),
    [([2.5] * 3 + [3.5] * 9, 10), ([2.5] * 3 + [2.9] * 9, 10), ([1.5] * 6 + [2.5] * 9, 15)],
    ids=["another level", "the same level", "down and up again"],
)
def test_a_lowered_level_never_hides_a_later_rise(rest, at):
    down = did(6, "set_level", seen_level=0, text="wrong", duration_s=600)
    done = night([2.5] * 7 + rest, [down])
    assert next(each[0] for each in done.seen() if each[1] == "level_over") == at
    assert done.seen()[-1][1] in ("level_up", "raised")
    assert done.levels[max(done.levels)] >= Level.CAUTION


def test_a_highest_level_that_was_lowered_comes_back_when_it_gets_worse():
    down = did(6, "set_level", seen_level=1, text="wrong", duration_s=600)
    assert night([4.5] * 7 + [4.7] * 9, [down]).levels[15] is Level.WATCH
    assert night([4.5] * 7 + [5.2] * 9, [down]).levels[15] is Level.CRITICAL


def test_phases_change_by_hand_until_a_later_one_is_due():
    strict, lax = (Phase(name, T0 + at * S, (ZoneLimits("z", limits),)) for name, at, limits in (
        ("strict", 20, LIMITS), ("lax", -100, ())))  # fmt: skip
    late = Phase("late", T0 + 40 * S, (ZoneLimits("z", ()),))
    import dataclasses

    where = dataclasses.replace(site(), phases=(lax, strict, late))
    early = did(5, "phase", alarm="", zone_id="", subject="strict", text="crowd is early")
    done = night([1.5] * 50, [early], where)
    assert done.seen()[0] == (7, "raised", "WATCH")
    assert done.seen("phase") == [(5, "phase", "NORMAL")]
    assert done.seen()[-1][0] > 40, "the clock went on to the next phase"
    assert chosen_by_hand(done.events, T0 + 30 * S) == PhaseByHand("strict", T0 + 5 * S)
    assert chosen_by_hand(done.events, T0 + 4 * S) is None
    given_back = night([1.5] * 30, [early, did(10, "phase", alarm="", zone_id="", subject="")], where)
    assert [each[1] for each in given_back.seen("phase")] == ["phase", "phase"]
    assert chosen_by_hand(given_back.events, T0 + 30 * S) is None
    assert [each[1] for each in given_back.seen()][:2] == ["raised", "cleared"]
    assert night([0.0] * 9, [did(5, "phase", subject="nope")], where).codes() == ["refused_phase"]


def test_two_operators_at_once_and_alarms_that_just_changed():
    both = [did(5, "acknowledge", "ana"), did(5, "acknowledge", "ben")]
    done = night([1.5] * 8, both)
    assert [each[1] for each in done.seen()] == ["raised", "acknowledged"]
    assert done.codes() == ["refused_done"]
    rose = night([1.5] * 4 + [2.5] * 6, [did(8, "shelve", seen_level=1, text="x", duration_s=60)])
    assert rose.codes() == ["refused_risen"]
    over = night([1.5] * 4 + [0.0] * 8, [did(8, "acknowledge"), did(9, "shelve", text="x", duration_s=60)])
    assert over.codes() == ["refused_over"]
    none = [did(2, "acknowledge", alarm="nothing"), did(2, "acknowledge", "ben", zone_id="nowhere")]
    assert night([0.0] * 4, none).codes() == ["refused_alarm", "refused_alarm"]


def test_no_command_is_carried_out_twice():
    told = did(2, "report", **REPORT)
    done = night([0.0] * 9, [told, did(5, "report", **REPORT)])
    assert [each[1] for each in done.seen("report:7")] == ["reported"]
    assert len({event.event_id for event in done.events}) == len(done.events)


def test_a_note_changes_nothing():
    done = night([1.5] * 8, [did(5, "note", text="called gate 2"), did(6, "note", alarm="", zone_id="", text="rain")])
    assert [each[1] for each in done.seen()] == ["raised", "noted"]
    assert [event.text for event in done.events[1:]] == ["called gate 2", "rain"]
    assert set(done.alarms[7]) == {"crowding"}


def test_time_that_jumps_asks_once_and_ends_what_is_due():
    shelve = did(6, "shelve", text="x", duration_s=60)
    before = night([3.5] * 8, [shelve], site(settings=ASKS))
    after = night([3.5] * 3, where=site(settings=ASKS), book=before.book, first_s=100_000)
    assert [each[1] for each in after.seen()] == ["unshelved"]
    back = night([3.5] * 3, where=site(settings=ASKS), book=before.book, first_s=-500)
    assert back.seen() == [], "a time that goes back ends nothing and asks nobody"


KINDS = ("acknowledge", "shelve", "unshelve", "out_of_service", "in_service", "set_level", "report", "close", "note")
ACTS = st.lists(
    st.tuples(
        st.integers(0, 39), st.sampled_from(KINDS), st.sampled_from(["ana", "ben"]), st.integers(0, 4),
        st.sampled_from([0.0, 5.0, 20.0]),
    ),
    max_size=12,
)  # fmt: skip
DENSITIES = st.lists(st.sampled_from([None, 0.5, 1.2, 2.4, 4.4]), min_size=8, max_size=8)


@given(DENSITIES, ACTS)
@settings(deadline=None, max_examples=25)
def test_whatever_people_do_states_form_a_chain_and_a_rise_is_seen(values, acts):
    """No action breaks the chain of states, and evidence above what was silenced is never silent."""
    actions = [
        did(second, kind, who, seen_level=level, value=float(level), text="why", duration_s=seconds, command_id=n + 1)
        for n, (second, kind, who, level, seconds) in enumerate(sorted(acts))
    ]
    densities = [value for value in values for _ in range(5)]
    done = night(densities, actions, site(settings=ASKS))
    state = {}
    for event in done.events:
        assert event.from_state is state.get((event.zone_id, event.alarm), AlarmState.NORMAL)
        state[event.zone_id, event.alarm] = event.to_state
    assert len({event.event_id for event in done.events}) == len(done.events)
    for alarms in done.alarms.values():
        for alarm in alarms.values():
            assert alarm.level <= alarm.worst_level or alarm.level is Level.NORMAL
            silent = alarm.state in (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
            alone = not alarm.shelved_by.count(",")
            assert not (silent and alone and alarm.level is Level.CRITICAL), "nobody silences a critical alarm alone"
    cut = 17
    first = night(densities[:cut], actions, site(settings=ASKS))
    rest = night(densities[cut:], actions, site(settings=ASKS), book=first.book, first_s=cut)
    assert repr(first.events + rest.events) == repr(done.events)
