"""Pieces of pixel blocks on the ground: how fine a block is cut, where the pieces lie, and on which cells.

A picture has tens of thousands of blocks and more pieces, and a camera that moves needs them anew for every pose. So
each corner is mapped once for all pieces that meet there, and pieces are worked out some thousands at a time, which the
processor's cache can hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.ground import EastNorth, Ground, IntArray, Window, ground_at, valid_at, valid_px

__all__ = ["AlikeBlocks", "CutBlocks", "PaddedCells", "cut_blocks"]

MOST_PIECES = 32
"""Pieces along a block's side: with a block that covers 16 m they are still as fine as cells of half a metre."""

EDGE_PIECES = 4
"""The fewest pieces along the side of a block that may be partly valid."""

AT_ONCE = 16384
"""Pieces that are worked out together."""

ALL_VALID = 36
"""Valid corners of a block and the eight around it, each counted with every block that it belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class AlikeBlocks:
    """Some blocks of a picture that are cut into as many pieces.

    Args:
        plane: of the picture.
        across, down: the edges of all of its blocks.
        block: (N,) these, row by row.
        row, col: (N,) where they are.
        unsure: numbers of those that may be partly invalid.
        k_u, k_v: pieces along the level and the upright side of each.
    """

    plane: GroundPlane
    across: FloatArray
    down: FloatArray
    block: IntArray
    row: IntArray
    col: IntArray
    unsure: IntArray
    k_u: int
    k_v: int

    def shapes(self) -> tuple[FloatArray, EastNorth, EastNorth]:
        """Of the pieces on the ground, (pieces, N): the share of the block's ground, the middle, and the sides of an
        upright box of the same variance. All of it follows from the two diagonals e and f of a piece: its area is
        |e x f| / 2, and the variance along an axis is (e^2 + f^2) / 24."""
        first, second, centre, size = [], [], [], []
        for at in self._corners_m():
            a, b, d, c = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
            e, f = c - a, b - d
            middle, side = a + c, e * e
            middle += b
            middle += d
            middle /= 4
            side += f * f
            side /= 2
            first.append(e)
            second.append(f)
            centre.append(middle.reshape(-1, len(self.block)))
            size.append(np.sqrt(side, out=side).reshape(-1, len(self.block)))
        area = np.abs(second[0] * first[1] - first[0] * second[1]).reshape(-1, len(self.block))
        np.nan_to_num(area, copy=False)
        whole = area.sum(axis=0)
        area /= np.where(whole > 0, whole, np.inf)
        return area, (centre[0], centre[1]), (size[0], size[1])

    def partly_valid(self) -> NDArray[np.bool_]:
        """(pieces, unsure) whether the middle of each piece shows valid ground."""
        u, v = self._within(self.unsure, middles=True)
        shape = self.k_v, self.k_u, len(self.unsure)
        pixels = np.stack([np.broadcast_to(each, shape).ravel() for each in (u, v)], axis=1)
        valid: NDArray[np.bool_] = valid_px(self.plane, pixels, self.plane.head_plane_m)
        return valid.reshape(-1, len(self.unsure))

    def _corners_m(self) -> EastNorth:
        """(k_v + 1, k_u + 1, N) corners of the pieces, by way of a lattice of all between the first and the last block
        unless that is more than they have."""
        row, col = self.row.min(), self.col.min()
        rows, cols = int(self.row.max() - row) + 1, int(self.col.max() - col) + 1
        wide = cols * self.k_u + 1
        if (rows * self.k_v + 1) * wide > len(self.block) * (self.k_u + 1) * (self.k_v + 1):
            u, v = self._within(np.arange(len(self.block)), middles=False)
            return ground_at(self.plane, u, v, self.plane.head_plane_m)
        u, v = _cut(self.across[col : col + cols + 1], self.k_u), _cut(self.down[row : row + rows + 1], self.k_v)
        lattice = ground_at(self.plane, u, v[:, None], self.plane.head_plane_m)
        at = (self.row - row) * (self.k_v * wide) + (self.col - col) * self.k_u
        at = at + np.arange(self.k_u + 1)[:, None] + np.arange(self.k_v + 1)[:, None, None] * wide
        return lattice[0].ravel()[at], lattice[1].ravel()[at]

    def _within(self, some: IntArray, *, middles: bool) -> tuple[FloatArray, FloatArray]:
        """Pixels of the pieces' corners, or middles, of some blocks: (across, some) columns, (down, 1, some) rows."""
        left, top = self.across[self.col[some]], self.down[self.row[some]]
        right, bottom = self.across[self.col[some] + 1], self.down[self.row[some] + 1]
        at_u, at_v = ((np.arange(k) + 0.5) / k if middles else np.arange(k + 1) / k for k in (self.k_u, self.k_v))
        return left + (right - left) * at_u[:, None], top + (bottom - top) * at_v[:, None, None]


