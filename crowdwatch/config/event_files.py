"""Event files in a folder: which there are, what is wrong with one, what changed, and every version that was saved.

``FOLDER/ID/event.yaml`` is the file, ``FOLDER/ID/versions/TIME-PERSON.yaml`` every version of it,
``FOLDER/ID/versions/log.jsonl`` who saved it when. What nobody changed keeps its words and remarks.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from crowdwatch.config.loading import load
from crowdwatch.config.schema import EventFile
from crowdwatch.core.text import plain
from crowdwatch.errors import ConfigError, CrowdWatchError, StoreUnavailable

__all__ = ["Version", "checked", "difference", "event_ids", "read_event", "save", "text_of", "versions", "with_limit"]

NAME = "event.yaml"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an event file: when it was saved (ISO 8601, UTC), by whom, its file and what was said of it."""

    time: str
    person: str
    file: str
    sha256: str


def event_ids(folder: Path) -> list[str]:
    """The events of a folder, by name."""
    try:
        return sorted(path.parent.name for path in folder.glob(f"*/{NAME}") if _ID.fullmatch(path.parent.name))
    except OSError:
        return []


def read_event(folder: Path, event_id: str) -> tuple[dict[str, Any], str]:
    """The values of an event file as plain dicts and lists, and its text.

    Raises:
        ConfigError: it cannot be read.
    """
    path = folder / _checked_id(event_id) / NAME
    try:
        text = path.read_text(encoding="utf-8")
        values = YAML(typ="safe", pure=True).load(text)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(f"event file {path}: cannot be read ({error}). Mend it with an editor.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"event file {path}: holds no keys with values. Mend it with an editor.")
    return json.loads(json.dumps(values, default=str)), text


def text_of(values: dict[str, Any], stored: str = "") -> str:
    """The event file as text: values over a stored text, whose remarks and order stay where nothing changed.

    >>> print(text_of({"version": 1, "id": "b"}, "version: 1  # of the format" + chr(10) + "id: a" + chr(10)), end="")
    version: 1  # of the format
    id: b
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        base = yaml.load(stored) if stored else None
    except YAMLError:
        base = None
    made = _laid_over(base, values) if isinstance(base, CommentedMap) else _fresh(values)
    out = io.StringIO()
    yaml.dump(made, out)
    return out.getvalue()


def _laid_over(base: Any, value: Any) -> Any:
    """What stands in the file where the value is the same, with its remarks; else the new value."""
    if isinstance(base, CommentedMap) and isinstance(value, dict):
        for key in [key for key in base if key not in value]:
            del base[key]
        for key, each in value.items():
            base[key] = _laid_over(base[key], each) if key in base else _fresh(each)
        return base
    if isinstance(base, list) and isinstance(value, list) and _all_named(base) and _all_named(value):
        wanted = {item["id"]: item for item in value}
        for place in reversed(range(len(base))):
            if base[place]["id"] not in wanted:
                del base[place]
        by_id = {item["id"]: item for item in base}
        laid = [_laid_over(by_id[item["id"]], item) if item["id"] in by_id else _fresh(item) for item in value]
        if [item["id"] for item in base] != [item["id"] for item in value[: len(base)]]:
            return CommentedSeq(laid)
        for item in laid[len(base) :]:
            base.append(item)
        return base
    return base if base == value and isinstance(base, bool) == isinstance(value, bool) else _fresh(value)


def _all_named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in items)


def _fresh(value: Any) -> Any:
    """New values: mappings in blocks, lists of numbers and short mappings on one line."""
    if isinstance(value, dict):
        made = CommentedMap((key, _fresh(each)) for key, each in value.items())
        flat = all(not isinstance(each, dict | list) or _numbers(each) for each in value.values())
        if flat and 0 < len(value) <= 4 and "id" not in value:
            made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        listed = CommentedSeq(_fresh(each) for each in value)
        if not value or _numbers(value):
            listed.fa.set_flow_style()
        return listed
    return value


def _numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(_numbers(each) for each in value)
    return isinstance(value, int | float | str)


def checked(folder: Path, event_id: str, text: str) -> tuple[EventFile | None, list[str]]:
    """Judge a text as ``crowdwatch check`` judges the file, without saving it.

    Returns:
        The event, or None; and every fault, each with its remedy.
    """
    home = folder / _checked_id(event_id)
    made_home = not home.exists()
    draft = home / f".{NAME}.{os.getpid()}.check"
    try:
        home.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        return load(draft), []
    except CrowdWatchError as error:
        head, *faults = str(error).replace(draft.name, NAME).splitlines()
        return None, faults or [head]
    except OSError as error:
        return None, [f"events folder {folder}: cannot be written ({error.strerror}). Name another: CROWDWATCH_EVENTS."]
    finally:
        draft.unlink(missing_ok=True)
        if made_home and home.is_dir() and not any(home.iterdir()):
            home.rmdir()


def save(folder: Path, event_id: str, text: str, person: str, time_text: str, seen: str) -> Version:
    """Save a sound event file, and keep this version.

    Args:
        folder: the events folder.
        event_id: whose file.
        text: what to save.
        person: who saves it.
        time_text: when, ISO 8601 UTC, as 2026-12-31T20:00:00Z.
        seen: the text that the person began from; empty for a new file.

    Raises:
        ConfigError: it has faults, which are all listed, or somebody else saved it meanwhile; nothing was written.
        StoreUnavailable: the folder cannot be written.
    """
    home = folder / _checked_id(event_id)
    path, kept = home / NAME, home / "versions"
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    if there != seen:
        raise ConfigError(
            f"event file {path}: was changed by somebody else since you opened it. Export what you have, open the file "
            "again and make your changes in it."
        )
    _, faults = checked(folder, event_id, text)
    if faults:
        raise ConfigError("\n".join([f"event {event_id}: has faults and was not saved.", *faults]))
    sha = hashlib.sha256(text.encode()).hexdigest()
    stamp = re.sub(r"[^0-9TZ]", "", time_text)
    who = re.sub(r"[^A-Za-z0-9_-]+", "-", person).strip("-")[:40] or "person"
    name = f"{stamp}-{who}-{sha[:8]}.yaml"
    version = Version(time_text, plain(person)[:200], name, sha)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        (kept / name).write_text(text, encoding="utf-8")
        draft = home / f".{NAME}.{os.getpid()}.new"
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
        row = {"time": version.time, "person": version.person, "file": name, "sha256": sha}
        with (kept / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StoreUnavailable(
            f"events folder {home}: cannot be written ({error.strerror}). Mend its rights."
        ) from error
    return version


def versions(folder: Path, event_id: str) -> list[Version]:
    """Every version, newest first; lines of the log that cannot be read are left out."""
    path = folder / _checked_id(event_id) / "versions" / "log.jsonl"
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(Version(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found[::-1]


def difference(old: str, new: str) -> list[str]:
    """What changes, line by line: ``+`` comes, ``-`` goes; with two lines around it.

    >>> difference("a" + chr(10) + "b", "a" + chr(10) + "c")
    ['  a', '- b', '+ c']
    """
    rows = difflib.unified_diff(old.splitlines(), new.splitlines(), n=2, lineterm="")
    kept = [row for row in rows if not row.startswith(("---", "+++"))]
    return ["…" if row.startswith("@@") else f"{row[0]} {row[1:]}" for row in kept][1:]


def with_limit(values: dict[str, Any], zone: int, step: str, density_p_m2: float | None) -> dict[str, Any]:
    """The event file with a zone's limit on the density; None takes the default of its kind again."""
    made = copy.deepcopy(values)
    item = made["zones"][zone]
    limits = item.setdefault("limits", {}) or {}
    ladder = limits.setdefault("density_p_m2", {}) or {}
    if density_p_m2 is None:
        ladder.pop(step, None)
    else:
        ladder[step] = density_p_m2
    item["limits"] = {key: each for key, each in {**limits, "density_p_m2": ladder}.items() if each not in ({}, None)}
    if not item["limits"]:
        del item["limits"]
    return made


def _checked_id(event_id: str) -> str:
    if not _ID.fullmatch(event_id):
        raise ConfigError(
            f"event {plain(event_id)[:80]!r}: need a short name of letters, digits, - and _, at most 64. Shorten it; "
            "the name for people may be longer."
        )
    return event_id
