"""Reasons become JSON of codes with values. A sentence of an earlier run is kept as it is, with the code ``text``."""

from alembic import op

revision = "0004"
down_revision = "0003"

_JSON = {"sqlite": "json_quote(reason)", "postgresql": "to_json(reason)::text"}


def upgrade() -> None:
    """Wrap what was written, then name the column as its content."""
    quoted = _JSON[op.get_bind().dialect.name]
    wrapped = f"""'[{{"code":"text","values":{{"text":' || {quoted} || '}}}}]'"""
    for table in ("readings", "alerts", "alarms"):
        op.execute(f"UPDATE {table} SET reason = CASE reason WHEN '' THEN '[]' ELSE {wrapped} END")
        op.execute(f"ALTER TABLE {table} RENAME COLUMN reason TO reasons")
