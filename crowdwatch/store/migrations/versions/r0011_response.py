"""What is on its way to those who are told, and what happened to units."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    text = {name: sa.Column(name, sa.String, nullable=False) for name in ("zone_id", "alarm", "transition", "first_id")}
    number = {
        name: sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("t_ns", "next_wall_ns", "created_wall_ns", "done_wall_ns", "first_ns")
    }
    op.create_table(
        "notifications",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("target_id", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, primary_key=True),
        text["zone_id"],
        text["alarm"],
        number["t_ns"],
        sa.Column("rank", sa.Integer, nullable=False),
        text["transition"],
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("exercise", sa.Boolean, nullable=False),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        number["next_wall_ns"],
        sa.Column("why", sa.Text, nullable=False),
        number["created_wall_ns"],
        number["done_wall_ns"],
        text["first_id"],
        number["first_ns"],
        sa.Column("alert_json", sa.Text, nullable=False),
    )
    op.create_index("notifications_open", "notifications", ["run_id", "target_id", "state"])
    op.create_table(
        "dispatches",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("unit_id", sa.String, nullable=False),
        sa.Column("t_ns", sa.BigInteger, nullable=False),
        sa.Column("transition", sa.String, nullable=False),
        sa.Column("command_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("zone_id", sa.String, nullable=False),
        sa.Column("alarm", sa.String, nullable=False),
        sa.Column("east_m", sa.Double, nullable=True),
        sa.Column("north_m", sa.Double, nullable=True),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
    )
    op.create_index("dispatches_by_time", "dispatches", ["run_id", "t_ns"])
