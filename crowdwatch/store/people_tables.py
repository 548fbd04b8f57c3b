"""Tables of people and rights: accounts, sign-ins, and the audit log. They hold no password and no token, only what
proves one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crowdwatch.store.column_types import Whole
from crowdwatch.store.tables import METADATA

__all__ = ["accounts", "audit_log", "setup_codes", "sign_in_delays", "sign_ins"]


def must(name: str, kind: Any) -> sa.Column[Any]:
    """A column that is never empty."""
    return sa.Column(name, kind, nullable=False)


accounts = sa.Table(
    "accounts",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),  # names that look alike are one
    must("name", sa.String),
    must("role", sa.String),
    must("disabled", sa.Boolean),
    must("created_wall_ns", Whole),
    must("changed_wall_ns", Whole),
    must("password_hash", sa.String),
)

sign_ins = sa.Table(
    "sign_ins",
    METADATA,
    sa.Column("token_hash", sa.String, primary_key=True),
    must("key", sa.String),
    must("name", sa.String),
    must("role", sa.String),
    must("way", sa.String),
    # of an identity provider: the answer that it gave, which serves for one sign-in
    sa.Column("proof", sa.String, nullable=True, unique=True),
    must("begun_wall_ns", Whole),
    must("ends_wall_ns", Whole),
    must("ended_wall_ns", Whole),
    must("why", sa.String),
    sa.Index("sign_ins_of_account", "key"),
)

sign_in_delays = sa.Table(
    "sign_in_delays",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),
    must("failures", sa.Integer),
    must("last_wall_ns", Whole),
    must("until_wall_ns", Whole),
)

setup_codes = sa.Table(
    "setup_codes",
    METADATA,
    sa.Column("code_hash", sa.String, primary_key=True),
    must("ends_wall_ns", Whole),
    must("used_wall_ns", Whole),
)

audit_log = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("seq", Whole, primary_key=True, autoincrement=False),
    must("wall_ns", Whole),
    must("kind", sa.String),
    must("actor", sa.String),
    must("role", sa.String),
    must("source", sa.String),
    must("detail", sa.Text),
    must("previous", sa.String),
    must("digest", sa.String),
)
