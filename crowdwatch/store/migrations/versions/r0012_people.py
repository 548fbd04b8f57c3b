"""Accounts, sign-ins, and the audit log, which nothing changes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

REFUSED = "the audit log is never changed"


def upgrade() -> None:
    """Make the tables, and what refuses every change of the log."""

    def text(name: str) -> sa.Column[Any]:
        return sa.Column(name, sa.String, nullable=False)

    def number(name: str) -> sa.Column[Any]:
        return sa.Column(name, sa.BigInteger, nullable=False)

    op.create_table(
        "accounts",
        sa.Column("key", sa.String, primary_key=True),
        text("name"),
        text("role"),
        sa.Column("disabled", sa.Boolean, nullable=False),
        number("created_wall_ns"),
        number("changed_wall_ns"),
        text("password_hash"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_hash", sa.String, primary_key=True),
        text("key"),
        text("name"),
        text("role"),
        text("way"),
        sa.Column("proof", sa.String, nullable=True, unique=True),
        number("begun_wall_ns"),
        number("ends_wall_ns"),
        number("ended_wall_ns"),
        text("why"),
    )
    op.create_index("sign_ins_of_account", "sign_ins", ["key"])
    op.create_table(
        "sign_in_delays",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        number("last_wall_ns"),
        number("until_wall_ns"),
    )
    op.create_table(
        "setup_codes",
        sa.Column("code_hash", sa.String, primary_key=True),
        number("ends_wall_ns"),
        number("used_wall_ns"),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        number("wall_ns"),
        text("kind"),
        text("actor"),
        text("role"),
        text("source"),
        sa.Column("detail", sa.Text, nullable=False),
        text("previous"),
        text("digest"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{what.lower()} BEFORE {what} ON audit_log "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION crowdwatch_audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION crowdwatch_audit_log_stays()"
    )
