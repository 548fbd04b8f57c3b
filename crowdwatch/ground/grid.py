"""The raster on the ground: square cells, rectangles of them, and where points fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from crowdwatch.core.records import FloatArray, readonly
from crowdwatch.errors import ConfigError

__all__ = ["MOST_CELLS", "Grid", "IntArray", "Window", "make_grid", "moved"]

IntArray: TypeAlias = NDArray[np.int64]

Scalar = TypeVar("Scalar", bound=np.generic)

MOST_CELLS = 8_000_000
"""A site of more cells is refused. This many take 64 MB for every array of numbers, and the fold keeps about twenty.
A square of 1.4 x 1.4 km in cells of 0.5 m is as large as that."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of cells: rows ``row`` to ``row + rows`` and columns ``col`` to ``col + cols``, ends exclusive."""

    row: int
    col: int
    rows: int
    cols: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; 0 where it is empty."""
        return self.rows, self.cols

    @property
    def slices(self) -> tuple[slice, slice]:
        """For an array over the whole grid."""
        return slice(self.row, self.row + self.rows), slice(self.col, self.col + self.cols)

    def __and__(self, other: Window) -> Window:
        """The cells of both; of no rows or columns where they do not meet."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        end_row = min(self.row + self.rows, other.row + other.rows)
        end_col = min(self.col + self.cols, other.col + other.cols)
        return Window(row, col, max(0, end_row - row), max(0, end_col - col))

    def __or__(self, other: Window) -> Window:
        """The smallest rectangle around both; an empty one adds nothing."""
        if not self:
            return other
        if not other:
            return self
        row, col = min(self.row, other.row), min(self.col, other.col)
        end_row = max(self.row + self.rows, other.row + other.rows)
        end_col = max(self.col + self.cols, other.col + other.cols)
        return Window(row, col, end_row - row, end_col - col)

    def __bool__(self) -> bool:
        return self.rows > 0 and self.cols > 0

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this rectangle in an array over ``outer``, which holds it.

        >>> Window(3, 4, 2, 2).within(Window(1, 4, 9, 9))
        (slice(2, 4, None), slice(0, 2, None))
        """
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.rows), slice(col, col + self.cols)

    def widened(self, cells: int, grid: Grid) -> Window:
        """This rectangle with so many cells more on every side, as far as the grid goes."""
        return Window(self.row - cells, self.col - cells, self.rows + 2 * cells, self.cols + 2 * cells) & grid.window


def moved(values: NDArray[Scalar], window: Window, to: Window) -> NDArray[Scalar]:
    """(rows, cols) of ``to``: an array over ``window`` on other cells of the same grid; 0 beyond it.

    >>> moved(np.array([[1, 2], [3, 4]]), Window(0, 0, 2, 2), Window(1, 0, 2, 2)).tolist()
    [[3, 4], [0, 0]]
    """
    placed: NDArray[Scalar] = np.zeros(to.shape, dtype=values.dtype)
    common = window & to
    if common:
        placed[common.within(to)] = values[common.within(window)]
    return placed


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A raster on the ground; row 0 is south, column 0 west.

    Args:
        origin_m: (2,) south-west corner.
        cell_m: side of a cell.
        shape: rows, columns.
    """

    origin_m: FloatArray
    cell_m: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))

    @property
    def window(self) -> Window:
        """All of its cells."""
        return Window(0, 0, *self.shape)

    def centres(self, window: Window | None = None) -> tuple[FloatArray, FloatArray]:
        """East of every column's centre (cols,), north of every row's centre (rows,); of a rectangle, or of all."""
        held = self.window if window is None else window
        east = self.origin_m[0] + (held.col + np.arange(held.cols) + 0.5) * self.cell_m
        north = self.origin_m[1] + (held.row + np.arange(held.rows) + 0.5) * self.cell_m
        return east, north

    def part(self, window: Window) -> Grid:
        """The grid of a rectangle of its cells."""
        return Grid(self.origin_m + np.array([window.col, window.row]) * self.cell_m, self.cell_m, window.shape)

    def around(self, west: float, south: float, east: float, north: float) -> Window:
        """The rectangle of cells that bounds touch; empty where they lie outside."""
        ends = (np.array([[west, south], [east, north]]) - self.origin_m) / self.cell_m
        first, last = np.floor(ends[0]).astype(int), np.ceil(ends[1]).astype(int)
        cols, rows = np.maximum(last - first, 1)
        return Window(int(first[1]), int(first[0]), int(rows), int(cols)) & self.window


def make_grid(area: BaseGeometry, cell_m: float) -> Grid:
    """The smallest grid on multiples of ``cell_m`` that covers an area.

    Raises:
        ConfigError: it would have more than :data:`MOST_CELLS` cells.

    >>> import shapely
    >>> make_grid(shapely.box(0.2, 0, 3, 1.1), 0.5).shape
    (3, 6)
    """
    west, south, east, north = area.bounds
    first = np.floor(np.array([west, south]) / cell_m)
    last = np.ceil(np.array([east, north]) / cell_m)
    cols, rows = np.maximum(last - first, 1).astype(int)
    if int(rows) * int(cols) > MOST_CELLS:
        size = f"{east - west:.0f} x {north - south:.0f} m"
        coarser = cell_m * np.sqrt(rows * cols / MOST_CELLS)
        raise ConfigError(
            f"site: the ground that cameras and zones reach is {size}, which is {rows * cols:,} cells of {cell_m:g} m, "
            f"more than {MOST_CELLS:,}. Split the event into several, or use larger cells: "
            f"readings: {{cell_m: {np.ceil(coarser * 10) / 10:g}}}."
        )
    return Grid(first * cell_m, cell_m, (int(rows), int(cols)))
