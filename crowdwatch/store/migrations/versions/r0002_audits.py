"""Hand counts beside the program's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of audits."""
    op.create_table(
        "audits",
        sa.Column("audit_id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("camera_id", sa.String, nullable=False),
        sa.Column("t_ns", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.BigInteger, nullable=False),
        sa.Column("found", sa.Double),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("wall_ns", sa.BigInteger, nullable=False),
        sa.Column("detector_id", sa.String, nullable=False),
        sa.Column("score_min", sa.Double),
        sa.Column("corrects", sa.Integer, nullable=False),
        sa.UniqueConstraint("run_id", "camera_id", "t_ns", "corrects", name="audits_once"),
        sqlite_autoincrement=True,
    )
