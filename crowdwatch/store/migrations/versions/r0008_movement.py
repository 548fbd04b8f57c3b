"""Movement of zones, and velocities on the ground. Earlier runs have none."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NUMBERS = (
    "window_s", "speed_m_s", "speed_low", "speed_high", "direction_rad", "moving_frac", "specific_flow_p_m_s",
    "inflow_p_s", "outflow_p_s", "counter_flow_frac", "pressure_s2", "measured_frac",
)  # fmt: skip


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "movement",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("zone_id", sa.String, primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Double) for name in NUMBERS),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("precursors", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("movement_by_time", "movement", ["run_id", "t_ns"])
    op.create_table(
        "flow_grids",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        sa.Column("east_m", sa.Double),
        sa.Column("north_m", sa.Double),
        sa.Column("cell_m", sa.Double),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("cols", sa.Integer, nullable=False),
        sa.Column("flow_zlib_f4", sa.LargeBinary, nullable=False),
    )
