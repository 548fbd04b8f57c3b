"""The pages beside the watch page, read from a real store; and what all of them share."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from crowdwatch import config
from crowdwatch.core.movement import ZoneMovement
from crowdwatch.core.outcomes import CameraHealth, Health, Level, Quality
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.core.runs import Command, CommandKind, Mode, RunState
from crowdwatch.rendering.alert_table import ALERT_COLUMNS
from crowdwatch.rendering.palette import LEVEL_STYLES, rgb
from crowdwatch.rendering.picture import Overlay
from crowdwatch.ui import launch
from crowdwatch.ui.pages import backtest
from crowdwatch.ui.pages.cameras import by_urgency
from crowdwatch.ui.pages.exports import alerts_csv, cap_of, methane
from crowdwatch.ui.pages.journal import Wanted, wanted_of
from crowdwatch.ui.total import people_seen
from crowdwatch.ui.view import look, site_of
from crowdwatch.ui.wall.history import History
from crowdwatch.ui.wall.scene import Around, scene_of
from crowdwatch.ui.wall.slots import SLOTS

from .conftest import NS, START_NS, event, surge

PAGES = {
    "zone": ("crowdwatch.ui.pages.zone", "zone_page"),
    "cameras": ("crowdwatch.ui.pages.cameras", "cameras_page"),
    "journal": ("crowdwatch.ui.pages.journal", "journal_page"),
    "analyst": ("crowdwatch.ui.pages.analyst", "analyst_page"),
    "system": ("crowdwatch.ui.pages.system", "system_page"),
}


def moving(outcome: Any) -> Any:
    """People in front of the stage walk as Weidmann says they do."""
    from crowdwatch.core.walking_speed import walking_m_s

    front = outcome.readings[0]
    speed = float(walking_m_s(np.array([front.density_p_m2]))[0])
    nan = float("nan")
    moved = ZoneMovement(
        "front", outcome.t_ns, 5.0, speed, speed - 0.1, speed + 0.1, 0.0, 0.8, nan, 2.0, 0.5, nan, nan, 1
    )
    return replace(outcome, movement=(moved,))


def test_every_page_draws_in_both_languages_also_of_a_dead_engine(seed: Any, open_one: Any) -> None:
    seed.run(density=surge, hook=moving)
    said = {
        "zone": "行走速度", "cameras": "共 1 台摄像机", "journal": "条记录中的", "analyst": "没有其他运行",
        "system": "数据库与磁盘",
    }  # fmt: skip
    for name, where in PAGES.items():
        assert said[name] in open_one(*where, lang="zh").html, name
    seed.store.beat("r1", state=RunState.RUNNING, t_ns=START_NS + 90 * NS, wall_ns=seed.now_ns - 60 * NS, speed=1)
    for name in ("zone", "cameras"):
        page = open_one(*PAGES[name])
        assert "THE ENGINE IS SILENT" in page.html, name
        assert "5.20 <" not in page.html, "nothing old looks as if it were now"
        assert not page.test.image


def test_the_page_of_a_zone(seed: Any, open_one: Any) -> None:
    """Its numbers, the limits in force, the diagram with its table, time to limit with its skill; ``?zone=``."""
    zones = event()["zones"]
    zones[0]["capacity_persons"] = 1400

    def rising(zone: str, second: int) -> float:
        return float(surge(zone, second / 2))

    seed.run(density=rising, hook=moving, seconds=60, zones=zones)  # 3.1 p/m2 and 0.035 more a second: ALERT at 4.7
    page = open_one(*PAGES["zone"], zone="front")
    assert "3.10 " in page.html
    assert "LOS D; 2.79 – 3.72 p/m²; densest place 4.34 p/m² (over 1 m)" in page.html
    assert "39 % of 1400" in page.html
    assert "+120 −30" in page.html
    assert "net +90 a minute" in page.html
    assert "density 4.7 p/m2: in about 0.8 min (between 0.8 and 0.8)" in page.html
    assert "Skill of the trend over its last minute: 1.00" in page.html
    assert "By who comes and goes now: in about 3 min" in page.html  # 282 people at 1.5 a second
    limits = page.test.table[0].value
    assert [each for each in limits["Limit"] if each.startswith("4.7")]
    chart, speed, diagram = page.figures[:3]
    assert chart["data"][0]["y"][-1] == pytest.approx(3.1)
    assert speed["data"][2]["y"][-1] < speed["data"][2]["y"][0]
    usual, dots, now = diagram["data"]
    assert now["x"] == [pytest.approx(3.1)]
    assert len(dots["x"]) == 61
    assert np.interp(2.0, usual["x"], usual["y"]) == pytest.approx(0.61, abs=0.01)  # Weidmann at 2 p/m2
    table = page.test.dataframe[1].value
    assert list(table["Density p/m²"])[-1] == "3 – 3.5"
    assert all(element.proto.alt for element in page.test.get("plotly_chart"))
    assert "North gate" in open_one(*PAGES["zone"], zone="north-gate").test.selectbox(key="zone-square").format_func(
        "north-gate"
    )


def test_unhealthy_cameras_come_first(seed: Any, open_one: Any) -> None:
    site = config.to_site(config.EventFile.model_validate(event()))
    cameras = tuple(replace(site.cameras[0], camera_id=name) for name in "abcd")
    healths = tuple(
        CameraHealth(name, 0, health, 1.0, False)
        for name, health in (("a", Health.OK), ("b", Health.SILENT), ("d", Health.OK))
    )
    assert [each.camera_id for each, _ in by_urgency(cameras, healths)] == ["b", "c", "a", "d"]
    seed.run(health=Health.COVERED)
    page = open_one(*PAGES["cameras"], run="<b>gone")
    assert "The run &lt;b&gt;gone of the address is not in this store." in page.html
    assert "1 cameras: 1 unhealthy, 0 unknown" in page.html
    assert "⚠ <b>COVERED</b>" in page.html
    assert len(page.test.image) == 2  # the tile and the large one
    page.button("Show Mast").click().run()
    assert page.test.session_state["camera"] == "mast"


def test_the_journal_is_filtered_noted_and_told(seed: Any, open_one: Any) -> None:
    seed.run(density=surge, acks={85: ("front", "crowding")}, quality={"stairs": Quality.BLIND})
    page = open_one(*PAGES["journal"])
    listed = page.test.dataframe[0].value
    assert listed["What"].tolist()[0] == "Crowding acknowledged"
    assert set(listed["Zone"]) == {"Stage front", "Metro stairs"}
    page.test.multiselect(key="journal-kinds").set_value(["crowding"]).run()
    page.test.selectbox(key="journal-level").set_value(Level.CRITICAL).run()
    assert set(page.test.dataframe[0].value["Level"]) == {"✖ CRITICAL"}
    page.test.text_input(key="journal-person").set_value("ANN").run()
    assert page.test.dataframe[0].value["Cause"].tolist() == ["anna"]
    text = page.test.code[0].value
    assert "EXERCISE EXERCISE." in text
    assert "Exact location: Stage front" in text
    assert "Number of casualties: ________ (people seen in the zone: 915 (915 – 1007))" in text
    page.test.text_input(key="note-text").set_value("<b>barrier</b> opened").run()
    page.button("Write").click().run()
    (command,) = seed.store.pending("r1")
    assert (command.kind, command.text, command.actor) == (CommandKind.NOTE, "<b>barrier</b> opened", "operator")
    assert page.test.text_input(key="note-text").value == ""


def test_what_leaves_the_journal(seed: Any) -> None:
    """The CSV is that of the command line, CAP is of the standard, METHANE leaves open what nobody knows."""
    seed.run(density=surge, time_zone="Asia/Shanghai", mode=Mode.LIVE)
    moment = look(seed.store, "r1", now_ns=seed.now_ns)
    rows = list(csv.DictReader(io.StringIO(alerts_csv(moment).decode(), newline="")))
    assert tuple(rows[0]) == ALERT_COLUMNS
    assert len(rows) == len(moment.alerts)
    newest, oldest = moment.alerts[0], moment.alerts[-1]
    root = ElementTree.fromstring(cap_of(moment, newest))
    found = {each.tag.rpartition("}")[2]: each.text for each in root}
    assert (found["status"], found["msgType"]) == ("Actual", "Update")
    assert oldest.event_id or found["references"]
    assert ElementTree.fromstring(cap_of(moment, oldest)).find("{*}references") is None
    english, chinese = (methane(moment, newest, "Ana", language) for language in ("en", "zh"))
    assert [line[0] for line in english.splitlines()] == list("MMETHANE")
    assert "E  准确位置：舞台前区" in chinese
    assert "EXERCISE" not in english
    at = [moment.alerts[0].t_ns, moment.alerts[-1].t_ns]
    from datetime import datetime

    clock = datetime.fromtimestamp(at[1] // NS, moment.time_zone).time()
    assert {each.t_ns for each in wanted_of(moment, Wanted(to_time=clock))} == {at[1]}
    assert wanted_of(moment, Wanted(zones=frozenset({"stairs"}))) == []


def test_engines_are_steered_by_analysts_alone_and_pausing_asks_first(
    seed: Any, open_page: Any, open_one: Any
) -> None:  # fmt: skip
    seed.run("r3", mode=Mode.LIVE)
    seed.run("r2", state=RunState.PAUSED)
    seed.run()
    page = open_one(*PAGES["analyst"], run="r1")
    page.button("Really pause it for everybody?").click().run()
    page.test.selectbox(key="speed-r1").set_value(2.0).run()
    page.button("Set").click().run()
    page.button("Really stop?").click().run()
    sent = [(command.kind, command.value) for command in seed.store.pending("r1")]
    assert sent == [(CommandKind.PAUSE, 0.0), (CommandKind.SPEED, 2.0), (CommandKind.STOP, 0.0)]
    steering = {"Really pause it for everybody?", "Resume", "Really stop?", "Set", "Watch again"}
    watched = open_page().test.button
    assert not steering & {button.label for button in watched}
    assert not [button for button in watched if button.proto.shortcut], "no key acts out of sight"
    open_one(*PAGES["analyst"], run="r2").button("Resume").click().run()
    assert [command.kind for command in seed.store.pending("r2")] == [CommandKind.RESUME]
    page = open_one(*PAGES["analyst"], run="r3")
    assert "A live run is never held up or ended from a page" in page.html
    assert not steering & {button.label for button in page.test.button}


def test_two_runs_are_compared_at_one_event_time(seed: Any, open_one: Any) -> None:
    """The second one climbs by half: what it never reaches vanishes, what it reaches later is later."""
    seed.run("first", density=surge, state=RunState.FINISHED)
    seed.run("second", density=lambda zone, s: surge(zone, s // 2), state=RunState.FINISHED)
    page = open_one(*PAGES["analyst"], run="first")
    table = page.test.dataframe[0].value
    kinds = Counter(table["Difference"])
    assert kinds["later"] >= 1
    assert kinds["vanishes"] >= 1
    assert not kinds["appears"]
    assert len(page.figures) == 2
    later = table[table["Difference"] == "later"].iloc[0]
    assert later["By"].startswith("+")


FACTS = {
    "changes": [
        {"kind": "vanishes", "zone_id": "front", "alarm": "crowding", "level": "alert",
         "old": "2026-12-31T23:50:53Z", "new": None, "shift_s": None},
        {"kind": "same", "zone_id": "front", "alarm": "crowding", "level": "watch",
         "old": "2026-12-31T23:50:30Z", "new": "2026-12-31T23:50:30Z", "shift_s": 0.0},
    ],
    "old": {"alarm_load": {"alarms": 4, "most": 4}, "minutes_at_level": {"front": {"alert": 0.5}}},
    "new": {"alarm_load": {"alarms": 3, "most": 3}, "minutes_at_level": {"front": {"alert": 0.0}}},
}  # fmt: skip


def test_a_back_test_runs_beside_the_page(
    seed: Any, open_one: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # fmt: skip
    """Limits alone are taken; the process says what is different; a fault is said with its last line."""
    seed.run(state=RunState.FINISHED)
    program = tmp_path / "answer.py"
    program.write_text(
        "import sys\nif 'alert: 9' in open(sys.argv[1]).read():\n    sys.exit('limit 9: nobody can stand so close.')\n"
        f"print({json.dumps(json.dumps(FACTS))})"
    )
    monkeypatch.setattr(
        launch, "backtest_command", lambda run, rules, picture: [sys.executable, str(program), str(rules)]
    )
    page = open_one(*PAGES["analyst"])

    def run(text: str) -> None:
        page.test.text_area(key="backtest-rules").set_value(text).run()
        page.button("Try these limits").click().run()
        if backtest.RUNNING in page.test.session_state:
            held = page.test.session_state[backtest.RUNNING]
            held.started.process.wait(timeout=60)
            page.test.run()

    run("site: {}")
    assert "Give limits alone here" in page.html
    run("limits_by_kind: {standing: {density_p_m2: {alert: 6}}}")
    assert "1 differences, 1 alarms are the same" in page.html
    assert page.test.dataframe[0].value["As it was"].tolist() == ["23:50:53 UTC"]
    assert page.test.dataframe[0].value["Other limits"].tolist() == ["–"]
    folder = page.test.session_state[backtest.RUNNING].folder
    run("limits_by_kind: {standing: {density_p_m2: {alert: 9}}}")
    assert "limit 9: nobody can stand so close." in page.html
    assert not folder.exists(), "nothing of the one before is left"
    page.test.session_state[backtest.RUNNING].end()


def test_the_system_page_tests_a_target_by_the_way_that_alerts_take(
    seed: Any, open_one: Any, tmp_path: Path
) -> None:  # fmt: skip
    target = {"id": "log", "kind": "file", "address": str(tmp_path / "told"), "form": "text"}
    seed.run(mode=Mode.LIVE, notify={"targets": [target]})
    page = open_one(*PAGES["system"])
    for part in ("0013", "sqlite", "behind the clock", "delivered 0, waiting 0"):
        assert part in page.html
    page.button("Test").click().run()
    assert "log: the test message was delivered, sent by operator." in page.html
    (file,) = (path for path in (tmp_path / "told").rglob("*") if path.is_file())
    assert "TEST" in file.read_text()


def test_ten_viewers_read_a_tick_once(seed: Any) -> None:
    """And the engine's row each, which is how they know that there is nothing new."""
    seed.run(density=surge)
    calls: Counter[str] = Counter()

    class Counted:
        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **more: Any) -> Any:
                calls[name] += 1
                return getattr(seed.store, name)(*args, **more)

            return call

    store: Any = Counted()
    for _ in range(10):
        moment = look(store, "r1", now_ns=seed.now_ns)
    assert {name: count for name, count in calls.items() if count > 1} == {"run": 10, "pending": 10}
    assert calls["readings"] == calls["alarms"] == calls["grid"] == 1
    seed.store.submit(Command("r1", CommandKind.NOTE, "ana", 0, text="x"))
    assert look(store, "r1", now_ns=seed.now_ns).pending, "what waits is never old"
    assert calls["readings"] == 2
    late = look(store, "r1", now_ns=seed.now_ns + 60 * NS)
    assert late.hidden
    assert all(reading.level is Level.UNKNOWN for reading in late.readings)
    assert moment.readings[0].level is Level.CRITICAL


