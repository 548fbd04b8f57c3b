"""The ShanghaiTech photographs and their head points, in the published layout and in the short one.

Published: ``part_B_final/test_data/{images,ground_truth}`` (also ``part_B``); short:
``part_B/train/{images,ground_truth}``. The points of ``IMG_7.jpg`` stand in ``ground_truth/GT_IMG_7.mat``. The data is
for research only and never part of this project. Source: Zhang et al. 2016, "Single-Image Crowd Counting via
Multi-Column Convolutional Neural Network".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from crowdwatch.errors import ConfigError
from crowdwatch.records import FloatArray

__all__ = ["STRAY_FRAC", "Photograph", "photographs", "read_image", "read_list", "split_folder"]

STRAY_FRAC = 0.05
"""A photograph with more than this share of its points outside the image is badly annotated: it is not trained on. One
is (part A, train, 141: 92 of 502). Elsewhere a few strays, up to 367 px away, are moved to the edge: published counts
include them."""

FOREIGN_FRAC = 0.5
"""With more than this share outside, the annotation is another image's: an error."""

_NUMBER = re.compile(r"(\d+)$")


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """One annotated photograph.

    Args:
        name: part, split and file name: ``part_B/train/IMG_7``; the same in both layouts.
        path: of the image.
        image_hw: height and width in pixels.
        heads_px: (N, 2) x and y of every annotated head, moved inside the image.
        stray_frac: share of the heads that were annotated outside the image.
    """

    name: str
    path: Path
    image_hw: tuple[int, int]
    heads_px: FloatArray
    stray_frac: float = 0.0


def split_folder(root: Path, part: str, split: str) -> Path:
    """The folder that holds ``images`` and ``ground_truth`` of one part and split.

    Raises:
        ConfigError: none of the layouts' folders is there; the message names those that were tried.
    """
    tried = [root / f"part_{part}{ending}" / inner for ending in ("", "_final") for inner in (split, f"{split}_data")]
    for folder in tried:
        if (folder / "images").is_dir():
            return folder
    raise ConfigError(
        f"ShanghaiTech part {part}, split {split}: no images folder. Tried "
        + ", ".join(str(folder / "images") for folder in tried)
        + ". Give the folder that holds part_A and part_B."
    )


def photographs(root: Path, part: str, split: str) -> list[Photograph]:
    """Every photograph of a part (``A`` or ``B``) and split (``train`` or ``test``), by number.

    Raises:
        ConfigError: an annotation is missing, broken or of another image, or an image cannot be read; all of them
            are listed.
    """
    folder = split_folder(root, part, split)
    images = sorted((folder / "images").glob("*.jpg"), key=_number)
    if not images:
        raise ConfigError(f"{folder / 'images'}: no .jpg files. Unpack the dataset again.")
    found, faults = [], []
    for path in images:
        try:
            found.append(_photograph(path, folder / "ground_truth" / f"GT_{path.stem}.mat", f"part_{part}/{split}"))
        except ConfigError as err:
            faults.append(str(err))
    if faults:
        raise ConfigError(f"{folder}: {len(faults)} of {len(images)} photographs:\n  " + "\n  ".join(faults))
    return found


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image as (H, W, 3) BGR; grey ones get three equal channels. Raises ConfigError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or image.size == 0:
        raise ConfigError(f"{path.name}: cannot be read as an image. Unpack the dataset again.")
    return np.asarray(image, dtype=np.uint8)


def read_list(path: Path) -> frozenset[str]:
    """Names of photographs, one a line; ``#`` starts a comment. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"list of photographs {path}: cannot be read: {err}.") from err
    return frozenset(name for line in lines if (name := line.split("#")[0].strip()))


def _photograph(path: Path, truth: Path, prefix: str) -> Photograph:
    height, width = read_image(path).shape[:2]
    points = _points(truth)
    outside = ((points < 0) | (points > np.array([width, height]))).any(axis=1)
    stray_frac = float(outside.mean()) if len(points) else 0.0
    if stray_frac > FOREIGN_FRAC:
        raise ConfigError(
            f"{truth.name}: {outside.sum()} of {len(points)} heads lie outside the {width}x{height} image. "
            "Is it this image's file?"
        )
    inside = np.clip(points, 0, np.nextafter(np.array([width, height], dtype=float), 0))
    return Photograph(f"{prefix}/{path.stem}", path, (height, width), inside, stray_frac)


def _points(truth: Path) -> FloatArray:
    if not truth.is_file():
        raise ConfigError(f"{truth.name}: the annotation is missing.")
    try:
        points = np.asarray(loadmat(truth)["image_info"][0, 0][0, 0][0], dtype=np.float64)
    except (OSError, MatReadError, KeyError, IndexError, ValueError, TypeError, NotImplementedError) as err:
        raise ConfigError(f"{truth.name}: no head points in it ({type(err).__name__}: {err}).") from err
    points = points.reshape(0, 2) if points.size == 0 else points
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ConfigError(f"{truth.name}: got points of shape {points.shape}, need finite (N, 2).")
    return points


def _number(path: Path) -> tuple[int, str]:
    found = _NUMBER.search(path.stem)
    return (int(found.group(1)) if found else 0), path.stem
