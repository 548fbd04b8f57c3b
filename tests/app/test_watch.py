"""The watch page in every state that it can be in, read from a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crowdwatch.core.outcomes import Health, Level, Quality
from crowdwatch.core.runs import CommandKind, Mode, RunState
from crowdwatch.rendering.palette import BAND_COLOURS, LEVEL_STYLES
from crowdwatch.words import LANGUAGES

from .conftest import NS, START_NS, surge

UNKNOWN, DEAD = "UNKNOWN", "THE ENGINE IS SILENT"


def labels(figure: dict[str, Any]) -> list[str]:
    """The plates on the map."""
    return [note["text"] for note in figure["layout"]["annotations"]]


def hatched(figure: dict[str, Any]) -> int:
    """How many areas of the map are hatched; the walkable area itself always is."""
    return sum("fillpattern" in trace for trace in figure["data"])


def heat(figure: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of the density field: what is seen, and its density."""
    return [trace for trace in figure["data"] if trace["type"] == "heatmap"]


def test_no_store_yet_says_how_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Any) -> None:
    monkeypatch.setenv("CROWDWATCH_STORE", f"sqlite:///{tmp_path / 'none' / 'store.sqlite'}")
    page = open_page()
    assert "Nothing has been recorded yet" in page.html
    assert "crowdwatch replay" in page.test.code[0].value
    assert not (tmp_path / "none").exists(), "looking must not create a store"


def test_no_runs_says_how_to_start(seed: Any, open_page: Any) -> None:
    page = open_page()
    assert "No run yet" in page.html
    assert not page.figures


def test_a_store_that_cannot_be_read_is_loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Any) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("CROWDWATCH_STORE", f"sqlite:///{tmp_path / 'store.sqlite'}")
    page = open_page()
    assert "THE STORE CANNOT BE READ: EVERYTHING IS UNKNOWN" in page.html
    assert 'role="alert"' in page.html


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, open_page: Any) -> None:
    monkeypatch.setenv("CROWDWATCH_STORE", "postgresql://guard:hunter2@127.0.0.1:1/none")
    page = open_page()
    assert "EVERYTHING IS UNKNOWN" in page.html
    assert "hunter2" not in page.html


def test_running_and_calm(seed: Any, open_page: Any) -> None:
    seed.run()
    page = open_page()
    for part in ("REPLAY", "2026-12-31 23:51:30 UTC", "running", "×8", "No alarm is open", "City square"):
        assert part in page.html
    assert DEAD not in page.html
    site_map, chart = page.figures
    assert any("Stage front<br><b>○ NORMAL 1.0" in label for label in labels(site_map))
    assert hatched(site_map) == 1
    assert len(chart["data"][0]["x"]) == 91  # 0..90 s, one point a second
    assert len(page.test.image) == 1


def test_colours_of_the_map_are_absolute(seed: Any, open_page: Any) -> None:
    """The scale has one step per band and does not stretch: its ends are fixed whatever the data."""
    seed.run()
    density = heat(page_map := open_page().figures[0])[1]
    assert (density["zmin"], density["zmax"]) == (-0.5, len(BAND_COLOURS) - 0.5)
    assert [colour for _, colour in density["colorscale"]] == [c for c in BAND_COLOURS for _ in (0, 1)]
    assert heat(page_map)[0]["zorder"] < density["zorder"]


def test_the_map_without_density_keeps_what_is_not_seen(seed: Any, open_page: Any) -> None:
    seed.run()
    page = open_page()
    page.test.toggle(key="map_density").set_value(False).run()
    assert len(heat(page.figures[0])) == 1


def test_people_are_summed_with_their_interval(seed: Any, open_page: Any) -> None:
    """front 16 x 11 = 176 m2 at 1.0, gate 8 x 12 = 96 m2 and stairs 7 x 7 = 49 m2 at 0.5: 248.5 people.
    Upwards 17.6, 4.8 and 2.45, which add to hypot(...) = 18.4, not to 24.9."""
    seed.run(density=lambda zone, _: 1.0 if zone == "front" else 0.5)
    page = open_page()
    assert '<div class="v">248</div>' in page.html
    assert "between 248 and 267" in page.html


