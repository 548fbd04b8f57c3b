"""Other limits on a recorded night: what appears and vanishes, alarm load, incidents, sweeps."""

import json
import sys

import pytest

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands import cli
from crowdwatch.core.outcomes import AlarmState, AlertEvent, Level
from crowdwatch.drivers.backtest.alarm_load import alarm_load
from crowdwatch.drivers.backtest.differences import compare, spells
from crowdwatch.drivers.backtest.scoring import quiet_alarms, quiet_hours, score
from crowdwatch.drivers.backtest.sweep import read_sweep
from crowdwatch.drivers.night import INCIDENTS, write_night
from crowdwatch.errors import ConfigError

S = 1_000_000_000
T0 = 1_800_000_000 * S
NAN = float("nan")


def alert(second, level, zone_id="a", alarm="crowding", transition="raised"):
    state = AlarmState.UNACKNOWLEDGED
    name = f"{zone_id}{alarm}{second}{level}"
    return AlertEvent(
        name, alarm, zone_id, T0 + second * S, transition, state, state, level, "density", NAN, NAN, "", (), "rule"
    )


def incident(name, begin, end, expects="alert", harm=None, **more):
    from crowdwatch.config.times import format_time

    times = {"from_time": format_time(T0 + begin * S), "to_time": format_time(T0 + end * S)}
    if harm is not None:
        times["harm_time"] = format_time(T0 + harm * S)
    values = {"id": name, "kind": "build_up", "zones": ["a"], "near": ["b"], "expects": expects} | times | more
    return config.IncidentFile.model_validate(values)


