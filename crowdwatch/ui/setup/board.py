"""A picture on which points, lines and areas are drawn: by mouse, by touch and by keyboard.

The browser holds no state but the view: every change goes to Python as an operation with a number, and comes back as
what is drawn. An operation is sent until Python has answered it, so that none is lost and none is done twice.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from crowdwatch.core.text import plain
from crowdwatch.ui.setup.board_script import CSS, SCRIPT
from crowdwatch.words import t

__all__ = ["Drawn", "Operation", "Picture", "picture", "show_board"]

U8 = NDArray[np.uint8]

LONGEST_PX = 1920
"""A larger picture is shown smaller; what is clicked counts in its own pixels."""

_board = st.components.v2.component("crowdwatch_board", css=CSS, js=SCRIPT)
_pictures = st.components.v2.component(
    "crowdwatch_picture",
    js="""export default function ({ data }) {
  const held = (window.cwPictures ??= {});
  held[data.id] = data.url;
  window.dispatchEvent(new CustomEvent("cw-picture", { detail: data.id }));
}""",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the browser is sent it: its own size, and a JPEG that may be smaller."""

    image_hw: tuple[int, int]
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Drawn:
    """A thing on a picture.

    Args:
        name: under which operations name it.
        kind: ``point``, ``line`` or ``area``.
        at_px: (N, 2) pixels.
        label: shown beside it.
        colour: of its edge.
        active: whether its corners can be taken.
        fixed: corners that cannot be drawn here, such as those behind the camera.
    """

    name: str
    kind: str
    at_px: Sequence[tuple[float, float]]
    label: str = ""
    colour: str = "#56b4e9"
    active: bool = True
    fixed: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Operation:
    """What somebody did: ``add``, ``move``, ``delete``, ``choose``, ``leave``, ``undo`` or ``redo``.

    Args:
        what: which.
        at_px: where, for ``add`` and ``move``.
        name, corner: on what; of ``add`` what is chosen.
    """

    what: str
    at_px: tuple[float, float] = (math.nan, math.nan)
    name: str = ""
    corner: int = 0


def picture(image_bgr: U8) -> Picture:
    """Make a picture ready to be shown."""
    height, width = image_bgr.shape[:2]
    scale = min(1.0, LONGEST_PX / max(height, width))
    shown = image_bgr
    if scale < 1:
        shown = np.asarray(
            cv2.resize(image_bgr, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA), np.uint8
        )
    return Picture((height, width), cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


def show_board(
    key: str,
    shown: Picture,
    things: Sequence[Drawn],
    chosen: tuple[str, int] | None,
    act: Callable[[Operation], None],
    *,
    language: str,
    label: str,
) -> None:
    """Show a picture with what is drawn on it, and hand every operation to ``act``, once each, in order.

    Args:
        key: of this board on the page.
        shown: the picture.
        things: what is drawn.
        chosen: the corner that keys move.
        act: called in a callback, before the page is drawn again.
        language: of the page.
        label: what the picture is, for people who hear it.
    """
    picture_id = f"{key}-{zlib.crc32(shown.jpeg):08x}"
    url = "data:image/jpeg;base64," + base64.b64encode(shown.jpeg).decode("ascii")
    _pictures(key=f"{key}-picture", data={"id": picture_id, "url": url})  # the same message again is not sent again
    height, width = shown.image_hw
    data = {
        "picture": picture_id, "width": width, "height": height, "done": st.session_state.get(f"{key}-done", 0),
        "chosen": None if chosen is None else {"name": chosen[0], "corner": chosen[1]},
        "things": [_as_data(each) for each in things],
        "texts": {name: t(language, f"setup.board.{name}") for name in _TEXTS} | {"label": plain(label)},
    }  # fmt: skip
    _board(key=key, data=data, on_edit_change=partial(_take, key, shown.image_hw, act))


_TEXTS = ("help", "in", "out", "whole", "undo", "redo", "delete")


def _as_data(each: Drawn) -> dict[str, Any]:
    places = [[round(float(u), 2), round(float(v), 2)] if math.isfinite(u + v) else None for u, v in each.at_px]
    return {
        "name": each.name, "kind": each.kind, "at": places, "label": plain(each.label)[:60], "colour": each.colour,
        "active": each.active,
    }  # fmt: skip


def _take(key: str, image_hw: tuple[int, int], act: Callable[[Operation], None]) -> None:
    message = st.session_state.get(key)
    sent = message.get("edit") if message is not None else None
    for each in sent.get("ops", []) if isinstance(sent, Mapping) else []:
        number = each.get("seq") if isinstance(each, Mapping) else None
        if not isinstance(number, int) or number <= st.session_state.get(f"{key}-done", 0):
            continue
        st.session_state[f"{key}-done"] = number
        operation = operation_of(each, image_hw)
        if operation is not None:
            act(operation)


def operation_of(sent: Mapping[str, Any], image_hw: tuple[int, int]) -> Operation | None:
    """Read what the browser sent; places are held within the picture. None for what is no operation.

    >>> operation_of({"what": "add", "at": [5, 900]}, (100, 200))
    Operation(what='add', at_px=(5.0, 100.0), name='', corner=0)
    >>> operation_of({"what": "add", "at": ["x", 1]}, (100, 200)), operation_of({"what": "format"}, (1, 1))
    (None, None)
    """
    what, at = sent.get("what"), sent.get("at")
    if what not in ("add", "move", "delete", "choose", "leave", "undo", "redo"):
        return None
    place = (math.nan, math.nan)
    if what in ("add", "move"):
        if not (isinstance(at, list) and len(at) == 2 and all(isinstance(each, int | float) for each in at)):
            return None
        if not math.isfinite(at[0] + at[1]):
            return None
        place = (min(max(float(at[0]), 0.0), float(image_hw[1])), min(max(float(at[1]), 0.0), float(image_hw[0])))
    corner = sent.get("corner", 0)
    return Operation(what, place, str(sent.get("name") or "")[:200], corner if isinstance(corner, int) else 0)
