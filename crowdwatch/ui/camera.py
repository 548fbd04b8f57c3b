"""The newest coarsened picture of a camera at or before the time shown, and how old it is."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import streamlit as st

from crowdwatch.core.outcomes import Health, Level
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers.build import newest_picture
from crowdwatch.errors import ConfigError
from crowdwatch.rendering.picture import Overlay
from crowdwatch.telemetry.signing import KEY_NAME, LIFE_S, PictureKey
from crowdwatch.ui.shared import Shared
from crowdwatch.ui.style import notice
from crowdwatch.ui.view import Moment, site_of
from crowdwatch.ui.writing import duration, name_of, safe, short
from crowdwatch.words import t

__all__ = ["PICTURES_VARIABLE", "folds_another", "picture_of", "relevelled", "show_camera", "stream_address"]

PICTURES_VARIABLE = "CROWDWATCH_PICTURES"

SIGNED_S = LIFE_S // 2
"""An address is shown for half of its life, so that none ends on the screen."""

MOST_OVERLAYS = 16
"""Cameras whose outlines are kept: one takes a few MB."""

LOOK_AGAIN_NS = 2_000_000_000

PICTURES = Shared()
"""The pictures that are shown now, one of each camera."""

STALE_S, STALE_INTERVALS = 5.0, 3.0


def stream_address(run: Run, camera_id: str, shown_ns: int, now_s: float) -> str | None:
    """Signed address of a live camera's moving picture, which bears its own age, where a picture server is named by
    ``$CROWDWATCH_PICTURES`` (``crowdwatch ui --pictures``). None elsewhere, where the key cannot be read, where the
    engine does not run, and where the page shows an earlier time: the present would stand beside old numbers.

    It stays the same for :data:`SIGNED_S`, so that the browser does not begin anew with every redraw.
    """
    base = os.environ.get(PICTURES_VARIABLE, "")
    runs_now = run.mode is Mode.LIVE and run.state is RunState.RUNNING and run.t_ns - shown_ns <= STALE_S * 1e9
    if not base or not runs_now:
        return None
    try:
        key = PictureKey.of(Path(run.folder).parent / KEY_NAME)
    except ConfigError:
        return None
    return key.address(base, run.run_id, camera_id, "mjpeg", now_s=now_s // SIGNED_S * SIGNED_S)


def picture_of(moment: Moment, camera_id: str, at_ns: int | None = None) -> tuple[bytes, int] | None:
    """The newest coarsened picture at or before a time and its own time, read once for all viewers; None without one.

    A run that folded the log of another one shows the other's pictures: zones are outlined in the levels of this run.
    """
    run, t_ns = moment.run, moment.t_ns if at_ns is None else at_ns
    key = ("picture", run.run_id, run.folder, camera_id)
    levels = {reading.zone_id: reading.level for reading in moment.readings}

    def read() -> tuple[bytes, int] | None:
        found = newest_picture(run.folder, camera_id, t_ns)
        if found is None or not folds_another(run):
            return found
        return relevelled(run.config_json, camera_id, found[0], levels), found[1]

    if at_ns is not None:
        return read()  # one that somebody holds still may be dropped at any moment
    # a picture is written after its tick can be read: it is looked for again
    return PICTURES.once(key, (t_ns, time.time_ns() // LOOK_AGAIN_NS, tuple(levels.items())), read)


def folds_another(run: Run) -> bool:
    """Whether a run folds the log of another one, whose folder it shows: a replay of a log, with its own limits or with
    others."""
    return bool(run.folder) and Path(run.folder).name != run.run_id


@lru_cache(maxsize=MOST_OVERLAYS)
def _overlay(config_json: str, camera_id: str) -> Overlay | None:
    site = site_of(config_json)
    one = next(camera for camera in site.cameras if camera.camera_id == camera_id)
    return None if one.moves else Overlay(one.fixed_plane, {zone.zone_id: zone.polygon_m for zone in site.zones})


def relevelled(config_json: str, camera_id: str, jpeg: bytes, levels: Mapping[str, Level]) -> bytes:
    """A picture with the outlines of its zones drawn over in other levels; of a camera that moves as it is."""
    overlay = _overlay(config_json, camera_id)
    return jpeg if overlay is None else overlay.relevel(jpeg, levels)


def show_camera(moment: Moment, camera_id: str, language: str, held_ns: int | None = None) -> int | None:
    """The picture with its age; a loud box instead of a picture that would be taken for the present.

    Args:
        moment: what is shown.
        camera_id: the camera.
        language: of the page.
        held_ns: time of a picture that is held still for counting; None follows the moment.

    Returns:
        The time of the picture that is drawn, or None.
    """
    camera = next((camera for camera in moment.site.cameras if camera.camera_id == camera_id), None)
    if camera is None:
        return None
    name = name_of(camera.name, camera_id, language)
    health = next((health for health in moment.health if health.camera_id == camera_id), None)
    if moment.hidden:
        _placeholder(name, t(language, "camera.hidden"))
        return None
    found = picture_of(moment, camera_id, held_ns)
    if held_ns is not None and found is not None and found[1] != held_ns:
        found = None  # dropped meanwhile: another picture must not be counted in its place
    stale_s = max(STALE_S, STALE_INTERVALS * camera.sample_interval_s, 3 * moment.site.tick_s)
    if found is None:
        _placeholder(name, t(language, "camera.batch" if moment.run.mode is Mode.BATCH else "camera.none"))
    else:
        jpeg, t_ns = found
        age_s = (moment.t_ns - t_ns) / 1e9
        if held_ns is not None:
            newest = moment.at(moment.t_ns)
            text = t(language, "count.held.text", time=moment.at(t_ns), newest=newest)
            st.html(notice(t(language, "count.held"), text, loud=False))
        elif age_s > stale_s:
            st.html(notice("⚠", t(language, "camera.old", age=duration(age_s)), loud=True))
        address = None if held_ns is not None else stream_address(moment.run, camera_id, moment.t_ns, time.time())
        st.image(address or jpeg, width="stretch", alt=t(language, "camera.alt", name=name))
        line = short(name, 24)
        if address is None:  # a moving picture bears its own time and age
            line = t(language, "camera.age", name=line, time=moment.at(t_ns), age=duration(age_s))
        if address is None and folds_another(moment.run):
            note = t(language, "camera.another", run=short(Path(moment.run.folder).name, 40))
            st.html(f'<div class="cw-note">{safe(note)}</div>')
        st.html(
            f'<div title="{safe(name)}">{safe(line)} <span class="cw-note">{t(language, "camera.coarse")}</span></div>'
        )
    if health is not None and health.health != Health.OK:
        text = t(language, "camera.health", health=t(language, f"health.{health.health.value}"))
        st.html(notice("⚠", f"{text} ({duration(health.age_s)})", loud=True))
    if health is not None and health.saturated:
        st.html(notice("⚠", t(language, "camera.saturated"), loud=True))
    return None if found is None else found[1]


def _placeholder(name: str, text: str) -> None:
    st.html(f'<div class="cw-nopic cw-hatch" role="img">{safe(short(name, 40))}<br>{safe(text)}</div>')
