"""Training batches for the counter: random crops of photographs with their heads, and the truth on a fine grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.conditions import LEARNED, STRENGTHS, spoil
from pipelines.evaluation.shanghaitech import Photograph, read_image
from pipelines.training.empty_crops import empty_crop
from pipelines.training.recipes import FORBID, AtLeast1, Rate, Share

__all__ = ["CropSettings", "Crops", "cut", "recolour"]

EMPTY_SPOILED = 0.5
"""Share of the drawn crops without people that are under a condition."""


@dataclass(frozen=True, slots=True)
class CropSettings:
    """How crops are drawn.

    Args:
        crop_px: side of a crop.
        scale_min: smallest factor by which a photograph is resized before it is cut.
        scale_max: largest one; the factor is drawn evenly on a logarithmic scale.
        native_frac: share of the crops that are cut at scale 1.0 exactly, without resampling: what a counter at scale
            1.0 sees. Every other crop is a little smoother than that.
        spoiled_frac: share of the crops under a condition of any strength, of those that trainings may see
            (:data:`~pipelines.evaluation.conditions.LEARNED`); the others get other light and colours.
        empty_frac: share of the crops that are drawn and hold nobody, half of them under a condition too.
        stride: side of a block of the truth in pixels; the recipe's own, whatever stands here.
        batch: crops in a batch.
    """

    crop_px: AtLeast1 = 384
    scale_min: Rate = 0.7
    scale_max: Rate = 1.6
    native_frac: Share = 0.0
    spoiled_frac: Share = 0.0
    empty_frac: Share = 0.0
    stride: int = 8
    batch: AtLeast1 = 8

    __pydantic_config__: ClassVar = FORBID


class Crops:
    """Batches by number: batch k is the same whenever it is asked for, so that a resumed training sees what an
    uninterrupted one would have seen.

    Args:
        parts: photographs by part; every crop is drawn from each part with the same chance.
        settings: how.
        seed: of everything random.
    """

    def __init__(self, parts: Sequence[Sequence[Photograph]], settings: CropSettings, seed: int) -> None:
        self._parts = [[(read_image(photo.path), photo.heads_px) for photo in part] for part in parts]
        self._settings = settings
        self._seed = seed

    def batch(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Pictures (N, crop, crop, 3) RGB and heads per block (N, crop / stride, crop / stride)."""
        settings = self._settings
        rng = np.random.default_rng([self._seed, number])
        side = settings.crop_px // settings.stride
        pictures = np.empty((settings.batch, settings.crop_px, settings.crop_px, 3), np.uint8)
        truth = np.zeros((settings.batch, side, side), np.float32)
        for picture, heads in zip(pictures, truth, strict=True):
            if settings.empty_frac and rng.random() < settings.empty_frac:
                drawn = empty_crop(rng, settings.crop_px)
                spoiled = rng.random() < EMPTY_SPOILED
                changed = _spoiled(drawn, rng, np.empty((0, 2))) if spoiled else recolour(drawn, rng)
                picture[:] = changed[:, :, ::-1]
                continue
            part = self._parts[int(rng.integers(len(self._parts)))]
            image, points = part[int(rng.integers(len(part)))]
            scale = float(np.exp(rng.uniform(np.log(settings.scale_min), np.log(settings.scale_max))))
            if settings.native_frac and rng.random() < settings.native_frac:
                scale = 1.0
            square, to_crop = cut(image, rng, scale, settings.crop_px)
            xy = points @ to_crop[:, :2].T + to_crop[:, 2]
            xy = xy[((xy >= 0) & (xy < settings.crop_px)).all(axis=1)]
            if settings.spoiled_frac and rng.random() < settings.spoiled_frac:
                changed = _spoiled(square, rng, xy)
            else:
                changed = recolour(square, rng)
            picture[:] = changed[:, :, ::-1]
            cell = np.minimum((xy / settings.stride).astype(np.int64), side - 1)
            np.add.at(heads, (cell[:, 1], cell[:, 0]), 1.0)
        return pictures, truth


def cut(
    image: NDArray[np.uint8], rng: np.random.Generator, scale: float, crop_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Resize a photograph and cut a random square out of it, mirrored half the time.

    Args:
        image: (H, W, 3).
        rng: draws the place.
        scale: wanted; small photographs are enlarged further, never bordered.
        crop_px: side of the square.

    Returns:
        The square, and the (2, 3) map from pixels of the photograph to its own, by pixel edges.
    """
    height, width = image.shape[:2]
    side = min(crop_px / max(scale, crop_px / min(height, width)), height, width)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    flip = rng.random() < 0.5
    a = crop_px / side
    if a == 1:
        left, top = float(round(left)), float(round(top))
    to_crop = np.array([[-a if flip else a, 0, crop_px + a * left if flip else -a * left], [0, a, -a * top]])
    if a <= 1:
        x0, y0, x1, y1 = round(left), round(top), round(left + side), round(top + side)
        small = image[y0:y1, x0:x1]
        if a < 1:
            small = np.asarray(cv2.resize(small, (crop_px, crop_px), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        return np.ascontiguousarray(small[:, ::-1] if flip else small, dtype=np.uint8), to_crop
    centred = to_crop.copy()
    centred[:, 2] += to_crop[:, :2] @ [0.5, 0.5] - 0.5  # warpAffine counts from pixel centres
    size = (crop_px, crop_px)
    large = cv2.warpAffine(image, centred, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(large, dtype=np.uint8), to_crop


def recolour(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other light, sometimes without colour, sometimes blurred or compressed: cameras differ."""
    gain, shift, gamma = rng.uniform(0.7, 1.3), rng.uniform(-25, 25), np.exp(rng.uniform(-0.35, 0.35))
    tint = rng.uniform(0.92, 1.08, 3)
    grey, blur, squeeze = rng.random(3)
    levels = np.arange(256)[:, None] / 255.0
    table = np.clip((levels**gamma * 255 - 128) * gain * tint + 128 + shift, 0, 255).astype(np.uint8)
    changed = cv2.LUT(image, table[:, None, :])
    if grey < 0.1:
        changed = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if blur < 0.1:
        changed = cv2.GaussianBlur(changed, (0, 0), float(rng.uniform(0.4, 1.0)))
    if squeeze < 0.1:
        _, code = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 90))])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(changed, dtype=np.uint8)


def _spoiled(image: NDArray[np.uint8], rng: np.random.Generator, heads_px: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A crop under a condition that is drawn with its strength; a smaller picture is enlarged again."""
    kind, strength = LEARNED[int(rng.integers(len(LEARNED)))], float(rng.uniform(0.3, STRENGTHS[-1]))
    changed = spoil(image, kind, strength, rng, heads_px)
    if changed.shape != image.shape:
        changed = np.asarray(cv2.resize(changed, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    return changed
