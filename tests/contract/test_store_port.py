"""What every store must do, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import math
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import notices
import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crowdwatch.core.movement import FlowGrid, GateReading, Precursor, PrecursorKind, SiteOccupancy, ZoneMovement
from crowdwatch.core.notices import NotificationState
from crowdwatch.core.outcomes import (
    Alarm,
    AlarmState,
    AlertEvent,
    CameraHealth,
    DensityGrid,
    Health,
    Level,
    Outcome,
    Quality,
    ZoneReading,
)
from crowdwatch.core.ports import Store
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Audit, Command, CommandKind, Lease, Mode, Run, RunState
from crowdwatch.core.sight import Footprint, SiteSight
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.errors import AuditRefused, RunNotFound, StoreBusy, StoreError, StoreUnavailable
from crowdwatch.notify.courier import notification_of
from crowdwatch.store.migrate import _config
from crowdwatch.store.outgoing import SqlOutgoing
from crowdwatch.store.sql import SqlStore
from crowdwatch.store.tables import METADATA, VERSION_TABLE

NAN, INF = math.nan, math.inf
SECOND = 1_000_000_000


# ---------------------------------------------------------------------------------------------------- two databases


def _as_server(user: str, *command: str) -> None:
    """PostgreSQL refuses to run as root: Debian's package brings the user postgres."""
    prefix = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        pytest.fail(f"{command[0]}: {done.stdout}{done.stderr}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server of our own: a fresh cluster on a socket in a temporary folder, no TCP. Returns the socket's folder."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        reason = "PostgreSQL is not installed. Run: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    bin_dir = programs[-1].parent
    # a socket's path has at most 107 bytes: pytest's own folders are too deep
    # 300 files a database: in memory where there is room, since to remove them from a disk takes half a minute
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="cwpg-", dir=memory if roomy else "/tmp"))
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data = str(folder / "data")
    try:
        _as_server(user, f"{bin_dir}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        start = (f"{bin_dir}/pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w")
        _as_server(user, *start, "start")
        try:
            yield str(folder)
        finally:
            _as_server(user, f"{bin_dir}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _new_database(socket: str) -> str:
    name = f"cw_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={socket}", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    server.dispose()
    return f"postgresql://postgres@/{name}?host={socket}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/crowd#1?.sqlite".replace("?", "_")
    return _new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], SqlStore]]:
    """Opens the database, as often as wanted."""
    stores: list[SqlStore] = []

    def open_one() -> SqlStore:
        stores.append(SqlStore(url))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], SqlStore]) -> SqlStore:
    """An empty store with the run ``r``."""
    found = opened()
    found.begin(run())
    return found


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """One store for many examples."""
    if request.param == "sqlite":
        store = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('shared')}/crowd.sqlite")
    else:
        store = SqlStore(_new_database(request.getfixturevalue("postgresql")))
    yield store
    store.close()


def raw(url: str) -> sa.Engine:
    """The database without the store's code."""
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)


# ---------------------------------------------------------------------------------------------------------- material


def run(run_id: str = "r", **changes: object) -> Run:
    base = Run(run_id, "nye", Mode.REPLAY, '{"id":"nye"}', "/runs/r", 0, 60 * SECOND, 1_700_000_000 * SECOND)
    return replace(base, **changes)  # type: ignore[arg-type]


def reading(zone_id: str, t_ns: int, **changes: object) -> ZoneReading:
    numbers = {"count": 12.5, "count_low": 9.25, "count_high": INF, "density_p_m2": 0.1 + 0.2, "peak_p_m2": 3.5}
    numbers |= {"density_low": 0.2, "density_high": 0.7}
    rest = {"bandwidth_m": 1.0, "visible_frac": 0.75, "age_s": 0.125, "occupancy_frac": NAN}
    base = ZoneReading(
        zone_id=zone_id, t_ns=t_ns, window_s=10.0, quality=Quality.GOOD, level=Level.WATCH, **numbers, **rest
    )
    return replace(base, **changes)  # type: ignore[arg-type]


UNKNOWN = ("count", "count_low", "count_high", "density_p_m2", "density_low", "density_high", "peak_p_m2",
           "bandwidth_m", "visible_frac")  # fmt: skip
BLIND = dict.fromkeys(UNKNOWN, NAN) | {
    "age_s": INF,
    "quality": Quality.BLIND,
    "level": Level.UNKNOWN,
    "reasons": (
        Reason.of(Code.UNHEALTHY, "'nördliches Tor'", health="frozen"),
        Reason.of(Code.PARTLY_SEEN, visible_frac=0.1 + 0.2),
    ),
}


DENSE = (Reason.of(Code.LIMIT_REACHED, quantity="density", value=4.75, limit=4, unit="p/m2", delay_s=10),)
DARK = (Reason.of(Code.NOT_COUNTED, because=BLIND["reasons"]),)


