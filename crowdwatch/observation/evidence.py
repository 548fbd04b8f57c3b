"""Evidence of a camera's health: what of a picture ``advance`` judges it by. Nothing is judged here.

A picture is measured as a whole and by the blocks of a coarse grid (:class:`~crowdwatch.core.blocks.BlockEvidence`).
Once a second its **gradient profiles** are added: how much brightness changes along each column and each row of four
tiles (integral projections). They show a shift of the picture; they hold no picture.

The measures by blocks are made on the green channel of every k-th pixel of every 2 k-th row, with 530 to 1200 of them
side by side: so near to native resolution sensor noise and blur still show.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np
import xxhash
from numpy.typing import NDArray

from crowdwatch.core.blocks import BLOCKS_HW, PROFILE_XY, PROFILES, BlockEvidence, coded
from crowdwatch.core.records import Evidence, FloatArray, Frame, FramePair

__all__ = ["evidence"]

EVIDENCE_WIDTH_PX = 160
"""The picture as a whole is measured at this width: 0.3 ms at 768x576, and sensor noise still shows."""

BLOCKS_WIDTH_PX = 800
"""Blocks are measured on about so many pixels of a row, by leaving out others; of smaller pictures on all."""

Gray: TypeAlias = NDArray[np.uint8]


def evidence(pair: FramePair, *, profiles: bool = True) -> Evidence:
    """Measure what ``advance`` needs to judge the camera's health.

    Args:
        pair: the picture and the one decoded just before it.
        profiles: whether its gradient profiles are measured too.
    """
    luma = _luma(pair.current)
    previous = pair.previous
    if previous is not None and previous.image_hw != pair.current.image_hw:
        previous = None
    change = float("nan")
    if previous is not None:
        change = float(np.abs(luma.astype(np.int16) - _luma(previous)).mean())
    return Evidence(
        frame_hash=xxhash.xxh3_64_hexdigest(np.ascontiguousarray(pair.current.image_bgr).data),
        luma=float(luma.mean()),
        contrast=float(luma.std()),
        sharpness=float(cv2.Laplacian(luma, cv2.CV_64F).var()),
        change=change,
        blocks=_blocks(pair.current, previous, profiles),
    )


def _luma(frame: Frame) -> Gray:
    height, width = frame.image_hw
    size = (EVIDENCE_WIDTH_PX, max(1, round(height * EVIDENCE_WIDTH_PX / width)))
    # INTER_NEAREST keeps the sensor's noise, which tells a quiet scene from a frozen picture
    small = cv2.resize(frame.image_bgr, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def _green(frame: Frame) -> Gray:
    step = max(1, round(frame.image_hw[1] / BLOCKS_WIDTH_PX))
    if step == 1:
        return np.asarray(cv2.extractChannel(frame.image_bgr[::2], 1), np.uint8)
    return np.ascontiguousarray(frame.image_bgr[:: 2 * step, ::step, 1])


def _blocks(current: Frame, previous: Frame | None, profiles: bool) -> BlockEvidence | None:
    """None for a picture with fewer than two pixels a block."""
    green = _green(current)
    if green.shape[0] < 2 * BLOCKS_HW[0] or green.shape[1] < 2 * BLOCKS_HW[1]:
        return None
    across, down = _difference(green[:, 1:], green[:, :-1]), _difference(green[1:], green[:-1])
    by_column = _band_means(across)
    sharpness: FloatArray = np.sqrt(np.multiply(_block_means(by_column), _block_means(_band_means(down))))
    change = None if previous is None else coded(_block_means(_band_means(_difference(green, _green(previous)))))
    luma = np.rint(_block_means(_band_means(green))).astype(np.uint8)
    return BlockEvidence(luma, coded(sharpness), change, _profiles(by_column, down) if profiles else None)


def _difference(a: Gray, b: Gray) -> Gray:
    return np.asarray(cv2.absdiff(a, b), np.uint8)


def _edges(length: int, parts: int) -> NDArray[np.int64]:
    """Where each of some equal parts of a side begins, and the end."""
    return np.arange(parts + 1) * length // parts


def _band_means(values: Gray) -> FloatArray:
    """(block rows, W) mean of each column within each row of blocks."""
    edges = _edges(values.shape[0], BLOCKS_HW[0])
    sums = [cv2.reduce(values[a:b], 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S) for a, b in pairwise(edges)]
    means: FloatArray = np.concatenate(sums) / np.diff(edges)[:, None]
    return means


def _block_means(by_column: FloatArray) -> FloatArray:
    """(block rows, block columns) from the means of each column within each row of blocks."""
    edges = _edges(by_column.shape[1], BLOCKS_HW[1])
    means: FloatArray = np.add.reduceat(by_column, edges[:-1], axis=1) / np.diff(edges)
    return means


def _profiles(across_by_column: FloatArray, down: Gray) -> NDArray[np.uint8]:
    """The profiles of the four tiles, coded; see :class:`~crowdwatch.core.blocks.BlockEvidence`."""
    columns, rows = PROFILE_XY
    halves = across_by_column.reshape(2, BLOCKS_HW[0] // 2, -1).mean(axis=1)
    by_x = cv2.resize(halves, (2 * columns, 2), interpolation=cv2.INTER_AREA)
    middle = down.shape[1] // 2
    sides = [cv2.reduce(each, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F) for each in (down[:, :middle], down[:, middle:])]
    by_y = [cv2.resize(side, (1, 2 * rows), interpolation=cv2.INTER_AREA).ravel() for side in sides]
    found = np.empty(PROFILES)
    for tile in range(4):
        south, east = divmod(tile, 2)
        found[tile, :columns] = by_x[south, east * columns : (east + 1) * columns]
        found[tile, columns:] = by_y[east][south * rows : (south + 1) * rows]
    return coded(found)
