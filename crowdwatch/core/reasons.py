"""Why a reading or an alarm is as it is: a code and its values. The words stand in :mod:`crowdwatch.words`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from crowdwatch.core.reason_codes import (
    CAMERA_FAULTS,
    ESTIMATOR_FAULTS,
    NESTING,
    OF_CAMERA,
    TOO_FEW,
    VALUES,
    Code,
)
from crowdwatch.errors import RecordError

__all__ = [
    "CAMERA_FAULTS",
    "ESTIMATOR_FAULTS",
    "NESTING",
    "OF_CAMERA",
    "TOO_FEW",
    "VALUES",
    "Code",
    "Reason",
    "reasons_from_json",
    "reasons_to_json",
]

Value: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. :meth:`of` is the short way to write one.

    Args:
        code: what it says.
        camera_id: the camera that it is about; empty where the code is not in :data:`OF_CAMERA`.
        values: (name, value) by name, as :data:`VALUES` lists them for the code.
        because: the reasons for this one; empty where the code is not in :data:`NESTING`.

    Raises:
        RecordError: it carries other things than its code does.
    """

    code: Code
    camera_id: str = ""
    values: tuple[tuple[str, Value], ...] = ()
    because: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        kinds = VALUES[self.code]
        names = [name for name, _ in self.values]
        if sorted(names) != sorted(kinds) or bool(self.camera_id) != (self.code in OF_CAMERA):
            raise RecordError(f"reason {self.code}: got camera {self.camera_id!r} and {names}, need {list(kinds)}.")
        if self.because and self.code not in NESTING:
            raise RecordError(f"reason {self.code}: it carries no further reasons.")
        plain = tuple(sorted((name, kinds[name](value)) for name, value in self.values))
        object.__setattr__(self, "values", plain)

    @classmethod
    def of(cls, code: Code, camera_id: str = "", *, because: Iterable[Reason] = (), **values: Value) -> Reason:
        """Build a reason.

        >>> Reason.of(Code.PARTLY_SEEN, visible_frac=0.4).values
        (('visible_frac', 0.4),)
        """
        return cls(code, camera_id, tuple(values.items()), tuple(because))


def reasons_to_json(reasons: Iterable[Reason]) -> str:
    """Reasons as JSON with sorted keys: equal reasons give equal texts. NaN is null, infinities are strings.

    >>> reasons_to_json([Reason.of(Code.SCALED, "north", factor=1.27, audits=3)])
    '[{"camera_id":"north","code":"scaled","values":{"audits":3,"factor":1.27}}]'
    """
    return json.dumps([_plain(each) for each in reasons], sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(reason: Reason) -> dict[str, Any]:
    found: dict[str, Any] = {"code": reason.code.value}
    if reason.camera_id:
        found["camera_id"] = reason.camera_id
    if reason.values:
        found["values"] = {name: _finite(value) for name, value in reason.values}
    if reason.because:
        found["because"] = [_plain(each) for each in reason.because]
    return found


def _finite(value: Value) -> Value | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


@lru_cache(maxsize=4096)
def reasons_from_json(text: str) -> tuple[Reason, ...]:
    """The inverse of :func:`reasons_to_json`.

    Raises:
        RecordError: the text is not one that it wrote.
    """
    try:
        return tuple(_reason(each) for each in json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"reasons: {text[:80]!r} cannot be read. The row was not written by CrowdWatch.") from error


def _reason(found: Mapping[str, Any]) -> Reason:
    code = Code(found["code"])
    values = {name: math.nan if value is None else value for name, value in found.get("values", {}).items()}
    because = tuple(_reason(each) for each in found.get("because", ()))
    return Reason(code, found.get("camera_id", ""), tuple(values.items()), because)
