"""Who has an alarm, as the wall says it."""

from types import SimpleNamespace

from crowdwatch.ui.wall import alarm_cards


def test_a_unit_stands_on_every_alarm_of_its_cause_and_on_no_other(monkeypatch):
    def alarm(zone, cause):
        return SimpleNamespace(
            zone_id=zone, alarm="blind", cause_key=cause, acknowledged_by="", unacknowledged=False, role=""
        )

    one, other, apart = alarm("a", "camera:c1"), alarm("b", "camera:c1"), alarm("d", "camera:c2")
    unit = SimpleNamespace(unit_id="u1", zone_id="a", alarm="blind", state=SimpleNamespace(value="assigned"))
    moment = SimpleNamespace(
        site=SimpleNamespace(units=(SimpleNamespace(unit_id="u1", name={"en": "Bravo"}),)),
        dispatches=(), alarms=(one, other, apart),
    )  # fmt: skip
    monkeypatch.setattr(alarm_cards, "roster_of", lambda site, sent: SimpleNamespace(units={"u1": unit}))
    monkeypatch.setattr(alarm_cards, "t", lambda language, key, **of: key)
    said = [alarm_cards._owner(moment, each, "en") for each in (one, other, apart)]
    assert said == ["Bravo unit.assigned", "Bravo unit.assigned", ""]
