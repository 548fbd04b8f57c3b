"""Coarse pictures around alarms, kept longer than the last hour and no longer than was asked for.

They are hard links to the pictures of the run's folder, under ``kept/``: what is kept costs no copy. The time to live
stands beside them, so that whoever comes by removes what is over (:func:`expire`), also when the engine is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crowdwatch.core.outcomes import AlertEvent, Outcome
from crowdwatch.errors import StoreUnavailable

__all__ = ["AFTER_S", "BEFORE_S", "KeptPictures", "expire"]

NS = 1_000_000_000

BEFORE_S, AFTER_S = 30, 60
"""Event time that is kept before and after an alarm that was raised, or rose."""

LIFE = "life_s"
RISES = ("raised", "level_up")


class KeptPictures:
    """Keeps pictures of one run.

    Args:
        folder: of the run.
        life_s: how long each is kept, by its own time.

    Raises:
        StoreUnavailable: nothing can be kept there.
    """

    def __init__(self, folder: Path, life_s: float) -> None:
        self._pictures, self._kept = folder / "pictures", folder / "kept"
        self._until_ns = 0
        with _explained(self._kept):
            self._kept.mkdir(parents=True, exist_ok=True)
            (self._kept / LIFE).write_text(f"{life_s:.0f}\n", encoding="ascii")

    def take(self, outcome: Outcome) -> None:
        """Keep what is due after a tick, once its pictures are written.

        Raises:
            StoreUnavailable: read-only, disk full.
        """
        begins = any(map(_rises, outcome.alerts)) and outcome.t_ns > self._until_ns
        if any(map(_rises, outcome.alerts)):
            self._until_ns = outcome.t_ns + AFTER_S * NS
        if outcome.t_ns > self._until_ns:
            return
        with _explained(self._kept):
            for camera in _folders(self._pictures):
                if begins:
                    due = [path for t_ns, path in _times(camera) if 0 <= outcome.t_ns - t_ns <= BEFORE_S * NS]
                else:
                    due = [camera / f"{outcome.t_ns}.jpg"]
                for path in due:
                    self._link(path, self._kept / camera.name / path.name)

    def _link(self, path: Path, kept: Path) -> None:
        kept.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError, FileNotFoundError):  # kept already; dropped meanwhile
            os.link(path, kept)


def expire(runs: Path, now_ns: int) -> int:
    """Remove what was kept for long enough, of every run in a folder.

    Args:
        runs: folder of the runs.
        now_ns: UTC now.

    Returns:
        How many pictures were removed.

    Raises:
        StoreUnavailable: they cannot be removed.
    """
    removed = 0
    for run in _folders(runs):
        kept = run / "kept"
        try:
            life_ns = int((kept / LIFE).read_text(encoding="ascii")) * NS
        except (OSError, ValueError):
            continue  # nothing is kept there
        with _explained(kept):
            for camera in _folders(kept):
                for t_ns, path in _times(camera):
                    if now_ns - t_ns > life_ns:
                        path.unlink(missing_ok=True)
                        removed += 1
    return removed


def _rises(alert: AlertEvent) -> bool:
    return alert.transition in RISES


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(each.path) for each in os.scandir(folder) if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _times(camera: Path) -> Iterator[tuple[int, Path]]:
    for each in os.scandir(camera):
        name = each.name
        if name.endswith(".jpg") and name[:-4].isdecimal():
            yield int(name[:-4]), Path(each.path)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into :class:`StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"kept pictures {folder}: {error.strerror or error}. Make the folder writable and free disk space."
        ) from error
