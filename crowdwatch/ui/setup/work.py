"""What somebody works on in this browser session: an event file and its history, points, pictures, a plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from crowdwatch.calibration.plan import Plan
from crowdwatch.calibration.survey import Mark, from_pairs
from crowdwatch.config.calibrations import ground_plane, inline
from crowdwatch.config.event_files import text_of
from crowdwatch.config.event_shapes import History, Values
from crowdwatch.config.schema import CameraFile
from crowdwatch.core.records import GroundPlane
from crowdwatch.core.rights import Right
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ui import session
from crowdwatch.ui.setup.board import Picture
from crowdwatch.ui.style import notice
from crowdwatch.words import t

__all__ = [
    "KEPT",
    "WORK",
    "Work",
    "bring_typed",
    "events_folder",
    "forget_typed",
    "guarded",
    "keep_typed",
    "plane_of",
    "say",
    "show_in_field",
    "show_said",
    "the_work",
]


KEPT = "su-"
"""Fields whose keys begin so keep what was typed while another step is shown."""

WORK, SAID, TYPED = "setup_work", "setup_said", "setup_typed"


@dataclass(slots=True)
class Work:
    """An event in the making. Values are never changed in place: each step of the history stays as it was.

    Args:
        event_id: its folder.
        stored: the text of the file as it was opened; empty for a new event.
        base: the text whose remarks are kept.
        values: of the event file, with undo.
        marks: control points by camera, with undo.
        lines: lines and people of a first guess by camera, with undo.
        clear: clear frames by camera. They are kept in memory alone.
        plan: picture and scale of the site's plan.
        chosen: what keys move, by board.
    """

    event_id: str
    stored: str
    base: str
    values: History[Values]
    marks: dict[str, History[tuple[Mark, ...]]] = field(default_factory=dict)
    lines: dict[str, History[tuple[Any, ...]]] = field(default_factory=dict)
    clear: dict[str, Picture] = field(default_factory=dict)
    plan: tuple[Picture, Plan] | None = None
    chosen: dict[str, tuple[str, int] | None] = field(default_factory=dict)

    def cameras(self) -> list[dict[str, Any]]:
        """The cameras that are written soundly enough to be named."""
        found = self.values.now.get("cameras")
        return [each for each in found if isinstance(each, dict) and each.get("id")] if isinstance(found, list) else []

    def camera(self, camera_id: str) -> dict[str, Any]:
        """One camera's values."""
        return next((each for each in self.cameras() if each["id"] == camera_id), {})

    def marks_of(self, camera_id: str) -> History[tuple[Mark, ...]]:
        """The control points of a camera, at first those of the file."""
        if camera_id not in self.marks:
            calibration = self.camera(camera_id).get("calibration") or {}
            pairs = calibration.get("points")
            if calibration.get("points_file"):
                try:
                    found = inline("points_file", calibration["points_file"], events_folder() / self.event_id)
                    pairs = found.get("points")
                except CrowdWatchError:
                    pairs = None  # the check says it
            self.marks[camera_id] = History(from_pairs(pairs))
        return self.marks[camera_id]

    def text(self) -> str:
        """The event file as it would be saved."""
        return text_of(self.values.now, self.base)


def events_folder() -> Path:
    """Where event files lie: ``$CROWDWATCH_EVENTS``, else ``events``."""
    return Path(os.environ.get("CROWDWATCH_EVENTS") or "events").resolve()


def the_work() -> Work | None:
    """What this session works on."""
    found: Work | None = st.session_state.get(WORK)
    return found


def bring_typed() -> None:
    """Before a drawing: fields that were not drawn last time have what was typed into them. A field that is drawn is
    left alone, since somebody may be typing into it."""
    for key, value in st.session_state.setdefault(TYPED, {}).items():
        if key not in st.session_state:
            st.session_state[key] = value


def keep_typed() -> None:
    """After a drawing: what is in the fields now is kept."""
    now = {str(key): st.session_state[key] for key in st.session_state if str(key).startswith(KEPT)}
    st.session_state[TYPED] = {**st.session_state.get(TYPED, {}), **now}


def forget_typed(*heads: str) -> None:
    """Fields whose keys begin so are empty again."""
    for held in (st.session_state, st.session_state.get(TYPED, {})):
        for key in [str(key) for key in held if str(key).startswith(heads)]:
            del held[key]


def show_in_field(key: str, value: object) -> None:
    """Have a field show a value of the draft; one that shows it already is left alone."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def say(text: str, *, loud: bool = False) -> None:
    """Say something with the next drawing of the page."""
    st.session_state[SAID] = (text, loud)


def show_said(language: str) -> None:
    """Show what the last action had to say, once."""
    text, loud = st.session_state.pop(SAID, ("", False))
    with st.container(key="setup-said"):  # there in every drawing, so that what follows keeps its place and its focus
        if text:
            st.html(notice(t(language, "setup.refused") if loud else "✓", text, loud=loud))


def guarded(right: Right, what: Callable[[], str | None], **detail: str) -> None:
    """Do what only some roles may, on the server's side; what it says, or why it failed, is shown.

    Args:
        right: that it needs; the audit log has it then.
        what: does it, and returns what to say.
        detail: of what, for the log, beside the event.
    """
    work = the_work()
    try:
        session.require(right, event="" if work is None else work.event_id, **detail)
        done = what()
    except (CrowdWatchError, OSError) as error:
        say(str(error), loud=True)
        return
    if done:
        say(done)


def plane_of(work: Work, camera: dict[str, Any]) -> GroundPlane | None:
    """The calibration of a camera as it stands in the draft; None while it gives none."""
    try:
        raw = dict(camera)
        calibration = dict(raw.get("calibration") or {})
        for key in ("points_file", "tsai_file", "opencv"):
            if calibration.get(key):
                folder = events_folder() / work.event_id
                found = inline(key, calibration.pop(key), folder, raw.get("image_size_px"))
                size = found.pop("image_size_px", None)
                raw["image_size_px"] = raw.get("image_size_px") or size
                found.pop("head_plane_m", None)
                calibration |= found
        kept = {key: raw[key] for key in ("id", "image_size_px", "max_position_error_m") if raw.get(key)}
        made = CameraFile.model_validate({**kept, "source": {"synthetic": "square"}, "calibration": calibration})
        return ground_plane(made)
    except (CrowdWatchError, ValueError, TypeError, OSError):
        return None
