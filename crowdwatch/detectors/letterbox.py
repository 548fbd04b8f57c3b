"""How a picture is fitted into a network's input: shrunk as a whole, with a grey border. Every runtime goes through
this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import ConfigError

__all__ = ["MULTIPLE", "PAD", "SCALE", "InputSize", "Letterbox", "blob", "letterboxed"]

PAD = 114
"""Grey of the border: what Ultralytics trains with."""

SCALE = np.float32(1 / 255)
"""Makes bytes the numbers that a network takes."""

MULTIPLE = 32
"""The networks halve a picture five times: their sides are multiples."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture was shrunk and bordered: x_input = x_image * scale_x + left, the same for y.

    Coordinates are those of pixel edges: the picture spans 0..W, its first pixel 0..1.
    """

    image_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    input_hw: tuple[int, int]
    left: int
    top: int

    @classmethod
    def fit(cls, image_hw: tuple[int, int], input_hw: tuple[int, int], *, centred: bool = True) -> Letterbox:
        """The largest picture of the same shape that fits an input, in the middle or at the top left.

        >>> Letterbox.fit((576, 768), (640, 640))
        Letterbox(image_hw=(576, 768), resized_hw=(480, 640), input_hw=(640, 640), left=0, top=80)
        """
        height, width = image_hw
        scale = min(input_hw[0] / height, input_hw[1] / width)
        resized = max(1, round(height * scale)), max(1, round(width * scale))
        room = (input_hw[1] - resized[1], input_hw[0] - resized[0]) if centred else (0, 0)
        return cls(image_hw, resized, input_hw, room[0] // 2, room[1] // 2)

    @classmethod
    def follow(cls, image_hw: tuple[int, int], within_hw: tuple[int, int], *, centred: bool = True) -> Letterbox:
        """The picture as in :meth:`fit`, in the smallest input of multiples of 32 that holds it: as large, and at the
        same place within the network's cells, so that boxes move least.

        >>> Letterbox.follow((1080, 1920), (640, 640))
        Letterbox(image_hw=(1080, 1920), resized_hw=(360, 640), input_hw=(384, 640), left=0, top=12)
        """
        whole = cls.fit(image_hw, within_hw, centred=centred)
        left, top = whole.left % MULTIPLE, whole.top % MULTIPLE
        height, width = (
            -(-side // MULTIPLE) * MULTIPLE for side in (top + whole.resized_hw[0], left + whole.resized_hw[1])
        )
        return cls(image_hw, whole.resized_hw, (height, width), left, top)

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the network's input that show the picture; the rest is border."""
        height, width = self.resized_hw
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def resize(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture at the size that the network sees it."""
        height, width = self.resized_hw
        if self.image_hw == self.resized_hw:
            return image_bgr
        return np.asarray(cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)

    def to_image(self, xyxy_input: FloatArray) -> FloatArray:
        """Boxes (N, 4) of the network's input, in pixels of the picture, cut at its edges.

        >>> Letterbox.fit((576, 768), (640, 640)).to_image(np.array([[0.0, 80.0, 320.0, 560.0]])).tolist()
        [[0.0, 0.0, 384.0, 576.0]]
        """
        height, width = self.image_hw
        scale = np.array([self.resized_hw[1] / width, self.resized_hw[0] / height] * 2)
        moved = (xyxy_input - np.array([self.left, self.top] * 2)) / scale
        return np.asarray(np.clip(moved, 0, np.array([width, height] * 2)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class InputSize:
    """How large a network is shown pictures.

    Args:
        within_hw: height and width of its input, or of the square within which its input follows the picture.
        follows: the input has the picture's own shape: nothing is computed on a border, and people are as tall as in
            the whole square.
        centred: the border is on all sides; else at the right and below.
    """

    within_hw: tuple[int, int]
    follows: bool = False
    centred: bool = True

    @classmethod
    def square(cls, image_px: int, *, centred: bool = True) -> InputSize:
        """An input that follows the picture, with a longer side of ``image_px``.

        Raises:
            ConfigError: no multiple of 32.
        """
        if image_px < MULTIPLE or image_px % MULTIPLE:
            raise ConfigError(f"image_px: got {image_px}, need a multiple of {MULTIPLE}.")
        return cls((image_px, image_px), follows=True, centred=centred)

    def fit(self, image_hw: tuple[int, int]) -> Letterbox:
        """How a picture is fitted."""
        place = Letterbox.follow if self.follows else Letterbox.fit
        return place(image_hw, self.within_hw, centred=self.centred)

    @property
    def usual_hw(self) -> tuple[int, int]:
        """The input for a picture of 16 to 9, or the only one."""
        return self.fit((1080, 1920)).input_hw

    def __str__(self) -> str:
        """What a detector's id says of it: the longer side, and whether the input has the picture's shape."""
        return f"{max(self.within_hw)}{'fit' if self.follows else ''}"


def blob(images_bgr: Sequence[NDArray[np.uint8]], fits: Sequence[Letterbox]) -> NDArray[np.float32]:
    """Pictures and how each is fitted, all into inputs of one size -> (N, 3, h, w) f32 RGB in 0..1."""
    pictures = np.empty((len(fits), 3, *fits[0].input_hw), dtype=np.float32)
    for image, fit, picture in zip(images_bgr, fits, pictures, strict=True):
        rows, columns = fit.inner
        for border in (np.s_[:, : rows.start], np.s_[:, rows.stop :], np.s_[:, rows, : columns.start],
                       np.s_[:, rows, columns.stop :]):  # fmt: skip
            picture[border] = PAD * SCALE
        for plane, channel in zip(cv2.split(fit.resize(image)), (2, 1, 0), strict=True):
            np.multiply(plane, SCALE, out=picture[channel, rows, columns])
    return pictures


def letterboxed(images_bgr: Sequence[NDArray[np.uint8]], fits: Sequence[Letterbox]) -> NDArray[np.uint8]:
    """As :func:`blob`, in bytes: (N, h, w, 3) BGR, a quarter of the memory; times :data:`SCALE` it is the same."""
    pictures = np.full((len(fits), *fits[0].input_hw, 3), PAD, dtype=np.uint8)
    for image, fit, picture in zip(images_bgr, fits, pictures, strict=True):
        picture[fit.inner] = fit.resize(image)
    return pictures