def test_a_spell_lasts_until_the_level_falls_below_it():
    up = [alert(0, Level.WATCH), alert(10, Level.ALERT, transition="level_up")]
    down = [alert(20, Level.WATCH, transition="level_down"), alert(30, Level.NORMAL, transition="cleared")]
    found = {each.level: ((each.from_ns - T0) // S, (each.to_ns - T0) // S) for each in spells([*up, *down])}
    assert found == {Level.WATCH: (0, 30), Level.CAUTION: (10, 20), Level.ALERT: (10, 20)}


def test_what_appears_vanishes_and_comes_at_another_time():
    old = [alert(0, Level.WATCH), alert(60, Level.NORMAL), alert(1000, Level.WATCH, "b")]
    new = [
        alert(20, Level.WATCH),
        alert(50, Level.NORMAL),
        alert(1000, Level.WATCH, "b"),
        alert(2000, Level.WATCH, "c"),
    ]
    kinds = {change.zone_id: (change.kind, change.shift_s) for change in compare(old, new)}
    assert kinds == {"a": ("later", 20.0), "b": ("same", 0.0), "c": ("appears", None)}
    assert {change.kind for change in compare(new, old)} == {"earlier", "same", "vanishes"}
    far = [alert(0, Level.WATCH), alert(60, Level.NORMAL), alert(900, Level.WATCH)]
    assert [change.kind for change in compare(far[:2], far)] == ["same", "appears"]


def test_incidents_are_raised_by_their_level_zone_and_time():
    labels = [incident("one", 100, 200, harm=190), incident("two", 1000, 1100, alarms=["blindness"])]
    early = [
        alert(50, Level.ALERT),
        alert(60, Level.NORMAL, transition="cleared"),
        alert(120, Level.WATCH),
        alert(150, Level.ALERT, transition="level_up"),
    ]
    found = score(labels, [*early, alert(1050, Level.ALERT)], 1.0, 2)
    one, two = found.incidents
    assert (one.raised, one.delay_s, one.lead_s, one.first_word_s) == (True, 50.0, 40.0, 70.0)
    assert not two.raised, "crowding is not what it asks for"
    assert (found.recall, found.lead_time_s) == (0.5, 40.0)
    assert len(found.false_ids) == 1, "what was raised before anything happened"
    assert found.false_per_camera_hour == 0.5


def test_an_alert_that_stands_when_an_incident_begins_is_there():
    stands = [alert(50, Level.ALERT), alert(300, Level.NORMAL, transition="cleared")]
    one, later = score([incident("one", 100, 200), incident("later", 400, 500)], stands, 1.0, 1).incidents
    assert (one.raised, one.delay_s, later.raised) == (True, 0.0, False)


def test_what_should_raise_nothing_is_said_when_it_does():
    flare = incident("flare", 100, 160, expects="none")
    assert score([flare], [alert(110, Level.CAUTION)], 1.0, 1).incidents[0].kept
    raised = score([flare], [alert(110, Level.ALERT)], 1.0, 1)
    assert not raised.incidents[0].kept
    assert (len(raised.false_ids), raised.false_actionable) == (1, 1)
    other = incident("crowd", 90, 170)
    assert score([flare, other], [alert(110, Level.ALERT)], 1.0, 1).incidents[0].kept, "another incident explains it"
    assert not score([incident("child", 0, 9, expects="report")], [], 1.0, 1).expected


def test_quiet_hours_are_what_incidents_leave():
    labels = [incident("one", 0, 600), incident("two", 300, 900), incident("flare", 2000, 2020, expects="none")]
    assert quiet_hours(labels, T0, T0 + 3600 * S) == pytest.approx((3600 - 1200) / 3600)
    assert quiet_hours(labels, T0 + 600 * S, T0 + 3600 * S) == pytest.approx((3000 - 600) / 3600)
    told = [alert(1100, Level.WATCH), alert(1300, Level.WATCH), alert(1400, Level.NORMAL, transition="cleared")]
    assert quiet_alarms(labels, told) == 1


def test_the_load_counts_windows_of_ten_minutes():
    found = alarm_load([T0 + second * S for second in range(0, 1800, 30)], T0, T0 + 1800 * S)
    assert (found.alarms, found.windows, found.most, found.above_frac) == (60, 3, 20, 1.0)
    assert alarm_load([], T0, T0 + S).most == 0


BAD = (
    "density",
    "density:3..6",
    "density:6..3:1",
    "flow:1..2:1",
    "density:1..11:1",
    "peak:1..9:0.01",
    "peak:1...2..3:1",
)


@pytest.mark.parametrize("text", BAD)
def test_a_sweep_that_cannot_be(text):
    with pytest.raises(ConfigError, match="--sweep"):
        read_sweep(text)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The first 45 s of a night: some fifty people, nothing happens."""
    event, folder = config.load(example("new_year")), tmp_path_factory.mktemp("night") / "log"
    written = write_night(event, folder, 1, from_ns=event.start_ns, to_ns=event.start_ns + 45 * S)
    assert (written.ticks, written.observations, written.incidents) == (15, 120, ())
    return folder


LOW = "version: 1\nlimits_by_kind: {moving: {density_p_m2: {watch: 0.0001}, clear_density_p_m2: {watch: 0.00005}}}\n"


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["crowdwatch", *map(str, words)])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def test_a_log_under_other_limits(log, tmp_path, monkeypatch, capsys):
    (tmp_path / "new.yaml").write_text(LOW)
    labels, picture = tmp_path / INCIDENTS, tmp_path / "night.png"
    zones = '{id: x, kind: x, from_time: "2026-12-31T12:00:00Z", to_time: "2026-12-31T12:01:00Z", zones: [promenade]}'
    labels.write_text(f"version: 1\nincidents: [{zones}]\n")
    words = ["--rules", tmp_path / "new.yaml", "--incidents", labels, "--sweep", "density.watch:0.0001..5.0001:5"]
    code, out, err = call(monkeypatch, capsys, "backtest", log, *words, "--picture", picture, "--json")
    assert code == 0, err
    found = json.loads(out)
    appeared = {change["zone_id"] for change in found["changes"]}
    assert {change["kind"] for change in found["changes"]} == {"appears"}
    assert "promenade" in appeared
    assert (found["old"]["alarm_load"]["alarms"], found["new"]["alarm_load"]["alarms"]) == (0, len(found["changes"]))
    assert found["new"]["minutes_at_level"]["promenade"]["watch"] > 0
    first, *rest = found["sweep"]["points"]
    assert first["alarms"] > 0
    assert [point["alarms"] for point in rest] == [0]
    assert (first["recall"], rest[0]["recall"]) == (1.0, 0.0)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_tried_is_said_at_once(log, tmp_path, monkeypatch, capsys):
    def refused(*words):
        code, out, err = call(monkeypatch, capsys, "backtest", log, *words)
        assert (code, out) == (1, "")
        return err

    rules = tmp_path / "rules.yaml"
    assert "nothing to try" in refused()
    rules.write_text("version: 1\nlimits_by_zone: {gone: {on_delay_s: 3}}\nphases: {later: {}}\n")
    said = refused("--rules", rules)
    assert "gone" in said
    assert "later" in said
    rules.write_text("version: 1\nlimits_by_kind: {standing: {density_p_m2: {alert: 9.0}}}\n")
    assert "limits rise" in refused("--rules", rules).lower()
    rules.write_text("version: 1\nlimit_by_kind: {}\n")
    assert "unknown key" in refused("--rules", rules)
    rules.write_text('version: 1\nincidents: [{id: x, kind: x, from_time: "2026-12-31T12:00:00Z", '
                     'to_time: "2026-12-31T11:00:00Z", zones: [gone]}]\n')  # fmt: skip
    assert "to_time" in refused("--incidents", rules)
