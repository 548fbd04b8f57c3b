"""What moving cameras look at, and when the ground was last seen. Earlier runs kept neither."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sights",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Double, nullable=True) for name in ("east_m", "north_m", "cell_m")),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("cols", sa.Integer, nullable=False),
        sa.Column("age_zlib_f4", sa.LargeBinary, nullable=False),
        sa.Column("footprints", sa.Text, nullable=False),
    )
