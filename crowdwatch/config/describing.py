"""Every key of the event file, explained: as JSON Schema for editors, and as the document ``docs/event.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from crowdwatch.config.schema import EventFile

__all__ = ["event_document", "event_schema"]

_HEAD = """# The event file

Every key, what it means, what it accepts, and what is taken where it is absent. `crowdwatch docs` makes this text from
the schema; `crowdwatch schema` prints the same for editors, and `crowdwatch check EVENT.YAML --explain` every value of
your own file, with where it came from. Lengths are metres, times seconds, shares 0 to 1. Paths count from the event
file.
"""


def event_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the event file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **EventFile.model_json_schema()}


def event_document() -> str:
    """The text of ``docs/event.md``: a table for each part of the file, in the order in which they are met."""
    schema = event_schema()
    parts = schema["$defs"]
    where: dict[str, list[str]] = {}
    _meet(schema, "", parts, where)
    text = [_HEAD, *_part("The file itself", "", schema, parts)]
    for name, keys in where.items():
        if "properties" in parts[name]:
            heading = ", ".join(f"`{key}`" for key in keys)
            text += _part(heading, parts[name].get("description", ""), parts[name], parts)
    return "\n".join(text).rstrip() + "\n"


def _meet(part: dict[str, Any], path: str, parts: dict[str, Any], where: dict[str, list[str]]) -> None:
    """Note under which keys each part stands, a part before those that it leads to."""
    for key, of in part.get("properties", {}).items():
        for name in dict.fromkeys(_refs(of)):
            known = name in where
            where.setdefault(name, []).append(f"{path}{key}")
            if not known:
                _meet(parts[name], f"{path}{key}.", parts, where)


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _refs(each)
    elif isinstance(value, list):
        for each in value:
            yield from _refs(each)


def _part(heading: str, says: str, part: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    rows = [f"## {heading}", ""]
    if says:
        rows += [_line(says.replace("``", "`")), ""]
    rows += ["| key | what it is | accepts | when absent |", "|---|---|---|---|"]
    must = part.get("required", [])
    for key, of in part["properties"].items():
        cells = (f"`{key}`", _line(of["description"]), _accepts(of, parts), _absent(of, key in must))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return [*rows, ""]


def _line(text: str) -> str:
    """One line; where the text names a module, its last part."""
    return " ".join(re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", text).split())


def _accepts(of: dict[str, Any], parts: dict[str, Any]) -> str:
    if "anyOf" in of:
        ways = [_accepts(way, parts) for way in of["anyOf"] if way.get("type") != "null"]
        return " or ".join(dict.fromkeys(ways))
    if "$ref" in of:
        part = parts[of["$ref"].rpartition("/")[2]]
        return _accepts(part, parts) if "enum" in part else "keys of its own"
    if "enum" in of:
        return ", ".join(f"`{each}`" for each in of["enum"])
    if "const" in of:
        return f"`{of['const']}`"
    match of.get("type"):
        case "array":
            return f"list of {_accepts(of.get('items', {}), parts)}"
        case "object":
            steps = of.get("propertyNames", {}).get("enum")
            of_values = of.get("additionalProperties")
            inner = _accepts(of_values, parts) if isinstance(of_values, dict) else "anything"
            return f"by {', '.join(f'`{step}`' for step in steps)}: {inner}" if steps else f"by name: {inner}"
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _range(of)
    return "text"


def _range(of: dict[str, Any]) -> str:
    low = of.get("minimum", of.get("exclusiveMinimum"))
    high = of.get("maximum", of.get("exclusiveMaximum"))
    more = "above" if "exclusiveMinimum" in of else "from"
    less = "below" if "exclusiveMaximum" in of else "to"
    words = ([f"{more} {low:g}"] if low is not None else []) + ([f"{less} {high:g}"] if high is not None else [])
    return f" {' '.join(words)}" if words else ""


def _absent(of: dict[str, Any], must: bool) -> str:
    if must:
        return "**must stand**"
    default, source = of.get("default"), of.get("source")
    if default in (None, "", [], {}):
        return _line(source) if source else "none"
    word = str(default).lower() if isinstance(default, bool) else default
    return f"`{word}`" + (f": {_line(source)}" if source else "")
