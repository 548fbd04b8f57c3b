"""Without a survey: lines that are parallel on the ground and a person's height give a first guess, called so."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from crowdwatch.calibration.first_guess import FirstGuess, first_guess
from crowdwatch.config.event_shapes import History
from crowdwatch.core.text import plain
from crowdwatch.errors import CalibrationError
from crowdwatch.ui.setup.board import Drawn, Operation, Picture, show_board
from crowdwatch.ui.setup.drafts import calibrated
from crowdwatch.ui.setup.work import Work, say, the_work
from crowdwatch.ui.style import notice
from crowdwatch.ui.writing import number
from crowdwatch.words import t

__all__ = ["show"]

KINDS = {"along": "#56b4e9", "across": "#e69f00", "person": "#f0e442"}
HEAD = "line-"


def show(work: Work, camera_id: str, shown: Picture | None, language: str) -> None:
    """Lines and people on the frame, and what they say of the camera."""
    st.html(notice(t(language, "setup.unsurveyed"), t(language, "setup.unsurveyed.text"), loud=False))
    if shown is None:
        st.html(f'<div class="cw-nopic cw-hatch">{t(language, "setup.clear.none")}</div>')
        return
    columns = st.columns([2, 1, 1], vertical_alignment="bottom")
    columns[0].segmented_control(
        t(language, "setup.line"), list(KINDS), default="along", required=True, key="setup-line",
        format_func=lambda kind: t(language, f"setup.line.{kind}"),
    )  # fmt: skip
    columns[1].number_input(
        t(language, "setup.person_m"), min_value=0.5, max_value=2.5, value=1.7, step=0.05, key="su-person-m"
    )
    columns[2].number_input(
        t(language, "setup.view_deg"), min_value=5.0, max_value=150.0, value=70.0, step=5.0, key="su-view-deg",
        help=t(language, "setup.view_deg.help"),
    )  # fmt: skip
    lines = _lines(work, camera_id).now
    things = [
        Drawn(f"{HEAD}{n}", "line", list(ends), t(language, f"setup.line.{kind}"), KINDS[kind])
        for n, (kind, ends) in enumerate(lines)
    ]
    show_board(
        f"sub-guess-{camera_id}", shown, things, work.chosen.get(f"guess-{camera_id}"), partial(_act, camera_id),
        language=language, label=t(language, "setup.board.frame"),
    )  # fmt: skip
    try:
        guess = _guess(work, camera_id, shown.image_hw)
    except CalibrationError as error:
        st.html(notice(t(language, "setup.fit.none"), str(error), loud=False))
        return
    text = t(
        language, "setup.guess", height=number(guess.height_m), sigma=number(guess.height_sigma_m),
        percent=number(200 * guess.height_sigma_m / guess.height_m, 0), focal=number(guess.focal_px, 0),
    )  # fmt: skip
    st.html(notice(t(language, "setup.unsurveyed"), text, loud=False))
    st.button(
        t(language, "setup.guess.take"), key="setup-guess", type="primary", on_click=_take,
        args=(camera_id, shown.image_hw, language),
    )  # fmt: skip


def _lines(work: Work, camera_id: str) -> History[tuple[tuple[str, tuple[tuple[float, float], ...]], ...]]:
    return work.lines.setdefault(camera_id, History(()))


def _guess(work: Work, camera_id: str, image_hw: tuple[int, int]) -> FirstGuess:
    drawn: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]] = {kind: [] for kind in KINDS}
    for kind, ends in _lines(work, camera_id).now:
        if len(ends) == 2:
            drawn[kind].append(np.array(ends, dtype=np.float64))
    person_m = float(st.session_state.get("su-person-m") or 1.7)
    view_deg = float(st.session_state.get("su-view-deg") or 70.0)
    return first_guess(image_hw, drawn["along"], drawn["across"], drawn["person"], person_m, view_deg)


def _act(camera_id: str, done: Operation) -> None:
    work = the_work()
    if work is None:
        return
    history, chosen = _lines(work, camera_id), work.chosen.get(f"guess-{camera_id}")
    lines = list(history.now)
    named = done.name.removeprefix(HEAD)
    line = int(named) if named.isdecimal() and int(named) < len(lines) else None
    if done.what in ("undo", "redo"):
        history, chosen = (history.undo() if done.what == "undo" else history.redo()), None
    elif done.what == "leave":
        chosen = None
    elif done.what == "choose" and line is not None:
        chosen = (done.name, done.corner)
    elif done.what == "move" and line is not None and done.corner < len(lines[line][1]):
        ends = tuple(done.at_px if n == done.corner else at for n, at in enumerate(lines[line][1]))
        lines[line] = (lines[line][0], ends)
        history, chosen = history.then(tuple(lines)), (done.name, done.corner)
    elif done.what == "delete" and line is not None:
        del lines[line]
        history, chosen = history.then(tuple(lines)), None
    elif done.what == "add":
        if lines and len(lines[-1][1]) == 1:  # the second end of the line that was begun
            lines[-1] = (lines[-1][0], (*lines[-1][1], done.at_px))
        else:
            lines.append((str(st.session_state.get("setup-line") or "along"), (done.at_px,)))
        history, chosen = history.then(tuple(lines)), None
    work.lines[camera_id] = history
    work.chosen[f"guess-{camera_id}"] = chosen


def _take(camera_id: str, image_hw: tuple[int, int], language: str) -> None:
    work = the_work()
    if work is None:
        return
    try:
        calibration = _guess(work, camera_id, image_hw).calibration(image_hw)
    except CalibrationError as error:
        say(str(error), loud=True)
        return
    work.values = work.values.then(calibrated(work.values.now, camera_id, calibration, image_hw, survey=False))
    say(t(language, "setup.guess.taken", camera=plain(camera_id)))
