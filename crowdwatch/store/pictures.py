"""Coarsened pictures beside a run's log: one JPEG per camera and tick, the newest ones kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections import deque
from pathlib import Path

from crowdwatch.errors import StoreUnavailable

__all__ = ["PictureFolder", "newest_picture"]

KEEP = 3600
"""An hour of one picture a second: about 100 MB per camera at 768x576."""


KEEP_FREE_BYTES = 100 * 1024**2
"""What pictures leave free of a disk: the log and the store need it. It is room for the log of an hour and more of one
camera over a hundred people."""


class PictureFolder:
    """Writes ``<folder>/<camera_id>/<t_ns>.jpg`` so that a reader never meets half a file, and drops the oldest.

    Args:
        folder: the run's picture folder.
        keep: how many pictures of each camera stay.
        keep_free_bytes: no picture is written where the disk has less room left.
    """

    def __init__(self, folder: Path, keep: int = KEEP, keep_free_bytes: int = KEEP_FREE_BYTES) -> None:
        self._folder = folder
        self._keep, self._keep_free_bytes = keep, keep_free_bytes
        self._written: dict[str, deque[Path]] = {}

    def write(self, camera_id: str, t_ns: int, jpeg: bytes) -> None:
        """Keep one picture.

        Raises:
            StoreUnavailable: read-only, disk full or nearly so.
        """
        folder = self._folder / camera_id
        path = folder / f"{t_ns}.jpg"
        try:
            if camera_id not in self._written:
                folder.mkdir(parents=True, exist_ok=True)
                self._written[camera_id] = deque(sorted(folder.glob("*.jpg")))
            free_bytes = shutil.disk_usage(folder).free
            if free_bytes < self._keep_free_bytes:
                raise OSError(errno.ENOSPC, f"only {free_bytes / 1024**2:.0f} MB of the disk are free")
            part = path.with_suffix(".part")
            try:
                part.write_bytes(jpeg)
                os.replace(part, path)
            except OSError:
                part.unlink(missing_ok=True)  # on a full disk: room for the log's last part
                raise
            written = self._written[camera_id]
            if path not in written:
                written.append(path)
            while len(written) > self._keep:
                written.popleft().unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"picture folder {folder}: {error.strerror}. Free disk space, or choose another folder with --runs."
            ) from error


def newest_picture(folder: str, camera_id: str, at_ns: int) -> tuple[bytes, int] | None:
    """Read ``<folder>/pictures/<camera_id>/<t_ns>.jpg`` with the largest t <= ``at_ns``.

    Args:
        folder: the run's folder.
        camera_id: the camera; one that would lead out of the folder has no picture.
        at_ns: event time.

    Returns:
        The file's bytes and its time, or None. A file that is not a whole JPEG is passed over.
    """
    if camera_id in ("", ".", "..") or Path(camera_id).name != camera_id:
        return None
    place = Path(folder) / "pictures" / camera_id
    try:
        names = [entry.name for entry in os.scandir(place)]
    except OSError:
        return None
    times = sorted((int(n[:-4]) for n in names if n.endswith(".jpg") and n[:-4].isdecimal()), reverse=True)
    for t_ns in [t_ns for t_ns in times if t_ns <= at_ns][:3]:
        try:
            jpeg = (place / f"{t_ns}.jpg").read_bytes()
        except OSError:
            continue
        if jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9"):
            return jpeg, t_ns
    return None
