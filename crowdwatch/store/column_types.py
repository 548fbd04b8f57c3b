"""What stands in a column of the store: each noun's type as the database keeps it, and back."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from crowdwatch.core.movement import Precursor
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Reason, reasons_from_json, reasons_to_json
from crowdwatch.store.flow_rows import signs_from_json, signs_to_json

__all__ = ["LevelNumber", "LevelTimes", "Number", "Reasons", "Signs", "Whole", "Word"]

Named = TypeVar("Named", bound=StrEnum)


class Number(TypeDecorator[float]):
    """A float whose NaN is kept as NULL; -0.0, which SQLite lacks, as 0.0."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """NaN -> NULL."""
        return None if value is None or math.isnan(value) else float(value) + 0.0

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        """NULL -> NaN."""
        return math.nan if value is None else float(value)


class Whole(TypeDecorator[int]):
    """A 64 bit integer; takes numpy's integers too, which SQLite's driver refuses."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Any integer -> int."""
        return None if value is None else int(value)


class Word(TypeDecorator[Named]):
    """A member of one StrEnum, kept as its value."""

    impl = sa.String
    cache_ok = True

    def __init__(self, kind: type[Named]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Named | None, dialect: Dialect) -> str | None:
        """Member -> value."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Named | None:
        """Value -> member."""
        return None if value is None else self.kind(value)


class LevelNumber(TypeDecorator[Level]):
    """A :class:`~crowdwatch.core.outcomes.Level`, kept as its number so that it can be ordered."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Level | None, dialect: Dialect) -> int | None:
        """Level -> number."""
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Level | None:
        """Number -> level."""
        return None if value is None else Level(value)


class Reasons(TypeDecorator[tuple[Reason, ...]]):
    """Reasons, kept as JSON of their codes and values."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Reason, ...] | None, dialect: Dialect) -> str | None:
        """Reasons -> JSON."""
        return None if value is None else reasons_to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Reason, ...]:
        """JSON -> reasons."""
        return () if value is None else reasons_from_json(value)


class Signs(TypeDecorator[tuple[Precursor, ...]]):
    """The signs that are there, kept as JSON; those that were looked for and are not there are left out."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Precursor, ...] | None, dialect: Dialect) -> str | None:
        """Signs -> JSON."""
        return None if value is None else signs_to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Precursor, ...]:
        """JSON -> signs."""
        return () if value is None else signs_from_json(value)


class LevelTimes(TypeDecorator[tuple[tuple[Level, int], ...]]):
    """When an alarm reached which level, kept as JSON: pairs of a level's number and a time."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[tuple[Level, int], ...] | None, dialect: Dialect) -> str:
        """Pairs -> JSON."""
        return json.dumps([[int(level), int(t_ns)] for level, t_ns in value or ()], separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[tuple[Level, int], ...]:
        """JSON -> pairs."""
        return tuple((Level(level), t_ns) for level, t_ns in json.loads(value or "[]"))
