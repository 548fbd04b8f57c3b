"""Large pictures in tiles: drones and 4K, where a whole picture shrunk to the network's input would hide the people.

Tiles of the network's own size overlap; an overview of the whole picture adds those who are too large for the overlap.
The picture is divided among the tiles, each owning the pixels nearer to its middle. A tile reports the people whose
box centre lies in what it owns, or so little outside that the neighbour may place it here; of such pairs, told twice
by two tiles, the weaker box goes. Somebody too large for the overlap, whom no tile sees whole, is put together from the
parts. So nobody on a seam is counted twice, and nobody is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from crowdwatch.core.ports import Detector
from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame
from crowdwatch.errors import ConfigError

__all__ = ["LEAST_OVERLAP_PX", "Tile", "TileBoxes", "TiledDetector", "Tiling", "join", "merge", "stitch", "tiles"]

LEAST_OVERLAP_PX = 16
"""With less, everybody on a seam is seen in two halves, and no half shows whose it is."""

SLACK_FRAC = 0.5
"""How far outside its own ground a tile may report a box, in shares of the box's shorter side. Two tiles place one
person's centre a few pixels apart; half a body apart, it would be two people."""

SAME_IOU = 0.45
"""Two tiles' boxes that overlap more are one person. A little under the detector's own limit (0.55): cut off from
their surroundings, boxes of one person differ more than a network's own two."""

SAME_SHARE = 0.75
"""A box that its tile's border cuts off is part of another tile's box if it lies in it by this share. For whole boxes
this would lose the child in front of an adult."""