def test_a_silent_camera_is_said_beside_zones_that_others_see(seed: Any, open_page: Any) -> None:
    """No zone is unknown, and yet one camera is not counted from."""
    seed.run(health=Health.SILENT)
    strip = open_page().html.partition("Zones unknown")[2].partition("</div></div>")[0]
    assert '<div class="v">0</div>' in strip
    assert "of 3. Cameras not counted from: SILENT" in strip


def test_zones_within_zones_count_once(seed: Any, open_page: Any) -> None:
    zones = [
        {"id": "all", "kind": "standing", "polygon_m": [[0, 0], [20, 0], [20, 10], [0, 10]]},
        {"id": "part", "kind": "standing", "polygon_m": [[0, 0], [10, 0], [10, 10], [0, 10]]},
    ]
    seed.run(zones=zones, density=lambda *_: 0.5)
    assert '<div class="v">100</div>' in open_page().html


def test_alert_is_shown_with_its_reason_and_a_button(seed: Any, open_page: Any) -> None:
    seed.run(density=surge)
    page = open_page()
    assert "✖ CRITICAL" in page.html
    assert "NOT ACKNOWLEDGED" in page.html
    assert "limit" in page.html
    assert not page.button("Acknowledge Stage front").disabled
    assert any("✖ CRITICAL 5.20" in label for label in labels(page.figures[0]))


def test_densities_carry_the_level_of_service_of_their_zones_kind(seed: Any, open_page: Any) -> None:
    """The same 2.3 p/m2 is F where people walk, D where they queue and E on stairs."""
    seed.run(density=lambda *_: 2.3)
    page = open_page()
    hovers = {note["text"].split("<br>")[0]: note.get("hovertext") for note in page.figures[0]["layout"]["annotations"]}
    for name, letter in (("North gate", "F"), ("Stage front", "D"), ("Metro stairs", "E")):
        assert hovers[name] == f"LOS {letter}; good"
    assert "2.30 p/m² (LOS F)" in page.html, "the worst zone"
    assert "density 2.30 p/m2, limit 2 p/m2 for 10 s; LOS F" in page.html
    hover = next(trace["text"] for trace in page.figures[1]["data"] if "LOS" in str(trace.get("text")))
    assert set(hover) == {"LOS D"}
    of_map, of_chart = page.test.table[0].value, page.test.dataframe[0].value
    assert list(of_map["Level of service (Fruin)"]) == ["D", "F", "E"]
    assert set(of_chart["Level of service (Fruin)"]) == {"D"}


def test_acknowledging_queues_a_command_and_waits_for_the_engine(seed: Any, open_page: Any) -> None:
    seed.run(density=surge)
    page = open_page()
    page.test.text_input(key="operator").set_value("Anna").run()
    page.button("Acknowledge Stage front").click().run()
    (command,) = seed.store.pending("r1")
    assert (command.kind, command.zone_id, command.alarm) == (CommandKind.ACKNOWLEDGE, "front", "crowding")
    assert command.value >= 1, "the engine must know which level was seen"
    assert command.actor == "Anna"
    assert "sent, waiting for the engine" in page.html
    assert "NOT ACKNOWLEDGED" in page.html, "only the engine may say that an alarm is acknowledged"
    assert not [b for b in page.test.button if "Acknowledge" in b.label]


def test_acknowledged(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, acks={85: ("front", "crowding")})
    page = open_page()
    assert "Crowding: acknowledged" in page.html
    assert "all acknowledged" in page.html
    assert "(anna)" in page.html
    assert not [b for b in page.test.button if "Acknowledge" in b.label]


