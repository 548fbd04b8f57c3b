"""Coarse pictures around alarms: what is kept, for how long, and that nothing of it stops the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crowdwatch.drivers.board import Board
from crowdwatch.drivers.live.keeping import KeepingSink
from crowdwatch.store.kept_pictures import AFTER_S, BEFORE_S, KeptPictures, expire
from crowdwatch.store.pictures import PictureFolder

from .test_live_metrics import outcome, raised

NS = 1_000_000_000
T0 = 1_700_000_000


def times(folder: Path) -> list[int]:
    return sorted(int(path.stem) // NS - T0 for path in folder.glob("*.jpg"))


def test_half_a_minute_before_an_alarm_and_a_minute_after_it_are_kept(tmp_path: Path) -> None:
    pictures, kept = PictureFolder(tmp_path / "pictures", keep=40), KeptPictures(tmp_path, 3600)
    for second in range(400):
        t_ns = (T0 + second) * NS
        pictures.write("north", t_ns, b"jpeg")
        alerts = (raised(t_ns),) if second in (100, 130) else ()
        alerts += (replace(raised(t_ns), transition="cleared"),) if second == 300 else ()
        kept.take(outcome(t_ns, alerts))
    assert times(tmp_path / "kept" / "north") == list(range(100 - BEFORE_S, 130 + AFTER_S + 1))
    assert times(tmp_path / "pictures" / "north") == list(range(360, 400)), "the others are dropped as ever"
    assert (tmp_path / "kept" / "north" / f"{(T0 + 100) * NS}.jpg").read_bytes() == b"jpeg"


def test_what_was_kept_is_removed_when_its_time_is_over(tmp_path: Path) -> None:
    run = tmp_path / "night-1"
    pictures, kept = PictureFolder(run / "pictures"), KeptPictures(run, 100)
    for second in range(60):
        pictures.write("north", (T0 + second) * NS, b"jpeg")
    kept.take(outcome((T0 + 29) * NS, (raised((T0 + 29) * NS),)))
    assert len(times(run / "kept" / "north")) == 30
    (tmp_path / "night-0").mkdir()
    assert expire(tmp_path, (T0 + 110) * NS) == 10
    assert times(run / "kept" / "north") == list(range(10, 30))
    assert len(times(run / "pictures" / "north")) == 60
    assert expire(tmp_path / "nowhere", T0 * NS) == 0


def test_a_disk_that_keeps_nothing_is_said_and_the_outcome_goes_on(tmp_path: Path) -> None:
    taken = []
    PictureFolder(tmp_path / "pictures").write("north", T0 * NS, b"jpeg")
    board, kept = Board(), KeptPictures(tmp_path, 100)
    (tmp_path / "kept" / "north").write_bytes(b"in the way")
    sink = KeepingSink(lambda out, pictures: taken.append(out), kept, tmp_path.parent, board)
    sink(outcome(T0 * NS, (raised(T0 * NS),)), {})
    assert len(taken) == 1
    assert "kept pictures" in board.message
    (tmp_path / "kept" / "north").unlink()
    sink(outcome((T0 + 1) * NS), {})
    assert board.message == ""