def test_the_total_of_zones_that_do_not_know_of_each_other(seed: Any) -> None:
    """3 and 4 below make 5, 6 and 8 above 10; what a zone that is not GOOD may have more is added in full."""
    seed.run()
    moment = look(seed.store, "r1", now_ns=seed.now_ns)
    ends = ((100.0, 97.0, 106.0), (200.0, 196.0, 208.0), (50.0, 50.0, 50.0))
    readings = [
        replace(reading, count=count, count_low=low, count_high=high)
        for reading, (count, low, high) in zip(moment.readings, ends, strict=True)
    ]
    people = people_seen(moment.site, readings)
    assert (people.count, people.low, people.high) == (350.0, 345.0, 360.0)
    readings[2] = replace(readings[2], quality=Quality.DEGRADED, count_high=90.0)
    assert people_seen(moment.site, readings).high == 400.0
    scene = scene_of(replace(moment, readings=tuple(readings)), Around(History(), (None,) * SLOTS, ()), "en")
    (total,) = (box for box in scene["numbers"] if box["key"] == "total")
    assert "400" in total["note"], "the wall has the same ends as every other page"


def test_a_picture_of_another_run_is_outlined_in_the_levels_of_this_one(seed: Any) -> None:
    site = site_of(config.EventFile.model_validate(event()).model_dump_json())
    zones = {zone.zone_id: zone.polygon_m for zone in site.zones}
    overlay = Overlay(site.cameras[0].fixed_plane, zones)
    frame = Frame(Stamp("mast", 0, 0, "0", 0.0), np.zeros((480, 640, 3), np.uint8))
    old = overlay.render(frame, levels=dict.fromkeys(zones, Level.CRITICAL))
    new = overlay.relevel(old, dict.fromkeys(zones, Level.WATCH))

    def has(jpeg: bytes, level: Level) -> bool:
        picture = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), dtype=int)
        return bool((abs(picture - rgb(LEVEL_STYLES[level].colour)[::-1]).max(axis=2) < 40).any())

    assert (has(old, Level.CRITICAL), has(old, Level.WATCH)) == (True, False)
    assert (has(new, Level.CRITICAL), has(new, Level.WATCH)) == (False, True)
    assert overlay.relevel(b"no picture", {}) == b"no picture"
    assert time.time_ns() > seed.now_ns
