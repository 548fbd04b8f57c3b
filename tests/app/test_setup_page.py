"""The set-up page without a browser: who may what, hostile names, every step in both languages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from streamlit.testing.v1 import AppTest

from crowdwatch.assets.examples import example
from crowdwatch.config import event_files
from crowdwatch.core.rights import Right
from crowdwatch.ui import session

HOSTILE = "![p](http://x.y/p.png) <img src=x> $q$ [b](c) **c** \u202e" + "ب" * 200
STEPS = ("event", "camera", "ground", "limits", "save")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROWDWATCH_EVENTS", str(tmp_path / "events"))
    monkeypatch.setenv("CROWDWATCH_STORE", f"sqlite:///{tmp_path / 'none.sqlite'}")
    home = tmp_path / "events" / "square"
    home.mkdir(parents=True)
    shutil.copy(example("synthetic"), home / "event.yaml")
    values = YAML(typ="safe").load((home / "event.yaml").read_text(encoding="utf-8"))
    for item in (values["zones"][0], values["gates"][0], values["cameras"][0]):
        item["name"] = {"en": HOSTILE, "zh": HOSTILE}
    (home / "event.yaml").write_text(event_files.text_of(values), encoding="utf-8")
    return tmp_path / "events"


def opened() -> AppTest:
    def show() -> None:
        from crowdwatch.ui.setup.page import setup

        setup()

    return AppTest.from_function(show, default_timeout=120).run()


def html(test: AppTest) -> str:
    return "\n".join(element.proto.body for element in test.get("html"))


def step(test: AppTest, name: str) -> None:
    test.session_state["setup-step"] = name
    test.run()
    assert not test.exception, (name, test.exception)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Right, dict[str, Any]]]:
    """What the page asks a right for, as the audit log has it."""
    found: list[tuple[Right, dict[str, Any]]] = []
    require = session.require

    def noted(right: Right, **detail: Any) -> session.Actor:
        found.append((right, detail))
        return require(right, **detail)

    monkeypatch.setattr(session, "require", noted)
    return found


def test_who_may_not_set_up_may_not_begin_an_event(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEMO_LACKS", frozenset(Right))
    test = opened()
    assert "administrator" in html(test)
    test.text_input(key="su-new-footage").set_value("examples/setup/frame.png")
    test.button(key="setup-begin").click().run()
    assert "This needs the role administrator" in html(test)
    assert test.text_input(key="su-new-footage").value == "examples/setup/frame.png", "what was typed is kept"
    assert "setup_work" not in test.session_state


def test_every_step_shows_names_as_text_in_both_languages(
    folder: Path, asked: list[tuple[Right, dict[str, Any]]]
) -> None:
    test = opened()
    test.button(key="setup-open-go").click().run()
    assert "Opened: square" in html(test)
    for language in ("en", "zh"):
        test.session_state["lang"] = language
        for name in STEPS:
            step(test, name)
            assert "<img src=x>" not in html(test)
            assert "\u202e" not in html(test)
            written = [each.label for kind in ("button", "text_input", "selectbox") for each in test.get(kind)]
            assert not [text for text in written if "](" in text]
    step(test, "limits")
    test.number_input(key="su-limit-stage-watch").set_value(0.35).run()
    step(test, "save")
    assert "density_p_m2" in "\n".join(each.value for each in test.code)
    test.button(key="setup-save").click().run()
    assert "square" in html(test)
    assert [version.person for version in event_files.versions(folder, "square")] == ["operator"]
    assert asked[-1] == (Right.SET_UP, {"event": "square"})
    step(test, "limits")
    test.number_input(key="su-limit-stage-watch").set_value(9.0).run()
    step(test, "save")
    assert test.button(key="setup-save").disabled
    assert any("critical" in each.value or "caution" in each.value for each in test.code), "the fault, as check says it"


def test_a_drawn_scene_has_no_clear_frame(folder: Path, asked: list[tuple[Right, dict[str, Any]]]) -> None:
    test = opened()
    test.button(key="setup-open-go").click().run()
    step(test, "camera")
    test.button(key="setup-clear").click().run()
    assert "no video file" in html(test)
    assert asked[-1] == (Right.CLEAR_PICTURE, {"event": "square", "camera": "mast"})
