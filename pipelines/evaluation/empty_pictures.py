"""Pictures without people: a counter that sees a crowd in leaves is as bad as one that sees none at night.

Half are cut out of a recording where nobody stands, by its annotations; half are drawn, from a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Frame, Stamp
from crowdwatch.errors import ConfigError
from crowdwatch.sources.recording import Recording
from pipelines.command_line import progress
from pipelines.evaluation.photograph_counts import Model
from pipelines.evaluation.scoring import read_boxes

__all__ = ["MOST_PEOPLE", "counts", "cut_out", "drawn"]

Picture = NDArray[np.uint8]
Rng = np.random.Generator

MOST_PEOPLE = 2.0
"""What a picture without people may read, in the mean."""

HW = (384, 512)
SEED = 50
EVERY = 30
"""One frame in so many of the recording is looked at."""

ROOM = 0.5
"""Nobody stands nearer than this share of their own size."""

OF_EACH = 4
"""Drawn pictures of each kind."""


def counts(model: Model, folder: Path) -> dict[str, dict[str, float]]:
    """What a model reads in pictures without people.

    Args:
        model: what counts.
        folder: of PETS2009's vtest.avi and its annotations.

    Returns:
        For each kind, and for ``all``: ``pictures``, and the ``mean`` and ``most`` that are read.

    Raises:
        ConfigError: the recording has no empty part.
    """
    found: dict[str, list[float]] = {}
    pictures = [*cut_out(folder), *drawn()]
    for kind, picture in progress(pictures, "pictures without people", len(pictures)):
        found.setdefault(kind, []).append(float(model.count(Frame(Stamp(kind, 0, 0), picture)).sum()))
    found["all"] = [each for values in found.values() for each in values]
    return {
        kind: {"pictures": len(v), "mean": round(float(np.mean(v)), 3), "most": round(max(v), 3)}
        for kind, v in found.items()
    }


def cut_out(folder: Path, most: int = 26) -> list[tuple[str, Picture]]:
    """Pieces of a recording in which nobody stands, enlarged to the size of the drawn pictures.

    Raises:
        ConfigError: there is none.
    """
    boxes = read_boxes(folder / "annotations_s2l1.xml")
    found: list[tuple[str, Picture]] = []
    source = Recording(folder / "vtest.avi", camera_id="empty", start_ns=0)
    try:
        for pair in source.pairs():
            frame = pair.current
            if frame.stamp.seq % EVERY or frame.stamp.seq >= len(boxes):
                continue
            found += [("recording", piece) for piece in _empty(frame.image_bgr, boxes[frame.stamp.seq])]
    finally:
        source.close()
    if not found:
        raise ConfigError(f"{folder}: no part of the recording is empty.")
    step = max(1, len(found) // most)
    return found[::step][:most]


def _empty(image: Picture, xyxy_px: NDArray[np.float64]) -> Iterator[Picture]:
    """Quarters of a picture's sides in which no box lies, with some room around each."""
    room = ROOM * (xyxy_px[:, 2:] - xyxy_px[:, :2])
    low, high = xyxy_px[:, :2] - room, xyxy_px[:, 2:] + room
    height, width = (side // 4 for side in image.shape[:2])
    for top in range(0, image.shape[0] - height + 1, height):
        for left in range(0, image.shape[1] - width + 1, width):
            apart = (high < [left, top]).any(axis=1) | (low > [left + width, top + height]).any(axis=1)
            if apart.all():
                piece = cv2.resize(image[top : top + height, left : left + width], HW[::-1])
                yield np.asarray(piece, np.uint8)


def drawn() -> list[tuple[str, Picture]]:
    """Walls, water, leaves and the like, each :data:`OF_EACH` times."""
    return [
        (kind, draw(np.random.default_rng([SEED, index, number])))
        for index, (kind, draw) in enumerate(_KINDS.items())
        for number in range(OF_EACH)
    ]


def _field(rng: Rng, cells: int) -> NDArray[np.float32]:
    """(H, W) a smooth random field between 0 and 1 with about so many bumps along the width."""
    coarse = rng.random((max(2, cells * HW[0] // HW[1]), cells), dtype=np.float32)
    return np.clip(np.asarray(cv2.resize(coarse, HW[::-1], interpolation=cv2.INTER_CUBIC), np.float32), 0, 1)


def _coloured(value: NDArray[np.float32], dark: tuple[int, int, int], light: tuple[int, int, int]) -> Picture:
    low, high = np.array(dark, np.float32), np.array(light, np.float32)
    mixed: Picture = (low + (high - low) * value[:, :, None]).clip(0, 255).astype(np.uint8)
    return mixed


def _wall(rng: Rng) -> Picture:
    """Bricks."""
    picture = np.full((*HW, 3), (150, 160, 165), np.uint8)
    tall, wide = int(rng.integers(12, 30)), int(rng.integers(30, 70))
    for row, top in enumerate(range(0, HW[0], tall)):
        for left in range(-(row % 2) * wide // 2, HW[1], wide):
            colour = np.clip(np.array([60, 75, 140]) + rng.normal(0, 12, 3), 0, 255).tolist()
            cv2.rectangle(picture, (left + 1, top + 1), (left + wide - 2, top + tall - 2), colour, -1)
    noisy = picture + rng.normal(0, 6, picture.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8)


def _water(rng: Rng) -> Picture:
    """Waves: fields that are wide and flat."""
    waves = np.mean([_field(rng, cells) for cells in (12, 30, 80)], axis=0)
    flat = np.asarray(cv2.resize(waves[: HW[0] // 4], HW[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return _coloured(flat, (70, 55, 20), (220, 210, 190))


def _leaves(rng: Rng) -> Picture:
    """Leaves of a tree, one over the other."""
    picture = np.full((*HW, 3), (20, 40, 20), np.uint8)
    for _ in range(2500):
        x, y = rng.uniform(0, HW[1]), rng.uniform(0, HW[0])
        axes = (int(rng.integers(3, 10)), int(rng.integers(2, 6)))
        colour = np.clip(np.array([30, 110, 50]) * rng.uniform(0.3, 1.6) + rng.normal(0, 8, 3), 0, 255).tolist()
        cv2.ellipse(picture, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _gravel(rng: Rng) -> Picture:
    """Stones."""
    picture = np.full((*HW, 3), 90, np.uint8)
    for _ in range(1500):
        x, y, size = rng.uniform(0, HW[1]), rng.uniform(0, HW[0]), int(rng.integers(3, 9))
        shade = int(rng.integers(90, 220))
        cv2.circle(picture, (int(x), int(y)), size, (shade, shade, shade), -1, cv2.LINE_AA)
        cv2.circle(picture, (int(x), int(y) + 1), size, (60, 60, 60), 1, cv2.LINE_AA)
    return picture


def _noise(rng: Rng) -> Picture:
    return rng.integers(0, 256, (*HW, 3), dtype=np.uint8)


def _plain(rng: Rng) -> Picture:
    return np.full((*HW, 3), int(rng.choice([0, 64, 128, 255])), np.uint8)


_KINDS: Mapping[str, Callable[[Rng], Picture]] = {
    "wall": _wall, "water": _water, "leaves": _leaves, "gravel": _gravel, "noise": _noise, "plain": _plain,
}  # fmt: skip
