"""All cameras: one tile each, the unhealthy ones first, and the chosen one large."""

from __future__ import annotations

import streamlit as st

from crowdwatch.core.outcomes import CameraHealth, Health
from crowdwatch.core.ports import Store
from crowdwatch.core.site import Camera
from crowdwatch.ui import audits, camera, frame
from crowdwatch.ui.controls import pick_camera
from crowdwatch.ui.selection import point_to
from crowdwatch.ui.view import Moment
from crowdwatch.ui.writing import duration, markdown, name_of, safe, short
from crowdwatch.words import t

__all__ = ["by_urgency", "cameras_page"]

COLUMNS = 4
MOST_PICTURES = 16
"""So many tiles have a picture; of the others the health is said, and their picture is the large one when chosen."""


def cameras_page() -> None:
    """The cameras of one run."""
    frame.page(_cameras, beat_s=2.0)


def by_urgency(cameras: tuple[Camera, ...], healths: tuple[CameraHealth, ...]) -> list[tuple[Camera, Health | None]]:
    """Every camera with its health, None where nothing is known: the unhealthy first, then the unknown, then the rest,
    each in the order of the site."""
    health = {each.camera_id: each.health for each in healths}
    with_health = [(each, health.get(each.camera_id)) for each in cameras]
    return sorted(with_health, key=lambda pair: 2 if pair[1] is Health.OK else 1 if pair[1] is None else 0)


def _cameras(store: Store, moment: Moment, language: str) -> None:
    known = moment.health if not moment.hidden else ()
    ordered = by_urgency(moment.site.cameras, known)
    if not ordered:
        st.html(f'<div class="cw-note">{t(language, "cameras.none")}</div>')
        return
    ill = sum(health not in (Health.OK, None) for _, health in ordered)
    unknown = sum(health is None for _, health in ordered)
    said = t(language, "cameras.sum", n=len(ordered), ill=ill, unknown=unknown)
    st.html(f'<div class="cw-h" role="status">{safe(said)}</div>')
    tiles, big = st.columns([58, 42], gap="small")
    with big:
        chosen = pick_camera(moment, language)
        drawn_ns = camera.show_camera(moment, chosen, language, audits.held(moment, chosen))
        audits.show_counting(store, moment, chosen, drawn_ns, language)
    with tiles:
        columns = st.columns(min(COLUMNS, max(2, len(ordered))), gap="small")
        for number, (each, health) in enumerate(ordered):
            with columns[number % len(columns)]:
                _tile(moment, each, health, language, picture=number < MOST_PICTURES)


def _tile(moment: Moment, one: Camera, health: Health | None, language: str, *, picture: bool) -> None:
    name = name_of(one.name, one.camera_id, language)
    found = camera.picture_of(moment, one.camera_id) if picture and not moment.hidden else None
    state = next((each for each in moment.health if each.camera_id == one.camera_id), None)
    fit = health is Health.OK
    word = t(language, "cameras.unknown" if health is None else f"health.{health.value}")
    age = "?" if state is None or moment.hidden else duration(state.age_s)
    sign = "✓" if fit else "?" if health is None else "⚠"
    style = "" if fit else ' style="outline:3px solid #fff;outline-offset:-3px"'
    hatch = " cw-hatch" if not fit else ""
    st.html(
        f'<div class="cw-alarm{hatch}"{style}><b title="{safe(name)}">{safe(short(name, 22))}</b><br>{sign} '
        f'<b>{safe(word)}</b> <span class="cw-note">{safe(t(language, "cameras.age", age=age))}</span></div>'
    )
    if found is not None:
        st.image(found[0], width="stretch", alt=t(language, "camera.alt", name=name))
    st.button(
        t(language, "cameras.show", name=markdown(short(name, 16))), key=f"big-{one.camera_id}", width="stretch",
        on_click=point_to, args=("camera", one.camera_id),
    )  # fmt: skip