@pytest.mark.parametrize(
    ("quality", "says"), [(Quality.STALE, "no recent picture"), (Quality.BLIND, "the lens is covered")]
)
def test_a_zone_without_data_is_unknown_and_hatched(seed: Any, open_page: Any, quality: Quality, says: str) -> None:
    seed.run(quality={"stairs": quality}, health=Health.COVERED)
    page = open_page()
    site_map = page.figures[0]
    assert any("Metro stairs<br><b>? UNKNOWN</b>" in label for label in labels(site_map))
    assert hatched(site_map) == 2
    assert "at least; 1 of 3 zones unknown" in page.html
    assert f"people here are not counted: camera mast: {says}" in page.html, "blindness of a watched zone is an alert"
    assert "camera health: COVERED" in page.html
    unknown = [n["bgcolor"] for n in site_map["layout"]["annotations"] if "UNKNOWN" in n["text"]]
    assert unknown == [LEVEL_STYLES[Level.UNKNOWN].colour]


def test_a_dead_engine_hides_everything(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, beat_age_s=6.0)
    page = open_page()
    assert DEAD in page.html
    site_map = page.figures[0]
    assert all("? UNKNOWN" in label for label in labels(site_map))
    assert hatched(site_map) == 4
    assert not heat(site_map)
    assert not page.test.image
    assert "NOT ACKNOWLEDGED" in page.html, "silence clears no alarm"
    assert not [b for b in page.test.button if "Acknowledge" in b.label]
    assert "it will not hear commands" in page.html
    assert "5.20 p/m²" not in page.html


def test_a_heartbeat_of_four_seconds_is_alive(seed: Any, open_page: Any) -> None:
    """The limit is 5 s. (A page takes far less than a second to draw, so that 3 s cannot grow beyond it.)"""
    seed.run(beat_age_s=3.0)
    assert DEAD not in open_page().html


def test_a_heartbeat_from_the_future_proves_nothing(seed: Any, open_page: Any) -> None:
    seed.run(beat_age_s=-60.0)
    page = open_page()
    assert DEAD in page.html
    assert "set both clocks" in page.html


def test_a_paused_engine_must_beat_too(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.PAUSED, beat_age_s=60.0)
    assert DEAD in open_page().html


def test_finished_shows_its_end_and_offers_to_watch_again(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED, beat_age_s=86_400.0, density=surge)
    page = open_page()
    assert DEAD not in page.html
    assert "finished" in page.html
    assert not [b for b in page.test.button if "Watch again" in b.label], "engines are started by analysts"
    assert not [b for b in page.test.button if "Acknowledge" in b.label]
    assert "This run is over" in page.html


def test_scrubbing_shows_the_past_and_says_so(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED, density=surge)
    page = open_page()
    slider = page.test.slider(key="at-r1")
    slider.set_value(slider.value.replace(minute=50, second=10)).run()
    assert "LOOKING BACK" in page.html
    assert "23:50:10 UTC" in page.html
    assert "No alarm is open" in page.html, "at that time there was none"
    assert any("1.70 p/m²" in label for label in labels(page.figures[0]))  # 1 + 4.2 * 10 / 60


def test_failed_says_why_and_hides_the_numbers(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FAILED, message="recording <b>x.avi</b>: ends early.")
    page = open_page()
    assert "THE RUN FAILED" in page.html
    assert "recording &lt;b&gt;x.avi&lt;/b&gt;: ends early." in page.html
    assert all("? UNKNOWN" in label for label in labels(page.figures[0]))


def test_stopped_says_until_when(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.STOPPED)
    assert "STOPPED" in open_page().html


def test_a_finished_run_with_a_fault_says_it(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED, message="recording x.avi: truncated at 00:12.")
    page = open_page()
    assert "THE ENGINE REPORTS" in page.html
    assert "truncated at 00:12" in page.html