def alert(event_id: str, t_ns: int, zone_id: str = "a", **changes: object) -> AlertEvent:
    base = AlertEvent(
        event_id, "crowding", zone_id, t_ns, "raised", AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, Level.ALERT,
        "density", 4.75, 4.0, "p/m2", DENSE, "rule",
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def outcome(t_ns: int, *, zones: int = 2, alarm: AlarmState | None = AlarmState.UNACKNOWLEDGED) -> Outcome:
    """A tick with everything in it."""
    readings = (*(reading(f"z{k}", t_ns) for k in range(zones)), reading("dark", t_ns, **BLIND))
    rho = np.array([[0.0, 1 / 3, NAN], [INF, 1e-30, 7.5]])
    alarms = () if alarm is None else (Alarm("crowding", "z0", alarm, Level.ALERT, 5, DARK),)
    health = (CameraHealth("c0", t_ns, Health.OK, 0.1, True), CameraHealth("c1", t_ns, Health.SILENT, INF, False))
    grid = DensityGrid(t_ns, np.array([-3.5, 1e6 / 3]), 0.5, rho, 1.0)
    moved = tuple(movement(each.zone_id, t_ns) for each in readings)
    v = np.array([[[0.5, -1 / 3], [NAN, NAN]]])
    flow = FlowGrid(t_ns, np.array([1 / 3, -2.0]), 1.0, v, np.array([[0.1, NAN]]), np.array([[7, 0]]),
                    np.array([[0.4, INF]]))  # fmt: skip
    seen = (Footprint("d1", np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.5]]), np.array([1.0, -2.0, 60.0]), 1.5),
            Footprint("d2", np.empty((0, 2)), np.full(3, NAN), NAN))  # fmt: skip
    sight = SiteSight(t_ns, np.array([0.25, -2.0]), 0.5, np.array([[0.0, 12.5, INF]]), seen)
    return Outcome(
        t_ns, readings, grid, (alert(f"e{t_ns}", t_ns),), alarms, health, movement=moved, flow=flow, sight=sight
    )


def movement(zone_id: str, t_ns: int) -> ZoneMovement:
    """Everything but what is unknown, and one sign that is there."""
    signs = (Precursor(PrecursorKind.STOP_AND_GO, 4.0, 3.0, "cycles", 12.5, 20.0),)
    reasons = (Reason.of(Code.VELOCITIES_PARTLY, measured_frac=0.4),)
    numbers = (10.0, 0.1 + 0.2, 0.25, 0.4, -3.0, 0.9, 1 / 3, NAN, 0.5, 0.125, NAN, 0.4)
    return ZoneMovement(zone_id, t_ns, *numbers, reasons, signs)


def rows(url: str) -> dict[str, list[str]]:
    """Everything in every table, as text (NaN is equal to NaN there)."""
    engine = raw(url)
    with engine.connect() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.text(f'SELECT * FROM "{table.name}"')))
            for table in METADATA.sorted_tables
        }


# ---------------------------------------------------------------------------------------------------------- readings


def test_fills_the_port_and_starts_empty(opened: Callable[[], SqlStore]) -> None:
    store = opened()
    assert isinstance(store, Store)
    assert store.runs() == []
    assert store.readings("r") == []
    assert store.grid("r", 10**18) is None
    store.close()
    store.close()


def test_an_outcome_comes_back_as_it_was(store: SqlStore, opened: Callable[[], SqlStore]) -> None:
    wrote = outcome(7 * SECOND)
    store.write("r", [wrote])
    for reader in (store, opened()):
        assert repr(reader.readings("r")) == repr(sorted(wrote.readings, key=lambda each: each.zone_id))
        assert repr(reader.alerts("r")) == repr(list(wrote.alerts))
        assert reader.alarms("r", 7 * SECOND) == list(wrote.alarms)
        assert repr(reader.health("r", 7 * SECOND)) == repr(list(wrote.health))
        grid = reader.grid("r", 7 * SECOND)
        assert grid is not None
        assert wrote.grid is not None
        # kept as 32 bit floats: rounded once, NaN and infinity stay
        np.testing.assert_array_equal(grid.rho_p_m2, wrote.grid.rho_p_m2.astype(np.float32).astype(np.float64))
        np.testing.assert_array_equal(grid.origin_m, wrote.grid.origin_m)
        assert (grid.t_ns, grid.cell_m, grid.bandwidth_m) == (7 * SECOND, 0.5, 1.0)
        assert repr(reader.movement("r")) == repr(sorted(wrote.movement, key=lambda each: each.zone_id))
        flow = reader.flow_grid("r", 8 * SECOND)
        assert flow is not None
        assert wrote.flow is not None
        np.testing.assert_array_equal(flow.v_m_s, wrote.flow.v_m_s.astype(np.float32).astype(np.float64))
        np.testing.assert_array_equal(flow.n, wrote.flow.n)
        np.testing.assert_array_equal(flow.origin_m, wrote.flow.origin_m)
        sight = reader.sight("r", 8 * SECOND)
        assert sight is not None
        assert wrote.sight is not None
        assert repr(sight) == repr(wrote.sight)  # NaN is equal to NaN there
        assert reader.sight("r", 6 * SECOND) is None
        assert (reader.flow_grid("r", 6 * SECOND), reader.movement("r", from_ns=8 * SECOND)) == (None, [])


def test_numpy_scalars_are_numbers(store: SqlStore) -> None:
    wrote = reading("a", np.int64(5), count=np.float64(2.5), density_p_m2=np.float32(0.5), age_s=np.float64("nan"))  # type: ignore[arg-type]
    store.write("r", [Outcome(np.int64(5), (wrote,), None, (), (), ())])  # type: ignore[arg-type]
    found = store.readings("r")[0]
    assert (found.t_ns, found.count, found.density_p_m2) == (5, 2.5, 0.5)
    assert math.isnan(found.age_s)


floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
# PostgreSQL's text has no NUL, UTF-8 no lone surrogates
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(
    numbers=st.lists(floats, min_size=12, max_size=12),
    t_ns=st.integers(-(2**63), 2**63 - 1),
    words=st.tuples(texts, texts),
    quality=st.sampled_from(Quality),
    level=st.sampled_from(Level),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_reading_comes_back(
    shared_store: SqlStore, numbers: list[float], t_ns: int, words: tuple[str, str], quality: Quality, level: Level
) -> None:
    run_id = uuid.uuid4().hex
    numbers = [number + 0.0 for number in numbers]  # SQLite has no -0.0, and the store writes 0.0 for it on both
    said = Reason.of(Code.TEXT, text=words[1])
    factor = Reason.of(Code.SCALED, words[0] or "c", factor=numbers[0], audits=abs(t_ns))
    reasons = (Reason.of(Code.NO_PICTURE), said, factor)
    wrote = ZoneReading(words[0], t_ns, *numbers[:11], quality, level, numbers[11], reasons)
    shared_store.begin(run(run_id))
    shared_store.write(run_id, [Outcome(t_ns, (wrote,), None, (), (), ())])
    # repr tells every float apart but the kinds of NaN
    assert repr(shared_store.readings(run_id)) == repr([wrote])


def test_ranges_include_both_ends_and_follow_time_then_zone(store: SqlStore) -> None:
    ticks = [Outcome(t, (reading("B", t), reading("a", t), reading("Z", t)), None, (), (), ()) for t in (30, 10, 20)]
    store.write("r", ticks)
    keys = [(each.t_ns, each.zone_id) for each in store.readings("r")]
    assert keys == [(t, zone) for t in (10, 20, 30) for zone in ("B", "Z", "a")]
    assert {each.t_ns for each in store.readings("r", from_ns=10, to_ns=20)} == {10, 20}
    assert [each.t_ns for each in store.readings("r", zone_id="a", from_ns=11)] == [20, 30]
    assert store.readings("another") == []


def test_alerts_newest_first(store: SqlStore) -> None:
    for t_ns in (1, 3, 2):
        store.write("r", [Outcome(t_ns, (), None, (alert(f"e{t_ns}", t_ns), alert(f"f{t_ns}", t_ns, "b")), (), ())])
    assert [each.event_id for each in store.alerts("r")] == ["e3", "f3", "e2", "f2", "e1", "f1"]
    assert [each.event_id for each in store.alerts("r", to_ns=2)] == ["e2", "f2", "e1", "f1"]


def test_alarms_and_health_are_those_of_the_newest_tick(store: SqlStore) -> None:
    store.write("r", [outcome(10), outcome(20, alarm=AlarmState.NORMAL), outcome(30, alarm=None)])
    assert store.alarms("r", 9) == []
    assert len(store.alarms("r", 19)) == 1
    assert store.alarms("r", 20) == []
    assert store.alarms("r", 10**15) == []
    assert {each.t_ns for each in store.health("r", 29)} == {20}
    assert store.health("r", 9) == []


def test_the_newest_grid_at_or_before(store: SqlStore) -> None:
    store.write("r", [outcome(10), Outcome(20, (), None, (), (), ()), outcome(30)])
    times = [grid and grid.t_ns for grid in (store.grid("r", t) for t in (9, 10, 29, 30, 99))]
    assert times == [None, 10, 10, 30, 30]


# ------------------------------------------------------------------------------------------------------------ writing


def test_writing_twice_is_writing_once(store: SqlStore, url: str) -> None:
    ticks = [outcome(t * SECOND) for t in range(5)]
    store.write("r", ticks)
    before = rows(url)
    store.write("r", ticks[2:])
    for tick in ticks:
        store.write("r", [tick, tick])
    assert rows(url) == before
    assert [len(before[name]) for name in ("ticks", "readings", "grids", "alerts", "alarms")] == [5, 15, 5, 5, 5]


def test_a_tick_folded_again_replaces_what_it_said(store: SqlStore) -> None:
    store.write("r", [outcome(10)])
    again = replace(outcome(10, alarm=None), readings=(reading("z0", 10, count=99.0),))
    store.write("r", [again])
    assert store.readings("r", zone_id="z0")[0].count == 99.0
    assert store.alarms("r", 10) == []


def test_a_write_is_whole_or_not_there(store: SqlStore, url: str) -> None:
    store.write("r", [outcome(1)])
    before = rows(url)
    bad = replace(outcome(3), alerts=(alert("x", 3, reasons=None),))
    with pytest.raises(StoreUnavailable, match="write"):
        store.write("r", [outcome(2), bad])
    assert rows(url) == before
    store.write("r", [outcome(2)])
    assert len(store.alerts("r")) == 2


def test_no_outcomes_is_nothing(store: SqlStore, url: str) -> None:
    before = rows(url)
    store.write("r", [])
    assert rows(url) == before


# --------------------------------------------------------------------------------------------------- runs and commands


def test_runs_newest_start_first(store: SqlStore) -> None:
    store.begin(run("late", started_wall_ns=1_800_000_000 * SECOND, speed=NAN, message="né à 火"))
    store.begin(run("early", started_wall_ns=5))
    assert [each.run_id for each in store.runs()] == ["late", "r", "early"]
    assert store.run("r") == run()


def test_a_heartbeat(store: SqlStore) -> None:
    store.beat("r", state=RunState.FAILED, t_ns=9, wall_ns=2**62, speed=8.5, message="disk full")
    expected = run(state=RunState.FAILED, t_ns=9, beat_wall_ns=2**62, speed=8.5, message="disk full")
    assert store.run("r") == expected


def test_resume_keeps_what_was_and_runs_again(store: SqlStore) -> None:
    store.beat("r", state=RunState.STOPPED, t_ns=9, wall_ns=7, speed=0.0, message="Ctrl-C")
    store.write("r", [outcome(9)])
    store.begin(run(started_wall_ns=99, folder="/moved"))
    assert store.run("r") == run(t_ns=9, beat_wall_ns=7, folder="/moved")
    assert len(store.readings("r")) == 3


def test_a_run_of_another_event_is_not_overwritten(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="another event"):
        store.begin(run(event_id="marathon"))
    assert store.run("r") == run()


def test_an_unknown_run_is_said_to_be_unknown(store: SqlStore) -> None:
    with pytest.raises(RunNotFound, match="'nope'"):
        store.run("nope")
    with pytest.raises(RunNotFound):
        store.write("nope", [outcome(1)])
    with pytest.raises(RunNotFound):
        store.beat("nope", state=RunState.RUNNING, t_ns=0, wall_ns=0, speed=0.0)
    with pytest.raises(RunNotFound):
        store.submit(Command("nope", CommandKind.STOP, "ada", 1))
    with pytest.raises(StoreError, match="command 12345"):
        store.sequenced(12345, 1)


def test_a_store_that_comes_back_has_everything_once_and_in_order(url: str) -> None:
    """Held by another transaction, and on PostgreSQL the server refuses connections and ends those that stand."""
    store = SqlStore(url + ("&options=-c%20lock_timeout%3D200" if "postgresql" in url else ""), busy_timeout_s=0.05)
    store.begin(run())
    other, board = raw(url), Board()
    with Outbox(store, "r", board) as outbox:
        with other.connect() as holder:
            holder.exec_driver_sql(
                "BEGIN EXCLUSIVE" if "sqlite" in url else "LOCK TABLE ticks IN ACCESS EXCLUSIVE MODE"
            )
            outbox.put([outcome(SECOND)])
            _wait(lambda: board.ailing("store"))
            outbox.put([outcome(2 * SECOND)])
            holder.rollback()
        outbox.flush()
        if "postgresql" in url:
            database = sa.make_url(url).database
            server = sa.create_engine(raw(url).url.set(database="postgres"), isolation_level="AUTOCOMMIT")
            with server.connect() as admin:
                admin.exec_driver_sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
                stop = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                admin.exec_driver_sql(stop)
                outbox.put([outcome(3 * SECOND)])
                _wait(lambda: board.ailing("store"))
                with pytest.raises(StoreBusy):
                    store.runs()
                outbox.put([outcome(4 * SECOND)])
                admin.exec_driver_sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
            server.dispose()
        else:
            outbox.put([outcome(3 * SECOND), outcome(4 * SECOND)])
        outbox.flush()
    assert sorted({reading.t_ns for reading in store.readings("r")}) == [n * SECOND for n in (1, 2, 3, 4)]
    assert len(store.alerts("r")) == 4
    store.close()
    other.dispose()


def _wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_is_begun_anew_by_one_alone(store: SqlStore) -> None:
    assert not store.begin(run(mode=Mode.BATCH), new=True)
    assert store.run("r").mode is Mode.REPLAY
    assert store.begin(run("other"), new=True)


def test_a_refused_command_keeps_its_reason(store: SqlStore) -> None:
    asked = store.submit(Command("r", CommandKind.SPEED, "ada", 3, value=-2.0))
    reason = Reason.of(Code.REFUSED_VALUE, value=-2.0)
    store.sequenced(asked, 7, reason)
    (refused,) = store.refused("r")
    assert (refused.command_id, refused.refused, refused.sequenced_t_ns) == (asked, (reason,), 7)
    store.rewind("r", 0)
    assert store.pending("r") == []


def test_a_journaled_acknowledgement_is_not_queued_again(store: SqlStore) -> None:
    first, second = (store.submit(Command("r", CommandKind.ACKNOWLEDGE, "ada", 3, "a", "crowding", 1.0)) for _ in "ab")
    for each in (first, second):
        store.sequenced(each, 9)
    store.rewind("r", 5, [first])
    assert [command.command_id for command in store.pending("r")] == [second]


def test_commands_queue_until_they_are_sequenced(store: SqlStore) -> None:
    store.begin(run("other"))
    asked = Command("r", CommandKind.ACKNOWLEDGE, "ada", 3, "a", "crowding", 1.5)
    first, second = store.submit(asked), store.submit(replace(asked, zone_id="b", wall_ns=1))
    stop = store.submit(replace(asked, kind=CommandKind.STOP, wall_ns=1))
    store.submit(replace(asked, run_id="other"))
    assert second > first > 0
    assert store.pending("r") == [
        replace(asked, command_id=first),
        replace(asked, zone_id="b", wall_ns=1, command_id=second),
        replace(asked, kind=CommandKind.STOP, wall_ns=1, command_id=stop),
    ]
    store.sequenced(first, 100)
    store.sequenced(stop, 200)
    store.sequenced(second, 200)
    assert store.pending("r") == []
    assert len(store.pending("other")) == 1
    store.rewind("r", 100)  # a resumed run must not be stopped by what stopped it before
    assert [each.command_id for each in store.pending("r")] == [second]
    store.rewind("r", 99)
    assert [each.command_id for each in store.pending("r")] == [first, second]


def test_rewinding_forgets_later_ticks_and_nothing_else(store: SqlStore) -> None:
    store.begin(run("other"))
    for run_id in ("r", "other"):
        store.write(run_id, [outcome(10), outcome(20), outcome(30)])
    store.rewind("r", 20)
    assert {reading.t_ns for reading in store.readings("r")} == {10, 20}
    assert {alert.t_ns for alert in store.alerts("r")} <= {10, 20}
    grid = store.grid("r", 99)
    assert grid is not None
    assert grid.t_ns == 20
    assert {reading.t_ns for reading in store.readings("other")} == {10, 20, 30}


# ------------------------------------------------------------------------------------------------------------- audits


def audit(**changes: object) -> Audit:
    base = Audit("c0", 7 * SECOND, 12, 10.5, "ana 火", 2**62, "r", "yolo/abc", 0.25)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_lease_is_held_by_one_alone(store: SqlStore, opened: Callable[[], SqlStore]) -> None:
    other = opened()
    first, second = (Lease("event", name, "host boot room", 2**31, 2**40) for name in ("one", "two"))
    assert store.lease("event") is None
    assert store.change_lease(None, first)
    assert not other.change_lease(None, second), "somebody holds it"
    assert other.lease("event") == first
    renewed = replace(first, renewed=1)
    assert store.change_lease(first, renewed)
    assert not other.change_lease(first, second), "it was renewed since it was looked at"
    assert other.change_lease(renewed, second), "it has run out as far as anybody knows"
    assert not store.change_lease(renewed, replace(renewed, renewed=2)), "it was taken over"
    assert not store.change_lease(renewed, None)
    assert store.lease("event") == second
    assert store.lease("another") is None
    assert other.change_lease(second, None)
    assert store.lease("event") is None
    assert store.change_lease(None, first)


def test_of_many_that_want_a_lease_one_has_it(opened: Callable[[], SqlStore]) -> None:
    stores = [opened() for _ in range(4)]

    def take(number: int) -> bool:
        return stores[number].change_lease(None, Lease("event", f"{number}", "host", number, 1))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]