CUT_PX = 2.0
"""A box that ends so near a tile's inner border may be cut off by it."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How pictures are cut.

    Args:
        tile_px: side of a tile; best the network's own input size.
        overlap_px: shared by neighbours; people up to this size are found whole by some tile.
        overview: detect in the whole picture too, for larger people.
    """

    tile_px: int = 640
    overlap_px: int = 160
    overview: bool = True

    def __post_init__(self) -> None:
        if self.tile_px < 64 or not LEAST_OVERLAP_PX <= self.overlap_px <= self.tile_px // 2:
            raise ConfigError(
                f"tiles: got tile_px {self.tile_px}, overlap_px {self.overlap_px}; need tile_px >= 64 and an overlap "
                f"between {LEAST_OVERLAP_PX} and half a tile."
            )


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture, by pixel edges, and the ground that it owns within the picture.

    Args:
        box_px: left, top, right, bottom.
        own_px: likewise; infinite at the picture's border.
    """

    box_px: tuple[int, int, int, int]
    own_px: tuple[float, float, float, float]


def tiles(image_hw: tuple[int, int], tiling: Tiling) -> list[Tile]:
    """Cut a picture, row by row. Tiles are as even as can be; a smaller picture is one tile.

    >>> [tile.box_px for tile in tiles((640, 1120), Tiling(640, 160))]
    [(0, 0, 640, 640), (480, 0, 1120, 640)]
    >>> tiles((640, 1120), Tiling(640, 160))[0].own_px
    (-inf, -inf, 560.0, inf)
    """
    rows, columns = (_spans(side, tiling) for side in image_hw)
    return [
        Tile((x0, y0, x1, y1), (own_x0, own_y0, own_x1, own_y1))
        for (y0, y1, own_y0, own_y1), (x0, x1, own_x0, own_x1) in product(rows, columns)
    ]


def _spans(side: int, tiling: Tiling) -> list[tuple[int, int, float, float]]:
    if side <= tiling.tile_px:
        return [(0, side, -np.inf, np.inf)]
    count = -(-(side - tiling.overlap_px) // (tiling.tile_px - tiling.overlap_px))
    starts = [round(i * (side - tiling.tile_px) / (count - 1)) for i in range(count)]
    seams = [(one + tiling.tile_px + other) / 2 for one, other in pairwise(starts)]
    edges = [-np.inf, *seams, np.inf]
    return [(s, s + tiling.tile_px, edges[i], edges[i + 1]) for i, s in enumerate(starts)]


class TiledDetector:
    """The ``Detector`` port over another detector: every tile of a picture, and the overview, in one call.

    Args:
        detector: what looks at the tiles; closed with this one.
        tiling: how pictures are cut.
    """

    def __init__(self, detector: Detector, tiling: Tiling) -> None:
        self._detector, self._tiling = detector, tiling
        cut = f"tiles{tiling.tile_px}-{tiling.overlap_px}{'+whole' if tiling.overview else ''}"
        self._id = f"{detector.detector_id}/{cut}"

    @property
    def detector_id(self) -> str:
        """The inner detector's, and how pictures are cut."""
        return self._id

    @property
    def anchor(self) -> Anchor:
        """The inner detector's."""
        return self._detector.anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes in the pixels of the whole picture. Raises ModelError."""
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        cut = tiles(frame.image_hw, self._tiling)
        if len(cut) == 1:
            (found,) = self._detector.detect([frame])
            told, saturated = TileBoxes(found.xyxy_px, found.score, found.class_id), found.saturated
        else:
            whole = [frame] if self._tiling.overview else []
            parts = [Frame(frame.stamp, _part(frame, tile)) for tile in cut]
            answers = self._detector.detect([*whole, *parts])
            told = join(answers, cut, frame.image_hw, self._tiling)
            saturated = any(one.saturated for one in answers)
        return Detections(
            stamp=frame.stamp, xyxy_px=told.xyxy_px, score=told.score, class_id=told.class_id, anchor=self.anchor,
            image_hw=frame.image_hw, detector_id=self._id, saturated=saturated,
        )  # fmt: skip

    def close(self) -> None:
        """Release the inner detector."""
        self._detector.close()


@dataclass(frozen=True, slots=True, eq=False)
class TileBoxes:
    """Boxes in the pixels of the whole picture, by falling score: (N, 4), (N,), (N,)."""

    xyxy_px: FloatArray
    score: FloatArray
    class_id: NDArray[np.int64]


def join(answers: Sequence[Detections], cut: Sequence[Tile], image_hw: tuple[int, int], tiling: Tiling) -> TileBoxes:
    """What the overview and the tiles say, made one: everybody once.

    Args:
        answers: of the overview, where there is one, then of every tile in its own pixels.
        cut: the tiles.
        image_hw: size of the whole picture.
        tiling: how it was cut.
    """
    whole, parts = answers[: len(answers) - len(cut)], answers[len(answers) - len(cut) :]
    seen = [_shifted(one.xyxy_px, tile) for one, tile in zip(parts, cut, strict=True)]
    xyxy = np.concatenate([one.xyxy_px for one in whole] + seen)
    score = np.concatenate([one.score for one in answers])
    class_id = np.concatenate([one.class_id for one in answers])
    maker = np.repeat(np.arange(len(answers)) - len(whole), [len(one) for one in answers])
    own = [_size(one.xyxy_px) > tiling.overlap_px * (1 - SLACK_FRAC) for one in whole]
    own += [_owned(one, tile) for one, tile in zip(seen, cut, strict=True)]
    cut_off = [np.zeros(len(one), bool) for one in whole]
    cut_off += [_cut_off(one, tile, image_hw) for one, tile in zip(seen, cut, strict=True)]
    keep = np.concatenate(own).nonzero()[0]
    rows = (xyxy[keep], score[keep], class_id[keep], maker[keep], np.concatenate(cut_off)[keep])
    rows = stitch(*rows, np.array([tile.box_px for tile in cut], dtype=float))
    kept = merge(*rows)
    return TileBoxes(rows[0][kept], rows[1][kept], rows[2][kept])


def stitch(
    xyxy_px: FloatArray,
    score: FloatArray,
    class_id: NDArray[np.int64],
    maker: NDArray[np.int64],
    cut_off: NDArray[np.bool_],
    tile_px: FloatArray,
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Put those together whom no tile sees whole: parts of two tiles that agree where both tiles look are one body.

    Args:
        xyxy_px: (N, 4).
        score: (N,).
        class_id: (N,).
        maker: (N,) the tile that found it, negative for the overview.
        cut_off: (N,) it ends at an inner border of its tile.
        tile_px: (T, 4) the tiles' own boxes.

    Returns:
        The same five with every group of parts replaced, at its first row, by the box around them with the highest
        score; it counts as whole and as found by a maker of its own.

    >>> parts = np.array([[-100.0, 0, 32, 80], [-32, 0, 100, 80]])
    >>> tile = np.array([[-200.0, 0, 32, 200], [-32, 0, 200, 200]])
    >>> rows = stitch(parts, np.array([0.5, 0.6]), np.zeros(2, int), np.arange(2), np.ones(2, bool), tile)
    >>> rows[0].tolist(), rows[1].tolist(), rows[4].tolist()
    ([[-100.0, 0.0, 100.0, 80.0]], [0.6], [False])
    """
    from scipy.sparse import coo_matrix  # 0.3 s, which a process without tiles has no use for
    from scipy.sparse.csgraph import connected_components

    first, second = _pairs(xyxy_px, class_id, maker, (cut_off & (maker >= 0)).nonzero()[0])
    one, other = tile_px[maker[first]], tile_px[maker[second]]
    strip = np.hstack([np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])])
    seen = _clipped(xyxy_px[first], strip), _clipped(xyxy_px[second], strip)
    agree = _same(seen[0], seen[1], np.zeros(len(first), bool))
    links = (np.ones(int(agree.sum())), (first[agree], second[agree]))
    label = connected_components(coo_matrix(links, shape=(len(score), len(score))), directed=False)[1]
    _, head, body, parts = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    low, high = np.full((len(head), 2), np.inf), np.full((len(head), 2), -np.inf)
    best = np.full(len(head), -np.inf)
    np.minimum.at(low, body, xyxy_px[:, :2])
    np.maximum.at(high, body, xyxy_px[:, 2:])
    np.maximum.at(best, body, score)
    order = np.argsort(head)
    head, whole = head[order], parts[order] > 1
    own_maker = np.where(whole, len(tile_px) + np.arange(len(head)), maker[head])
    return np.hstack([low, high])[order], best[order], class_id[head], own_maker, np.asarray(cut_off[head] & ~whole)