@dataclass(frozen=True, slots=True, eq=False)
class CutBlocks:
    """All blocks of a picture, cut so that no piece is larger than a cell; pieces are counted in powers of two.

    Args:
        plane: of the picture.
        across, down: edges of the blocks.
        pieces_u, pieces_v: (rows, cols) pieces along the level and the upright side of each; 0 where the block and all
            around it is invalid.
        sure: (rows, cols) whether the block and all around it is valid.
    """

    plane: GroundPlane
    across: FloatArray
    down: FloatArray
    pieces_u: IntArray
    pieces_v: IntArray
    sure: NDArray[np.bool_]

    @property
    def pieces(self) -> int:
        """How many there are."""
        return int((self.pieces_u * self.pieces_v).sum())

    def alike(self) -> Iterator[AlikeBlocks]:
        """The blocks of which anything can be valid, some at a time."""
        code = (self.pieces_v * (MOST_PIECES + 1) + self.pieces_u).ravel()
        for each in np.flatnonzero(np.bincount(code)):
            if each == 0:
                continue  # nothing near it is valid
            k_v, k_u = divmod(int(each), MOST_PIECES + 1)
            blocks = np.flatnonzero(code == each)
            at_once = max(1, AT_ONCE // (k_v * k_u))
            for first in range(0, len(blocks), at_once):
                block = blocks[first : first + at_once]
                row, col = np.divmod(block, self.sure.shape[1])
                unsure = np.flatnonzero(~self.sure[row, col])
                yield AlikeBlocks(self.plane, self.across, self.down, block, row, col, unsure, k_u, k_v)


def cut_blocks(plane: GroundPlane, block_px: float, cell_m: float) -> CutBlocks:
    """Decide into how many pieces each block of a picture is cut."""
    down, across = (_edges(side, block_px) for side in plane.image_hw)
    east, north, sigma = valid_at(plane, across, down[:, None], plane.head_plane_m)
    good = np.isfinite(sigma).view(np.uint8)
    beside = good[:, :-1] + good[:, 1:]
    wide = np.pad(beside[:-1] + beside[1:], 1, mode="edge")
    three = wide[:-2] + wide[1:-1] + wide[2:]
    near = three[:, :-2] + three[:, 1:-1] + three[:, 2:]
    sides = []
    for axis in (0, 1):
        length = np.sqrt(np.diff(east, axis=axis) ** 2 + np.diff(north, axis=axis) ** 2)
        both = (length[:, :-1], length[:, 1:]) if axis == 0 else (length[:-1], length[1:])
        span_m = np.fmax(*both)
        span_m = np.where(np.isnan(span_m), np.nanmax(span_m, initial=cell_m), span_m)  # no corner of it is valid
        mantissa, exponent = np.frexp(np.clip(span_m / cell_m, 1, MOST_PIECES))
        pieces = 1 << (exponent.astype(np.int64) - (mantissa == 0.5))
        pieces = np.where(near == ALL_VALID, pieces, np.maximum(pieces, EDGE_PIECES))
        sides.append(np.where(near == 0, 0, pieces))
    return CutBlocks(plane, across, down, sides[1], sides[0], near == ALL_VALID)


def _edges(side: int, block_px: float) -> FloatArray:
    """Edges of the blocks along one side; the last one is cut by the picture's edge (as in ``HeadMass``)."""
    edges: FloatArray = np.minimum(np.arange(math.ceil(side / block_px - 1e-9) + 1) * block_px, side)
    return edges


def _cut(edges: FloatArray, pieces: int) -> FloatArray:
    """Edges of so many pieces between each two of some edges.

    >>> _cut(np.array([0.0, 8.0, 12.0]), 2).tolist()
    [0.0, 4.0, 8.0, 10.0, 12.0]
    """
    within = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(pieces) / pieces)
    return np.append(within, edges[-1])


