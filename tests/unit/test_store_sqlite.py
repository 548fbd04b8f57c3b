"""What can go wrong with a store's place: each gives one error with a remedy, and nothing written is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crowdwatch.core.outcomes import DensityGrid, Outcome
from crowdwatch.core.runs import Mode, Run
from crowdwatch.errors import MissingPackage, StoreUnavailable
from crowdwatch.store.sql import SqlStore

RUN = Run("r", "nye", Mode.REPLAY, "{}", "", 0, 1, 1)


def noisy(t_ns: int) -> Outcome:
    """A tick whose grid does not compress: 160 kB."""
    rho = np.random.default_rng(t_ns).random((200, 200))
    return Outcome(t_ns, (), DensityGrid(t_ns, np.zeros(2), 0.5, rho, 1.0), (), (), ())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no right to mount here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class _Fill:
    """Writes ticks until the disk refuses; remembers which it tried last."""

    tried = 0

    def __call__(self, store: SqlStore) -> None:
        for self.tried in range(100):
            store.write("r", [noisy(self.tried)])


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    store = SqlStore(f"sqlite:///{small_disk}/crowd.sqlite")
    store.begin(RUN)
    ballast, fill = small_disk / "ballast", _Fill()
    ballast.write_bytes(bytes(700_000))
    with pytest.raises(StoreUnavailable, match=r"disk is full.*resume"):
        fill(store)
    t_ns = fill.tried
    assert t_ns > 2
    newest = store.grid("r", 100)
    assert newest is not None
    assert newest.t_ns == t_ns - 1
    ballast.unlink()
    store.write("r", [noisy(t_ns)])
    store.close()
    again = SqlStore(f"sqlite:///{small_disk}/crowd.sqlite")
    assert all(again.grid("r", each).t_ns == each for each in range(t_ns + 1))  # type: ignore[union-attr]
    again.close()


def test_a_limit_on_file_size_is_said(tmp_path: Path) -> None:
    """The same without root: the kernel refuses to let the file grow (ulimit -f)."""
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.unit.test_store_sqlite import *
store = SqlStore("sqlite:///{tmp_path}/crowd.sqlite")
store.begin(RUN)
try:
    for t_ns in range(100):
        store.write("r", [noisy(t_ns)])
except StoreUnavailable as error:
    print(t_ns, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    written, _, message = done.stdout.partition(" ")
    assert "resume the run" in message
    store = SqlStore(f"sqlite:///{tmp_path}/crowd.sqlite")
    newest = store.grid("r", 100)
    store.close()
    assert newest is not None
    assert newest.t_ns == int(written) - 1


def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    SqlStore(f"sqlite:///{folder}/crowd.sqlite").close()
    for path in (folder / "crowd.sqlite", folder):
        path.chmod(0o555)
    for parent in tmp_path.parents[:2]:  # pytest's folders are for their owner only
        parent.chmod(0o755)
    # root may write anywhere: the child opens a store, so that everything is imported, and then becomes nobody
    code = f"""
import os
from crowdwatch.errors import StoreUnavailable
from crowdwatch.store.sql import SqlStore
SqlStore("sqlite:///{tmp_path}/warm.sqlite").close()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in ("crowd.sqlite", "new.sqlite", "deeper/new.sqlite"):
    try:
        SqlStore("sqlite:///{folder}/" + name)
    except StoreUnavailable as error:
        print(error)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("writable" in line or "written" in line for line in lines), lines


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("People per square metre. " * 100)
    with pytest.raises(StoreUnavailable, match="not a SQLite database"):
        SqlStore(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="not a SQLite database"):
        SqlStore(f"sqlite:///{path}", create=False)
    assert path.read_text().startswith("People")


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "crowd.sqlite"
    store = SqlStore(f"sqlite:///{path}")
    store.begin(RUN)
    store.write("r", [noisy(t) for t in range(4)])
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x55" * (len(whole) - 4096))
    with pytest.raises(StoreUnavailable, match="damaged"):
        _use(path)


def _use(path: Path) -> None:
    store = SqlStore(f"sqlite:///{path}")
    try:
        store.runs()
    finally:
        store.close()


def test_a_stuck_process_is_named_after_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "crowd.sqlite"
    store = SqlStore(f"sqlite:///{path}", busy_timeout_s=0.05)
    store.begin(RUN)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="Another process holds the file"):
        store.write("r", [noisy(1)])
    assert store.run("r").run_id == "r"  # reading goes on in WAL mode
    holder.execute("ROLLBACK")
    holder.close()
    store.write("r", [noisy(1)])
    store.close()


def test_the_file_is_in_wal_mode_and_holds_its_keys(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/a/b/crowd.sqlite")
    with store._writes.connect() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                   ("journal_mode", "synchronous", "foreign_keys")}  # fmt: skip
    store.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1}


def test_a_file_removed_under_the_page_does_not_come_back_empty(tmp_path: Path) -> None:
    path = tmp_path / "crowd.sqlite"
    SqlStore(f"sqlite:///{path}").close()
    page = SqlStore(f"sqlite:///{path}", create=False)
    page._reads.dispose()
    path.unlink()
    with pytest.raises(StoreUnavailable, match="folder exists"):
        page.runs()
    page.close()
    assert not path.exists()


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="folder cannot be made"):
        SqlStore(f"sqlite:///{tmp_path}/file/crowd.sqlite")


@pytest.mark.parametrize(
    "url",
    ["", "crowd.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://guard:hunter2@db/crowd", "postgresql://guard:hunter2@db:x/y",
     "http://guard:hunter2@host/", "sqlite:///file.sqlite?mode=memory"],
)  # fmt: skip
def test_urls_that_name_no_store(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"sqlite:///path/to/file\.sqlite") as caught:
        SqlStore(url)
    assert "hunter2" not in str(caught.value)


def test_no_server(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the postgresql extra is not installed")
    with pytest.raises(StoreUnavailable, match="Check that the server runs") as caught:
        SqlStore(f"postgresql://guard:hunter2@/crowd?host={tmp_path}")
    assert "hunter2" not in str(caught.value)


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackage, match=r"crowdwatch\[postgresql\]"):
        SqlStore("postgresql:///crowd")
