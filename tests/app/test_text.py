"""Every page with names that would be markup, scripts, formulas or pictures: they are shown and do nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from crowdwatch.core.commands import judge
from crowdwatch.core.runs import Audit, Command, CommandKind, RunState

from .conftest import START_NS, surge

HOSTILE = "![p](http://x.y/p.png) <img src=x> $q$ :bomb: :red[r] [l](http://x.y)\n\u202e[b]**c**"
PLACES = ("zones", "gates", "cameras")


@pytest.fixture
def hostile(seed: Any) -> Any:
    """A run whose event, zones, gate, camera, operator and reason all have the name; a hand count too."""
    from .conftest import event

    base = event()
    changed = {key: [{**one, "name": {"en": HOSTILE}} for one in base[key]] for key in PLACES}
    second = {**changed["cameras"][0], "id": "mast2"}
    seed.run(
        **{**changed, "cameras": [*changed["cameras"], second]}, name={"en": HOSTILE}, notice={"en": HOSTILE},
        density=surge, labels=[HOSTILE], message=HOSTILE,
    )  # fmt: skip
    audit = Audit("mast", START_NS, 5, 4.0, HOSTILE, time.time_ns(), "r1", "d", 0.3)
    seed.store.add_audit(audit)
    return seed


def said_anywhere(value: Any) -> list[str]:
    """The labels, helps, captions and toasts in what the server sends: of every element and every container."""
    if isinstance(value, dict):
        own = [value[key] for key in ("label", "help", "placeholder", "caption") if isinstance(value.get(key), str)]
        return own + [text for each in value.values() for text in said_anywhere(each)]
    return [text for each in value for text in said_anywhere(each)] if isinstance(value, list) else []


def labels_of(test: Any) -> list[str]:
    """Everything that Streamlit reads as Markdown."""
    nodes = [node.proto for node in test._tree if getattr(node, "proto", None) is not None]
    everywhere = [text for proto in nodes for text in said_anywhere(MessageToDict(proto))]
    assert everywhere
    return everywhere + of_widgets(test)


def of_widgets(test: Any) -> list[str]:
    found = [widget.label for kind in ("button", "selectbox", "toggle", "slider") for widget in test.get(kind)]
    found += [str(option) for group in test.get("button_group") for option in getattr(group, "options", [])]
    for element in test.table:
        found += [str(value) for column in element.value for value in [column, *element.value[column]]]
    return [*found, *(element.value for element in test.markdown), *(element.value for element in test.caption)]


PAGES = ("watch.watch", "watch.hand_counts", "pages.zone.zone_page", "pages.cameras.cameras_page",
         "pages.journal.journal_page", "pages.analyst.analyst_page", "pages.system.system_page")  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_no_page_reads_a_name_as_more_than_text(hostile: Any, open_one: Any, page: str) -> None:
    module, _, name = page.rpartition(".")
    test = open_one(f"crowdwatch.ui.{module}", name).test
    html = "\n".join(element.proto.body for element in test.get("html"))
    assert "<img src=x>" not in html
    assert "\u202e" not in html
    assert "&lt;img src=x&gt;" in html or "hand_counts" in page
    for text in labels_of(test):
        assert "![p](" not in text
        assert ":bomb:" not in text
        assert "$q$" not in text
        assert ":red[" not in text
        assert "[l](" not in text
        assert "**c**" not in text
        assert "\n" not in text.strip()
        assert "\u202e" not in text
    for chart in test.get("plotly_chart"):
        spec = chart.proto.spec
        assert "<img" not in spec
        assert "$q$" not in spec
        assert "\\u202e" not in spec
        assert "\u202e" not in spec
    for element in test.dataframe:
        assert "\u202e" not in element.value.to_csv()


def test_a_refused_command_is_said_with_its_reason(seed: Any, open_page: Any) -> None:
    seed.run()
    command_id = seed.store.submit(Command("r1", CommandKind.ACKNOWLEDGE, "Anna <b>", 0, "front", "crowding", 9.0))
    refused = judge(seed.store.pending("r1")[0], {"front"})
    seed.store.sequenced(command_id, START_NS, refused)
    page = open_page()
    assert "NOT CARRIED OUT" in page.html
    assert "acknowledge Stage front (Anna &lt;b&gt;): 9 is no alarm level." in page.html
    assert "未执行" in open_page(lang="zh").html


def test_a_command_of_another_version_does_not_end_the_page(seed: Any, open_page: Any) -> None:
    seed.run()
    with seed.store._writes.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO commands (run_id, kind, actor, wall_ns, zone_id, alarm, value) "
            "VALUES ('r1', 'shelve', x'ff', 'now', 'front', 'crowding', 'x')"
        )
    assert "running" in open_page().html


def test_a_dead_engine_s_numbers_do_not_show_in_a_look_back(seed: Any, open_page: Any) -> None:
    seed.run(density=surge, beat_age_s=60.0, state=RunState.RUNNING)
    page = open_page()
    page.test.toggle(key="follow-r1").set_value(False).run()
    for second in (30, 89):
        slider = page.test.slider(key="at-r1")
        slider.set_value(slider.value.replace(minute=50 + second // 60, second=second % 60)).run()
        notes = page.figures[0]["layout"]["annotations"]
        assert all("? UNKNOWN" in note["text"] for note in notes)
        assert "p/m²" not in "".join(note["text"] for note in notes)
        assert '<div class="v">?</div>' in page.html
