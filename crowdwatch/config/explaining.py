"""Say of every value in an event file where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from crowdwatch.assets.document import KeyPath
from crowdwatch.config.limits import LADDER_KEYS, Sourced, event_limit_steps
from crowdwatch.config.schema import EventFile
from crowdwatch.config.sites import to_site
from crowdwatch.errors import redact

__all__ = ["explain", "explained", "learned_first", "left_out", "live_cameras", "recording_times"]

FROM_LOG = "the log"
IN_FORCE = "in_force"

MOST_SHOWN, SHOWN = 500, 20
"""Longer texts (numbers that were measured) are shown by their beginning. No text of a person is longer."""


def explain(event: EventFile) -> list[tuple[str, str, str]]:
    """List every value as text, those in force by default or by calculation included.

    Returns:
        (key path, value, origin) with the origin ``event.yaml:LINE``, ``default (source)``, ``calculated from ...``,
        ``read from FILE, event.yaml:LINE``, or ``the log`` for an event that was read back from one. The limits in
        force follow under ``in_force``, phase by phase and zone by zone.
    """
    return [
        (key, f"{value:g}" if key.startswith(f"{IN_FORCE}.") else _text(value), origin)
        for key, value, origin in explained(event)
    ]


def explained(event: EventFile) -> list[tuple[str, Any, str]]:
    """As :func:`explain`, for programs: the values as they are, in the types of JSON."""
    rows = [(key, value, _origin(event, key, field)) for key, value, field in _leaves(event, "", None)]
    return [*rows, *_inputs(event), *_limits(event)]


def _inputs(event: EventFile) -> Iterator[tuple[str, Any, str]]:
    """What was chosen where the event file leaves the choice: the time between two readings, the inputs."""
    if event.readings.tick_s is None:
        yield f"{IN_FORCE}.readings.tick_s", event.tick_s, "calculated from the cameras"
    if event.detector.image_px == "auto":
        for camera in to_site(event).cameras:
            key = f"{IN_FORCE}.detector.image_px.{camera.camera_id}"
            yield key, camera.image_px, "calculated from the calibration and the zones, within image_px_most"


def learned_first(event: EventFile) -> list[str]:
    """Say which cameras begin without a reference."""
    without = [c.id for c in event.cameras if c.reference is None and not c.moves and c.source.synthetic is None]
    if not without:
        return []
    return [
        f"no reference picture of {', '.join(without)}: what is usual there is learned from the first pictures, and "
        "that a camera was moved or blurred before the run began is not noticed."
    ]


def recording_times(event: EventFile) -> list[tuple[str, str, str, str]]:
    """Every recording: camera, file, UTC time of its first frame, and where that time comes from."""
    rows = []
    for camera in event.cameras:
        source, key = camera.source, f"cameras[{camera.id}].source"
        for number, each in enumerate(source.recordings or []):
            how = event._origins.get(f"{key}.recordings[{number}].start_time", FROM_LOG)
            rows.append((camera.id, each.file, each.start_time, how))
        if source.file is not None:
            rows.append(
                (camera.id, source.file, source.start_time or "", event._origins.get(f"{key}.start_time", FROM_LOG))
            )
    return rows


def left_out(event: EventFile) -> list[str]:
    """What lies in folders of footage and is not read, a line for each folder."""
    found = ((camera.id, event._origins.get(f"cameras[{camera.id}].source.folder", "")) for camera in event.cameras)
    return [f"camera {camera_id}: {text}." for camera_id, text in found if text.startswith("left out")]


def live_cameras(event: EventFile) -> list[str]:
    """Say which cameras are live, and what is done with them."""
    found = [each for each in event.cameras if each.source.live]
    if not found:
        return []
    named = ", ".join(f"{each.id} ({redact(each.source.url or each.source.device or '')})" for each in found)
    return [
        f"live, without a recording to be checked or replayed: {named}. crowdwatch check --live tries them, crowdwatch "
        "live runs them."
    ]


def _leaves(value: Any, key: str, field: FieldInfo | None) -> Iterator[tuple[str, Any, FieldInfo | None]]:
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from _leaves(getattr(value, name), f"{key}.{name}" if key else name, info)
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}", field)
    elif isinstance(value, list) and any(isinstance(item, BaseModel) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}[{getattr(item, 'id', number)}]", field)
    elif not isinstance(value, dict):
        yield key, value, field


def _origin(event: EventFile, key: str, field: FieldInfo | None) -> str:
    """A value's origin is that of itself, else of what holds it: a key that is absent inside it is a default."""
    origins = event._origins
    if not origins:
        return FROM_LOG
    if key in origins:
        return origins[key]
    holder = key
    while holder:
        holder = holder[: max(holder.rfind("."), holder.rfind("["), 0)]
        said = origins.get(holder, "")
        if said.startswith(("read from", "calculated", "measured")) or (said and holder.endswith("_delay_s")):
            return said  # read from a file, filled in, or one number for all steps
    extra = field.json_schema_extra if field is not None else None
    source = extra.get("source") if isinstance(extra, dict) else None
    return f"default ({source})" if source else "default"


def _limits(event: EventFile) -> Iterator[tuple[str, float, str]]:
    for limit_step in event_limit_steps(event):
        where = f"{IN_FORCE}.{limit_step.phase_id}.{limit_step.zone_id}"
        key = f"{where}.{LADDER_KEYS[limit_step.quantity]}.{limit_step.step}"
        for name, sourced in (
            ("raise_at", limit_step.raise_at),
            ("clear_below", limit_step.clear_below),
            ("on_delay_s", limit_step.on_delay_s),
            ("off_delay_s", limit_step.off_delay_s),
        ):
            yield f"{key}.{name}", sourced.value, _limit_origin(event, sourced)


def _limit_origin(event: EventFile, sourced: Sourced) -> str:
    if isinstance(sourced.origin, str):
        return sourced.origin
    return event._origins.get(_shown(event, sourced.origin)) or _holder(event, sourced.origin)


def _holder(event: EventFile, path: KeyPath) -> str:
    """One number may stand for all steps of a delay: then the line is that of the delay."""
    return event._origins.get(_shown(event, path[:-1]), FROM_LOG)


def _shown(event: EventFile, path: KeyPath) -> str:
    text = ""
    value: Any = event
    for part in path:
        if isinstance(part, int):
            item = value[part] if isinstance(value, list) else None
            text, value = f"{text}[{getattr(item, 'id', part)}]", item
        else:
            text = f"{text}.{part}" if text else str(part)
            value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return text


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return str(value) if len(value) <= MOST_SHOWN else f"{value[:SHOWN]}... ({len(value)} characters)"
    return json.dumps(value, ensure_ascii=False)
