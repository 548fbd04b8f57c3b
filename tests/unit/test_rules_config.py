"""``rules``, ``expected`` and ``alarms`` of an event file: what is in force where, and what is refused."""

from typing import Any

import pytest

from crowdwatch import config
from crowdwatch.core.outcomes import Level

from .test_config import plain, refused, square, write


def loaded(tmp_path: Any, **changes: Any) -> config.EventFile:
    return config.load(write(tmp_path, plain() | changes))


def zones() -> list[dict[str, Any]]:
    return [
        {"id": "quay", "kind": "moving", "polygon_m": square(0, 0, 2), "hazard": True},
        {"id": "stage", "kind": "standing", "polygon_m": square(0, 0, 2)},
    ]


def test_rules_by_kind_zone_and_phase_the_last_one_that_fits_holds(tmp_path: Any) -> None:
    phases = [
        {"id": "doors", "kind": "doors", "start_offset_s": 0},
        {"id": "egress", "kind": "egress", "start_offset_s": 60},
    ]
    rules = [
        {"rule": "build_up", "parameters": {"over_s": 120}},
        {"rule": "build_up", "kinds": ["standing"], "parameters": {"over_s": 240}, "on_delay_s": 3, "latch": True},
        {"rule": "build_up", "zones": ["quay"], "phases": ["egress"], "use": False},
        {"rule": "crowding", "zones": ["stage"], "latch": True},
    ]
    event = loaded(tmp_path, zones=zones(), phases=phases, rules=rules)
    site = config.to_site(event)
    found = {
        (phase.phase_id, limits.zone_id): {setting.rule: setting for setting in limits.rules}
        for phase in site.phases
        for limits in phase.zone_limits
    }
    assert set(found["doors", "quay"]) == {"build_up", "presence"}
    assert set(found["egress", "quay"]) == {"presence"}
    stage = found["egress", "stage"]
    assert stage["build_up"].parameters == (("over_s", 240),)
    assert (stage["build_up"].on_delay_s, stage["build_up"].off_delay_s, stage["build_up"].latch) == (3, 60, True)
    assert stage["crowding"].latch
    assert site.zones[0].hazard
    again = config.to_site(config.from_json(event.model_dump_json()))
    assert [phase.zone_limits for phase in again.phases] == [phase.zone_limits for phase in site.phases]


def test_without_a_word_nothing_but_limits_is_in_force_and_alarms_are_said_again(tmp_path: Any) -> None:
    site = config.to_site(loaded(tmp_path))
    assert [limits.rules for phase in site.phases for limits in phase.zone_limits] == [()]
    assert (site.alarms.realarm_s, site.alarms.escalate_s, site.alarms.escalate_from) == (120, 240, Level.ALERT)
    assert site.expected == ()


def test_planned_people_are_in_event_time(tmp_path: Any) -> None:
    event = loaded(tmp_path, zones=zones(), expected=[{"zone": "stage", "curve": [[0, 10], [600, 300]]}])
    (curve,) = config.to_site(event).expected
    assert curve.t_ns == (event.start_ns, event.start_ns + 600 * 10**9)
    assert curve.count == (10, 300)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rules": [{"rule": "biuld_up"}]}, "there is no such rule. Did you mean build_up?"),
        ({"rules": [{"rule": "build_up", "zones": ["stag"]}]}, "there is no zone stag"),
        ({"rules": [{"rule": "build_up", "phases": ["x"]}]}, "there is no phase x"),
        ({"rules": [{"rule": "build_up", "parameters": {"over_s": "long"}}]}, "need a number from 60 to 300"),
        ({"rules": [{"rule": "crowding", "on_delay_s": 3}]}, "the delays of crowding stand with its limits"),
        ({"rules": [{"rule": "blindness", "use": False}]}, "is not switched off here"),
        ({"expected": [{"zone": "moon", "curve": [[0, 1], [1, 1]]}]}, "there is no zone moon"),
        ({"expected": [{"zone": "stage", "curve": [[5, 1], [1, 1]]}]}, "times must rise"),
        ({"alarms": {"realarm_s": -1}}, "realarm_s"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Any, changes: dict[str, Any], text: str) -> None:
    assert text in refused(write(tmp_path, plain() | {"zones": zones()} | changes))
