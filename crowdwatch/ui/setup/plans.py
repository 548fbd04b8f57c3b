"""The plan of the site: a picture with a scale, an orthophoto, or an empty sheet."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from crowdwatch.calibration.grid_picture import read_picture
from crowdwatch.calibration.plan import Plan, by_distance, by_scale, from_geotiff, read_upload, sheet
from crowdwatch.config.event_shapes import corners
from crowdwatch.core.rights import Right
from crowdwatch.core.text import plain
from crowdwatch.errors import CalibrationError, CrowdWatchError
from crowdwatch.ui.setup.board import Drawn, Operation, Picture, picture, show_board
from crowdwatch.ui.setup.work import Work, events_folder, guarded, the_work
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["keep_plan", "show"]

WAYS = ("scale", "distance", "geotiff", "sheet")
RULER = "setup_ruler"
PLAN_JPEG, PLAN_JSON = "plan.jpg", "plan.json"


def show(work: Work, language: str) -> None:
    """The form that takes a plan; folded away once there is one."""
    if work.plan is None:
        _kept_plan(work)
    scale = "" if work.plan is None else f" · {work.plan[1].metres_per_px:.3g} m/px"
    with st.expander(
        t(language, "setup.plan") + scale, expanded=work.plan is None, key=f"setup-plan-form-{work.plan is None}"
    ):
        way = st.segmented_control(
            t(language, "setup.plan.way"), WAYS, default="scale", required=True, key="setup-plan-way",
            format_func=lambda each: t(language, f"setup.plan.{each}"),
        )  # fmt: skip
        if way == "sheet":
            columns = st.columns(4)
            for column, (name, value) in zip(columns, zip(_SIDES, (-20.0, 0.0, 20.0, 40.0), strict=True), strict=True):
                column.number_input(t(language, f"setup.sheet.{name}"), value=value, step=5.0, key=f"su-sheet-{name}")
        else:
            st.file_uploader(
                t(language, "setup.plan.file"), type=["png", "jpg", "jpeg", "tif", "tiff"], key="setup-plan-file",
                help=t(language, "setup.plan.file.help"),
            )  # fmt: skip
            sent = st.session_state.get("setup-plan-file")
            if sent is not None:
                received = t(language, "setup.plan.sent", name=plain(sent.name)[:80], kb=f"{sent.size / 1000:.1f}")
                st.html(f'<div class="cw-note">{safe(received)}</div>')
        if way in ("scale", "distance"):
            scale_column, *corner_columns = st.columns(3)
            label = t(language, f"setup.plan.{'per_px' if way == 'scale' else 'metres'}")
            scale_column.number_input(label, min_value=0.0, value=None, format="%.4f", key=f"su-plan-{way}")
            for column, name in zip(corner_columns, ("west", "south"), strict=True):
                column.number_input(t(language, f"setup.sheet.{name}"), value=0.0, step=1.0, key=f"su-plan-{name}")
        if way == "distance":
            _ruler(language)
        st.button(
            t(language, "setup.plan.take"), key="setup-plan-take", on_click=guarded,
            args=(Right.SET_UP, partial(_take, str(way), language)),
        )  # fmt: skip


_SIDES = ("west", "south", "east", "north")


def _ruler(language: str) -> None:
    """Two points of known distance, clicked in what was sent."""
    sent = st.session_state.get("setup-plan-file")
    if sent is None:
        return
    try:
        shown = picture(read_upload(sent.name, sent.getvalue()))
    except CrowdWatchError:
        return  # said when it is taken
    ends = st.session_state.setdefault(RULER, [])
    things = [Drawn("ruler", "line", ends, "", "#e69f00")]
    show_board("sub-ruler", shown, things, None, _measure, language=language, label=t(language, "setup.board.plan"))


def _measure(done: Operation) -> None:
    ends = st.session_state.setdefault(RULER, [])
    if done.what == "add":
        st.session_state[RULER] = [*ends, done.at_px][-2:]
    elif done.what == "move" and done.corner < len(ends):
        ends[done.corner] = done.at_px
    elif done.what in ("delete", "undo"):
        st.session_state[RULER] = ends[:-1]


def _take(way: str, language: str) -> str:
    work = the_work()
    assert work is not None
    if way == "sheet":
        west, south, east, north = (float(st.session_state.get(f"su-sheet-{side}") or 0.0) for side in _SIDES)
        if not (5 <= east - west <= 5000 and 5 <= north - south <= 5000):
            raise CalibrationError(t(language, "setup.sheet.size"))
        image, plan = sheet(west, south, east, north)
    else:
        sent = st.session_state.get("setup-plan-file")
        if sent is None:
            raise CalibrationError(t(language, "setup.plan.missing"))
        if way == "geotiff":
            image, plan = _orthophoto(work, sent.name, sent.getvalue(), language)
        else:
            image = read_upload(sent.name, sent.getvalue())
            hw = (image.shape[0], image.shape[1])
            corner = (
                float(st.session_state.get("su-plan-west") or 0),
                float(st.session_state.get("su-plan-south") or 0),
            )
            given = float(st.session_state.get(f"su-plan-{way}") or 0)
            ends = np.array(st.session_state.get(RULER) or [], dtype=np.float64)
            plan = by_scale(hw, given, corner) if way == "scale" else by_distance(hw, ends, given, corner)
    work.plan = picture(image), plan
    keep_plan(work, events_folder() / work.event_id)
    return t(language, "setup.plan.taken", wide=f"{plan.image_hw[1] * plan.metres_per_px:.0f}",
             high=f"{plan.image_hw[0] * plan.metres_per_px:.0f}")  # fmt: skip


def _orthophoto(
    work: Work, name: str, content: bytes, language: str
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], Plan]:
    """An orthophoto brings the map of a site that has none yet; the metres of one that is drawn are not moved."""
    values = work.values.now
    site = values.get("site") or {}
    crs, origin = str(site.get("crs") or "local"), site.get("origin_m")
    image, plan, found, origin_m = from_geotiff(name, content, crs, (origin[0], origin[1]) if origin else None)
    if crs == "local":
        if work.stored and corners(values, ("walkable", 0)):
            raise CalibrationError(t(language, "setup.geotiff.local", crs=found))
        made = copy.deepcopy(values)
        made.setdefault("site", {}).update({"crs": found, "origin_m": list(origin_m)})
        work.values = work.values.then(made)
    return image, plan


def keep_plan(work: Work, home: Path) -> None:
    """Keep the plan beside an event file that is stored, for the next time. A plan shows no people that matter."""
    if work.plan is None or not work.stored:
        return
    shown, plan = work.plan
    kept = {"image_hw": list(plan.image_hw), "to_ground": plan.to_ground.tolist()}
    (home / PLAN_JPEG).write_bytes(shown.jpeg)
    (home / PLAN_JSON).write_text(json.dumps(kept), encoding="utf-8")


def _kept_plan(work: Work) -> None:
    home = events_folder() / work.event_id
    try:
        kept = json.loads((home / PLAN_JSON).read_text(encoding="utf-8"))
        read_picture(home / PLAN_JPEG)
        size = (int(kept["image_hw"][0]), int(kept["image_hw"][1]))
        plan = Plan(size, np.array(kept["to_ground"], dtype=np.float64))
        work.plan = Picture(size, (home / PLAN_JPEG).read_bytes()), plan
    except (OSError, ValueError, KeyError, TypeError, IndexError, CrowdWatchError):
        return  # none was kept, or it is spoiled: another one is asked for
