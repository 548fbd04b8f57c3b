"""The store in SQLite or PostgreSQL: one SQLAlchemy Core code path behind :class:`crowdwatch.core.ports.Store`.

One engine writes a run; any number of pages read it and queue commands. A tick written twice is written once: its
readings, grid, health and transitions replace those with the same key, and its alarms are replaced as a set.

Measured (8 zones, 4 cameras, a 60 x 80 grid of noise a tick, two busy cores, SQLite): median 2.3 ms, 99th percentile 9
ms a commit, 0.3 ms a heartbeat, 18 ms to read 2 400 readings, 14 kB a tick of which most is the grid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from crowdwatch.core.accounts import By, EntryKind
from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.movement import FlowGrid, ZoneMovement
from crowdwatch.core.outcomes import Alarm, AlarmState, AlertEvent, CameraHealth, DensityGrid, Outcome, ZoneReading
from crowdwatch.core.reasons import Reason
from crowdwatch.core.runs import STEERING, Audit, Command, Lease, Run, RunState
from crowdwatch.core.sight import SiteSight
from crowdwatch.errors import AuditRefused, RecordError, RunNotFound, StoreError, StoreUnavailable
from crowdwatch.store import tables
from crowdwatch.store.audit_log import append, asked
from crowdwatch.store.command_reads import CommandReads
from crowdwatch.store.connect import BUSY_TIMEOUT_S, connect, durable, explained, parse, without_credentials, writes
from crowdwatch.store.flow_rows import flow_grid_of, flow_grid_row
from crowdwatch.store.gate_reads import GateReads, within
from crowdwatch.store.grid_rows import grid_of, grid_row
from crowdwatch.store.inserts import insert_of, row_of
from crowdwatch.store.migrate import migrate
from crowdwatch.store.sight_rows import sight_of_row, sight_row

__all__ = ["SqlStore", "insert_of"]

Noun = TypeVar("Noun")
OfZone = TypeVar("OfZone", ZoneReading, ZoneMovement)
Row = dict[str, Any]


class SqlStore(GateReads, CommandReads):
    """Readings, alerts, runs and commands in a database. Fills the port :class:`crowdwatch.core.ports.Store`.

    Grids are kept as 32 bit floats (relative error at most 6e-8, a thousandth of the counting error at its best);
    every other number comes back as it was, NaN and infinities included.

    Args:
        url: ``sqlite:///path/to/file.sqlite`` or ``postgresql://user@host/database``.
        create: make the file and the tables when there are none; False for a page that only shows runs.
        busy_timeout_s: how long to wait for another process that writes to the same SQLite file.

    Raises:
        StoreUnavailable: it cannot be opened; the message has the remedy and no password.
        MissingPackage: PostgreSQL's driver is not installed.
    """

    def __init__(self, url: str, *, create: bool = True, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        parsed = parse(url)
        self._where = without_credentials(parsed)
        self._reads = connect(parsed, create=create, busy_timeout_s=busy_timeout_s)
        self._writes, self._durable = writes(self._reads), durable(self._reads)
        try:
            with explained(self._where, "cannot be opened"):
                migrate(self._reads, self._where, create=create)
        except BaseException:
            self._reads.dispose()
            raise

    def begin(self, run: Run, *, new: bool = False) -> bool:
        """Add a run, or bring an existing one with the same id back to RUNNING (resume).

        A resumed run keeps its start, span and configuration; only its folder follows. With ``new`` an existing one is
        left as it is, whoever began it in the same moment. Returns whether the run was begun.

        Raises:
            StoreError: the id belongs to a run of another event.
        """
        running = {"state": RunState.RUNNING, "message": "", "folder": run.folder}
        row = row_of(replace(run, state=RunState.RUNNING))
        with explained(self._where, "begin"), self._writes.begin() as connection:
            if new:
                statement = insert_of(connection.dialect.name, tables.runs, tuple(row), keep=True)
                return connection.execute(statement.values(row).returning(tables.runs.c.run_id)).first() is not None
            self._put(connection, tables.runs, [row], keep=True)
            matches = (tables.runs.c.run_id == run.run_id) & (tables.runs.c.event_id == run.event_id)
            if not connection.execute(sa.update(tables.runs).where(matches).values(running)).rowcount:
                raise StoreError(
                    f"run {run.run_id!r}: the store has it for another event than {run.event_id!r}. "
                    "Give the run another id."
                )
        return True

    def write(self, run_id: str, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes in one transaction; see :meth:`crowdwatch.core.ports.Store.write`.

        Raises:
            RunNotFound: the run was not begun.
            StoreUnavailable: read-only, disk full, server gone. Nothing of the transaction is kept.
        """
        if not outcomes:
            return
        by_hand = any(alert.actor for outcome in outcomes for alert in outcome.alerts) or any(
            outcome.refused for outcome in outcomes
        )
        engine = self._durable if by_hand else self._writes
        with explained(self._where, "write"), engine.begin() as connection:
            self._must_exist(connection, run_id)
            for outcome in outcomes:
                self._write_one(connection, run_id, outcome)

    def _write_one(self, connection: sa.Connection, run_id: str, outcome: Outcome) -> None:
        run = {"run_id": run_id}
        self._put(connection, tables.ticks, [run | {"t_ns": outcome.t_ns}], keep=True)
        self._put(connection, tables.readings, [run | row_of(reading) for reading in outcome.readings])
        self._put(connection, tables.alerts, [run | row_of(alert) for alert in outcome.alerts])
        self._put(connection, tables.dispatches, [run | row_of(each) for each in outcome.dispatched])
        self._put(connection, tables.health, [run | row_of(camera) for camera in outcome.health])
        self._put(connection, tables.gate_readings, [run | row_of(gate) for gate in outcome.gates])
        if outcome.occupancy is not None:
            self._put(connection, tables.occupancy, [run | row_of(outcome.occupancy)])
        if outcome.grid is not None:
            self._put(connection, tables.grids, [run | grid_row(outcome.grid)])
        self._put(connection, tables.movement, [run | row_of(moved) for moved in outcome.movement])
        if outcome.flow is not None:
            self._put(connection, tables.flow_grids, [run | flow_grid_row(outcome.flow)])
        if outcome.sight is not None:
            self._put(connection, tables.sights, [run | sight_row(outcome.sight)])
        of_tick = (tables.alarms.c.run_id == run_id) & (tables.alarms.c.t_ns == outcome.t_ns)
        connection.execute(sa.delete(tables.alarms).where(of_tick))
        standing = [alarm for alarm in outcome.alarms if alarm.state is not AlarmState.NORMAL]
        self._put(connection, tables.alarms, [run | {"t_ns": outcome.t_ns} | row_of(alarm) for alarm in standing])
        for each in outcome.refused:
            of_command = (tables.commands.c.run_id == run_id) & (tables.commands.c.command_id == each.command_id)
            statement = sa.update(tables.commands).where(of_command)
            connection.execute(statement.values(refused=(each.reason,), sequenced_t_ns=outcome.t_ns))

    def beat(self, run_id: str, *, state: RunState, t_ns: int, wall_ns: int, speed: float, message: str = "") -> None:
        """Say that the engine lives; see :meth:`crowdwatch.core.ports.Store.beat`. Raises RunNotFound."""
        values = {"state": state, "t_ns": t_ns, "beat_wall_ns": wall_ns, "speed": speed, "message": message}
        statement = sa.update(tables.runs).where(tables.runs.c.run_id == run_id).values(values)
        with explained(self._where, "beat"), self._writes.begin() as connection:
            if not connection.execute(statement).rowcount:
                raise RunNotFound(f"run {run_id!r}: the store {self._where} has none of that id.")

    def run(self, run_id: str) -> Run:
        """Return one run. Raises RunNotFound."""
        found = self._read(Run, tables.runs, tables.runs.c.run_id == run_id)
        if not found:
            raise RunNotFound(f"run {run_id!r}: the store {self._where} has none of that id.")
        return found[0]

    def runs(self) -> list[Run]:
        """Every run, newest start first."""
        found = self._read(Run, tables.runs)
        return sorted(found, key=lambda run: (run.started_wall_ns, run.run_id), reverse=True)

    def readings(
        self, run_id: str, *, zone_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[ZoneReading]:
        """Readings with ``from_ns <= t <= to_ns`` by time, then zone."""
        wanted = [] if zone_id is None else [tables.readings.c.zone_id == zone_id]
        return self._between(ZoneReading, tables.readings, run_id, from_ns, to_ns, *wanted)

    def grid(self, run_id: str, at_ns: int) -> DensityGrid | None:
        """The newest grid with ``t <= at_ns``."""
        row = self._newest(tables.grids, run_id, at_ns)
        return None if row is None else grid_of(row, self._where)

    def flow_grid(self, run_id: str, at_ns: int) -> FlowGrid | None:
        """The newest velocity field with ``t <= at_ns``."""
        row = self._newest(tables.flow_grids, run_id, at_ns)
        return None if row is None else flow_grid_of(row, self._where)

    def sight(self, run_id: str, at_ns: int) -> SiteSight | None:
        """The newest sight with ``t <= at_ns``."""
        row = self._newest(tables.sights, run_id, at_ns)
        return None if row is None else sight_of_row(row, self._where)

    def movement(
        self, run_id: str, *, zone_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[ZoneMovement]:
        """Movement with ``from_ns <= t <= to_ns`` by time, then zone, with the signs that were there."""
        wanted = [] if zone_id is None else [tables.movement.c.zone_id == zone_id]
        return self._between(ZoneMovement, tables.movement, run_id, from_ns, to_ns, *wanted)

    def _between(
        self, kind: type[OfZone], table: sa.Table, run_id: str, from_ns: int | None, to_ns: int | None, *more: Any
    ) -> list[OfZone]:
        wanted = within(table, run_id, from_ns, to_ns)
        return sorted(self._read(kind, table, *wanted, *more), key=lambda each: (each.t_ns, each.zone_id))

    def _newest(self, table: sa.Table, run_id: str, at_ns: int) -> Row | None:
        newest = sa.select(table).where(table.c.run_id == run_id, table.c.t_ns <= at_ns)
        with explained(self._where, "read"), self._reads.connect() as connection:
            row = connection.execute(newest.order_by(table.c.t_ns.desc()).limit(1)).mappings().first()
        return None if row is None else dict(row)

    def alerts(self, run_id: str, *, to_ns: int | None = None) -> list[AlertEvent]:
        """Transitions up to ``to_ns``, newest first; within a tick by zone, then alarm, of one alarm the last first."""
        found = self._read(AlertEvent, tables.alerts, *within(tables.alerts, run_id, None, to_ns))
        return sorted(found, key=lambda alert: (-alert.t_ns, alert.zone_id, alert.alarm, -alert.seq, alert.event_id))

    def alarms(self, run_id: str, at_ns: int) -> list[Alarm]:
        """The alarms that were not NORMAL after the newest tick at or before ``at_ns``, by zone, then alarm."""
        found = self._read(Alarm, tables.alarms, *_at_newest_tick(tables.alarms, run_id, at_ns))
        return sorted(found, key=lambda alarm: (alarm.zone_id, alarm.alarm))

    def health(self, run_id: str, at_ns: int) -> list[CameraHealth]:
        """Every camera's health after the newest tick at or before ``at_ns``, by camera."""
        found = self._read(CameraHealth, tables.health, *_at_newest_tick(tables.health, run_id, at_ns))
        return sorted(found, key=lambda camera: camera.camera_id)

    def dispatches(self, run_id: str, *, to_ns: int | None = None) -> list[DispatchEvent]:
        """What happened to units up to ``to_ns``, oldest first."""
        found = self._read(DispatchEvent, tables.dispatches, *within(tables.dispatches, run_id, None, to_ns))
        return sorted(found, key=lambda each: (each.t_ns, each.command_id))

    def submit(self, command: Command) -> int:
        """Queue what an operator did, with its entry in the audit log, and return its id. Raises RunNotFound."""
        row = row_of(command) | {"sequenced_t_ns": None, "refused": None}
        del row["command_id"]
        statement = sa.insert(tables.commands).values(row).returning(tables.commands.c.command_id)
        with explained(self._where, "submit"), self._durable.begin() as connection:
            self._must_exist(connection, command.run_id)
            command_id = int(connection.execute(statement).scalar_one())
            by = By(command.actor, command.role or "operator")
            append(connection, EntryKind.COMMAND, by, command.wall_ns, asked(command) | {"command_id": command_id})
            return command_id

    def sequenced(self, command_id: int, t_ns: int, refused: Reason | None = None) -> None:
        """Mark a command as taken into the order of events at event time ``t_ns``, or as refused there.

        Raises:
            StoreError: no such one.
        """
        statement = sa.update(tables.commands).where(tables.commands.c.command_id == command_id)
        values: Row = {"sequenced_t_ns": t_ns}
        if refused is not None:  # the fold may have refused it meanwhile: that stays
            values["refused"] = (refused,)
        with explained(self._where, "sequenced"), self._durable.begin() as connection:
            if not connection.execute(statement.values(values)).rowcount:
                raise StoreError(f"command {command_id}: the store {self._where} has none of that id.")

    def add_audit(self, audit: Audit) -> int:
        """Keep one hand count and return its id; see :meth:`crowdwatch.core.ports.Store.add_audit`.

        Raises:
            RunNotFound, AuditRefused, StoreUnavailable.
        """
        row = row_of(audit)
        del row["audit_id"]
        statement = sa.insert(tables.audits).values(row).returning(tables.audits.c.audit_id)
        column = tables.audits.c
        of_picture = (column.run_id == audit.run_id, column.camera_id == audit.camera_id, column.t_ns == audit.t_ns)
        with explained(self._where, "add_audit"), self._durable.begin() as connection:
            self._must_exist(connection, audit.run_id)
            rows = connection.execute(sa.select(column.audit_id, column.corrects).where(*of_picture)).all()
            corrected = {row.corrects for row in rows}
            standing = next((int(row.audit_id) for row in rows if row.audit_id not in corrected), 0)
            if standing != audit.corrects:
                raise AuditRefused(_not_this_one(audit, standing))
            try:
                audit_id = int(connection.execute(statement).scalar_one())
            except sa.exc.IntegrityError as error:  # another page was faster
                raise AuditRefused(
                    f"audit of camera {audit.camera_id!r}: somebody else entered this picture just now. Look again."
                ) from error
            append(connection, EntryKind.HAND_COUNT, By(audit.actor), audit.wall_ns, row | {"audit_id": audit_id})
            return audit_id

    def audits(self, *, run_id: str | None = None, event_id: str | None = None) -> list[Audit]:
        """Every entry of a run, of all runs of an event, or of all, corrected ones too, oldest entry first."""
        column = tables.audits.c
        of_event = sa.select(tables.runs.c.run_id).where(tables.runs.c.event_id == event_id)
        wanted = [] if run_id is None else [column.run_id == run_id]
        wanted += [] if event_id is None else [column.run_id.in_(of_event)]
        return sorted(self._read(Audit, tables.audits, *wanted), key=lambda audit: audit.audit_id)

    def rewind(self, run_id: str, after_ns: int, journaled: Collection[int] = ()) -> None:
        """Forget every tick later than ``after_ns`` and queue the actions sequenced since again; see
        :meth:`crowdwatch.core.ports.Store.rewind`."""
        column = tables.commands.c
        late = sa.update(tables.commands).where(
            column.run_id == run_id, column.sequenced_t_ns > after_ns, column.kind.not_in(list(STEERING)),
            column.refused.is_(None), column.command_id.not_in(list(journaled)),
        )  # fmt: skip
        made = (
            tables.readings, tables.grids, tables.alerts, tables.alarms, tables.health, tables.dispatches,
            tables.gate_readings, tables.occupancy, tables.movement, tables.flow_grids, tables.sights,
            tables.ticks,
        )  # fmt: skip
        with explained(self._where, "rewind"), self._durable.begin() as connection:
            connection.execute(late.values(sequenced_t_ns=None))
            for table in made:
                connection.execute(sa.delete(table).where(table.c.run_id == run_id, table.c.t_ns > after_ns))

    def lease(self, event_id: str) -> Lease | None:
        """Who drives an event live; see :meth:`crowdwatch.core.ports.Store.lease`."""
        found = self._read(Lease, tables.leases, tables.leases.c.event_id == event_id)
        return found[0] if found else None

    def change_lease(self, old: Lease | None, new: Lease | None) -> bool:
        """Take, renew or give back a lease; see :meth:`crowdwatch.core.ports.Store.change_lease`."""
        column = tables.leases.c
        with explained(self._where, "lease"), self._writes.begin() as connection:
            if old is not None:
                stands = sa.and_(*(column[name] == value for name, value in row_of(old).items()))
                if new is None:
                    return connection.execute(sa.delete(tables.leases).where(stands)).rowcount == 1
                return connection.execute(sa.update(tables.leases).where(stands).values(row_of(new))).rowcount == 1
            if new is None:
                return True
            statement = insert_of(connection.dialect.name, tables.leases, tuple(row_of(new)), keep=True)
            done = connection.execute(statement.values(row_of(new)).returning(column.event_id))
            return done.first() is not None

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._reads.dispose()

    def _must_exist(self, connection: sa.Connection, run_id: str) -> None:
        if connection.execute(sa.select(tables.runs.c.run_id).where(tables.runs.c.run_id == run_id)).first() is None:
            raise RunNotFound(f"run {run_id!r}: the store {self._where} has none of that id. Begin it first.")

    def _put(self, connection: sa.Connection, table: sa.Table, rows: list[Row], *, keep: bool = False) -> None:
        """Insert rows; one with the same key is replaced, or kept."""
        if not rows:
            return
        connection.execute(insert_of(connection.dialect.name, table, tuple(rows[0]), keep), rows)

    def _read(self, kind: type[Noun], table: sa.Table, *wanted: sa.ColumnElement[bool]) -> list[Noun]:
        """Rows as nouns: the columns are named as the noun's fields."""
        columns = [table.c[field.name] for field in fields(kind)]  # type: ignore[arg-type]
        with explained(self._where, "read"), self._reads.connect() as connection:
            try:
                return [kind(*row) for row in connection.execute(sa.select(*columns).where(*wanted))]
            except RecordError as error:
                text = f"store {self._where}: {table.name}: {error} Replay the run from its observation log."
                raise StoreUnavailable(text) from error


def _not_this_one(audit: Audit, standing: int) -> str:
    """Why an entry does not fit those that its picture has."""
    what = f"audit of camera {audit.camera_id!r}"
    if not audit.corrects:
        return (
            f"{what}: entry {standing} has this picture's count. Correct it (--corrects {standing}), or count another."
        )
    has = f"entry {standing} holds its count" if standing else "it has no count yet"
    return (
        f"{what}: corrects entry {audit.corrects}, which does not stand for this picture: {has}. "
        "Name the entry that stands, or none."
    )


def _at_newest_tick(table: sa.Table, run_id: str, at_ns: int) -> Iterable[sa.ColumnElement[bool]]:
    tick = tables.ticks.c
    newest = sa.select(sa.func.max(tick.t_ns)).where(tick.run_id == run_id, tick.t_ns <= at_ns).scalar_subquery()
    return (table.c.run_id == run_id, table.c.t_ns == newest)
