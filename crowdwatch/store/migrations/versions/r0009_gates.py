"""Who crosses the gates, and how many are on the whole site. Earlier runs counted neither."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

GATE = (
    "window_s", "ingress_p_min", "ingress_low", "ingress_high", "egress_p_min", "egress_low", "egress_high",
    "ingress_total", "egress_total", "capacity_frac", "queue", "watched_frac",
)  # fmt: skip
SITE = ("count", "count_low", "count_high", "drift_p_h", "anchored_s")


def _numbers(names: tuple[str, ...]) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=True) for name in names]


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "gate_readings",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("gate_id", sa.String, primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        *_numbers(GATE),
        sa.Column("quality", sa.String, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("gate_readings_by_time", "gate_readings", ["run_id", "t_ns"])
    op.create_table(
        "occupancy",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        *_numbers(SITE),
        sa.Column("reasons", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
