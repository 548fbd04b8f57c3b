"""What an alarm keeps over its life, and who did what to it. Alarms of earlier runs kept nothing."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WORDS = ("cause_key", "actor", "role", "text")
_ALARM_WORDS = (
    "quantity", "unit", "cause_key", "acknowledged_by", "role", "shelved_by", "shelved_text", "waits_for_second",
    "kind", "text",
)  # fmt: skip


def upgrade() -> None:
    """Add the columns."""
    for name in _WORDS:
        _add("alerts", name, sa.Text, "")
    for name in ("first_raised_ns", "until_ns", "command_id"):
        _add("alerts", name, sa.BigInteger, "0")
    for name in ("seen_level", "seq"):
        _add("alerts", name, sa.Integer, "0")
    for name in _ALARM_WORDS:
        _add("alarms", name, sa.Text, "")
    for name in ("first_raised_ns", "shelved_until_ns"):
        _add("alarms", name, sa.BigInteger, "0")
    _add("alarms", "level_ns", sa.Text, "[]")
    _add("alarms", "worst_level", sa.SmallInteger, "0")
    for name in ("value", "limit", "worst_value"):
        op.add_column("alarms", sa.Column(name, sa.Double, nullable=True))
    op.execute("UPDATE alarms SET first_raised_ns = since_ns, worst_level = level")


def _add(table: str, name: str, kind: Any, default: str) -> None:
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
