"""A recording is read to its end once, and remembered while the file stays as it is."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources import kept
from crowdwatch.sources.decoding import Footage, first_rank
from crowdwatch.sources.findings import Findings
from crowdwatch.sources.orientation import quarter_turns
from crowdwatch.sources.packets import read_index

__all__ = ["find"]


def find(path: Path, number: int | None = None, folder: Path | None = None) -> Findings:
    """Read a recording to its end and decode its first picture; all of them where only the decoder knows their order.

    Args:
        path: the file.
        number: of its video stream; None for the only one.
        folder: where what other processes found may be kept (:func:`crowdwatch.sources.kept.keep`); None is nowhere.

    Raises:
        SourceUnavailable: it cannot be opened, holds no such stream or no picture, or is mirrored.
    """
    try:
        status = os.stat(path)
    except OSError:
        return _read(path, number)
    return _remembered(path, number, folder, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=256)
def _remembered(path: Path, number: int | None, folder: Path | None, told: tuple[int, int, int]) -> Findings:
    found = None if folder is None else kept.recall(folder, path, number, told[:2])
    return _read(path, number) if found is None else found


def _read(path: Path, number: int | None) -> Findings:
    index, begun = read_index(path, number)
    footage = Footage(path, number, index)
    if index.doubtful and footage.disordered():
        index = replace(index, disordered=True)
        footage = replace(footage, index=index)
    if index.needs_order:
        footage = replace(footage, index=footage.index.ordered(footage.shown()))
    first, picture = None, begun.picture
    if begun.start == index.begin:
        first = first_rank(footage.index, begun.shown, begun.errors)
    if first is None or picture is None:
        first, picture = footage.head() or (None, None)
    if first is None or picture is None:
        raise SourceUnavailable(f"recording {path}: holds no readable frame. Check the file with a player.")
    try:
        turns = quarter_turns(picture)
    except ValueError as error:
        raise SourceUnavailable(
            f"recording {path}: {error}: no camera's picture. Write it as it is seen: ffmpeg -i IN OUT."
        ) from error
    aspect = footage.index.aspect
    square = aspect <= 0 or round(picture.width * aspect) == picture.width
    return Findings(
        replace(footage, first=first), (picture.height, picture.width), turns, Fraction(1) if square else aspect
    )
