"""The first tables. A revision is never changed after its release; write the next one instead."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _run_id() -> "sa.Column[str]":
    return sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True)


def upgrade() -> None:
    """Create every table."""
    _upgrade_runs()
    _upgrade_readings()
    _upgrade_alerts()
    _upgrade_cameras_and_commands()


def _upgrade_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("config_json", sa.Text, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("from_ns", sa.BigInteger, nullable=False),
        sa.Column("to_ns", sa.BigInteger, nullable=False),
        sa.Column("started_wall_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("t_ns", sa.BigInteger, nullable=False),
        sa.Column("beat_wall_ns", sa.BigInteger, nullable=False),
        sa.Column("speed", sa.Double),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_table("ticks", _run_id(), sa.Column("t_ns", sa.BigInteger, primary_key=True), sqlite_with_rowid=False)


def _upgrade_readings() -> None:
    op.create_table(
        "readings",
        _run_id(),
        sa.Column("zone_id", sa.String, primary_key=True),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        sa.Column("window_s", sa.Double),
        sa.Column("count", sa.Double),
        sa.Column("count_low", sa.Double),
        sa.Column("count_high", sa.Double),
        sa.Column("density_p_m2", sa.Double),
        sa.Column("peak_p_m2", sa.Double),
        sa.Column("bandwidth_m", sa.Double),
        sa.Column("visible_frac", sa.Double),
        sa.Column("age_s", sa.Double),
        sa.Column("quality", sa.String, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("occupancy_frac", sa.Double),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("readings_by_time", "readings", ["run_id", "t_ns"])
    op.create_table(
        "grids",
        _run_id(),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        sa.Column("east_m", sa.Double),
        sa.Column("north_m", sa.Double),
        sa.Column("cell_m", sa.Double),
        sa.Column("bandwidth_m", sa.Double),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("cols", sa.Integer, nullable=False),
        sa.Column("rho_zlib_f4", sa.LargeBinary, nullable=False),
    )


def _upgrade_alerts() -> None:
    op.create_table(
        "alerts",
        _run_id(),
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("alarm", sa.String, nullable=False),
        sa.Column("zone_id", sa.String, nullable=False),
        sa.Column("t_ns", sa.BigInteger, nullable=False),
        sa.Column("transition", sa.String, nullable=False),
        sa.Column("from_state", sa.String, nullable=False),
        sa.Column("to_state", sa.String, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("quantity", sa.String, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("limit", sa.Double),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )
    op.create_index("alerts_by_time", "alerts", ["run_id", "t_ns"])
    op.create_table(
        "alarms",
        _run_id(),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        sa.Column("zone_id", sa.String, primary_key=True),
        sa.Column("alarm", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _upgrade_cameras_and_commands() -> None:
    op.create_table(
        "health",
        _run_id(),
        sa.Column("t_ns", sa.BigInteger, primary_key=True),
        sa.Column("camera_id", sa.String, primary_key=True),
        sa.Column("health", sa.String, nullable=False),
        sa.Column("age_s", sa.Double),
        sa.Column("saturated", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "commands",
        sa.Column("command_id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("wall_ns", sa.BigInteger, nullable=False),
        sa.Column("zone_id", sa.String, nullable=False),
        sa.Column("alarm", sa.String, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("sequenced_t_ns", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("commands_by_run", "commands", ["run_id", "sequenced_t_ns"])
