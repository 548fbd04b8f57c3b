"""Second step: a camera's clear frame, its control points on frame and plan, and what they are wrong by."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import cv2
import numpy as np
import streamlit as st

from crowdwatch.calibration.calibrate import implied_camera_m
from crowdwatch.calibration.grid_picture import draw_ground_grid
from crowdwatch.calibration.survey import Mark, Trial, as_pairs, placed, tried
from crowdwatch.core.rights import Right
from crowdwatch.core.text import plain
from crowdwatch.drivers import first_event
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import session, writing
from crowdwatch.ui.setup import guessing, plans
from crowdwatch.ui.setup.board import Drawn, Operation, Picture, picture, show_board
from crowdwatch.ui.setup.drafts import calibrated, size_of
from crowdwatch.ui.setup.work import Work, events_folder, guarded, plane_of, say, show_in_field, the_work
from crowdwatch.ui.style import notice
from crowdwatch.ui.writing import number, safe
from crowdwatch.words import t

__all__ = ["show"]

POINT, GRID = "point-", "setup_grid_drawn"


def show(language: str) -> None:
    """Choose a camera, take its frame, calibrate it."""
    work = the_work()
    assert work is not None
    ids = [str(each["id"]) for each in work.cameras()]
    if not ids:
        st.html(notice("?", t(language, "setup.camera.none"), loud=False))
        return
    pick, at, take, drop = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    camera_id = str(pick.selectbox(t(language, "camera"), ids, format_func=plain, key="setup-camera"))
    at.number_input(t(language, "setup.at_s"), min_value=0.0, value=0.0, step=1.0, key="su-at-s")
    take.button(
        t(language, "setup.clear"), key="setup-clear", help=t(language, "setup.clear.help"), on_click=guarded,
        args=(Right.CLEAR_PICTURE, partial(_take_clear, camera_id, language)), kwargs={"camera": camera_id},
        width="stretch",
    )  # fmt: skip
    shown = work.clear.get(camera_id) if session.allowed(Right.CLEAR_PICTURE) else None
    if shown is not None:
        drop.button(
            t(language, "setup.clear.drop"), key="setup-clear-drop", on_click=_forget, args=(camera_id,),
            width="stretch",
        )  # fmt: skip
    plans.show(work, language)
    way = st.segmented_control(
        t(language, "setup.way"), ["points", "guess"], default="points", required=True, key="setup-way",
        format_func=lambda each: t(language, f"setup.way.{each}"),
    )  # fmt: skip
    if way == "guess":
        guessing.show(work, camera_id, shown, language)
    else:
        _points(work, camera_id, shown, language)


def _take_clear(camera_id: str, language: str) -> str:
    """The clear frame of a camera, into the memory of this session alone."""
    work = the_work()
    assert work is not None
    source = work.camera(camera_id).get("source") or {}
    footage = first_event.footage_of(source, events_folder() / work.event_id)
    image = first_event.picture_of(footage, float(st.session_state.get("su-at-s") or 0.0))
    work.clear[camera_id] = picture(image)
    return t(language, "setup.clear.taken")


def _forget(camera_id: str) -> None:
    work = the_work()
    if work is not None:
        work.clear.pop(camera_id, None)


def _points(work: Work, camera_id: str, shown: Picture | None, language: str) -> None:
    history = work.marks_of(camera_id)
    marks, chosen = history.now, _chosen(work, camera_id)
    size = shown.image_hw if shown is not None else size_of(work.camera(camera_id))
    trial = tried(marks, size, _camera_m(camera_id)) if size else None
    left, right = st.columns(2, gap="small")
    with left:
        if shown is None:
            st.html(f'<div class="cw-nopic cw-hatch">{t(language, "setup.clear.none")}</div>')
        else:
            things = [
                Drawn(f"{POINT}{n}", "point", [(mark.u_px, mark.v_px)], mark.name, _colour(mark))
                for n, mark in enumerate(marks) if mark.seen
            ]  # fmt: skip
            show_board(
                f"sub-frame-{camera_id}", _with_grid(shown, trial), things, _as_corner(chosen),
                partial(_act, camera_id, True), language=language, label=t(language, "setup.board.frame"),
            )  # fmt: skip
    with right:
        if work.plan is None:
            st.html(f'<div class="cw-nopic cw-hatch">{t(language, "setup.plan.none")}</div>')
        else:
            plan_picture, plan = work.plan
            pixels = [plan.pixels(np.array([[mark.east_m, mark.north_m]]))[0] for mark in marks]
            things = [
                Drawn(f"{POINT}{n}", "point", [(float(at[0]), float(at[1]))], mark.name, _colour(mark))
                for n, (mark, at) in enumerate(zip(marks, pixels, strict=True)) if mark.surveyed
            ]  # fmt: skip
            show_board(
                f"sub-plan-{camera_id}", plan_picture, things, _as_corner(chosen), partial(_act, camera_id, False),
                language=language, label=t(language, "setup.board.plan"),
            )  # fmt: skip
    _form(work, camera_id, chosen, language)
    _result(work, camera_id, trial, language)


def _with_grid(shown: Picture, trial: Trial | None) -> Picture:
    """The frame with the ground grid of a calibration drawn over it, if that is asked for."""
    if trial is None or trial.calibration is None or not st.session_state.get("setup-grid", True):
        return shown
    drawn_for = (shown.jpeg, trial.calibration.plane.image_to_ground.tobytes())
    before: tuple[tuple[bytes, bytes], Picture] | None = st.session_state.get(GRID)
    if before is not None and before[0] == drawn_for:
        return before[1]
    image = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return shown
    full = np.asarray(cv2.resize(image, shown.image_hw[::-1]), np.uint8) if image.shape[:2] != shown.image_hw else image
    try:
        made = picture(draw_ground_grid(np.asarray(full, np.uint8), trial.calibration.plane))
    except CrowdWatchError:
        return shown
    st.session_state[GRID] = drawn_for, made
    return made


def _colour(mark: Mark) -> str:
    return "#56b4e9" if mark.seen and mark.surveyed else "#e69f00"


def _chosen(work: Work, camera_id: str) -> int | None:
    found = work.chosen.get(camera_id)
    return found[1] if found is not None and found[1] < len(work.marks_of(camera_id).now) else None


def _as_corner(chosen: int | None) -> tuple[str, int] | None:
    return None if chosen is None else (f"{POINT}{chosen}", 0)


def _act(camera_id: str, on_frame: bool, done: Operation) -> None:
    """One operation on the frame, or on the plan."""
    work = the_work()
    if work is None:
        return
    history = work.marks_of(camera_id)
    marks, chosen = history.now, _chosen(work, camera_id)
    named = int(done.name.removeprefix(POINT)) if done.name.removeprefix(POINT).isdecimal() else None
    named = named if named is not None and named < len(marks) else None
    if done.what in ("undo", "redo"):
        history = history.undo() if done.what == "undo" else history.redo()
        chosen = None
    elif done.what == "leave":
        chosen = None
    elif done.what == "choose":
        chosen = named
    elif done.what == "delete" and named is not None:
        history, chosen = history.then(tuple(mark for n, mark in enumerate(marks) if n != named)), None
    elif done.what in ("add", "move"):
        pixel, ground = (done.at_px, None) if on_frame else (None, _on_plan(work, done.at_px))
        if done.what == "move" and named is not None:
            moved = tuple(mark.at(pixel, ground) if n == named else mark for n, mark in enumerate(marks))
            history, chosen = history.then(moved), named
        else:
            moved, chosen = placed(marks, chosen, pixel=pixel, ground=ground)
            history = history.then(moved)
    work.marks[camera_id] = history
    work.chosen[camera_id] = None if chosen is None else ("", chosen)


def _on_plan(work: Work, at_px: tuple[float, float]) -> tuple[float, float] | None:
    if work.plan is None:
        return None
    east, north = work.plan[1].ground_m(np.array([at_px]))[0]
    return round(float(east), 3), round(float(north), 3)


def _form(work: Work, camera_id: str, chosen: int | None, language: str) -> None:
    """The chosen point in numbers: its place can be typed in metres."""
    if chosen is None:
        st.html(f'<div class="cw-note">{t(language, "setup.mark.none")}</div>')
        return
    mark = work.marks_of(camera_id).now[chosen]
    columns = st.columns([1.2, 1, 1, 1, 1, 1], vertical_alignment="bottom")
    head = f"su-mark-{camera_id}-{chosen}-"
    values = {"u_px": mark.u_px, "v_px": mark.v_px, "east_m": mark.east_m, "north_m": mark.north_m}
    show_in_field(f"{head}name", mark.name)
    columns[0].text_input(
        t(language, "setup.mark.name"), max_chars=100, key=f"{head}name", on_change=_typed, args=(camera_id, chosen)
    )
    for column, (name, value) in zip(columns[1:5], values.items(), strict=True):
        show_in_field(f"{head}{name}", float(value) if math.isfinite(value) else None)
        column.number_input(
            t(language, f"setup.mark.{name}"), value=None, step=0.1, format="%.2f", key=f"{head}{name}",
            on_change=_typed, args=(camera_id, chosen),
        )  # fmt: skip
    show_in_field(f"{head}sigma_m", mark.sigma_m)
    columns[5].number_input(
        t(language, "setup.mark.sigma"), value=None, min_value=0.001, max_value=100.0, step=0.01, format="%.3f",
        key=f"{head}sigma_m", on_change=_typed, args=(camera_id, chosen), help=t(language, "setup.mark.sigma.help"),
    )  # fmt: skip


def _typed(camera_id: str, chosen: int) -> None:
    """What was typed of a point becomes the point."""
    work = the_work()
    if work is None or chosen >= len(work.marks_of(camera_id).now):
        return
    history = work.marks_of(camera_id)
    head = f"su-mark-{camera_id}-{chosen}-"

    def given(name: str) -> float:
        value = st.session_state.get(f"{head}{name}")
        return math.nan if value is None else float(value)

    name = plain(str(st.session_state.get(f"{head}name") or "")) or history.now[chosen].name
    sigma_m = given("sigma_m") if given("sigma_m") > 0 else 0.05
    made = Mark(name, given("u_px"), given("v_px"), given("east_m"), given("north_m"), sigma_m)
    work.marks[camera_id] = history.then(tuple(made if n == chosen else m for n, m in enumerate(history.now)))


def _camera_m(camera_id: str) -> tuple[float, float, float] | None:
    """The camera's position as it was typed; None without a height."""
    given = [st.session_state.get(f"su-place-{camera_id}-{name}") for name in ("east", "north", "height")]
    if any(value is None for value in given) or not float(given[2] or 0) > 0:
        return None
    east, north, height = (float(value or 0) for value in given)
    return east, north, height


