"""Read a YAML file as plain values, and remember the line of every one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from crowdwatch.errors import ConfigError, redact

__all__ = ["Document", "Fault", "KeyPath", "read_document", "text_of"]

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1_000_000
"""What is read here is written by hand, or small: the largest sensible event file (500 zones, 500 cameras) has half."""
MAX_DEPTH = 40
"""The schema of an event file is nine levels deep."""

MANY = 4
"""So many items of a list that are wrong in the same way are told in one row; of one place in the file, any two."""

_ITEM = re.compile(r"\[([^\]]*)\]")
_WHOSE = re.compile(r"\b(zone|camera) ([A-Za-z0-9][\w.-]*)(?=[ ,:])")
"""The item of a list that a fault belongs to, as its key and its text name it."""
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OPENCV_HEAD = re.compile(r"\A%YAML:1\.[0-9]+")
"""How OpenCV spells YAML's first line."""
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong: its line (0 for the whole file), the key path, and the sentence."""

    line: int
    key: str
    text: str


@dataclass(slots=True)
class Document:
    """A file as plain values.

    Args:
        path: of the file.
        kind: what it is, for messages.
        hint: what helps somebody who has no such file yet.
        raw: its values.
        lines: the line of every value, by its path of keys and indices.
        faults: what is wrong with it.
    """

    path: Path
    kind: str = "event file"
    hint: str = "Start from examples/pets2009/event.yaml."
    raw: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, key: Iterable[str | int]) -> int:
        """Return the line of a value, or of the nearest thing that holds it."""
        path = tuple(key)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def show(self, key: Iterable[str | int]) -> str:
        """Write a key path for people: ``zones[north-gate].polygon_m[2]``; items by their id where they have one.

        >>> Document(Path("e.yaml"), raw={"zones": [{"id": "a"}]}).show(("zones", 0, "polygon_m", 2))
        'zones[a].polygon_m[2]'
        """
        text, value = "", self.raw
        for part in key:
            if isinstance(part, int):
                value = value[part] if isinstance(value, list) and part < len(value) else None
                name = value.get("id") if isinstance(value, Mapping) else None
                text += f"[{name if isinstance(name, str) and name else part}]"
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
                text += f".{part}" if text else str(part)
        return text

    def fault(self, key: Iterable[str | int], text: str) -> None:
        """Add a fault at a value; passwords in URLs are left out."""
        path = tuple(key)
        self.faults.append(Fault(self.line(path), self.show(path), redact(text)))

    def error(self) -> ConfigError:
        """Build the error that lists every fault by line, each once; what is wrong with many alike is one."""
        groups: dict[tuple[str, str], list[Fault]] = {}
        for fault in sorted(dict.fromkeys(self.faults), key=lambda each: each.line):
            alike = _ITEM.sub("[]", fault.key, count=1), _WHOSE.sub(r"\1 *", fault.text)
            groups.setdefault(alike, []).append(fault)
        rows = sorted(row for group in groups.values() for row in _rows(group))
        texts = [f"{self.path.name}:{line}: {text}" for line, text in rows]
        head = f"{self.path}: {len(rows)} fault{'s' if len(rows) > 1 else ''} in the {self.kind}. Nothing was started."
        return ConfigError("\n".join([head, *texts]))

    def one_of(self, path: KeyPath, raw: Any, keys: tuple[str, ...]) -> None:
        """Add a fault unless a mapping has exactly one of some keys."""
        given = [key for key in keys if raw.get(key) is not None] if isinstance(raw, Mapping) else None
        if given is not None and len(given) != 1:
            got = " and ".join(given) if given else "none of them"
            self.fault(path, f"got {got}, need exactly one of {', '.join(keys)}. Keep one.")


def _rows(group: list[Fault]) -> list[tuple[int, str]]:
    """(line, text) of the same fault of several items: a row each, or one for many of them."""
    first = group[0]
    one_place = len({(fault.line, fault.key) for fault in group}) == 1
    if len(group) < (2 if one_place else MANY):
        return [(max(f.line, 1), f"{f.key + ': ' if f.key else ''}{f.text}") for f in group]
    by_key = [found[1] for fault in group if (found := _ITEM.search(fault.key)) is not None]
    by_text = [found[2] for fault in group if (found := _WHOSE.search(fault.text)) is not None]
    names = next((each for each in (by_key, by_text) if len(set(each)) == len(group)), None)
    if names is None:
        others = f"lines {', '.join(str(fault.line) for fault in group[1:])}"
    else:
        whose = _WHOSE.search(first.text)
        kind = first.key.partition("[")[0] if names is by_key else f"{whose[1] if whose else 'item'}s"
        more = len(names) - 1
        others = f"{more} more {kind.removesuffix('s') if more == 1 else kind}: {', '.join(names[1:])}"
    return [(max(first.line, 1), f"{first.key + ': ' if first.key else ''}{first.text} The same with {others}.")]


def read_document(document: Document) -> Document:
    """Read a YAML file into its document.

    Times stay text, YAML 1.2 rules hold (``off`` is a word, not false), every key is a text, and what could mislead is
    noted as a fault: duplicate keys, anchors and aliases, tags, more than one document.

    Raises:
        ConfigError: the file cannot be read, or is no YAML at all.
    """
    text = _OPENCV_HEAD.sub("", text_of(document), count=1)
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        said = _syntax(text, line, error.problem or error.context or "")
        document.faults.append(Fault(line, "", said))
        raise document.error() from error
    except RecursionError as error:
        document.fault((), "brackets are nested too deeply to be read. Remove them.")
        raise document.error() from error
    except (YAMLError, ValueError, AssertionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        document.fault((), f"is not YAML: {first}. Save it as plain UTF-8 text.")
        raise document.error() from error
    if node is None or (isinstance(node, ScalarNode) and not node.value):
        document.fault((), f"the file is empty. {document.hint}")
        raise document.error()
    document.raw = _plain(document, node, (), set())
    return document


def text_of(document: Document) -> str:
    """The text of a document's file. Raises ConfigError when it cannot be read, is too large or not UTF-8."""
    path, kind = document.path, document.kind
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder, need the {kind}. Name the file.") from error
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such {kind}. Check the path; it is read from {Path.cwd()}.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}. Check the path and its permissions.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: has {len(data)} bytes, need at most {MAX_BYTES}. Is this the {kind}?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8 text."
        document.faults.append(Fault(line, "", wrong))
        raise document.error() from error


