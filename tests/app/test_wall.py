"""The wall's scene, read from a real store, and the page around it."""

from __future__ import annotations

import json
from typing import Any

from crowdwatch.core.outcomes import Health, Level, Quality
from crowdwatch.core.runs import Command, CommandKind, Mode
from crowdwatch.ui.wall.desk import Desk
from crowdwatch.ui.wall.layout import layout_of
from crowdwatch.words import LANGUAGES

from .conftest import surge


def test_the_scene_of_a_build_up(seed: Any) -> None:
    quality = {"stairs": Quality.BLIND, "north-gate": Quality.DEGRADED}
    run = seed.run(
        density=surge, quality=quality, health=Health.FROZEN, mode=Mode.LIVE, time_zone="Asia/Shanghai"
    )  # fmt: skip
    desk = Desk(seed.store)
    scenes = {language: desk.scene(run, language, density=True) for language in LANGUAGES}
    assert desk.reads == 1, "all viewers share one reading of the store"
    for _ in range(10):
        desk.scene(run, "en")
    assert desk.reads == 1
    scene = scenes["en"]
    for each in scenes.values():
        json.dumps(each, allow_nan=False)

    assert scene["strip"]["mode"] == "live"
    assert (scene["strip"]["zone"], scene["strip"]["offset_min"]) == ("Asia/Shanghai", 480)
    zones = {zone["id"]: zone for zone in scene["zones"]}
    assert scene["zones"][-1]["id"] == "front", "the worst is drawn last"
    assert (zones["stairs"]["level"], zones["stairs"]["value"]) == (-1, "?")
    assert zones["north-gate"]["degraded"]
    numbers = {number["key"]: number for number in scene["numbers"]}
    assert numbers["total"]["value"].startswith("≥ ")
    assert numbers["total"]["hatch"]
    assert "CRITICAL" in numbers["worst"]["note"] or "ALERT" in numbers["worst"]["note"]

    card = scene["slots"][0]
    assert (card["zone"], card["asks"]) == ("front", True)
    assert card["level"] >= Level.ALERT
    assert card["cameras"] == ["mast"]
    assert "FROZEN" in scene["cameras"][0]["text"]
    assert not scene["cameras"][0]["ok"]
    assert scenes["zh"]["slots"][0]["name"] != card["name"]
    assert scene["grid"]["rows"]

    # what is queued is seen at the next glance, without a new tick
    seed.store.submit(Command(run, CommandKind.ACKNOWLEDGE, "ana", 0, "front", card["alarm"], float(card["level"])))
    desk = Desk(seed.store)
    assert desk.scene(run, "en")["slots"][0]["waits_ack"]


def test_a_silent_engine_leaves_no_number(seed: Any) -> None:
    run = seed.run(density=surge, beat_age_s=9.0)
    scene = Desk(seed.store).scene(run, "en")
    assert scene["hidden"]
    assert {zone["value"] for zone in scene["zones"]} == {"?"}
    assert scene["strip"]["pulse"] == "dead"
    assert scene["slots"][0] is not None, "silence clears nothing"
    assert scene["no_acts"]


def test_the_layout_says_everything_once(seed: Any) -> None:
    run = seed.store.run(seed.run())
    layout = layout_of(run.config_json, "zh")
    json.dumps(layout, allow_nan=False)
    assert layout["zone_cameras"]["front"] == ["mast"]
    assert layout["cameras"][0]["cone"]
    assert set(layout["levels"]) == {str(level.value) for level in Level}


def test_the_page_of_the_wall(seed: Any, open_page: Any) -> None:
    seed.run(density=surge)
    page = open_page(view="wall", scale="nan")
    assert not page.test.exception
    assert "There is no run of the event elsewhere" in open_page(view="wall", event="elsewhere").html
