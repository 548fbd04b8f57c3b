"""Hand counts on the page: the picture is held, its count is entered beside what the log says, and every camera that
nobody audited is named."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Anchor, Detections, Evidence, Observation, Positions, Stamp, Tick
from crowdwatch.core.runs import Audit, RunState
from crowdwatch.store.log import LogWriter
from crowdwatch.ui import camera

from .conftest import NS, START_NS

SHOWN_NS = START_NS + 89 * NS  # the picture that a run of 90 seconds has
FRAME_NS = SHOWN_NS - NS // 4


def write_log(seed: Any, run_id: str = "r1", people: int = 6) -> None:
    """A log with one picture a second, a quarter of a second before the tick."""
    run = seed.store.run(run_id)
    log = LogWriter(Path(run.folder), run.config_json)
    for second in range(1, 91):
        t_ns = START_NS + second * NS
        stamp = Stamp("mast", second, t_ns - NS // 4)
        boxes = np.tile([10.0, 10, 20, 40], (people, 1))
        seen = Detections(
            stamp, boxes, np.full(people, 0.8), np.zeros(people, int), Anchor.FEET, (480, 640), "yolo/abc"
        )
        places = Positions(stamp, np.ones((people, 2)), np.full(people, 0.1), seen.score)
        log.append(Observation(seen, places, Evidence("0" * 16, 120.0, 40.0, 100.0, 2.0), "p"))
        log.append(Tick(t_ns, (stamp.id,)))
    log.close(complete=True)


def count(page: Any, people: int | None, actor: str | None = None) -> None:
    """Fill the form and send it."""
    if people is not None:
        page.test.number_input[0].set_value(people)
    if actor is not None:
        next(field for field in page.test.text_input if "Counted by" in field.label).set_value(actor)
    page.button("Save the count").click().run()
    assert not page.test.exception


def test_a_picture_is_held_counted_and_let_go(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED)
    write_log(seed)
    page = open_page()
    assert not page.test.number_input, "nothing to fill in before somebody counts"
    page.button("Count the people in this picture").click().run()
    assert "PICTURE HELD FOR COUNTING" in page.html
    assert "You see 23:51:29 UTC; the newest is 23:51:30 UTC." in page.html
    assert page.test.number_input[0].label == "People in the picture of 23:51:29 UTC"
    count(page, 8, "ann")
    (entry,) = seed.store.audits()
    assert (entry.camera_id, entry.t_ns, entry.counted, entry.found) == ("mast", FRAME_NS, 8, 6.0)
    assert (entry.actor, entry.run_id, entry.detector_id) == ("ann", "r1", "yolo/abc")
    assert abs(entry.wall_ns - time.time_ns()) < 60 * NS
    assert "Saved as entry 1: 8 by hand, 6 by the program" in page.html
    assert "HELD" not in page.html


def test_a_second_count_of_the_picture_corrects_the_first(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED)
    write_log(seed)
    page = open_page()
    for people in (8, 9):
        page.button("Count the people in this picture").click().run()
        assert ("Counted before: 8 by operator (entry 1). Saving corrects it." in page.html) == (people == 9)
        count(page, people)
    assert [(each.counted, each.corrects) for each in seed.store.audits()] == [(8, 0), (9, 1)]


def test_the_picture_stays_while_the_run_goes_on(
    seed: Any, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(camera, "LOOK_AGAIN_NS", 1)  # at every drawing, not once a second
    seed.run()
    write_log(seed)
    page = open_page()
    page.button("Count the people in this picture").click().run()
    seed.picture(seed.folder / "r1", START_NS + 90 * NS)
    page.test.run()
    assert "picture of 23:51:29 UTC" in page.html
    count(page, 7)
    assert seed.store.audits()[0].t_ns == FRAME_NS
    page.test.run()
    assert "picture of 23:51:30 UTC" in page.html


def test_what_is_not_saved_keeps_the_picture_and_says_why(seed: Any, open_page: Any) -> None:
    seed.run(health=Health.COVERED)
    write_log(seed)
    page = open_page()
    page.button("Count the people in this picture").click().run()
    count(page, None)
    assert "Not saved: no number was given" in page.html
    count(page, 4)
    assert "Not saved: audit: camera &#x27;mast&#x27;" in page.html
    assert "the picture was covered" in page.html
    assert "PICTURE HELD" in page.html
    assert page.test.number_input[0].value == 4
    page.button("Back to the newest picture").click().run()
    assert "Not saved" not in page.html
    assert not page.test.number_input
    assert seed.store.audits() == []


def test_a_run_whose_log_is_gone_says_so(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED)
    page = open_page()
    page.button("Count the people in this picture").click().run()
    count(page, 4)
    assert "holds no observation log" in page.html


def test_a_held_picture_that_was_dropped_is_not_replaced_by_another(seed: Any, open_page: Any) -> None:
    seed.run()
    write_log(seed)
    seed.picture(seed.folder / "r1", START_NS + 60 * NS)
    page = open_page()
    page.button("Count the people in this picture").click().run()
    (seed.folder / "r1" / "pictures" / "mast" / f"{SHOWN_NS}.jpg").unlink()
    page.test.run()
    assert "No picture of this camera for this time" in page.html
    assert not page.test.number_input
    assert page.button("Back to the newest picture")


def test_nothing_is_counted_while_the_engine_is_silent(seed: Any, open_page: Any) -> None:
    seed.run(beat_age_s=60.0)
    page = open_page()
    assert not [button for button in page.test.button if "Count the people" in button.label]


def test_counting_in_chinese(seed: Any, open_page: Any) -> None:
    seed.run(state=RunState.FINISHED)
    write_log(seed)
    page = open_page(lang="zh")
    page.button("清点此画面中的人数").click().run()
    assert "画面已定格以供清点" in page.html
    assert page.test.number_input[0].label == "23:51:29 UTC 画面中的人数"
    page.test.number_input[0].set_value(5)
    page.button("保存人数").click().run()
    assert "已保存为记录 1：人工 5 人，程序 6 人" in page.html


def table_page(lang: str = "en") -> AppTest:
    """The page of hand counts."""

    def script() -> None:
        from crowdwatch.ui.watch import hand_counts

        hand_counts()

    test = AppTest.from_function(script, default_timeout=120)
    test.query_params["lang"] = lang
    test.run()
    assert not test.exception
    return test


def html(test: AppTest) -> str:
    return "\n".join(element.proto.body for element in test.get("html"))


def test_the_table_names_every_camera_that_was_never_audited(seed: Any) -> None:
    seed.run(state=RunState.FINISHED)
    test = table_page()
    assert 'role="alert"><b>NEVER AUDITED: Mast south</b>' in html(test)
    assert "Nobody has counted a picture yet." in html(test)
    row = test.table[0].value.iloc[0]
    assert (row["Camera"], row["Pictures counted"], row["By hand"]) == ("Mast south", "0", "?")
    assert row["90 % interval"] == "0.720 – 1.390"
    assert "NEVER AUDITED" in row["Note"]


@pytest.mark.parametrize(("lang", "factor", "offset"), [("en", "Factor", "Offset"), ("zh", "系数", "偏移（人/画面）")])
def test_the_table_of_an_event_with_counts(seed: Any, lang: str, factor: str, offset: str) -> None:
    seed.run(state=RunState.FINISHED)
    for number, (run_id, counted, corrects) in enumerate((("r1", 8, 0), ("r1", 9, 1), ("r1", 20, 0))):
        seed.store.add_audit(
            Audit("mast", FRAME_NS + NS * (number // 2), counted, 6.0, "<b>ann</b>", 0, run_id, "yolo", 0.25, corrects)
        )
    test = table_page(lang)
    assert "NEVER AUDITED" not in html(test)
    assert "从未人工核对" not in html(test)
    row = test.table[0].value.iloc[0]
    assert row.iloc[1] == "2"
    assert row.iloc[2] == "29"
    assert float(row[factor]) > 1.05
    assert float(row[offset]) > 3, "so few people too many are an offset above all"
    entries = test.dataframe[0].value
    assert entries.iloc[:, 0].tolist() == ["3", "2", "1"]
    assert [("1" in note, "2" in note) for note in entries.iloc[:, 6]] == [(False, False), (True, False), (False, True)]
    assert entries.iloc[0, 1] == "2026-12-31 23:51:29.750 UTC"
