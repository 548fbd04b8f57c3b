"""The picture that may leave the process: coarsened until nobody can be recognised, then drawn over.

Rule 8 of the design: a head is under 8 px. It is done everywhere in the picture, not only where a person was found,
because what a detector missed is a person all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.outcomes import DensityGrid, Level
from crowdwatch.core.records import Detections, FloatArray, Frame, GroundPlane
from crowdwatch.errors import RecordError
from crowdwatch.ground import head_size_px, polygons, to_ground, valid_px
from crowdwatch.rendering.palette import BAND_COLOURS, LEVEL_STYLES, band_index, rgb

__all__ = ["HEAD_UNDER_PX", "Coarsener", "Overlay", "block_px", "coarsen"]

HEAD_UNDER_PX = 8.0
"""A head must be smaller than this, measured in the blocks that remain. Face recognition needs tens of pixels between
the ears; at 8 a skilled eye no longer tells who it is."""

HEAD_IN_BLOCKS = 7.0
"""Blocks across a head at most: one below the limit, so that a head larger than assumed by an eighth stays under."""

HEAT_OPACITY = 0.45
HATCH, STRIPE_PX = "#000000", 6
JPEG_QUALITY = 80

U8 = NDArray[np.uint8]


def block_px(head_px: FloatArray) -> NDArray[np.int64]:
    """Side of the averaged block at each pixel: the smallest power of two with at most 7 blocks across a head.

    b = 2^ceil(log2(s / 7)) for a head of s pixels, at least 1. Where no head can be (size 0, above the horizon) the
    largest block of the picture is taken: a balcony or a tall vehicle would show people there.

    Args:
        head_px: (H, W) pixels across a head, from :func:`crowdwatch.ground.head_size_px`.

    Returns:
        (H, W) block sides.

    Raises:
        RecordError: a size is negative or not a number.

    >>> block_px(np.array([[3.0, 7.0, 7.1, 30.0, 0.0]])).tolist()
    [[1, 1, 2, 8, 8]]
    """
    if not (head_px >= 0).all() or not np.isfinite(head_px).all():
        raise RecordError("head_px: got a negative or unknown size, need >= 0. Check the camera's calibration.")
    largest = float(head_px.max(initial=0.0))
    size = np.where(head_px > 0, head_px, largest if largest > 0 else float(max(head_px.shape)))
    level = np.ceil(np.log2(np.maximum(size / HEAD_IN_BLOCKS, 1.0)) - 1e-12).astype(np.int64)
    return np.left_shift(np.int64(1), level)


def coarsen(image_bgr: U8, head_px: FloatArray) -> U8:
    """Average a picture over blocks until a head is at most 7 blocks across, everywhere.

    Args:
        image_bgr: (H, W, 3).
        head_px: (H, W) pixels across a head.

    Returns:
        (H, W, 3), a new picture.

    Raises:
        RecordError: the shapes differ.

    A checkerboard of single pixels becomes even grey where heads are large:

    >>> board = (np.indices((8, 8)).sum(axis=0) % 2 * 254).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    >>> np.unique(coarsen(board, np.full((8, 8), 14.0))).tolist()
    [127]
    """
    return Coarsener(head_px)(image_bgr)


class Coarsener:
    """:func:`coarsen` for the pictures of one view: what does not change is computed once.

    Args:
        head_px: (H, W) pixels across a head.
    """

    def __init__(self, head_px: FloatArray) -> None:
        block = block_px(head_px)
        self._image_hw = block.shape
        self._masks = {int(side): (block == side).astype(np.uint8) for side in np.unique(block) if side > 1}

    @classmethod
    def of(cls, plane: GroundPlane) -> Coarsener:
        """For the pictures of a calibrated camera."""
        return cls(head_size_px(plane))

    def __call__(self, image_bgr: U8) -> U8:
        """The picture, coarsened; a new one. Raises RecordError: it is of another size."""
        if self._image_hw != image_bgr.shape[:2]:
            raise RecordError(f"picture of {image_bgr.shape[:2]} does not fit the calibration's {self._image_hw}.")
        out: U8 = image_bgr.copy()
        for side, mask in self._masks.items():
            cv2.copyTo(_blocks(image_bgr, side), mask, out)
        return out

    def jpeg(self, image_bgr: U8) -> bytes:
        """The same as a JPEG file."""
        return as_jpeg(self(image_bgr))


def as_jpeg(picture_bgr: U8) -> bytes:
    """A picture as a JPEG file. Raises RecordError: it cannot be written."""
    done, encoded = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise RecordError(f"picture of {picture_bgr.shape} cannot be written as JPEG. Check the frame's size.")
    return encoded.tobytes()


def _blocks(image_bgr: U8, side: int) -> U8:
    """Every block of ``side`` pixels replaced by its mean; blocks at the edge are averaged over what there is."""
    height, width = image_bgr.shape[:2]
    down, right = -height % side, -width % side
    padded = cv2.copyMakeBorder(image_bgr, 0, down, 0, right, cv2.BORDER_REPLICATE) if down or right else image_bgr
    small = cv2.resize(padded, (padded.shape[1] // side, padded.shape[0] // side), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (padded.shape[1], padded.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(large[:height, :width], dtype=np.uint8)


@dataclass(slots=True)
class Overlay:
    """Draws one camera's pictures. What does not change is computed once: blocks, ground under pixels, zone outlines.

    Args:
        plane: the camera's calibration.
        zones: zone id -> (K, 2) polygon in metres.
    """

    plane: GroundPlane
    zones: Mapping[str, FloatArray]
    _coarsener: Coarsener = field(init=False)
    _ground_m: NDArray[np.float32] = field(init=False)
    _stripes: NDArray[np.bool_] = field(init=False)
    _outlines: dict[str, list[NDArray[np.int32]]] = field(init=False)
    _cells: tuple[tuple[float, ...], NDArray[np.int64]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        height, width = self.plane.image_hw
        self._coarsener = Coarsener.of(self.plane)
        v, u = np.mgrid[0:height, 0:width].astype(np.float64)
        self._stripes = (u + v) // STRIPE_PX % 2 == 0
        pixels = np.stack([u.ravel(), v.ravel()], axis=1)
        ground = to_ground(self.plane, pixels)
        ground[~valid_px(self.plane, pixels)] = np.nan
        self._ground_m = ground.astype(np.float32)
        self._outlines = {zone_id: self._outline(polygon) for zone_id, polygon in self.zones.items()}

    def _outline(self, polygon_m: FloatArray) -> list[NDArray[np.int32]]:
        """Contours of the pixels whose ground lies in the zone: right for every lens, cut at the horizon."""
        inside = polygons.inside(polygons.polygon(polygon_m), self._ground_m.astype(np.float64))
        mask = inside.reshape(self.plane.image_hw).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return [np.asarray(contour, dtype=np.int32) for contour in contours]

    def _cell_of_pixel(self, grid: DensityGrid) -> NDArray[np.int64]:
        """(H * W,) index of each pixel's grid cell, or the number of cells where there is none. Kept per grid."""
        rows, cols = grid.rho_p_m2.shape
        key = (*grid.origin_m.tolist(), grid.cell_m, float(rows), float(cols))
        if self._cells is None or self._cells[0] != key:
            with np.errstate(invalid="ignore"):
                at = np.floor((self._ground_m - grid.origin_m) / grid.cell_m)
                known = (at >= 0).all(axis=1) & (at[:, 0] < cols) & (at[:, 1] < rows)
            cell = np.full(len(at), rows * cols, dtype=np.int64)
            cell[known] = at[known, 1].astype(np.int64) * cols + at[known, 0].astype(np.int64)
            self._cells = (key, cell)
        return self._cells[1]

    def render(
        self,
        frame: Frame,
        *,
        grid: DensityGrid | None = None,
        detections: Detections | None = None,
        score_min: float = 0.0,
        levels: Mapping[str, Level] | None = None,
    ) -> bytes:
        """Coarsen a frame and draw density, zone outlines and boxes over it.

        Args:
            frame: the frame; it must have the size of the calibration.
            grid: density in the fixed colours of :mod:`crowdwatch.rendering.palette`; None draws none.
            detections: boxes to draw.
            score_min: boxes below this score are not drawn.
            levels: zone id -> level, for the colour of its outline; a zone without one is UNKNOWN.

        Returns:
            A JPEG file.

        Raises:
            RecordError: the frame does not have the calibration's size, or cannot be encoded.
        """
        canvas = self._coarsener(frame.image_bgr)
        if grid is not None:
            self._draw_density(canvas, grid)
        for zone_id, contours in self._outlines.items():
            level = (levels or {}).get(zone_id, Level.UNKNOWN)
            _draw_lines(canvas, contours, _bgr(LEVEL_STYLES[level].colour))
        if detections is not None:
            _draw_boxes(canvas, detections.xyxy_px[detections.score >= score_min])
        return as_jpeg(canvas)

    def relevel(self, jpeg: bytes, levels: Mapping[str, Level]) -> bytes:
        """A picture that :meth:`render` made, with the outlines of its zones drawn over in other levels: the picture of
        a run under the limits of another one. What lay upon the old outlines, such as the boxes, lies under the new.

        Args:
            jpeg: of the same camera and zones.
            levels: zone id -> level, as of :meth:`render`.

        Returns:
            A JPEG file; the same one where it cannot be read, or is of another size.
        """
        canvas = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
        if canvas is None or canvas.shape[:2] != self.plane.image_hw:
            return jpeg
        drawn: U8 = np.asarray(canvas, dtype=np.uint8)
        for zone_id, contours in self._outlines.items():
            _draw_lines(drawn, contours, _bgr(LEVEL_STYLES[levels.get(zone_id, Level.UNKNOWN)].colour))
        return as_jpeg(drawn)

    def _draw_density(self, canvas: U8, grid: DensityGrid) -> None:
        """Blend the colour of each pixel's cell into the canvas; unknown cells are hatched with dark stripes."""
        band = np.append(band_index(grid.rho_p_m2).ravel(), -1)
        colours = np.array([_bgr(c) for c in (HATCH, HATCH, *BAND_COLOURS)], dtype=np.uint8)
        index = (band + 2).astype(np.uint8)[self._cell_of_pixel(grid)].reshape(self.plane.image_hw)
        mask = ((index > 1) | ((index == 0) & self._stripes)).astype(np.uint8)
        blended = cv2.addWeighted(canvas, 1 - HEAT_OPACITY, colours[index], HEAT_OPACITY, 0.0)
        cv2.copyTo(blended, mask, canvas)


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = rgb(colour)
    return blue, green, red


def _draw_lines(canvas: U8, contours: Sequence[NDArray[np.int32]], colour: tuple[int, int, int]) -> None:
    """Outlines with a black rim, so that they stand out on any ground."""
    cv2.polylines(canvas, list(contours), True, (0, 0, 0), 5, cv2.LINE_AA)
    cv2.polylines(canvas, list(contours), True, colour, 3, cv2.LINE_AA)


def _draw_boxes(canvas: U8, xyxy_px: FloatArray) -> None:
    """White boxes with a black rim."""
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        for left, top, right, bottom in np.rint(xyxy_px).astype(int).tolist():
            cv2.rectangle(canvas, (left, top), (right, bottom), colour, width, cv2.LINE_AA)
