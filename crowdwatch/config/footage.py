"""Footage that lies in many files: paths made absolute, a folder turned into its recordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.times import format_time, parse_time

__all__ = ["check_footage", "read_footage"]

SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".m4v", ".ts", ".mts", ".webm", ".mpg", ".mpeg", ".dav", ".h264", ".hevc"}
_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[T_ -]?(\d\d)[:_-]?(\d\d)[:_-]?(\d\d)", re.ASCII)


def read_footage(document: Document, path: KeyPath, source: dict[str, Any], folder: Path) -> None:
    """Make the paths of one source absolute, expand its folder, and fill in the start of several recordings."""
    if isinstance(source.get("file"), str) and source["file"].strip():
        source["file"] = str(folder / source["file"])
    if isinstance(source.get("folder"), str):
        source["recordings"] = _expand(document, (*path, "folder"), folder / source.pop("folder"))
    recordings = source.get("recordings")
    entries = [each for each in recordings if isinstance(each, dict)] if isinstance(recordings, list) else []
    for each in entries:
        if isinstance(each.get("file"), str) and each["file"].strip():
            each["file"] = str(folder / each["file"])
    if "start_time" not in source:
        starts = [start for each in entries if (start := _time(each.get("start_time"))) is not None]
        if starts:
            source["start_time"] = format_time(min(starts))


def time_in_name(name: str) -> str | None:
    """The UTC time that a file's name holds.

    >>> time_in_name("gate-20261231T213000Z.mp4"), time_in_name("ch01_2026-12-31_21-30-00.avi"), time_in_name("a.mp4")
    ('2026-12-31T21:30:00Z', '2026-12-31T21:30:00Z', None)
    """
    match = _TIME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _expand(document: Document, path: KeyPath, folder: Path) -> list[dict[str, str]]:
    if not folder.is_dir():
        document.fault(path, f"no such folder: {folder}. Copy the footage there or correct the path.")
        return []
    files = sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES)
    nameless = [each.name for each in files if _time(time_in_name(each.name)) is None]
    if nameless:
        text = (
            f"the names of {len(nameless)} files hold no UTC time, e.g. {nameless[0]}. Name them as in "
            f"gate-20261231T213000Z.mp4, or list them under recordings with their start_time."
        )
        document.fault(path, text)
    elif not files:
        document.fault(path, f"no video in {folder} ({', '.join(sorted(SUFFIXES))}). Correct the path.")
    return [{"file": str(each), "start_time": time_in_name(each.name) or ""} for each in files]


def check_footage(document: Document, path: KeyPath, source: Mapping[str, Any]) -> None:
    """Add a fault for every recording that does not exist."""
    for number, each in enumerate(source.get("recordings") or []):
        if not Path(each["file"]).is_file():
            text = f"no such file: {each['file']}. Copy the footage there or correct the path."
            document.fault((*path, "recordings", number, "file"), text)


def _time(text: Any) -> int | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