def _result(work: Work, camera_id: str, trial: Trial | None, language: str) -> None:
    marks = work.marks_of(camera_id).now
    if trial is None:
        return
    if trial.calibration is None:
        said = trial.fault.removeprefix("control points: ")
        st.html(notice(t(language, "setup.fit.none"), said, loud=sum(m.seen and m.surveyed for m in marks) >= 4))
    else:
        text = t(language, "setup.fit", rmse=number(trial.rmse_m, 2), alone=number(trial.left_out_m, 2), n=len(marks))
        st.html(notice(t(language, "setup.fit.title"), text, loud=False))
        for warning in trial.calibration.warnings:
            st.html(f'<div class="cw-note">⚠ {safe(warning)}</div>')
    if marks:
        keys = ("name", "u_px", "v_px", "east_m", "north_m", "residual", "alone")
        rows = [
            dict(zip((t(language, f"setup.mark.{key}") for key in keys),
                     (mark.name, number(mark.u_px), number(mark.v_px), number(mark.east_m, 2), number(mark.north_m, 2),
                      number(float(trial.residual_m[n]), 2), number(float(trial.alone_m[n]), 2)), strict=True))
            for n, mark in enumerate(marks)
        ]  # fmt: skip
        st.table(writing.table(rows))
    _place(work, camera_id, trial, language)


