"""What a recording is, once it has been read and a picture decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from crowdwatch.sources.decoding import Footage

__all__ = ["Findings"]


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