def test_labels_are_on_the_screen(seed: Any, open_page: Any) -> None:
    seed.run(labels=["synthetic", "demonstration", "Drill <3>"])
    page = open_page()
    for part in ("SYNTHETIC SCENE", "DEMONSTRATION LIMITS", "Drill &lt;3&gt;", "People are counted, never identified."):
        assert part in page.html


def test_live_mode_says_live(seed: Any, open_page: Any) -> None:
    seed.run(mode=Mode.LIVE, state=RunState.STOPPED)
    page = open_page()
    assert "LIVE" in page.html
    assert all("? UNKNOWN" in label for label in labels(page.figures[0])), "a stopped live engine knows nothing"


def test_chinese(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, quality={"stairs": Quality.BLIND}, labels=["synthetic"])
    page = open_page(lang="zh")
    for part in ("回放", "合成场景", "舞台前区", "危急", "未确认", "此处人数未统计：摄像机 mast：镜头被遮挡"):
        assert part in page.html
    assert any("地铁楼梯<br><b>? 未知</b>" in label for label in labels(page.figures[0]))
    assert page.button("确认 舞台前区")


def test_the_language_can_be_switched(seed: Any, open_page: Any) -> None:
    seed.run()
    page = open_page()
    page.test.segmented_control(key="lang").set_value("zh").run()
    assert list(LANGUAGES) == ["en", "zh"]
    assert "事件时间" in page.html


def test_a_missing_picture_is_said(seed: Any, open_page: Any) -> None:
    seed.run(pictures=False)
    page = open_page()
    assert "No picture of this camera for this time" in page.html
    assert not page.test.image


def test_an_old_picture_is_loud(seed: Any, open_page: Any) -> None:
    seed.run(pictures=False)
    seed.picture(seed.folder / "r1", START_NS + 60 * NS)
    page = open_page()
    assert "OLD PICTURE: 30 s behind" in page.html


def test_half_a_picture_is_passed_over(seed: Any, open_page: Any) -> None:
    seed.run()
    place = seed.folder / "r1" / "pictures" / "mast"
    (place / f"{START_NS + 90 * NS}.jpg").write_bytes(next(place.glob("*.jpg")).read_bytes()[:200])
    assert "picture of 23:51:29 UTC, 1.0 s old" in open_page().html


def test_a_picture_of_the_future_is_not_shown_when_looking_back(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED)
    page = open_page()
    slider = page.test.slider(key="at-r1")
    slider.set_value(slider.value.replace(minute=50, second=10)).run()
    assert "No picture of this camera for this time" in page.html


def test_long_and_hostile_names_are_cut_and_harmless(seed: Any, open_page: Any) -> None:
    long = "The very long name of a square that nobody can read <script>alert(1)</script> **bold** [x](http://y)"
    zones = [
        {"id": "z", "name": {"en": long}, "kind": "standing", "polygon_m": [[12, 12], [28, 12], [28, 23], [12, 23]]}
    ]
    seed.run(zones=zones, name={"en": long}, density=lambda *_: 5.0)
    page = open_page()
    assert "<script>" not in page.html
    assert "The very long name of a…" in page.html
    assert all("<script>" not in label and len(label) < 120 for label in labels(page.figures[0]))
    assert all(len(button.label) < 80 for button in page.test.button)


def test_a_reading_that_is_missing_is_unknown_not_normal(seed: Any, open_page: Any) -> None:
    """The engine beats, but the store holds no reading of the last 5 s."""
    seed.run()
    seed.store.beat("r1", state=RunState.RUNNING, t_ns=START_NS + 120 * NS, wall_ns=seed.now_ns, speed=1.0)
    page = open_page()
    assert all("? UNKNOWN" in label for label in labels(page.figures[0]))
    assert '<div class="v">3</div>' in page.html


def test_a_level_on_a_blind_reading_is_not_believed(seed: Any, open_page: Any) -> None:
    """Whatever a row says: quality BLIND means UNKNOWN."""
    from dataclasses import replace

    def lie(outcome: Any) -> Any:
        return replace(outcome, readings=tuple(replace(r, level=Level.NORMAL) for r in outcome.readings))

    seed.run(quality={"stairs": Quality.BLIND}, hook=lie)
    assert any("Metro stairs<br><b>? UNKNOWN" in label for label in labels(open_page().figures[0]))


