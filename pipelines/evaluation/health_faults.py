"""Faults of a camera's picture, put into a recording on purpose: what has to be found, on footage that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "Fault", "Picture"]

Picture: TypeAlias = NDArray[np.uint8]

LAMP_PX = 12
"""Radius of the one lamp that is left where all else is dark."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which pictures go bad.

    Args:
        name: for people.
        spoil: a good picture, its number since the fault began, and the last good one -> what the camera gives instead.
        says: what may be said of the whole camera: values of ``Health``. Empty where a part of the picture stays good.
        share: of the picture that is lost, where a part stays good.
        every: of so many pictures the first half is spoiled; 0 for all.
        coded_only: the pictures are encoded behind the fault, so that they are never quite the same.
    """

    name: str
    spoil: Callable[[Picture, int, Picture], Picture]
    says: frozenset[str] = frozenset()
    share: float = 1.0
    every: int = 0
    coded_only: bool = False

    def of(self, picture: Picture, number: int, before: Picture) -> Picture:
        """What the camera gives instead of its ``number``-th picture since the fault began."""
        good = self.every > 0 and number % self.every >= self.every // 2
        return picture if good else self.spoil(picture, number, before)


def _blurred(picture: Picture, number: int, before: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 12 * picture.shape[1] / 768 / 2), np.uint8)


def _smeared(picture: Picture, number: int, before: Picture) -> Picture:
    length = round(30 * picture.shape[1] / 768)
    return np.asarray(cv2.blur(picture, (length, 3)), np.uint8)


def _dark(picture: Picture, number: int, before: Picture) -> Picture:
    dark = (picture * 0.03).astype(np.uint8)
    height, width = picture.shape[:2]
    cv2.circle(dark, (width // 3, height // 4), LAMP_PX, (230, 240, 250), -1)
    return dark


def _fog(picture: Picture, number: int, before: Picture) -> Picture:
    return np.asarray(cv2.addWeighted(picture, 0.15, np.full_like(picture, 190), 0.85, 0), np.uint8)


def _overexposed(picture: Picture, number: int, before: Picture) -> Picture:
    return np.clip(picture.astype(np.int32) * 8 + 120, 0, 255).astype(np.uint8)


def _cover(share: float, side: str = "bottom") -> Callable[[Picture, int, Picture], Picture]:
    def spoil(picture: Picture, number: int, before: Picture) -> Picture:
        covered = picture.copy()
        height, width = picture.shape[:2]
        if side == "bottom":
            covered[round(height * (1 - share)) :] = (70, 80, 90)
        else:
            covered[:, : round(width * share)] = (70, 80, 90)
        return covered

    return spoil


def _warped(matrix: Callable[[int, int], NDArray[np.float64]]) -> Callable[[Picture, int, Picture], Picture]:
    def spoil(picture: Picture, number: int, before: Picture) -> Picture:
        height, width = picture.shape[:2]
        mode = cv2.BORDER_REFLECT_101  # the camera sees something beyond the edge too
        return np.asarray(cv2.warpAffine(picture, matrix(height, width), (width, height), borderMode=mode), np.uint8)

    return spoil


def _shift(share_x: float, share_y: float = 0.0) -> Callable[[int, int], NDArray[np.float64]]:
    return lambda height, width: np.array([[1, 0, share_x * width], [0, 1, share_y * width]], np.float64)


def _turn(degrees: float) -> Callable[[int, int], NDArray[np.float64]]:
    return lambda height, width: np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0))


def _preset(picture: Picture, number: int, before: Picture) -> Picture:
    """Another part of the scene, turned over and enlarged: nothing is where it was."""
    height, width = picture.shape[:2]
    part = picture[: height * 2 // 3, width // 3 :][::-1, ::-1]
    return np.asarray(cv2.resize(part, (width, height)), np.uint8)


def _frozen(picture: Picture, number: int, before: Picture) -> Picture:
    return before


def _frozen_with_clock(picture: Picture, number: int, before: Picture) -> Picture:
    shown = before.copy()
    scale = picture.shape[1] / 768
    cv2.rectangle(shown, (0, 0), (round(190 * scale), round(30 * scale)), (0, 0, 0), -1)
    where = round(5 * scale), round(23 * scale)
    cv2.putText(shown, f"12:00:{number:06d}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * scale, (255, 255, 255), 1)
    return shown


def _noise(picture: Picture, number: int, before: Picture) -> Picture:
    grain = np.random.default_rng(number).normal(0, 60, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _concealed(picture: Picture, number: int, before: Picture) -> Picture:
    """What a decoder shows that has lost most slices of a keyframe: rows of blocks smeared downwards from the last one
    that arrived, and below them what stood there, until the next keyframe."""
    height = picture.shape[0]
    top, end = height // 3 // 16 * 16, height * 5 // 6 // 16 * 16
    shown = picture.copy()
    shown[top:end] = np.repeat(shown[top - 1 : top], end - top, axis=0)
    return shown


BLURRED = frozenset({"blurred"})
MOVED = frozenset({"moved"})
FROZEN = frozenset({"frozen"})

FAULTS: tuple[Fault, ...] = (
    Fault("defocus, 12 px", _blurred, BLURRED),
    Fault("motion blur, 30 px", _smeared, BLURRED),
    Fault("dark x 0.03, one lamp", _dark, frozenset({"dark"})),
    Fault("fog, a seventh comes through", _fog, frozenset({"blurred", "covered", "overexposed"})),
    Fault("overexposed", _overexposed, frozenset({"overexposed"})),
    Fault("cover, whole", _cover(1.0), frozenset({"covered", "dark"})),
    Fault("cover, lower 85 %", _cover(0.85), share=0.85),
    Fault("cover, half", _cover(0.5, "left"), share=0.5),
    Fault("shift by a third", _warped(_shift(1 / 3)), MOVED),
    Fault("shift by 1.3 %", _warped(_shift(0.013, 0.002)), MOVED),
    Fault("turn by 2 degrees", _warped(_turn(2.0)), MOVED),
    Fault("another preset", _preset, MOVED),
    Fault("freeze before the encoder", _frozen, FROZEN, coded_only=True),
    Fault("freeze behind it", _frozen, FROZEN),
    Fault("freeze with a running clock", _frozen_with_clock, FROZEN, coded_only=True),
    Fault("noise", _noise, frozenset({"noisy"})),
    Fault("damaged keyframes", _concealed, share=0.5, every=28),
)
"""Pixels are those of a picture 768 wide; others in proportion."""