def _pairs(
    xyxy_px: FloatArray, class_id: NDArray[np.int64], maker: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the boxes of one class and two makers that touch, each pair once, by their places in ``rows``: those
    of a tree, so that the cost grows with the people and their neighbours, not with their square."""
    shapes: Any = shapely.box(*xyxy_px[rows].T)
    place, other_place = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    once = place < other_place
    first, second = rows[place[once]], rows[other_place[once]]
    two = (maker[first] != maker[second]) & (class_id[first] == class_id[second])
    return first[two], second[two]


def _clipped(xyxy_px: FloatArray, to_px: FloatArray) -> FloatArray:
    low, high = np.maximum(xyxy_px[:, :2], to_px[:, :2]), np.minimum(xyxy_px[:, 2:], to_px[:, 2:])
    return np.hstack([low, np.maximum(low, high)])


def merge(
    xyxy_px: FloatArray,
    score: FloatArray,
    class_id: NDArray[np.int64],
    maker: NDArray[np.int64],
    cut_off: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Drop what two makers told twice; what one maker tells is never thinned.

    Args:
        xyxy_px: (N, 4).
        score: (N,).
        class_id: (N,) boxes of different classes are different things.
        maker: (N,) which tile found it.
        cut_off: (N,) it may be part of a body only; whole boxes are preferred to it.

    Returns:
        Indices of the boxes that stay, by falling score; of equals, the first.

    >>> boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]])
    >>> merge(boxes, np.array([0.5, 0.9, 0.7]), np.zeros(3, int), np.array([0, 1, 1]), np.zeros(3, bool)).tolist()
    [1, 2]
    """
    order = np.lexsort((-score, cut_off))
    first, second = _pairs(xyxy_px, class_id, maker, order)
    same = _same(xyxy_px[first], xyxy_px[second], cut_off[second])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first, second = rank[first[same]], rank[second[same]]
    stays = np.ones(len(order), bool)
    for better, worse in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if stays[better]:
            stays[worse] = False
    kept = order[stays]
    return kept[np.argsort(-score[kept], kind="stable")]


def _same(one: FloatArray, other: FloatArray, other_cut_off: NDArray[np.bool_]) -> NDArray[np.bool_]:
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area, other_area = (np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (one, other))
    overlap = shared > SAME_IOU * (area + other_area - shared)
    return np.asarray(overlap | (other_cut_off & (shared > SAME_SHARE * other_area)))


def _part(frame: Frame, tile: Tile) -> NDArray[np.uint8]:
    left, top, right, bottom = tile.box_px
    return np.ascontiguousarray(frame.image_bgr[top:bottom, left:right])


def _shifted(xyxy_px: FloatArray, tile: Tile) -> FloatArray:
    left, top = tile.box_px[:2]
    return np.asarray(xyxy_px + np.array([left, top, left, top], dtype=float))


def _size(xyxy_px: FloatArray) -> FloatArray:
    return np.asarray((xyxy_px[:, 2:] - xyxy_px[:, :2]).max(axis=1, initial=0.0))


def _owned(xyxy_px: FloatArray, tile: Tile) -> NDArray[np.bool_]:
    centre = (xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2
    slack = SLACK_FRAC * (xyxy_px[:, 2:] - xyxy_px[:, :2]).min(axis=1, initial=np.inf)[:, None]
    own = np.array(tile.own_px)
    return np.asarray(((centre >= own[:2] - slack) & (centre < own[2:] + slack)).all(axis=1))


def _cut_off(xyxy_px: FloatArray, tile: Tile, image_hw: tuple[int, int]) -> NDArray[np.bool_]:
    left, top, right, bottom = tile.box_px
    height, width = image_hw
    low = np.array([left if left > 0 else -np.inf, top if top > 0 else -np.inf])
    high = np.array([right if right < width else np.inf, bottom if bottom < height else np.inf])
    return np.asarray(((xyxy_px[:, :2] < low + CUT_PX) | (xyxy_px[:, 2:] > high - CUT_PX)).any(axis=1))