def test_an_audit_comes_back_as_it_was(store: SqlStore, opened: Callable[[], SqlStore]) -> None:
    assert store.audits() == []
    first = store.add_audit(audit())
    second = store.add_audit(audit(camera_id="c1", counted=0, found=0.0, score_min=1 / 3))
    assert second > first > 0
    kept = [audit(audit_id=first), audit(camera_id="c1", counted=0, found=0.0, score_min=1 / 3, audit_id=second)]
    for reader in (store, opened()):
        assert reader.audits() == kept


def test_audits_of_a_run_and_of_an_event(store: SqlStore) -> None:
    store.begin(run("again"))
    store.begin(run("other", event_id="marathon"))
    for run_id in ("other", "again", "r"):
        store.add_audit(audit(run_id=run_id))
    assert [each.run_id for each in store.audits()] == ["other", "again", "r"]
    assert [each.run_id for each in store.audits(run_id="again")] == ["again"]
    assert [each.run_id for each in store.audits(event_id="nye")] == ["again", "r"]
    assert store.audits(run_id="other", event_id="nye") == []


def test_a_correction_is_a_new_entry_that_names_the_old(store: SqlStore, url: str) -> None:
    first = store.add_audit(audit())
    before = rows(url)["audits"]
    second = store.add_audit(audit(counted=13, corrects=first))
    third = store.add_audit(audit(counted=14, corrects=second))
    assert set(before) < set(rows(url)["audits"])  # the old entry is there, unchanged
    told = [(each.audit_id, each.corrects, each.counted) for each in store.audits()]
    assert told == [(first, 0, 12), (second, first, 13), (third, second, 14)]


