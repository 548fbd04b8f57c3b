"""The alarm state machine, driven through the fold."""

import numpy as np
import pytest
from scenes import T0, S, every_second, fold, ladder, square, started

from crowdwatch.analytics.alerts import phase_at
from crowdwatch.core.outcomes import AlarmState, Level
from crowdwatch.core.records import OperatorAction, Tick
from crowdwatch.core.site import HandOver, Limit, Phase, Quantity, ZoneLimits
from crowdwatch.sources.synthetic import lattice


def crowd(density):
    """People at about this density in the zone; None stays None."""
    return None if density is None else lattice(density, -4, 0, 4, 6) if density else np.empty((0, 2))


def run(densities, site=None, extra=None):
    """One density a second; the window is one second, so that readings follow at once. Returns the transitions."""
    import dataclasses

    # boxes are the truth here, however close people stand
    site = dataclasses.replace(
        site or square(limits=ladder(1.0, 2.0, 3.0, 4.0)), window_s=1.0, hand_over=HandOver(9.0, 9.9, least_recall=1.0)
    )
    events = every_second(lambda s: crowd(densities[int(s)]), len(densities))
    for at, action in extra or ():
        index = next(i for i, e in enumerate(events) if isinstance(e, Tick) and e.t_ns == T0 + at * S)
        events.insert(index, action)
    _, outcomes = fold(started(site), events)
    return outcomes, [((o.t_ns - T0) // S, a.alarm, a.transition, a.level.name) for o in outcomes for a in o.alerts]


def test_raise_after_the_on_delay_and_clear_after_the_off_delay():
    _, seen = run([0, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert seen == [(3, "crowding", "raised", "WATCH"), (8, "crowding", "cleared", "NORMAL")]


def test_a_touch_shorter_than_the_on_delay_raises_nothing():
    assert run([0, 1.2, 1.2, 0.5, 1.2, 1.2, 0.5])[1] == []


def test_within_the_deadband_nothing_changes():
    _, seen = run([1.2] * 4 + [0.95] * 10)
    assert [s[2] for s in seen] == ["raised"]


def test_the_level_moves_up_and_down_as_one_alarm():
    _, seen = run([1.2] * 4 + [4.4] * 4 + [2.4] * 5 + [0.2] * 5)
    assert [(s[2], s[3]) for s in seen] == [
        ("raised", "WATCH"),
        ("level_up", "CRITICAL"),
        ("level_down", "CAUTION"),
        ("cleared", "NORMAL"),
    ]


def test_a_higher_level_needs_a_new_acknowledgement_and_nothing_hides_it():
    ack = OperatorAction(1, T0 + 4 * S, "acknowledge", "z", "crowding", "ana", 4)
    outcomes, seen = run([1.2] * 6 + [2.4] * 4, extra=[(4, ack)])
    assert [s[2] for s in seen] == ["raised", "acknowledged", "level_up"]
    assert outcomes[5].alarms[0].state is AlarmState.ACKNOWLEDGED
    assert outcomes[-1].alarms[0].state is AlarmState.UNACKNOWLEDGED


def test_acknowledged_then_cleared_is_normal_and_cleared_first_waits_for_the_acknowledgement():
    ack = OperatorAction(1, T0 + 4 * S, "acknowledge", "z", "crowding", "ana", 4)
    outcomes, _ = run([1.2] * 5 + [0.2] * 5, extra=[(4, ack)])
    assert outcomes[-1].alarms == ()
    outcomes, _ = run([1.2] * 5 + [0.2] * 5)
    assert outcomes[-1].alarms[0].state is AlarmState.CLEARED_UNACKNOWLEDGED
    late = OperatorAction(1, T0 + 9 * S, "acknowledge", "z", "crowding", "ana", 4)
    outcomes, _ = run([1.2] * 5 + [0.2] * 5, extra=[(9, late)])
    assert outcomes[-1].alarms == ()


def test_an_acknowledgement_does_not_cover_a_level_that_nobody_saw():
    """The operator saw WATCH; CAUTION came up before the engine heard of it."""
    ack = OperatorAction(1, T0 + 7 * S, "acknowledge", "z", "crowding", "ana", Level.WATCH.value)
    outcomes, seen = run([1.2] * 4 + [2.4] * 5, extra=[(7, ack)])
    assert [s[2:] for s in seen] == [("raised", "WATCH"), ("level_up", "CAUTION")]
    assert outcomes[-1].alarms[0].state is AlarmState.UNACKNOWLEDGED


def test_an_acknowledgement_of_nothing_changes_nothing():
    ack = OperatorAction(1, T0 + S, "acknowledge", "z", "crowding", "ana", 4)
    elsewhere = OperatorAction(2, T0 + S, "acknowledge", "nowhere", "crowding", "ana", 4)
    assert run([0, 0, 0], extra=[(1, ack), (1, elsewhere)])[1] == []


def test_unknown_never_clears_and_raises_blindness():
    _, seen = run([1.2] * 4 + [None] * 20)
    assert ("crowding", "cleared") not in {(s[1], s[2]) for s in seen}
    assert [s for s in seen if s[1] == "blindness"] == [(9, "blindness", "raised", "ALERT")]


def test_the_off_delay_starts_again_after_a_gap():
    site = square(limits=ladder(1.0, off_s=8))
    _, seen = run([1.2] * 4 + [0.2, 0.2] + [None] * 7 + [0.2] * 9, site=site)
    cleared = [s[0] for s in seen if s[2] == "cleared" and s[1] == "crowding"]
    assert cleared == [21]  # eight seconds after sight came back at 13, not after the drop at 4


def test_the_on_delay_bridges_a_short_gap_and_not_a_long_one():
    """A reading is held for the stale limit of five seconds; a further five of unknown are bridged, no more."""
    slow = square(limits=ladder(1.0, on_s=9))
    _, seen = run([1.2] * 3 + [None] * 8 + [1.2] * 4, site=slow)
    assert [s[0] for s in seen if s[1] == "crowding"] == [11]
    _, seen = run([1.2] * 3 + [None] * 14 + [1.2] * 12, site=slow)
    assert [s[0] for s in seen if s[1] == "crowding"] == [26]


def test_sight_ends_blindness_after_ten_seconds():
    _, seen = run([0.2] * 2 + [None] * 8 + [0.2] * 14)
    assert [(s[0], s[2]) for s in seen if s[1] == "blindness"] == [(7, "raised"), (20, "cleared")]


def test_count_and_capacity_raise_too_and_the_highest_decides():
    limits = (
        *ladder(10, 20, quantity=Quantity.COUNT),
        *ladder(0.6, 0.8, 0.9, 1.0, quantity=Quantity.OCCUPANCY),
    )
    outcomes, _ = run([2.0] * 5, site=square(limits=limits, capacity=95.0))
    alert = next(a for o in outcomes for a in o.alerts)
    assert outcomes[-1].readings[0].count == 88
    assert alert.quantity == "occupancy"
    assert alert.level is Level.ALERT
    assert alert.limit == 0.9


def test_phases_change_the_limits():
    import dataclasses

    site = square(limits=())
    strict = ZoneLimits("z", ladder(1.0))
    phases = (Phase("a", 0, (ZoneLimits("z", ladder(3.0)),)), Phase("b", T0 + 5 * S, (strict,)))
    site = dataclasses.replace(site, phases=phases)
    assert phase_at(site, T0 + 5 * S)["z"] is strict
    # in force from 5 on, for two seconds
    assert run([1.2] * 9, site=site)[1] == [(7, "crowding", "raised", "WATCH")]


def test_event_ids_name_the_transition_and_repeat():
    first, second = (run([1.2] * 4 + [2.4] * 4)[0] for _ in range(2))
    ids = [[a.event_id for o in outcomes for a in o.alerts] for outcomes in (first, second)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_zone_whose_blindness_is_not_watched_is_silent_about_it():
    import dataclasses

    site = square()
    site = dataclasses.replace(site, phases=(Phase("a", 0, (ZoneLimits("z", (), watch_blindness=False),)),))
    assert run([None] * 10, site=site)[1] == []


@pytest.mark.parametrize("bad", [(1.0, 2.0, 1, 1), (1.0, -0.1, 1, 1), (1.0, 0.9, -1, 1)])
def test_a_limit_that_cannot_work_is_refused(bad):
    with pytest.raises(ValueError, match="clear_below"):
        Limit(Quantity.DENSITY, Level.WATCH, *bad)
