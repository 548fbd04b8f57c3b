"""Shelving and reporting on the page, and what a card says of an alarm's life."""

from typing import Any

from crowdwatch.core.outcomes import Quality
from crowdwatch.core.runs import CommandKind

from .conftest import surge


def key(name: str) -> str:
    return f"{name}-r1-front-crowding"


def test_shelving_needs_a_reason_and_queues_it_with_its_time(seed: Any, open_page: Any) -> None:
    seed.run(density=surge)
    page = open_page()
    page.test.button(key=key("shelve")).click().run()
    assert seed.store.pending("r1") == []
    assert "it needs a text that says why" in page.html
    page.test.text_input(key=key("why")).set_value("<b>drill</b>").run()
    page.test.selectbox(key=key("for")).set_value(10).run()
    page.test.button(key=key("shelve")).click().run()
    (command,) = seed.store.pending("r1")
    assert (command.kind, command.zone_id, command.alarm) == (CommandKind.SHELVE, "front", "crowding")
    assert (command.text, command.duration_s, command.value) == ("<b>drill</b>", 600, 4)


def test_a_report_is_queued_for_a_zone_or_a_place_in_words(seed: Any, open_page: Any) -> None:
    seed.run()
    page = open_page()
    page.test.button(key="report-send").click().run()
    assert "says why" in page.html
    page.test.text_area(key="report-text").set_value("red coat").run()
    page.test.text_input(key="report-kind").set_value("lost child").run()
    page.test.text_input(key="report-words").set_value("behind the stage").run()
    page.test.button(key="report-send").click().run()
    (command,) = seed.store.pending("r1")
    assert (command.kind, command.zone_id, command.subject) == (CommandKind.REPORT, "behind the stage", "lost child")
    assert (command.text, command.value) == ("red coat", 2)
    assert page.test.text_area(key="report-text").value == ""


def test_a_card_says_what_is_now_and_what_was(seed: Any, open_page: Any) -> None:
    seed.run(density=surge)
    page = open_page()
    assert "densest place now 7.28 p/m2, worst 7.28 p/m2" in page.html
    assert "this level since" in page.html
    assert "alarms in the last 10 minutes: " in page.html


def test_zones_of_one_lost_camera_are_one_group(seed: Any, open_page: Any) -> None:
    seed.run(quality={"stairs": Quality.STALE, "front": Quality.STALE})
    page = open_page()
    assert "ONE CAUSE: camera mast, 2 zones" in page.html
    assert "alarms in the last 10 minutes: 1 (at most 10)" in page.html