def test_an_audit_that_does_not_fit_is_refused(store: SqlStore, url: str) -> None:
    store.begin(run("other"))
    first = store.add_audit(audit())
    before = rows(url)["audits"]
    with pytest.raises(RunNotFound, match="'nope'"):
        store.add_audit(audit(run_id="nope"))
    with pytest.raises(AuditRefused, match=f"entry {first} has this picture's count"):
        store.add_audit(audit(counted=13))
    with pytest.raises(AuditRefused, match=f"corrects entry {first + 9}.*entry {first} holds"):
        store.add_audit(audit(corrects=first + 9))
    with pytest.raises(AuditRefused, match="has no count yet"):
        store.add_audit(audit(t_ns=8 * SECOND, corrects=first))  # of another picture
    with pytest.raises(AuditRefused, match="has no count yet"):
        store.add_audit(audit(run_id="other", corrects=first))  # of another run
    assert rows(url)["audits"] == before
    second = store.add_audit(audit(corrects=first))
    with pytest.raises(AuditRefused, match=f"entry {second} holds"):
        store.add_audit(audit(corrects=first))  # corrected before


def test_two_pages_that_enter_one_picture_at_once(store: SqlStore, opened: Callable[[], SqlStore]) -> None:
    """One of them wins, the others are told; nobody's count weighs twice."""
    pages = [opened() for _ in range(4)]
    with ThreadPoolExecutor(len(pages)) as pool:
        tries = [pool.submit(page.add_audit, audit(actor=f"page {k}")) for k, page in enumerate(pages)]
    faults = [each.exception() for each in tries if each.exception() is not None]
    assert len(faults) == 3
    assert all(isinstance(fault, AuditRefused) for fault in faults)
    assert len(store.audits()) == 1


