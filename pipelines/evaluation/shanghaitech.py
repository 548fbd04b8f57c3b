"""The ShanghaiTech photographs and their head points, in the published layout and in the short one.

Published: ``part_B_final/test_data/{images,ground_truth}`` (also ``part_B``); short:
``part_B/train/{images,ground_truth}``. The points of ``IMG_7.jpg`` stand in ``ground_truth/GT_IMG_7.mat``. The data is
for research only and never part of this project. Source: Zhang et al. 2016, "Single-Image Crowd Counting via
Multi-Column Convolutional Neural Network".
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import ConfigError

__all__ = [
    "PARTS",
    "STRAY_FRAC",
    "Photograph",
    "apart",
    "kept_aside",
    "photographs",
    "read_image",
    "read_list",
    "split_folder",
]

PARTS = ("A", "B")
SPLITS = ("train", "test")

STRAY_FRAC = 0.05
"""A photograph with more than this share of its points outside the image is badly annotated: it is not trained on. One
is (part A, train, 141: 92 of 502). Elsewhere a few strays, up to 367 px away, are moved to the edge: published counts
include them."""

IN_TEST = frozenset({"part_A/train/IMG_121"})
"""Also in the official test split (IMG_98 there): learned from, it would flatter that."""

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
    tried = _candidates(root, part, split)
    for folder in tried:
        if (folder / "images").is_dir():
            return folder
    others = [one for one in SPLITS if any((folder / "images").is_dir() for folder in _candidates(root, part, one))]
    remedy = (
        f"Only its split {others[0]} is there: unpack this one beside it, or choose another."
        if others
        else "Give the folder that holds part_A and part_B."
    )
    raise ConfigError(
        f"ShanghaiTech part {part}, split {split}: no images folder. {remedy} Tried "
        + ", ".join(str(folder / "images") for folder in tried)
        + "."
    )


def _candidates(root: Path, part: str, split: str) -> list[Path]:
    return [root / f"part_{part}{ending}" / inner for ending in ("", "_final") for inner in (split, f"{split}_data")]


def photographs(root: Path, part: str, split: str) -> list[Photograph]:
    """Every photograph of a part (``A`` or ``B``) and split (``train`` or ``test``), by number.

    Raises:
        ConfigError: an annotation is missing, broken or of another image, or an image is missing or cannot be read;
            all of them are listed.
    """
    folder = split_folder(root, part, split)
    images = sorted((folder / "images").glob("*.jpg"), key=_number)
    if not images:
        raise ConfigError(f"{folder / 'images'}: no .jpg files. Unpack the dataset again.")
    there = {path.stem for path in images}
    found = []
    faults = [
        f"{truth.name}: its image {stem}.jpg is missing."
        for truth in sorted((folder / "ground_truth").glob("GT_*.mat"), key=_number)
        if (stem := truth.stem.removeprefix("GT_")) not in there
    ]
    for path in images:
        try:
            found.append(_photograph(path, folder / "ground_truth" / f"GT_{path.stem}.mat", f"part_{part}/{split}"))
        except ConfigError as err:
            faults.append(str(err))
    if faults:
        raise ConfigError(f"{folder}: {len(faults)} faults, {len(images)} photographs:\n  " + "\n  ".join(faults))
    return found


def kept_aside(root: Path, part: str, names: frozenset[str]) -> list[Photograph]:
    """Photographs of a part's training split that a list names. Raises ConfigError when one of them is not there."""
    return _named(photographs(root, part, "train"), part, names, root)


def apart(root: Path, names: frozenset[str]) -> tuple[list[list[Photograph]], list[Photograph]]:
    """What a training learns from, part by part, and what it is judged by.

    Args:
        root: folder of the parts.
        names: of the photographs kept aside; from the others, the badly annotated ones are left out too, and
            :data:`IN_TEST`.

    Raises:
        ConfigError: one of them is not there, or a part has none to learn from, or none to be judged by.
    """
    learn, judge = [], list[Photograph]()
    for part in PARTS:
        every = photographs(root, part, "train")
        judge += _named(every, part, names, root)
        left = [photo for photo in every if photo.name not in names | IN_TEST]
        learn.append([photo for photo in left if photo.stray_frac <= STRAY_FRAC])
        if not learn[-1]:
            raise ConfigError(f"part {part} in {root}: every photograph is kept aside or badly annotated. Keep fewer.")
    if strange := names - {photo.name for photo in judge}:
        raise ConfigError(f"validation list: {_some(strange)}: no photographs of parts A and B. Correct the list.")
    return learn, judge


def _named(every: list[Photograph], part: str, names: frozenset[str], root: Path) -> list[Photograph]:
    named = [photo for photo in every if photo.name in names]
    missing = {name for name in names if name.startswith(f"part_{part}/")} - {photo.name for photo in named}
    if missing or not named:
        what = f"{len(missing)} of its names are not in {root}: {_some(missing)}" if missing else "it names nothing"
        raise ConfigError(f"validation list, part {part}: {what}. Give the whole data set, and its own list.")
    return named


def _some(names: Set[str]) -> str:
    return ", ".join(sorted(names)[:3])


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
