"""Parameters of rules: fields of a frozen dataclass that say their unit, range and source, and are read from plain
values of an event file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any

from crowdwatch.analytics.rules.base import STEPS
from crowdwatch.core.site import RuleValue

__all__ = ["Ladder", "faults", "ladder", "parameter", "plain", "read"]

Ladder = Mapping[str, float]
"""Limits by step."""


def parameter(
    default: float | bool | str,
    unit: str,
    *,
    least: float = 0.0,
    most: float = math.inf,
    choices: tuple[str, ...] = (),
    source: str = "",
) -> Any:
    """A number, truth or word with its unit, its range and where the default comes from."""
    about = {"unit": unit, "least": least, "most": most, "choices": choices, "source": source}
    return field(default=default, metadata=about)


def ladder(unit: str, *, most: float = math.inf, falling: bool = False, source: str = "", **steps: float) -> Any:
    """Limits by step; ``falling`` where less is worse."""
    about = {"unit": unit, "least": 0.0, "most": most, "falling": falling, "source": source}
    return field(default_factory=lambda: dict(steps), metadata=about)


def faults(kind: type[Any], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the parameters of a rule: (name, sentence), all of them."""
    known = {each.name: each for each in fields(kind)}
    found = []
    for name, value in given.items():
        if name not in known:
            found.append((name, f"there is no such parameter. Known: {', '.join(known) or 'none'}."))
            continue
        text = _fault(known[name], value)
        if text:
            found.append((name, text))
    return found


def _fault(about: Field[Any], value: Any) -> str:
    meta = about.metadata
    if "falling" in meta:
        return _ladder_fault(meta, value)
    default = about.default
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else f"got {value!r}, need true or false."
    if isinstance(default, str):
        return "" if value in meta["choices"] else f"got {value!r}, need one of {', '.join(meta['choices'])}."
    return _number_fault(meta, value)


def _number_fault(meta: Mapping[str, Any], value: Any) -> str:
    need = f"need a number from {meta['least']:g} to {meta['most']:g} {meta['unit']}."
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"got {value!r}, {need}"
    return "" if meta["least"] <= value <= meta["most"] else f"got {value:g}, {need}"


def _ladder_fault(meta: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, Mapping) or not value or not set(value) <= set(STEPS):
        return f"got {value!r}, need a limit for some of {', '.join(STEPS)}."
    for each in value.values():
        text = _number_fault(meta, each)
        if text:
            return text
    told = [value[step] for step in STEPS if step in value]
    falls, order = meta["falling"], "fall" if meta["falling"] else "rise"
    if any((after >= before) if falls else (after <= before) for before, after in pairwise(told)):
        return f"got {', '.join(f'{each:g}' for each in told)}: limits must {order} from watch to critical."
    return ""


def plain(given: Mapping[str, Any]) -> tuple[tuple[str, RuleValue], ...]:
    """Parameters as values that can be compared and kept in a site."""
    return tuple(
        (name, tuple((step, float(at)) for step, at in value.items()) if isinstance(value, Mapping) else value)
        for name, value in sorted(given.items())
    )


@lru_cache(maxsize=1024)
def read(kind: Callable[..., Any], given: tuple[tuple[str, RuleValue], ...]) -> Any:
    """The parameters of a rule: its own, and what is given in their place."""
    return kind(**{name: dict(value) if isinstance(value, tuple) else value for name, value in given})
