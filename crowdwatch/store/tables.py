"""The tables of the store, one code path for SQLite and PostgreSQL.

Columns are named as the fields of the nouns that they keep, so that a row *is* the noun. Floats are 64 bit; NaN
(unknown) is kept as NULL, because SQLite has no NaN, and comes back as NaN; infinities are kept as they are. Reasons
are JSON of codes and values: the words stand in :mod:`crowdwatch.words`.

The only binary columns are ``grids.rho_zlib_f4``, ``flow_grids.flow_zlib_f4`` and ``sights.age_zlib_f4``: densities,
velocities, and ages of sight, on the
ground as zlib-compressed little-endian 32 bit floats in row-major order, with their shape beside them. They are checked
against that shape at every reading, so that they cannot hold anything else. Nothing in the store can hold a picture.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crowdwatch.core.dispatch import UnitState
from crowdwatch.core.notices import NotificationState
from crowdwatch.core.outcomes import AlarmState, Health, Quality
from crowdwatch.core.runs import CommandKind, Mode, RunState
from crowdwatch.store.column_types import LevelNumber, LevelTimes, Number, Reasons, Signs, Whole, Word

__all__ = [
    "METADATA",
    "VERSION_TABLE",
    "alarms",
    "alerts",
    "audits",
    "commands",
    "dispatches",
    "flow_grids",
    "gate_readings",
    "grids",
    "health",
    "leases",
    "movement",
    "notifications",
    "occupancy",
    "readings",
    "runs",
    "sights",
    "ticks",
]

VERSION_TABLE = "crowdwatch_version"
METADATA = sa.MetaData()


def _run_id() -> sa.Column[str]:
    return sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True)


def _number(name: str) -> sa.Column[float]:
    return sa.Column(name, Number, nullable=True)


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


runs = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.String, primary_key=True),
    _must("event_id", sa.String),
    _must("mode", Word(Mode)),
    _must("config_json", sa.Text),
    _must("folder", sa.String),
    _must("from_ns", Whole),
    _must("to_ns", Whole),
    _must("started_wall_ns", Whole),
    _must("state", Word(RunState)),
    _must("t_ns", Whole),
    _must("beat_wall_ns", Whole),
    _number("speed"),
    _must("message", sa.Text),
)

ticks = sa.Table(
    "ticks",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    sqlite_with_rowid=False,
)

readings = sa.Table(
    "readings",
    METADATA,
    _run_id(),
    sa.Column("zone_id", sa.String, primary_key=True),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("window_s"),
    _number("count"),
    _number("count_low"),
    _number("count_high"),
    _number("density_p_m2"),
    _number("density_low"),
    _number("density_high"),
    _number("peak_p_m2"),
    _number("bandwidth_m"),
    _number("visible_frac"),
    _number("age_s"),
    _must("quality", Word(Quality)),
    _must("level", LevelNumber),
    _number("occupancy_frac"),
    _must("reasons", Reasons),
    sa.Index("readings_by_time", "run_id", "t_ns"),
    sqlite_with_rowid=False,
)

gate_readings = sa.Table(
    "gate_readings",
    METADATA,
    _run_id(),
    sa.Column("gate_id", sa.String, primary_key=True),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("window_s"),
    _number("ingress_p_min"),
    _number("ingress_low"),
    _number("ingress_high"),
    _number("egress_p_min"),
    _number("egress_low"),
    _number("egress_high"),
    _number("ingress_total"),
    _number("egress_total"),
    _number("capacity_frac"),
    _number("queue"),
    _number("watched_frac"),
    _must("quality", Word(Quality)),
    _must("reasons", Reasons),
    sa.Index("gate_readings_by_time", "run_id", "t_ns"),
    sqlite_with_rowid=False,
)

occupancy = sa.Table(
    "occupancy",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("count"),
    _number("count_low"),
    _number("count_high"),
    _number("drift_p_h"),
    _number("anchored_s"),
    _must("reasons", Reasons),
    sqlite_with_rowid=False,
)

grids = sa.Table(
    "grids",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("east_m"),
    _number("north_m"),
    _number("cell_m"),
    _number("bandwidth_m"),
    _must("rows", sa.Integer),
    _must("cols", sa.Integer),
    _must("rho_zlib_f4", sa.LargeBinary),
)

movement = sa.Table(
    "movement",
    METADATA,
    _run_id(),
    sa.Column("zone_id", sa.String, primary_key=True),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("window_s"),
    _number("speed_m_s"),
    _number("speed_low"),
    _number("speed_high"),
    _number("direction_rad"),
    _number("moving_frac"),
    _number("specific_flow_p_m_s"),
    _number("inflow_p_s"),
    _number("outflow_p_s"),
    _number("counter_flow_frac"),
    _number("pressure_s2"),
    _number("measured_frac"),
    _must("reasons", Reasons),
    _must("precursors", Signs),
    sa.Index("movement_by_time", "run_id", "t_ns"),
    sqlite_with_rowid=False,
)

sights = sa.Table(
    "sights",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("east_m"),
    _number("north_m"),
    _number("cell_m"),
    _must("rows", sa.Integer),
    _must("cols", sa.Integer),
    _must("age_zlib_f4", sa.LargeBinary),
    _must("footprints", sa.Text),
)

flow_grids = sa.Table(
    "flow_grids",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    _number("east_m"),
    _number("north_m"),
    _number("cell_m"),
    _must("rows", sa.Integer),
    _must("cols", sa.Integer),
    _must("flow_zlib_f4", sa.LargeBinary),
)

alerts = sa.Table(
    "alerts",
    METADATA,
    _run_id(),
    sa.Column("event_id", sa.String, primary_key=True),
    _must("alarm", sa.String),
    _must("zone_id", sa.String),
    _must("t_ns", Whole),
    _must("transition", sa.String),
    _must("from_state", Word(AlarmState)),
    _must("to_state", Word(AlarmState)),
    _must("level", LevelNumber),
    _must("quantity", sa.String),
    _number("value"),
    _number("limit"),
    _must("unit", sa.String),
    _must("reasons", Reasons),
    _must("cause", sa.Text),
    _must("cause_key", sa.Text),
    _must("first_raised_ns", Whole),
    _must("actor", sa.Text),
    _must("role", sa.Text),
    _must("text", sa.Text),
    _must("seen_level", sa.Integer),
    _must("until_ns", Whole),
    _must("command_id", Whole),
    _must("seq", sa.Integer),
    sa.Index("alerts_by_time", "run_id", "t_ns"),
)

alarms = sa.Table(
    "alarms",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    sa.Column("zone_id", sa.String, primary_key=True),
    sa.Column("alarm", sa.String, primary_key=True),
    _must("state", Word(AlarmState)),
    _must("level", LevelNumber),
    _must("since_ns", Whole),
    _must("reasons", Reasons),
    _must("first_raised_ns", Whole),
    _must("level_ns", LevelTimes),
    _must("worst_level", LevelNumber),
    _must("quantity", sa.Text),
    _number("value"),
    _number("limit"),
    _must("unit", sa.Text),
    _number("worst_value"),
    _must("cause_key", sa.Text),
    _must("acknowledged_by", sa.Text),
    _must("role", sa.Text),
    _must("shelved_until_ns", Whole),
    _must("shelved_by", sa.Text),
    _must("shelved_text", sa.Text),
    _must("waits_for_second", sa.Text),
    _must("kind", sa.Text),
    _must("text", sa.Text),
    sqlite_with_rowid=False,
)

health = sa.Table(
    "health",
    METADATA,
    _run_id(),
    sa.Column("t_ns", Whole, primary_key=True),
    sa.Column("camera_id", sa.String, primary_key=True),
    _must("health", Word(Health)),
    _number("age_s"),
    _must("saturated", sa.Boolean),
    sqlite_with_rowid=False,
)

commands = sa.Table(
    "commands",
    METADATA,
    sa.Column("command_id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), nullable=False),
    _must("kind", Word(CommandKind)),
    _must("actor", sa.String),
    _must("wall_ns", Whole),
    _must("zone_id", sa.String),
    _must("alarm", sa.String),
    _number("value"),
    sa.Column("sequenced_t_ns", Whole, nullable=True),
    # why the engine did not carry it out; NULL where it did
    sa.Column("refused", Reasons, nullable=True),
    _must("role", sa.String),
    _must("subject", sa.String),
    _must("text", sa.Text),
    _number("duration_s"),
    sa.Index("commands_by_run", "run_id", "sequenced_t_ns"),
    sqlite_autoincrement=True,
)

audits = sa.Table(
    "audits",
    METADATA,
    sa.Column("audit_id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), nullable=False),
    _must("camera_id", sa.String),
    _must("t_ns", Whole),
    _must("counted", Whole),
    _number("found"),
    _must("actor", sa.String),
    _must("wall_ns", Whole),
    _must("detector_id", sa.String),
    _number("score_min"),
    _must("corrects", sa.Integer),
    # a picture has one first entry (corrects 0), and every entry at most one that corrects it
    sa.UniqueConstraint("run_id", "camera_id", "t_ns", "corrects", name="audits_once"),
    sqlite_autoincrement=True,
)

dispatches = sa.Table(
    "dispatches",
    METADATA,
    _run_id(),
    sa.Column("event_id", sa.String, primary_key=True),
    _must("unit_id", sa.String),
    _must("t_ns", Whole),
    _must("transition", sa.String),
    _must("command_id", Whole),
    _must("state", Word(UnitState)),
    _must("zone_id", sa.String),
    _must("alarm", sa.String),
    _number("east_m"),
    _number("north_m"),
    _must("actor", sa.String),
    _must("reasons", Reasons),
    sa.Index("dispatches_by_time", "run_id", "t_ns"),
)

notifications = sa.Table(
    "notifications",
    METADATA,
    _run_id(),
    sa.Column("target_id", sa.String, primary_key=True),
    sa.Column("event_id", sa.String, primary_key=True),
    _must("zone_id", sa.String),
    _must("alarm", sa.String),
    _must("t_ns", Whole),
    _must("rank", sa.Integer),
    _must("transition", sa.String),
    _must("level", LevelNumber),
    _must("state", Word(NotificationState)),
    _must("exercise", sa.Boolean),
    _must("test", sa.Boolean),
    _must("attempts", sa.Integer),
    _must("next_wall_ns", Whole),
    _must("why", sa.Text),
    _must("created_wall_ns", Whole),
    _must("done_wall_ns", Whole),
    _must("first_id", sa.String),
    _must("first_ns", Whole),
    _must("alert_json", sa.Text),
    sa.Index("notifications_open", "run_id", "target_id", "state"),
)

leases = sa.Table(
    "leases",
    METADATA,
    sa.Column("event_id", sa.String, primary_key=True),
    _must("holder", sa.String),
    _must("host", sa.String),
    _must("pid", Whole),
    _must("pid_started", Whole),
    _must("renewed", Whole),
)