def test_map_and_chart_have_a_table_for_screen_readers(seed: Any, open_page: Any) -> None:
    seed.run(quality={"stairs": Quality.STALE})
    page = open_page()
    table = page.test.table[0].value
    assert list(table["Zone"]) == ["Stage front", "North gate", "Metro stairs"]
    assert list(table["Level"]) == ["○ NORMAL", "○ NORMAL", "? UNKNOWN"]
    assert list(table["Density p/m²"])[2] == "?"
    assert len(page.test.dataframe[0].value) == 91
    assert all(element.proto.alt for element in page.test.get("plotly_chart"))


def test_a_broken_event_file_in_a_run_is_said(seed: Any, open_page: Any) -> None:
    from crowdwatch.core.runs import Run

    seed.store.begin(Run("bad", "e", Mode.REPLAY, '{"version": 1}', str(seed.folder), 0, NS, seed.now_ns))
    page = open_page()
    assert "This run cannot be shown" in page.html


def test_the_newest_run_is_shown_and_another_can_be_picked(seed: Any, open_page: Any) -> None:
    seed.run("old", seconds=60)
    seed.run("new", seconds=30)
    page = open_page()
    assert "23:50:30 UTC" in page.html
    page.test.selectbox(key="run").set_value("old").run()
    assert "23:51:00 UTC" in page.html


def test_times_are_those_of_the_event_with_utc_beside_them(seed: Any, open_page: Any) -> None:
    """Wherever the server stands; the phase in force is said with what follows."""
    phases = [
        {"id": "doors", "name": {"en": "Doors open"}, "kind": "doors", "start_time": "2026-12-31T23:50:00Z"},
        {"id": "end", "name": {"en": "Way out"}, "kind": "egress", "start_time": "2026-12-31T23:52:00Z"},
    ]
    seed.run(time_zone="Asia/Shanghai", phases=phases, density=surge)
    page = open_page()
    assert "2027-01-01 07:51:30 (2026-12-31 23:51:30 UTC)" in page.html
    assert "phase <b>Doors open</b>" in page.html
    assert "Way out in 30 s" in page.html
    chart = page.figures[1]
    assert chart["layout"]["xaxis"]["title"]["text"] == "UTC+08:00"
    assert chart["data"][0]["x"][0].startswith("2027-01-01T07:50:00")


def test_the_chart_shows_limits_alerts_and_gaps(seed: Any, open_page: Any) -> None:
    seed.run(density=lambda zone, s: float("nan") if zone == "front" and 20 < s < 30 else surge(zone, s))
    chart = open_page().figures[1]
    texts = [note["text"] for note in chart["layout"]["annotations"]]
    own = ("◇ WATCH 2.5", "◆ CAUTION 3.5", "▲ ALERT 4.7", "✖ CRITICAL 6", "✖ CRITICAL 700")
    for limit in (*own, "densest place: ▲ ALERT 4.7", "densest place: ✖ CRITICAL 6"):
        assert limit in texts
    assert texts.count("◇") == 2  # raised to WATCH, marked in both panels
    across = [shape for shape in chart["layout"]["shapes"] if shape["yref"] == "y"]
    assert [shape["y0"] for shape in across if shape["line"]["dash"] == "dash"] == [2.5, 3.5, 4.7, 6.0]
    assert [shape["y0"] for shape in across if shape["line"]["dash"] == "dot"] == [4.7, 6.0]  # of the densest place
    assert chart["data"][2]["name"] == "densest place"
    assert chart["layout"]["yaxis"]["range"][0] == 0
    assert chart["data"][0]["connectgaps"] is False
    assert "NaN" in str(chart["data"][0]["y"]) or None in chart["data"][0]["y"]
