"""Faults of a camera's picture, put into a recording on purpose: what has to be found, on footage that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import islice
from typing import TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "Fault", "Picture", "encoded"]

Picture: TypeAlias = NDArray[np.uint8]

LAMP_PX = 12
"""Radius of the one lamp that is left where all else is dark."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which pictures go bad.

    Args:
        name: for people.
        spoil: a good picture and its number since the fault began -> what the camera gives instead; a picture that was
            given before comes again for a frozen camera.
        says: what the fold may say of the whole camera: values of ``Health``. Empty where only a part is lost.
        partly: whether it may say that a part of the picture is lost.
        behind: it happens before the encoder, whose pictures are then never quite the same.
        damages: how the coded stream is damaged, frame by frame.
    """

    name: str
    spoil: Callable[[Picture, int, Picture], Picture]
    says: frozenset[str]
    partly: bool = False
    encodes: bool = False


def _blurred(picture: Picture, number: int, frozen: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 12 * picture.shape[1] / 768 / 2), np.uint8)


def _smeared(picture: Picture, number: int, frozen: Picture) -> Picture:
    length = round(30 * picture.shape[1] / 768)
    return np.asarray(cv2.blur(picture, (length, 3)), np.uint8)


def _dark(picture: Picture, number: int, frozen: Picture) -> Picture:
    dark = (picture * 0.03).astype(np.uint8)
    height, width = picture.shape[:2]
    cv2.circle(dark, (width // 3, height // 4), LAMP_PX, (230, 240, 250), -1)
    return dark


def _fog(picture: Picture, number: int, frozen: Picture) -> Picture:
    return np.asarray(cv2.addWeighted(picture, 0.15, np.full_like(picture, 190), 0.85, 0), np.uint8)


def _overexposed(picture: Picture, number: int, frozen: Picture) -> Picture:
    return np.clip(picture.astype(np.int32) * 8 + 120, 0, 255).astype(np.uint8)


def _cover(share: float, side: str = "bottom") -> Callable[[Picture, int, Picture], Picture]:
    def spoil(picture: Picture, number: int, frozen: Picture) -> Picture:
        covered = picture.copy()
        height, width = picture.shape[:2]
        if side == "bottom":
            covered[round(height * (1 - share)) :] = (70, 80, 90)
        else:
            covered[:, : round(width * share)] = (70, 80, 90)
        return covered

    return spoil


def _warped(matrix: Callable[[int, int], NDArray[np.float64]]) -> Callable[[Picture, int, Picture], Picture]:
    def spoil(picture: Picture, number: int, frozen: Picture) -> Picture:
        height, width = picture.shape[:2]
        mode = cv2.BORDER_REFLECT_101  # the camera sees something beyond the edge too
        return np.asarray(cv2.warpAffine(picture, matrix(height, width), (width, height), borderMode=mode), np.uint8)

    return spoil


def _shift(share_x: float, share_y: float = 0.0) -> Callable[[int, int], NDArray[np.float64]]:
    return lambda height, width: np.array([[1, 0, share_x * width], [0, 1, share_y * width]], np.float64)


def _turn(degrees: float) -> Callable[[int, int], NDArray[np.float64]]:
    return lambda height, width: np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0))


def _preset(picture: Picture, number: int, frozen: Picture) -> Picture:
    """Another part of the scene, turned over and enlarged: nothing is where it was."""
    height, width = picture.shape[:2]
    part = picture[: height * 2 // 3, width // 3 :][::-1, ::-1]
    return np.asarray(cv2.resize(part, (width, height)), np.uint8)


def _frozen(picture: Picture, number: int, frozen: Picture) -> Picture:
    return frozen


def _frozen_with_clock(picture: Picture, number: int, frozen: Picture) -> Picture:
    shown = frozen.copy()
    height, width = picture.shape[:2]
    scale = width / 768
    cv2.rectangle(shown, (0, 0), (round(190 * scale), round(30 * scale)), (0, 0, 0), -1)
    where = round(5 * scale), round(23 * scale)
    cv2.putText(shown, f"12:00:{number:06d}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * scale, (255, 255, 255), 1)
    return shown


def _noise(picture: Picture, number: int, frozen: Picture) -> Picture:
    grain = np.random.default_rng(number).normal(0, 60, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _concealed(picture: Picture, number: int, frozen: Picture) -> Picture:
    """What a decoder shows that has lost most slices of a keyframe: rows of blocks smeared downwards from the last one
    that arrived, and below them what stood there, until the next keyframe."""
    height = picture.shape[0]
    top, end = height // 3 // 16 * 16, height * 5 // 6 // 16 * 16
    shown = picture.copy()
    shown[top:end] = np.repeat(shown[top - 1 : top], end - top, axis=0)
    return shown


WELL = frozenset({"ok"})

FAULTS: tuple[Fault, ...] = (
    Fault("defocus 12 px", _blurred, frozenset({"blurred"})),
    Fault("motion blur", _smeared, frozenset({"blurred"})),
    Fault("dark x 0.03, one lamp", _dark, frozenset({"dark"})),
    Fault("fog", _fog, frozenset({"blurred", "covered", "overexposed"})),
    Fault("overexposed", _overexposed, frozenset({"overexposed"})),
    Fault("cover, whole", _cover(1.0), frozenset({"covered", "dark"})),
    Fault("cover, lower 85 %", _cover(0.85), frozenset({"covered"}), partly=True),
    Fault("cover, half", _cover(0.5, "left"), frozenset(), partly=True),
    Fault("shift by a third", _warped(_shift(1 / 3)), frozenset({"moved"})),
    Fault("shift by 1.3 %", _warped(_shift(0.013, 0.002)), frozenset({"moved"})),
    Fault("turn by 2 degrees", _warped(_turn(2.0)), frozenset({"moved"})),
    Fault("another preset", _preset, frozenset({"moved"})),
    Fault("freeze before the encoder", _frozen, frozenset({"frozen"}), encodes=True),
    Fault("freeze behind it", _frozen, frozenset({"frozen"})),
    Fault("freeze with a clock", _frozen_with_clock, frozenset({"frozen"}), encodes=True),
    Fault("noise", _noise, frozenset({"noisy"})),
    Fault("damaged keyframes", _concealed, frozenset({"damaged", "blurred"}), partly=True),
)
