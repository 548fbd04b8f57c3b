"""Nouns as rows, and inserts that may meet their key."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert_of", "row_of"]


def row_of(noun: Any) -> dict[str, Any]:
    """A noun's fields by name: a row is the noun."""
    return {field.name: getattr(noun, field.name) for field in fields(noun)}


@lru_cache(maxsize=64)
def insert_of(dialect: str, table: sa.Table, names: tuple[str, ...], keep: bool) -> sqlite.Insert | postgresql.Insert:
    """An insert that may meet its key: both dialects have the same clause, each in a class of its own. Built once: to
    build one takes longer than to write a tick's rows."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    key = [column.name for column in table.primary_key]
    rest = [name for name in names if name not in key]
    if keep or not rest:
        return insert.on_conflict_do_nothing(index_elements=key)
    return insert.on_conflict_do_update(index_elements=key, set_={name: insert.excluded[name] for name in rest})
