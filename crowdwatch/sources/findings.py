"""What a recording is, once it has been read and a picture decoded; remembered while the file stays as it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.decoding import Footage, first_rank
from crowdwatch.sources.orientation import quarter_turns
from crowdwatch.sources.packets import read_index

__all__ = ["Findings", "find"]


@dataclass(frozen=True, slots=True)
class Findings:
    """One video stream of one file.

    Args:
        footage: its packets, in the order in which their pictures are shown.
        decoded_hw: size of a picture as it is decoded.
        turns: how often it must be turned anticlockwise by 90 degrees.
        aspect: width of a pixel through its height; 1 where that makes no whole pixel of difference.
    """

    footage: Footage
    decoded_hw: tuple[int, int]
    turns: int
    aspect: Fraction

    def turned(self, hw: tuple[int, int]) -> tuple[int, int]:
        """A size as it is when the picture stands upright."""
        return hw[::-1] if self.turns % 2 else hw

    @property
    def shown_hw(self) -> tuple[int, int]:
        """Size of the upright picture as players show it, with square pixels."""
        return self.turned((self.decoded_hw[0], round(self.decoded_hw[1] * self.aspect)))


def find(path: Path, number: int | None = None) -> Findings:
    """Read a recording to its end and decode its first picture; all of them where only the decoder knows their order.

    Args:
        path: the file.
        number: of its video stream; None for the only one.

    Raises:
        SourceUnavailable: it cannot be opened, holds no such stream or no picture, or is mirrored.
    """
    try:
        status = os.stat(path)
    except OSError:
        return _find(path, number, (0, 0, 0))
    return _find(path, number, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=256)
def _find(path: Path, number: int | None, told: tuple[int, int, int]) -> Findings:
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
