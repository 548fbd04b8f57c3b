"""What of a cell is meant: a mask of 16 bits, one for each of its 4 x 4 parts.

Bit 4 r + c stands for the part in row r from the south and column c from the west. Who sees, owns and covers which part
is then a matter of ``&``, ``|`` and ``~``, and how much of the cell that is, of counting bits.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray
from crowdwatch.ground.grid import Grid, IntArray

__all__ = ["EVERY_PART", "SIDE", "Masks", "nearest_part", "packed", "parts_at", "share_of", "unpacked"]

Masks: TypeAlias = NDArray[np.uint16]

SIDE = 4
"""Parts along a cell's side. A part of a cell of 0.5 m is 0.125 m wide, so an edge of a view is known to 0.06 m, which
is less than a camera's position error."""

EVERY_PART = np.uint16(0xFFFF)


def packed(parts: NDArray[np.bool_]) -> Masks:
    """(rows, cols) masks of (4 rows, 4 cols) parts.

    >>> [hex(each) for each in packed(np.eye(4, dtype=bool)).ravel()]
    ['0x8421']
    """
    rows, cols = parts.shape[0] // SIDE, parts.shape[1] // SIDE
    cells = parts.reshape(rows, SIDE, cols, SIDE).swapaxes(1, 2).reshape(rows, cols, SIDE * SIDE)
    return np.ascontiguousarray(np.packbits(cells, axis=2, bitorder="little")).view("<u2")[:, :, 0]


def unpacked(masks: Masks) -> NDArray[np.bool_]:
    """(4 rows, 4 cols) parts of (rows, cols) masks: the inverse of :func:`packed`."""
    rows, cols = masks.shape
    bits = np.ascontiguousarray(masks.astype("<u2"))[:, :, None].view(np.uint8)
    cells = np.unpackbits(bits, axis=2, bitorder="little").reshape(rows, cols, SIDE, SIDE)
    return cells.swapaxes(1, 2).reshape(rows * SIDE, cols * SIDE).view(np.bool_)


def share_of(masks: Masks, of: Masks) -> FloatArray:
    """Share of the parts in ``of`` that ``masks`` has too; 0 where ``of`` has none.

    >>> share_of(np.array([0b0111], np.uint16), np.array([0b0110_0110], np.uint16)).tolist()
    [0.5]
    """
    shares: FloatArray = np.bitwise_count(masks & of) / np.maximum(np.bitwise_count(of), 1)
    return shares


def nearest_part(masks: Masks, at: FloatArray) -> tuple[IntArray, Masks]:
    """The part in ``masks`` that is nearest to each of some places, of those in their cells and the cells around.

    Args:
        masks: (rows, cols).
        at: (N, 2) columns and rows, counted in cells from the south-west corner.

    Returns:
        (N,) cell, row by row, -1 where no part near is in the masks; (N,) its one bit, 0 there.

    >>> cell, bit = nearest_part(np.array([[0, 0b1_0000_0000_0001]], np.uint16), np.array([[0.9, 0.1], [5.0, 0.0]]))
    >>> cell.tolist(), bit.tolist()
    ([1, -1], [1, 0])
    """
    rows, cols = masks.shape
    around = np.pad(masks, 2)
    home = np.clip(np.floor(at).astype(np.int64), -1, np.array([cols, rows]))
    three = np.arange(3)
    near = around[home[:, 1, None, None] + 1 + three[:, None], home[:, 0, None, None] + 1 + three]
    cell, bit = np.full(len(at), -1), np.zeros(len(at), dtype=np.uint16)
    some = np.flatnonzero(near.any(axis=(1, 2)) & (np.abs(at - home - 0.5).max(axis=1, initial=0.0) <= 1))
    at, home = at[some], home[some]
    there = unpacked(near[some].reshape(-1, 3)).reshape(len(at), 3 * SIDE, 3 * SIDE)
    steps = np.arange(-SIDE, 2 * SIDE)
    col, row = (home[:, axis, None] * SIDE + steps for axis in (0, 1))
    across, along = (((part + 0.5) / SIDE - at[:, axis, None]) ** 2 for axis, part in enumerate((col, row)))
    far = np.where(there, along[:, :, None] + across[:, None, :], np.inf)
    of_row, of_col = np.divmod(far.reshape(len(at), len(steps) ** 2).argmin(axis=1), len(steps))
    each = np.arange(len(at))
    part_row, part_col = row[each, of_row], col[each, of_col]
    cell[some] = part_row // SIDE * cols + part_col // SIDE
    bit[some] = np.left_shift(1, part_row % SIDE * SIDE + part_col % SIDE)
    return cell, bit


def parts_at(grid: Grid, xy_m: FloatArray) -> tuple[IntArray, Masks]:
    """The cell of each of (N, 2) points, counted row by row, and the bit of the part in which it lies.

    Returns:
        (N,) cell, -1 outside the grid, whose edge belongs to it, and for NaN; (N,) one bit each, 0 there.

    >>> cell, bit = parts_at(Grid(np.zeros(2), 1.0, (2, 3)), np.array([[2.3, 1.0], [-0.1, 0.0], [np.nan, 0.0]]))
    >>> cell.tolist(), bit.tolist()
    ([5, -1, -1], [2, 0, 0])
    """
    rows, cols = grid.shape
    part = (xy_m - grid.origin_m) / (grid.cell_m / SIDE)
    within = (part >= 0).all(axis=1) & (part[:, 0] <= cols * SIDE) & (part[:, 1] <= rows * SIDE)
    last = np.array([cols, rows]) * SIDE - 1
    place: IntArray = np.minimum(np.floor(np.where(within[:, None], part, 0)), last).astype(np.int64)
    cell = place // SIDE
    bit = np.left_shift(1, place[:, 1] % SIDE * SIDE + place[:, 0] % SIDE)
    return np.where(within, cell[:, 1] * cols + cell[:, 0], -1), np.where(within, bit, 0).astype(np.uint16)