@dataclass(frozen=True, slots=True, eq=False)
class PaddedCells:
    """The cells of a grid with a margin around it, so that nothing has to be asked for where it lies outside.

    Args:
        ground: the grid and where people can be.
        walks: (rows + 5, cols + 5) whether people can be there, not in the margin of two cells and, north and east, of
            three; flat.
    """

    ground: Ground
    walks: NDArray[np.bool_]

    @classmethod
    def of(cls, ground: Ground) -> PaddedCells:
        """The cells of a place."""
        rows, cols = ground.grid.shape
        walks = np.zeros((rows + 5, cols + 5), dtype=np.bool_)
        walkable = ground.walkable
        walks[2:-3, 2:-3][walkable.window.slices] = walkable.share > 0
        return cls(ground, walks.ravel())

    def under(self, centre_m: EastNorth, size_m: EastNorth) -> tuple[IntArray, FloatArray]:
        """(4, pieces, blocks) the cells under upright boxes, and the share of each box there; 0 where nobody can be."""
        grid = self.ground.grid
        places = []
        for axis in (0, 1):
            size = size_m[axis] / grid.cell_m
            np.fmin(size, 1.0, out=size)  # of NaN too
            np.maximum(size, 1e-6, out=size)
            low = centre_m[axis] - grid.origin_m[axis]
            low /= grid.cell_m
            low -= size / 2
            np.fmin(low, grid.shape[1 - axis] + 1.0, out=low)  # NaN lies outside
            np.maximum(low, -2.0, out=low)
            first = np.floor(low)
            in_first = first + 1
            in_first -= low
            in_first /= size
            np.minimum(in_first, 1.0, out=in_first)
            places.append((first, (in_first, 1 - in_first)))
        (col, across), (row, along) = places
        wide = grid.shape[1] + 5
        row += 2
        row *= wide
        row += col
        row += 2
        cell = np.empty((4, *row.shape), dtype=np.int64)
        share = np.empty(cell.shape)
        cell[0] = row
        for corner, (east, north) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
            if corner:
                np.add(cell[0], north * wide + east, out=cell[corner])
            np.multiply(across[east], along[north], out=share[corner])
        share *= self.walks[cell]
        return cell, share

    def placed(self, cell: IntArray) -> Window:
        """The smallest rectangle around some cells, a single cell where there are none; they become places in it."""
        rows, cols = self.ground.grid.shape
        filled = np.zeros((rows + 5, cols + 5), dtype=np.bool_)
        filled.ravel()[cell] = True
        row, col = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
        if not len(row):
            return Window(0, 0, 1, 1)
        around = Window(int(row[0]) - 2, int(col[0]) - 2, int(np.ptp(row)) + 1, int(np.ptp(col)) + 1)
        within = np.zeros(filled.shape, dtype=np.int64)
        within[2:-3, 2:-3][around.slices] = np.arange(around.rows * around.cols).reshape(around.shape)
        np.take(within.ravel(), cell, out=cell, mode="clip")  # in place: there are many
        return around