def _syntax(text: str, line: int, problem: str) -> str:
    rows = text.splitlines()
    row = rows[line - 1] if 0 < line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return "the line is indented with a tab, need spaces. Replace every tab with two spaces."
    said = problem.strip() or "cannot be read"
    return f"is not YAML: {said}. Check brackets, quotes, colons and indentation here and on the line before."


def _plain(document: Document, node: Node, path: KeyPath, seen: set[int]) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:
        document.fault(path, "is an alias (*) of another value. Write the value out: aliases hide which one counts.")
        return None
    seen.add(id(node))
    if len(path) > MAX_DEPTH:
        document.fault(path, f"is nested more than {MAX_DEPTH} levels deep. Remove the extra levels.")
        return None
    tag = str(node.tag or "")
    if not tag.startswith("tag:yaml.org,2002:"):
        document.fault(path, f"has the tag {tag}, which means nothing here. Remove it.")
    if isinstance(node, MappingNode):
        return _mapping(document, node, path, seen)
    if isinstance(node, SequenceNode):
        return [_plain(document, item, (*path, i), seen) for i, item in enumerate(node.value)]
    return _scalar(node) if isinstance(node, ScalarNode) else None


def _mapping(document: Document, node: MappingNode, path: KeyPath, seen: set[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            document.faults.append(Fault(line, document.show(path), "has a list or mapping as a key. Use plain words."))
            continue
        key = str(key_node.value)
        if key in values:
            first = document.lines[(*path, key)]
            text = f"stands twice, first on line {first}. Keep one of the two."
            document.faults.append(Fault(line, document.show((*path, key)), text))
            continue
        document.lines[(*path, key)] = line
        values[key] = _plain(document, value_node, (*path, key), seen)
    return values


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:  # quoted or a block: text
        return text
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
