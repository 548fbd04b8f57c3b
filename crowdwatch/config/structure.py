"""What pydantic finds wrong with an event file, said in one sentence for the person who wrote it."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.schema import EventFile

__all__ = ["plainly", "shown", "structure_faults"]

_MAX_SHOWN = 60

_NEEDS = {
    "missing": "is missing. Add it.",
    "float_type": "need a number. Write it without quotes and without a unit.",
    "int_type": "need a whole number. Write it without quotes and without a unit.",
    "string_type": "need a text. Put it in quotes.",
    "bool_type": "need true or false.",
    "list_type": "need a list, as in [1.0, 2.0].",
    "dict_type": "need keys with values below it.",
    "model_type": "need keys with values below it. Check the indentation.",
    "finite_number": "need a finite number. Unknown values are left out, not written as nan.",
    "string_too_short": "need some text.",
}

_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_PAIRS = ("_m", "_px")
"""Endings of keys whose lists hold coordinates."""


def structure_faults(document: Document, error: ValidationError, model: type[BaseModel] = EventFile) -> None:
    """Add every fault that pydantic found to the document's list.

    Args:
        document: what was read.
        error: what pydantic said.
        model: that the document was held against.
    """
    for found in error.errors(include_url=False, include_context=True):
        path = tuple(part for part in found["loc"] if part != "[key]")
        kind, context = str(found["type"]), found.get("ctx", {})
        if kind == "extra_forbidden":
            document.fault(path, _unknown_key(document, path, model))
        elif kind == "missing":
            document.fault(path, _NEEDS["missing"])
        elif "[key]" in found["loc"]:
            allowed = [
                str(word).strip("' ") for word in str(context.get("expected", "")).replace(" or ", ",").split(",")
            ]
            document.fault(
                path, f"is no step of a ladder, need one of {', '.join(allowed)}.{_did_you_mean(path[-1], allowed)}"
            )
        elif kind == "value_error":
            said = f"{str(context.get('error', found['msg'])).rstrip('.')}."
            # what is wrong between several keys names them itself
            document.fault(
                path, said if isinstance(found["input"], Mapping) else f"got {shown(found['input'])}: {said}"
            )
        else:
            document.fault(path, f"got {shown(found['input'])}, {_decimals(path, found) or _need(path, kind, context)}")


def plainly(error: ValidationError) -> str:
    """What pydantic found wrong with a part that is no event file, in one line.

    >>> from crowdwatch.config.programs import IntervalsSettings
    >>> try:
    ...     IntervalsSettings.model_validate({"spread": -1, "bands": [{"low": "few", "high": 1.0}]})
    ... except ValidationError as error:
    ...     plainly(error)
    "spread: got -1, need >= 0; bands[0].low: got 'few', need a number"
    """
    said = []
    for found in error.errors(include_url=False, include_context=True):
        kind, context = str(found["type"]), found.get("ctx", {})
        need = str(context["error"]) if kind == "value_error" else _need(found["loc"], kind, context)
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
        if kind == "extra_forbidden":
            need = "is an unknown key"
        got = (
            ""
            if isinstance(found["input"], Mapping) or kind in ("extra_forbidden", "missing")
            else f"got {shown(found['input'])}, "
        )
        said.append(f"{f'{place}: ' if place else ''}{got}{need.split('. ')[0].rstrip('.')}")
    return "; ".join(said)


def shown(value: Any) -> str:
    """Write a value so that it fits into a sentence.

    >>> shown([640, 480]), shown([1, 2, 3]), shown("north"), shown(None)
    ('[640, 480]', 'a list of 3', "'north'", 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"keys {', '.join(map(str, list(value)[:4]))}" if value else "nothing"
    if isinstance(value, list):
        if len(value) == 2 and all(isinstance(each, int | float) for each in value):
            return repr(value)  # a size or a place is told by its two numbers
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def _decimals(path: KeyPath, found: Mapping[str, Any]) -> str | None:
    """What to do where a decimal comma stands: within a text it makes no number, within a list it makes two."""
    value, kind = found["input"], found["type"]
    if kind == "float_type" and isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        return f"need a number. Write decimals with a point: {value.strip().replace(',', '.')}."
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if kind == "too_long" and key.endswith(_PAIRS) and len(value) <= 6 and all(_is_number(each) for each in value):
        most = found.get("ctx", {}).get("max_length")
        return f"need {most} numbers. Write decimals with a point, as in [7.5, -7.8]: a comma begins the next number."
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _need(path: KeyPath, kind: str, context: Mapping[str, Any]) -> str:
    if kind in _NEEDS:
        return _NEEDS[kind]
    if kind in ("literal_error", "enum"):
        return f"need {context.get('expected')}. Choose one of them."
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        sign = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}[kind]
        limit = next(iter(context.values()))
        return f"need {sign} {limit:g}. Correct the number{_unit_hint(path)}."
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        word = "at least" if kind == "too_short" else "at most"
        return f"need {word} {bound} entries. {'Add what is missing' if kind == 'too_short' else 'Remove some'}."
    if kind == "string_too_long":
        return f"need at most {context.get('max_length')} characters. Shorten it."
    if kind == "multiple_of":
        return f"need a multiple of {context.get('multiple_of')}. Round it."
    if kind == "string_pattern_mismatch":
        if path and path[-1] == "crs":
            return "need 'local', or the EPSG code of a projected map as in EPSG:32650. Correct the code."
        if path and path[-1] in ("en", "zh"):
            return "need some text. Write it out."
        return "need letters, digits, '-', '_' and '.', first a letter or digit. Rename it."
    return f"need another value ({kind.replace('_', ' ')}). Correct it."


def _unit_hint(path: KeyPath) -> str:
    """The unit that the key names, as a reminder."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    units = {"_m2": "p/m2" if "_p_m2" in key else "m2", "_m": "metres", "_s": "seconds", "_hz": "per second"}
    units |= {"_px": "pixels", "_frac": "a share from 0 to 1", "_persons": "persons"}
    unit = next((unit for suffix, unit in units.items() if key.endswith(suffix)), "")
    return f"; the unit is {unit}" if unit else ""


def _unknown_key(document: Document, path: KeyPath, model: type[BaseModel]) -> str:
    holder = _model_at(model, document.raw, path[:-1])
    known = list(holder.model_fields) if holder is not None else []
    hint = _did_you_mean(path[-1], known) or (f" Known here: {', '.join(known)}." if known else "")
    return f"is an unknown key.{hint} Correct or remove it."


def _did_you_mean(word: str | int, known: list[str]) -> str:
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def _model_at(model: type[BaseModel] | None, raw: Any, path: KeyPath) -> type[BaseModel] | None:
    """Find the model that describes the mapping at a path."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            info = annotation.model_fields.get(str(part))
            annotation = _strip(info.annotation) if info is not None else None
        else:  # a list or a mapping of models: the last argument is what it holds
            arguments = typing.get_args(annotation)
            annotation = _strip(arguments[-1]) if arguments else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _strip(annotation: Any) -> Any:
    """Take ``Annotated`` and ``| None`` off a type."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
        else:
            return annotation
