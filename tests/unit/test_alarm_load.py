"""The figures of EEMUA 191, and which alarms have one cause."""

from dataclasses import replace

from alarm_nights import night, site
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdwatch.analytics.alarm_load import alarm_load, grouped
from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, Level

S = 1_000_000_000


def event(second, zone="z", transition="raised", alarm="crowding", level=Level.ALERT, key="", **more):
    made = AlertEvent(
        f"{second}{zone}{transition}{alarm}", alarm, zone, second * S, transition, AlarmState.NORMAL,
        AlarmState.UNACKNOWLEDGED, level, "density", 4.0, 3.5, "p/m2", (), "rule", cause_key=key,
    )  # fmt: skip
    return replace(made, **more)


def test_alarms_in_ten_minutes_by_hand():
    events = [event(s, f"z{s}") for s in (0, 60, 120, 700, 3599)]
    load = alarm_load(events, 0, 3600 * S)
    assert (load.alarms, load.most_10_min, load.most_1_min) == (5, 3, 1)
    assert load.mean_10_min == 5 / 6
    assert load.beyond() == []
    assert load.by_level == (0, 0, 5, 0)


def test_a_flood_is_more_than_ten_in_ten_minutes():
    events = [event(30 * n, f"z{n}") for n in range(12)]
    load = alarm_load(events, 0, 3600 * S)
    assert load.most_10_min == 12
    # the eleventh comes at 300 s, and ten minutes after the second (30 s) fewer than eleven are left
    assert load.flood_share * 3600 == 330
    assert load.beyond() == ["mean_10_min", "most_10_min"]
    assert alarm_load(events[:10], 0, 3600 * S).flood_share == 0


def test_one_camera_that_is_lost_is_one_alarm_with_its_zones():
    events = [event(5 + n, f"z{n}", alarm="blindness", key="camera:mast") for n in range(4)]
    load = alarm_load(events, 0, 600 * S)
    assert (load.alarms, load.single) == (1, 4)
    later = [*events, event(300, "z1", alarm="blindness", key="camera:mast")]
    assert alarm_load(later, 0, 600 * S).alarms == 2
    higher = [*events, event(9, "z9", alarm="blindness", key="camera:mast", level=Level.CRITICAL)]
    assert alarm_load(higher, 0, 600 * S).alarms == 2, "a higher level is never put away"


def test_chattering_is_three_times_in_a_minute():
    assert alarm_load([event(s) for s in (0, 20, 59)], 0, 600 * S).chattering == (("z", "crowding"),)
    assert alarm_load([event(s) for s in (0, 30, 60)], 0, 600 * S).chattering == ()
    ups = [event(0), event(10, transition="level_up"), event(20, transition="level_up")]
    assert alarm_load(ups, 0, 600 * S).chattering == (), "a level that climbs is no chattering"


def test_standing_is_active_for_a_day():
    day = 86_400
    events = [event(0, "old"), event(0, "over"), event(day, "over", "cleared", level=Level.NORMAL), event(day, "new")]
    load = alarm_load(events, day * S, (day + 10) * S)
    assert load.standing == (("old", "crowding"),)
    assert load.open_at_end == 2


def test_what_is_silenced_called_nobody_and_what_is_said_again_is_counted_apart():
    events = [
        event(0),
        event(5, to_state=AlarmState.SHELVED, transition="level_up"),
        event(200, transition="realarmed"),
    ]
    load = alarm_load(events, 0, 600 * S)
    assert (load.alarms, load.again) == (1, 1)


@given(st.lists(st.integers(0, 4000), max_size=40))
@settings(deadline=None, max_examples=60)
def test_order_is_irrelevant_and_the_worst_ten_minutes_is_found(seconds):
    events = [event(s, f"z{n}") for n, s in enumerate(seconds)]
    load = alarm_load(events, 0, 4000 * S)
    assert load == alarm_load(events[::-1], 0, 4000 * S)
    slow = max((sum(start <= s < start + 600 for s in seconds) for start in seconds), default=0)
    assert load.most_10_min == slow


def test_alarms_that_stand_are_grouped_by_what_is_outside_of_their_zone():
    def alarm(zone, name, key):
        return Alarm(name, zone, AlarmState.UNACKNOWLEDGED, Level.ALERT, 0, (), cause_key=key)

    stand = [alarm("a", "blindness", "camera:m"), alarm("a", "crowding", "zone:a"), alarm("b", "blindness", "camera:m")]
    found = grouped([*stand, alarm("a", "build_up", "zone:a")])
    assert [(group.cause_key, group.zone_ids) for group in found] == [
        ("camera:m", ("a", "b")), ("zone:a", ("a",)), ("zone:a", ("a",)),
    ]  # fmt: skip


def test_a_blind_zone_names_its_cameras_as_the_cause():
    done = night([1.0, None, None, None, None, None], where=site())
    (raised,) = [each for each in done.events if each.alarm == "blindness"]
    assert raised.cause_key == "zone:z", "no camera is named where none is known to fail"