def test_what_is_rewound_keeps_its_audits(store: SqlStore) -> None:
    store.write("r", [outcome(10), outcome(20)])
    store.add_audit(audit(t_ns=20))
    store.rewind("r", 10)
    assert [each.t_ns for each in store.audits()] == [20]


def test_a_store_of_the_first_version_is_upgraded_in_place(url: str) -> None:
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").parent.mkdir()
    old = "('r', 'nye', 'replay', '{}', '/runs/r', 0, 9, 5, 'finished', 9, 5, 1, '')"
    with raw(url).begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(sa.text(f"INSERT INTO runs VALUES {old}"))
    for create in (False, True):  # the page may come first
        store = SqlStore(url, create=create)
        assert [each.run_id for each in store.runs()] == ["r"]
        assert len(store.audits()) == int(create)
        store.add_audit(audit(t_ns=int(create)))
        store.close()


OLD_SENTENCES = ("", "camera c is dark; 4 % of the zone is seen", 'a "quoted" \\ back\nslash: 摄像机 {x} é')


def test_sentences_of_an_earlier_version_are_kept_as_they_are(url: str) -> None:
    """A store of schema 0003, with a reading, an alert and an alarm for each sentence."""
    SqlStore(url).close()
    engine = raw(url)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(sa.text(f"DROP TABLE {VERSION_TABLE}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        old = sa.MetaData()
        old.reflect(connection)
        made = {"run_id": "r", "event_id": "nye", "mode": "replay", "config_json": "{}", "folder": "", "message": ""}
        made |= {"state": "running", "from_ns": 0, "to_ns": 1, "started_wall_ns": 0, "t_ns": 1, "beat_wall_ns": 0}
        connection.execute(old.tables["runs"].insert(), [made])
        connection.execute(old.tables["ticks"].insert(), [{"run_id": "r", "t_ns": 1}])
        for number, sentence in enumerate(OLD_SENTENCES):
            row = {"run_id": "r", "zone_id": f"z{number}", "t_ns": 1, "level": 0, "reason": sentence}
            alarm = row | {"alarm": "crowding"}
            event = {"event_id": f"e{number}", "transition": "raised", "from_state": "normal", "unit": "", "cause": ""}
            connection.execute(old.tables["readings"].insert(), [row | {"quality": "good", "count": 3.5}])
            connection.execute(old.tables["alarms"].insert(), [alarm | {"state": "unacknowledged", "since_ns": 0}])
            more = event | {"to_state": "unacknowledged", "quantity": "density"}
            connection.execute(old.tables["alerts"].insert(), [alarm | more])
    engine.dispose()
    expected = [() if not text else (Reason.of(Code.TEXT, text=text),) for text in OLD_SENTENCES]
    for _ in range(2):  # the second finds the work done
        store = SqlStore(url, create=False)
        assert [each.reasons for each in store.readings("r")] == expected
        assert [each.reasons for each in store.alerts("r")] == expected
        assert [each.reasons for each in store.alarms("r", 1)] == expected
        assert store.readings("r")[0].count == 3.5
        store.close()


def test_reasons_that_nobody_wrote_are_refused(store: SqlStore, url: str) -> None:
    store.write("r", [outcome(1)])
    with raw(url).begin() as connection:
        connection.execute(sa.text("UPDATE readings SET reasons = 'it rains'"))
    with pytest.raises(StoreUnavailable, match=r"reasons: 'it rains' cannot be read"):
        store.readings("r")


def test_equal_reasons_are_equal_texts(store: SqlStore, url: str) -> None:
    """JSON with sorted keys, whatever the order in which values were named."""
    pairs = [("quantity", "density"), ("unit", "p/m2"), ("value", 2.5), ("limit", 2), ("delay_s", 5)]
    for t_ns, named in ((1, pairs), (2, pairs[::-1])):
        why = (Reason.of(Code.LIMIT_REACHED, **dict(named)),)  # type: ignore[arg-type]
        store.write("r", [Outcome(t_ns, (reading("a", t_ns, reasons=why),), None, (), (), ())])
    with raw(url).connect() as connection:
        (text,) = set(connection.execute(sa.text("SELECT reasons FROM readings")).scalars())
    assert text == (
        '[{"code":"limit_reached","values":{"delay_s":5.0,"limit":2.0,"quantity":"density","unit":"p/m2","value":2.5}}]'
    )


# ------------------------------------------------------------------------------------------------------------- schema


def test_no_column_can_hold_a_picture(store: SqlStore, url: str) -> None:
    """Only the grids' densities and velocities are binary, and they are held against the grid's shape when read."""
    inspector = sa.inspect(raw(url))
    binary, seen = [], set()
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            seen.add(type(column["type"]).__name__)
            if isinstance(column["type"], (sa.LargeBinary, sa.types._Binary)):
                binary.append((table, column["name"]))
    assert sorted(binary) == [("flow_grids", "flow_zlib_f4"), ("grids", "rho_zlib_f4"), ("sights", "age_zlib_f4")]
    plain = {
        "BIGINT",
        "BLOB",
        "BOOLEAN",
        "BYTEA",
        "DOUBLE",
        "DOUBLE_PRECISION",
        "INTEGER",
        "SMALLINT",
        "TEXT",
        "VARCHAR",
    }
    assert seen <= plain
    store.write("r", [outcome(1)])
    with raw(url).begin() as connection:
        connection.execute(sa.text("UPDATE grids SET rho_zlib_f4 = :picture"), {"picture": b"\xff\xd8\xff\xe0JFIF"})
    with pytest.raises(StoreUnavailable, match="damaged"):
        store.grid("r", 1)


def test_the_migrations_make_the_tables_of_the_code(store: SqlStore, url: str) -> None:
    with raw(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    keys = sa.inspect(raw(url)).get_pk_constraint("readings")["constrained_columns"]
    assert keys == ["run_id", "zone_id", "t_ns"]


def test_a_newer_store_is_left_alone(store: SqlStore, url: str) -> None:
    with raw(url).begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match=r"9999.*Upgrade CrowdWatch"):
        SqlStore(url)


def test_another_programs_tables_are_left_alone(url: str) -> None:
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").parent.mkdir()
    with raw(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE runs (marathon INTEGER)"))
    with pytest.raises(StoreUnavailable, match=r"another program \(runs\)"):
        SqlStore(url)


def test_the_page_does_not_make_a_store(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="no runs yet"):
        SqlStore(url, create=False)
    if url.startswith("sqlite"):
        assert not Path(sa.make_url(url).database or "").exists()
    SqlStore(url).close()
    page = SqlStore(url, create=False)
    page.begin(run())
    assert page.submit(Command("r", CommandKind.PAUSE, "ada", 1)) == 1
    page.close()


# --------------------------------------------------------------------------------------------------- several processes

OPEN_AT_ONCE = """
import sys
from crowdwatch.core.runs import Mode, Run
from crowdwatch.store.sql import SqlStore
print("ready", flush=True)
sys.stdin.readline()
store = SqlStore(sys.argv[1])
store.begin(Run(sys.argv[2], "nye", Mode.REPLAY, "{}", "", 0, 1, 1))
store.close()
"""

WRITE_ON = """
import sys
import tests.contract.test_store_port as material
from crowdwatch.store.sql import SqlStore
store = SqlStore(sys.argv[1])
store.begin(material.run())
print("ready", flush=True)
for t_ns in range(int(sys.argv[2]), int(sys.argv[3])):
    store.write("r", [material.outcome(t_ns, zones=7)])
store.beat("r", state=material.RunState.FINISHED, t_ns=0, wall_ns=0, speed=0.0)
store.close()
"""

WRITE_UNTIL_STOPPED = """
import itertools, sys, time
import tests.contract.test_store_port as material
from crowdwatch.store.sql import SqlStore
store = SqlStore(sys.argv[1])
store.begin(material.run())
print("ready", flush=True)
for t_ns in itertools.count():
    store.write("r", [material.outcome(t_ns, zones=7)])
    if any(each.kind is material.CommandKind.STOP for each in store.pending("r")):
        break
    time.sleep(0.002)  # an engine rests between ticks; without a rest SQLite may starve the page's commands
store.beat("r", state=material.RunState.FINISHED, t_ns=t_ns, wall_ns=0, speed=0.0)
store.close()
"""


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def end(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def test_page_and_engine_open_a_new_store_at_once(url: str, opened: Callable[[], SqlStore]) -> None:
    """Four processes come to an empty database at the same moment: one makes the tables, all can use them."""
    processes = [child(OPEN_AT_ONCE, url, f"run{k}") for k in range(4)]
    for process in processes:
        ready(process)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [end(process) for process in processes] == [0, 0, 0, 0]
    assert sorted(each.run_id for each in opened().runs()) == ["run0", "run1", "run2", "run3"]


def test_a_page_reads_whole_ticks_while_the_engine_writes(url: str, opened: Callable[[], SqlStore]) -> None:
    engine = child(WRITE_UNTIL_STOPPED, url)
    ready(engine)
    page, seen = opened(), set()
    while len(seen) < 5:
        found = page.readings("r")
        per_tick = {t: sum(each.t_ns == t for each in found) for t in {each.t_ns for each in found}}
        assert set(per_tick.values()) <= {8}
        seen.add(len(per_tick))
        page.submit(Command("r", CommandKind.PAUSE, "ada", 1))
        assert engine.poll() is None
    page.submit(Command("r", CommandKind.STOP, "ada", 1))
    assert end(engine) == 0
    last = page.run("r")
    assert last.state is RunState.FINISHED
    assert len(page.readings("r")) == (last.t_ns + 1) * 8


def test_a_killed_engine_leaves_whole_ticks_and_resumes(url: str, opened: Callable[[], SqlStore]) -> None:
    engine = child(WRITE_ON, url, "0", "1000000")
    ready(engine)
    store = opened()
    while len(store.readings("r", zone_id="z0")) < 20:
        assert engine.poll() is None
    engine.send_signal(signal.SIGKILL)
    assert end(engine) == -signal.SIGKILL
    ticks = len(store.readings("r", zone_id="z0"))
    assert len(store.readings("r")) == ticks * 8
    resumed = child(WRITE_ON, url, "5", str(ticks + 5))
    assert end(resumed) == 0
    assert len(store.readings("r")) == (ticks + 5) * 8
    assert len(store.alerts("r")) == ticks + 5


# ------------------------------------------------------------------------------------------------------ notifications


def test_notifications_are_kept_once_claimed_by_one_and_settled(store: SqlStore, url: str) -> None:
    run = replace(notices.LIVE, run_id="told")
    store.begin(run)
    events = [notices.alert(0), notices.alert(5, "level_up", Level.CRITICAL)]
    for each in events:
        store.write(run.run_id, [notices.outcome(each)])
    outgoing = SqlOutgoing(url)
    assert outgoing.unseen(run.run_id, "duty") == events
    rows = [notification_of(run, notices.target(), each, notices.T0, why="", first=None) for each in events]
    outgoing.put([rows[0]])
    outgoing.put(rows)
    assert outgoing.unseen(run.run_id, "duty") == []
    assert outgoing.unseen(run.run_id, "other") == events
    assert outgoing.notifications(run.run_id) == rows
    assert (outgoing.followed("duty"), outgoing.followed("other")) == (["told"], [])
    taken = outgoing.claim(rows[0], notices.T0 + SECOND)
    assert taken is not None
    assert outgoing.claim(rows[0], notices.T0 + SECOND) is None
    done = replace(taken, state=NotificationState.SENT, done_wall_ns=notices.T0)
    outgoing.settle(done)
    outgoing.settle(replace(done, state=NotificationState.WAITING, why="late"))
    assert outgoing.notifications(run.run_id, "duty", open_only=True) == [rows[1]]
    assert outgoing.notifications(run.run_id)[0] == done
    store.rewind(run.run_id, notices.T0 - 1)
    assert outgoing.notifications(run.run_id)[0] == done, "what was sent is known, whatever the engine takes back"
    outgoing.close()


def test_gates_and_the_whole_site_come_back_as_they_were(store: SqlStore) -> None:
    gate = GateReading(
        "north", SECOND, 60.0, 12.5, 9.0, INF, NAN, NAN, NAN, 34.0, 0.5, 0.1 + 0.2, NAN, 0.75, Quality.DEGRADED,
        (Reason.of(Code.GATE_PARTLY_SEEN, visible_frac=0.75),),
    )  # fmt: skip
    site = SiteOccupancy(SECOND, 1234.5, 1000.0, 1500.0, 12.0, INF, (Reason.of(Code.GATE_UNCOUNTED, gate_id="south"),))
    for _ in range(2):  # a tick written twice is written once
        store.write("r", [Outcome(SECOND, (), None, (), (), (), gates=(gate,), occupancy=site)])
    assert repr(store.gate_readings("r", gate_id="north", from_ns=0, to_ns=SECOND)) == repr([gate])
    assert repr(store.occupancy("r")) == repr([site])
    assert store.gate_readings("r", gate_id="south") == []
    store.rewind("r", 0)
    assert store.gate_readings("r") == []
    assert store.occupancy("r") == []


# ------------------------------------------------------------------------------------------------ people and rights


def test_people_make_one_chain_that_nothing_changes(url: str) -> None:
    """Commands, hand counts and accounts of several writers at once stand in one log; the database refuses every change
    of it, and what is changed past that is found and named."""
    from concurrent.futures import ThreadPoolExecutor

    from crowdwatch.core.accounts import By, EntryKind
    from crowdwatch.store.people import SqlPeople

    store, people, others = SqlStore(url), SqlPeople(url), SqlPeople(url)
    try:
        store.begin(Run("r1", "e", Mode.REPLAY, "{}", "/r1", 0, 1, 0))

        def write(number: int) -> None:
            handle = (people, others)[number % 2]
            handle.record(EntryKind.EXPORT, By("ana", "operator", "10.0.0.7"), number, {"what": f"\u202e{number}"})
            store.submit(Command("r1", CommandKind.NOTE, "ana", number, text="secret words", role="operator"))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(8)))
        people.add("Ana", "administrator", "hash-of-ana", By("root", "", "terminal"), 9)
        log = others.entries()
        assert [entry.seq for entry in log] == list(range(1, 18))
        assert people.fault() is None
        assert people.fault((log[-1].seq, log[-1].digest)) is None
        assert [entry.seq for entry in people.entries(3)] == [15, 16, 17]
        text = "".join(entry.detail for entry in log)
        assert "secret words" not in text
        assert "hash-of-ana" not in text
        for change in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"):
            with raw(url).begin() as connection, pytest.raises(sa.exc.DBAPIError, match="never changed"):
                connection.exec_driver_sql(change)
        _past_the_triggers(url, "UPDATE audit_log SET actor = 'eve' WHERE seq = 5")
        found = people.fault()
        assert found is not None
        assert (found.seq, "changed" in found.why) == (5, True)
    finally:
        for each in (store, people, others):
            each.close()


def _past_the_triggers(url: str, change: str) -> None:
    with raw(url).begin() as connection:
        if "postgresql" in url:
            connection.exec_driver_sql("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_log_no_update")
        connection.exec_driver_sql(change)
