"""Footage that lies in many files: paths made absolute, a folder turned into its recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.fields import known_zone
from crowdwatch.config.file_times import time_in_name
from crowdwatch.config.times import format_time, parse_time

__all__ = ["check_footage", "no_file", "read_footage"]

SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".divx", ".ts", ".mts", ".m2ts", ".m2t"),
    *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mp2v", ".mpeg2", ".vob", ".dav", ".h264", ".264", ".h265", ".265"),
    *(".hevc", ".avc", ".mjpg", ".mjpeg", ".flv", ".asf", ".wmv", ".ogv", ".ogm", ".ivf", ".mxf", ".nut", ".obu"),
}
"""Endings of recordings; what else lies in a folder is left out, and said."""


REFERENCE_KEYS = ("orthophoto", "picture", "points_file")
"""Files of the ground reference of telemetry."""

UNREAD = "1970-01-01T00:00:00Z"


def read_footage(
    document: Document, path: KeyPath, source: dict[str, Any], folder: Path, origins: dict[str, str]
) -> None:
    """Make the paths of one source absolute, expand its folder, and fill in the start of several recordings.

    Args:
        document: the event file.
        path: of the source in it.
        source: its keys; changed.
        folder: that paths count from.
        origins: takes where each recording's time comes from, and what was left out.
    """
    for key in ("file", "password_file"):
        if isinstance(source.get(key), str) and source[key].strip():
            source[key] = _within(folder, source[key])
    telemetry = source.get("telemetry")
    if isinstance(telemetry, dict):
        of_terrain = (telemetry.get("terrain"), "file")
        for holder, key in (
            (telemetry, "file"),
            of_terrain,
            *((telemetry.get("reference"), key) for key in REFERENCE_KEYS),
        ):
            if isinstance(holder, dict) and isinstance(holder.get(key), str) and holder[key].strip():
                holder[key] = _within(folder, holder[key])
    if isinstance(source.get("folder"), str):
        zone = source.get("time_zone") or (document.raw.get("time_zone") if isinstance(document.raw, Mapping) else None)
        found = _expand(document, (*path, "folder"), folder / source.pop("folder"), known_zone(zone))
        source["recordings"] = [{"file": str(one.file), "start_time": one.start_time} for one in found.recordings]
        where = document.show(path)
        for number, one in enumerate(found.recordings):
            origins[f"{where}.recordings[{number}].start_time"] = f"read from {one.how}"
        if found.left_out:
            origins[f"{where}.folder"] = f"left out of {folder / found.name}: {', '.join(found.left_out)}"
    recordings = source.get("recordings")
    entries = [each for each in recordings if isinstance(each, dict)] if isinstance(recordings, list) else []
    for each in entries:
        if isinstance(each.get("file"), str) and each["file"].strip():
            each["file"] = _within(folder, each["file"])
    if "start_time" not in source:
        starts = [start for each in entries if (start := _time(each.get("start_time"))) is not None]
        if starts:
            source["start_time"] = format_time(min(starts))


def no_file(path: str) -> str:
    """Say what is wrong with a recording that is not there."""
    if "://" in path:
        return "is a URL, need a file. Name a live camera's stream with url."
    return f"no such file: {path}. Copy the footage there or correct the path; it counts from the event file."


def _within(folder: Path, text: str) -> str:
    """A path that counts from a folder; a URL, which is none, stays what it is, so that it can be told."""
    return text if "://" in text else str(folder / text)


@dataclass(frozen=True, slots=True)
class _Found:
    """One recording of a folder: its file, the time in its name, and what that was read from."""

    file: Path
    start_time: str
    how: str


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    recordings: list[_Found]
    left_out: list[str]


def _expand(document: Document, path: KeyPath, folder: Path, zone: str | None) -> _Folder:
    if not folder.is_dir():
        document.fault(path, f"no such folder: {folder}. Copy the footage there or correct the path.")
        return _Folder(folder.name, [], [])
    here = sorted(folder.iterdir())
    files = [each for each in here if each.is_file() and each.suffix.lower() in SUFFIXES]
    left_out = [each.name + ("/" if each.is_dir() else "") for each in here if each not in files]
    recordings: list[_Found] = []
    wrong: dict[str, list[str]] = {}
    for each in files:
        try:
            time = time_in_name(_stem(each), zone)
            parse_time(time.text)
        except ValueError as error:
            wrong.setdefault(str(error), []).append(each.name)
            recordings.append(_Found(each, UNREAD, "nothing"))  # refused below; that it lacks a time is said once
            continue
        recordings.append(_Found(each, time.text, time.how))
    for what, names in wrong.items():
        some = f"the names of {len(names)} file(s) hold no UTC time, e.g. {names[0]}, which {what}"
        document.fault(path, f"{some}. {_remedy(what)}")
    if not files:
        document.fault(path, f"no video in {folder} ({', '.join(sorted(SUFFIXES))}). Correct the path.")
    return _Folder(folder.name, recordings, left_out)


def _stem(file: Path) -> str:
    """The name without its endings."""
    stem = file.name
    while Path(stem).suffix.lower() in SUFFIXES:
        stem = Path(stem).stem
    return stem


def _remedy(what: str) -> str:
    if "without an offset" in what:
        return (
            "State time_zone: Asia/Shanghai, or whichever it is (UTC where it is that), or name the files as in "
            "gate-20261231T213000Z.mp4."
        )
    return "Name it as in gate-20261231T213000Z.mp4, or list the files under recordings with their start_time."


def check_footage(document: Document, path: KeyPath, source: Mapping[str, Any]) -> None:
    """Add a fault for every recording that does not exist."""
    for number, each in enumerate(source.get("recordings") or []):
        if not Path(each["file"]).is_file():
            document.fault((*path, "recordings", number, "file"), no_file(each["file"]))


def _time(text: Any) -> int | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