def _place(work: Work, camera_id: str, trial: Trial, language: str) -> None:
    """Where the camera stands: by a tape, or as the points say."""
    given = (work.camera(camera_id).get("calibration") or {}).get("camera_position_m") or [None, None, None]
    columns = st.columns([1, 1, 1, 1.4, 1.6], vertical_alignment="bottom")
    for column, name, value in zip(columns[:3], ("east", "north", "height"), given, strict=True):
        key = f"su-place-{camera_id}-{name}"
        if key not in st.session_state:
            st.session_state[key] = None if value is None else float(value)
        column.number_input(t(language, f"setup.place.{name}"), value=None, step=0.1, format="%.2f", key=key)
    implied = implied_camera_m(trial.calibration.plane) if trial.calibration is not None else None
    if implied is not None and implied[2] > 0:
        east, north, height = (float(value) for value in implied)
        columns[3].button(
            t(language, "setup.place.take", east=number(east), north=number(north), height=number(height)),
            key="setup-place", help=t(language, "setup.place.help"), on_click=_take_place,
            args=(camera_id, (east, north, height)), width="stretch",
        )  # fmt: skip
    st.toggle(t(language, "setup.grid"), value=True, key="setup-grid")
    columns[4].button(
        t(language, "setup.fit.take"), key="setup-fit", type="primary", disabled=trial.calibration is None,
        on_click=_take_fit, args=(camera_id, language), width="stretch",
    )  # fmt: skip


def _take_place(camera_id: str, place: tuple[float, float, float]) -> None:
    for name, value in zip(("east", "north", "height"), place, strict=True):
        st.session_state[f"su-place-{camera_id}-{name}"] = round(value, 2)


def _take_fit(camera_id: str, language: str) -> None:
    """Put the points into the event file."""
    work = the_work()
    if work is None:
        return
    marks = work.marks_of(camera_id).now
    size = work.clear[camera_id].image_hw if camera_id in work.clear else size_of(work.camera(camera_id))
    place = _camera_m(camera_id)
    trial = tried(marks, size, place) if size else None
    if trial is None or trial.calibration is None or size is None:
        say(trial.fault if trial is not None else t(language, "setup.clear.none"), loud=True)
        return
    calibration: dict[str, Any] = {"points": as_pairs(marks)}
    if place is not None:
        calibration["camera_position_m"] = [round(value, 3) for value in place]
    work.values = work.values.then(calibrated(work.values.now, camera_id, calibration, size, survey=True))
    known = plane_of(work, work.camera(camera_id)) is not None
    heads = "" if place is not None else " " + t(language, "setup.fit.heads")
    say(t(language, "setup.fit.taken", camera=plain(camera_id)) + heads, loud=not known)
