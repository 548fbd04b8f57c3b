"""Load an event file: read it, judge it whole, and work out what it leaves to be calculated."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crowdwatch.assets.document import Document, KeyPath, read_document
from crowdwatch.config.calibration_keys import CalibrationFile
from crowdwatch.config.calibrations import FILE_KEYS, inline
from crowdwatch.config.checks import check
from crowdwatch.config.footage import read_footage
from crowdwatch.config.references import read_reference
from crowdwatch.config.schema import EventFile
from crowdwatch.config.structure import shown, structure_faults
from crowdwatch.config.times import format_time
from crowdwatch.errors import CalibrationError, ConfigError
from crowdwatch.ground import polygon

__all__ = ["from_json", "load"]

VERSION = 1


def load(path: Path | str) -> EventFile:
    """Read an event file and everything that it names.

    Relative paths count from the event file's folder. Calibration files are read and their numbers put into the
    result, so that it needs none of them any more. What is left out and can be calculated is calculated.

    Raises:
        ConfigError: every fault of the file at once, each as ``event.yaml:LINE: key: what, got, need. Remedy.``
    """
    document = read_document(Document(Path(path)))
    if not isinstance(document.raw, Mapping):
        document.fault((), f"got {shown(document.raw)}, need keys with values. Start from an example event file.")
        raise document.error()
    if document.raw.get("version", VERSION) != VERSION or isinstance(document.raw.get("version"), bool):
        got = shown(document.raw["version"])
        document.fault(("version",), f"got {got}, need {VERSION}. This CrowdWatch reads version {VERSION} only.")
        raise document.error()
    origins = _read_files(document)
    event = None
    try:
        event = EventFile.model_validate(document.raw)
    except ValidationError as error:
        structure_faults(document, error)
    check(document)
    if document.faults or event is None:
        raise document.error()
    _note_lines(document, origins)
    return _calculated(event, origins)


def from_json(text: str) -> EventFile:
    """Read back what ``event.model_dump_json()`` wrote, as a log holds it.

    Raises:
        ConfigError: the text is not the JSON of an event file.
    """
    try:
        event = EventFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"event file in the log: {where}: {first['msg']} ({error.error_count()} faults). "
            "The log was written by another version, or changed by hand: use the version that wrote it."
        ) from error
    return event


def _read_files(document: Document) -> dict[str, str]:
    """Replace calibration files by what they say, and make paths of footage absolute; return where values are from."""
    origins: dict[str, str] = {}
    document.raw = copy.deepcopy(document.raw)
    folder = document.path.resolve().parent
    cameras = document.raw.get("cameras")
    for number, camera in enumerate(cameras if isinstance(cameras, list) else []):
        if not isinstance(camera, dict):
            continue
        path: KeyPath = ("cameras", number)
        source = camera.get("source")
        if isinstance(source, dict):
            read_footage(document, (*path, "source"), source, folder, origins)
        if isinstance(camera.get("calibration"), dict):
            _read_calibration(document, path, camera, folder, origins)
        name = read_reference(document, path, camera, folder)
        if name is not None:
            where = (*path, "reference")
            origins[document.show(where)] = f"measured in {name}, {_at(document, where)}"
    return origins


def _read_calibration(
    document: Document, path: KeyPath, camera: dict[str, Any], folder: Path, origins: dict[str, str]
) -> None:
    calibration = camera["calibration"]
    for key in FILE_KEYS:
        value = calibration.get(key)
        try:
            part = CalibrationFile.model_validate({key: value})
        except ValidationError:
            continue  # the form of the value is wrong: that is listed with the rest
        if getattr(part, key) is None:
            continue
        where = (*path, "calibration", key)
        try:
            found = inline(key, value, folder, camera.get("image_size_px"))
        except (CalibrationError, ValueError) as error:
            document.fault(where, str(error))
            continue
        del calibration[key]
        named = value if isinstance(value, str) else f"{value['intrinsics_file']}, {value['extrinsics_file']}"
        for name, content in found.items():
            holder, place = (camera, path) if name in ("image_size_px", "head_plane_m") else (calibration, where[:-1])
            if name in holder and holder[name] != content:
                text = f"got {shown(holder[name])}, but {named} says {shown(content)}. Keep one of the two."
                document.fault((*place, name), text)
            elif name not in holder:
                holder[name] = content
                document.lines[(*place, name)] = document.line(where)
                origins[document.show((*place, name))] = f"read from {named}, {_at(document, where)}"


def _at(document: Document, path: KeyPath) -> str:
    return f"{document.path.name}:{document.line(path)}"


def _note_lines(document: Document, origins: dict[str, str]) -> None:
    for path in document.lines:
        origins.setdefault(document.show(path), _at(document, path))


def _calculated(event: EventFile, origins: dict[str, str]) -> EventFile:
    """Fill in what the file leaves out and geometry, or another value, decides."""
    values = event.model_dump()
    area = polygon(event.site.walkable_area_m, event.site.obstacles_m)

    def fill(holder: dict[str, Any], prefix: str, key: str, value: Any, why: str) -> None:
        if holder[key] is None:
            holder[key] = value
            origins[f"{prefix}.{key}" if prefix else key] = f"calculated from {why}"

    for key in ("zones", "gates", "cameras", "phases"):
        for item in values[key]:
            fill(item, f"{key}[{item['id']}]", "name", {"en": item["id"], "zh": None}, "id")
    for zone in values["zones"]:
        usable = polygon(zone["polygon_m"]).intersection(area).area
        why = "polygon_m within walkable_area_m, less obstacles_m"
        fill(zone, f"zones[{zone['id']}]", "usable_area_m2", round(float(usable), 6), why)
    for gate in values["gates"]:
        fill(gate, f"gates[{gate['id']}]", "usable_width_m", math.dist(*gate["line_m"]), "the length of line_m")
    for camera in values["cameras"]:
        tsai = (camera["calibration"] or {}).get("tsai")
        if tsai is not None:
            size = [tsai["width_px"], tsai["height_px"]]
            fill(camera, f"cameras[{camera['id']}]", "image_size_px", size, "calibration.tsai")
    if any(camera.source.start_time is not None for camera in event.cameras):
        fill(values, "", "start_time", format_time(event.start_ns), "the first frame of the earliest camera")
    for text, prefix in _texts(values):
        fill(text, prefix, "zh", text["en"], "en")
    done = EventFile.model_validate(values)
    done._origins.update(origins)
    return done


def _texts(values: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found = [(values[key], key) for key in ("name", "notice") if values[key] is not None]
    for key in ("zones", "gates", "cameras", "phases"):
        found += [(item["name"], f"{key}[{item['id']}].name") for item in values[key]]
    return found
