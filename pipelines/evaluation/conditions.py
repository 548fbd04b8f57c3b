"""Photographs as nights spoil them: kinds of conditions, each with three strengths, drawn from a seed.

A picture is turned into linear light, what a lens, the air or a sensor does to it is done there, and it is turned back.
The truth does not change. Some kinds are kept out of every training (:data:`KEPT_OUT`), so that one figure says how a
model counts under what it has never seen. Where a library has a kind, it is the library's (albumentations; its
transforms alone, since only its ``Compose`` sends usage data).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Literal

import albumentations
import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import ConfigError

__all__ = ["KEPT_OUT", "LEARNED", "STRENGTHS", "Condition", "spoil"]

Picture = NDArray[np.uint8]
Light = NDArray[np.float32]
Rng = np.random.Generator

GAMMA = 2.2
"""Of the display: linear light is (value / 255)^2.2, which is near enough to sRGB."""

STRENGTHS = (1, 2, 3)
"""Light, middle and heavy. A training draws any strength between 0, where nothing is spoiled, and 3."""


SAME_EVERYWHERE = "threads=1:asm=SSE2"
"""Of x264: with AVX-512 it gave other bits from call to call for pictures whose sides are no multiples of 16."""


class Condition(StrEnum):
    """What spoils a picture."""

    NIGHT = "night"
    LAMPS = "lamps"
    FLASH = "flash"
    SMOKE = "smoke"
    RAIN = "rain"
    DEFOCUS = "defocus"
    MOTION = "motion"
    JPEG = "jpeg"
    H264 = "h264"
    RESOLUTION = "resolution"
    INFRARED = "infrared"
    DIRT = "dirt"
    UMBRELLAS = "umbrellas"


KEPT_OUT = (Condition.RAIN, Condition.H264, Condition.DIRT)
LEARNED = tuple(kind for kind in Condition if kind not in KEPT_OUT)


@dataclass(frozen=True, slots=True)
class _Chance:
    """What is random: of the place, which stays from picture to picture of a video, and of the moment."""

    place: Rng
    moment: Rng


def spoil(
    image_bgr: Picture,
    kind: Condition,
    strength: float,
    rng: Rng,
    heads_px: FloatArray | None = None,
    *,
    moment: Rng | None = None,
) -> Picture:
    """Spoil a picture.

    Args:
        image_bgr: (H, W, 3).
        kind: how.
        strength: 0 (not at all) to 3 (heavy).
        rng: of everything random.
        heads_px: (N, 2) where heads are; umbrellas and hats are put there.
        moment: of what changes from picture to picture of a video: noise, rain in the air, shaking. ``rng`` is then of
            what stays: lamps, smoke, drops and dirt. By default it is of both.

    Returns:
        (H, W, 3), for :attr:`Condition.RESOLUTION` smaller.

    Raises:
        ConfigError: the strength is out of its limits.
    """
    if not 0 <= strength <= STRENGTHS[-1]:
        raise ConfigError(f"condition {kind}: strength is {strength}, need 0 to {STRENGTHS[-1]}.")
    if strength == 0:
        return image_bgr.copy()
    if kind is Condition.UMBRELLAS:
        return _umbrellas(image_bgr, strength, rng, np.empty((0, 2)) if heads_px is None else heads_px)
    return _KINDS[kind](image_bgr, strength, _Chance(rng, moment or rng))


def _at(strength: float, *values: float) -> float:
    """The value at a strength, of those at 0, 1, 2 and 3."""
    return float(np.interp(strength, range(len(values)), values))


def _light(image: Picture) -> Light:
    levels: Light = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)
    return levels[image]


def _picture(light: Light) -> Picture:
    shown: Picture = (np.clip(light, 0, 1) ** (1 / GAMMA) * 255 + 0.5).astype(np.uint8)
    return shown


def _sensed(light: Light, electrons: float, read: float, rng: Rng) -> Light:
    """Light as a sensor measures it, whose white is so many electrons: shot noise (its variance is the signal, in
    electrons) and read noise (EMVA Standard 1288, release 4.0, section 2.4)."""
    sigma = np.sqrt(np.maximum(light, 0) / electrons + (read / electrons) ** 2)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    return (light + sigma * noise).astype(np.float32)


def _cloud(hw: tuple[int, int], rng: Rng, cells: int) -> NDArray[np.float32]:
    """(H, W) smooth random field between 0 and 1, with about so many bumps along each side."""
    coarse = rng.random((cells, cells), dtype=np.float32)
    field = np.asarray(cv2.resize(coarse, hw[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    return np.clip(field, 0, 1)


def _night(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Little light of warm lamps, brought up again by gain, with the noise that comes with it."""
    level = _at(strength, 1.0, 0.5, 0.3, 0.18)
    electrons = _at(strength, 20_000, 500, 150, 60)
    blue, green = _at(strength, 1.0, 0.75, 0.55, 0.4), _at(strength, 1.0, 0.95, 0.85, 0.75)
    light = _light(image) * np.array([blue, green, 1.0], np.float32)
    return _picture(_sensed(light, electrons, 3.0, chance.moment) * level)


def _lamps(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Coloured lamps and stage light: some of the picture is bright in one colour, the rest nearly dark."""
    height, width = image.shape[:2]
    field = np.full(image.shape, _at(strength, 1.0, 0.5, 0.25, 0.12), np.float32)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(chance.place.integers(2, 6))):
        x, y, size = (
            chance.place.uniform(0, width),
            chance.place.uniform(0, height),
            chance.place.uniform(0.15, 0.5) * max(height, width),
        )
        spot = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * size**2))
        colour = chance.place.dirichlet([0.3, 0.3, 0.3]).astype(np.float32) * 3
        field += spot[:, :, None] * colour * np.float32(_at(strength, 0.0, 0.3, 0.4, 0.4))
    return _picture(_sensed(_light(image) * field, _at(strength, 20_000, 1500, 600, 300), 3.0, chance.moment))


def _flash(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Fireworks or a lightning: everything brighter, a veil of light from one side, much of it clipped."""
    height, width = image.shape[:2]
    x, y = chance.place.uniform(0, width), chance.place.uniform(-0.3, 0.5) * height
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    glow = np.exp(-np.hypot(across - x, down - y) / (0.6 * max(height, width)))
    veil = (glow * _at(strength, 0.0, 0.15, 0.3, 0.5))[:, :, None]
    return _picture(_light(image) * np.float32(_at(strength, 1.0, 1.7, 2.6, 4.0)) + veil)


def _smoke(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Smoke, fog or haze: light of the air replaces light of the scene (Koschmieder 1924), and edges are soft."""
    depth = _at(strength, 0.0, 0.5, 1.0, 1.7) * (0.5 + 0.5 * _cloud(image.shape[:2], chance.place, 4))
    through = np.exp(-depth)[:, :, None].astype(np.float32)
    air = np.float32(chance.place.uniform(0.25, 0.6))
    spoiled = _picture(_light(image) * through + air * (1 - through))
    sigma = _at(strength, 0.0, 0.4, 0.8, 1.3)
    return np.asarray(cv2.GaussianBlur(spoiled, (0, 0), sigma), np.uint8)


def _rain(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Streaks in the air, and drops on the dome."""
    how: tuple[Literal["drizzle"], Literal["heavy"], Literal["torrential"]] = ("drizzle", "heavy", "torrential")
    streaks = albumentations.RandomRain(
        rain_type=how[min(2, max(0, round(strength) - 1))],
        brightness_coefficient=_at(strength, 1.0, 0.85, 0.75, 0.65),
        blur_value=3,
        p=1,
    )
    mean = _at(strength, 0.5, 0.62, 0.65, 0.68)
    drops = albumentations.Spatter(mean_range=(mean, mean), intensity_range=(0.6, 0.6), mode="rain", p=1)
    return _by(drops, _by(streaks, image, chance.moment), chance.place)


def _defocus(image: Picture, strength: float, chance: _Chance) -> Picture:
    radius = max(1, round(_at(strength, 0, 2, 3, 5)))
    return _by(
        albumentations.Defocus(radius_range=(radius, radius), alias_blur_range=(0.1, 0.1), p=1), image, chance.place
    )


def _motion(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Along a straight line of any direction; the picture stays where it was."""
    length = 2 * max(1, round(_at(strength, 0, 2, 4, 7))) + 1
    shake = albumentations.MotionBlur(
        blur_range=(length, length), angle_range=(0, 360), direction_range=(0.0, 0.0), allow_shifted=False, p=1
    )
    return _by(shake, image, chance.moment)


def _jpeg(image: Picture, strength: float, chance: _Chance) -> Picture:
    quality = round(_at(strength, 95, 30, 15, 8))
    return _by(albumentations.ImageCompression(quality_range=(quality, quality), p=1), image, chance.moment)


def _h264(image: Picture, strength: float, chance: _Chance) -> Picture:
    """A picture of a video of low bit rate: the last of eight while the camera sways, through a real encoder.

    OpenCV converts the colours, since what FFmpeg's conversion rounds to depends on where the memory lies.
    """
    height, width = (side - side % 2 for side in image.shape[:2])
    file = BytesIO()
    step = chance.moment.uniform(-1.5, 1.5, 2)
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        crf = str(round(_at(strength, 18, 34, 40, 45)))
        stream.options = {"crf": crf, "preset": "veryfast", "x264-params": SAME_EVERYWHERE}
        for back in range(7, -1, -1):
            shift = np.array([[1, 0, step[0] * back], [0, 1, step[1] * back]])
            moved = cv2.warpAffine(image, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            planes = np.asarray(cv2.cvtColor(moved, cv2.COLOR_BGR2YUV_I420), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as found:
        *_, last = found.decode(video=0)
        decoded = cv2.cvtColor(last.to_ndarray(), cv2.COLOR_YUV2BGR_I420)
    whole = image.copy()
    whole[:height, :width] = decoded
    return whole


def _resolution(image: Picture, strength: float, chance: _Chance) -> Picture:
    del chance
    factor = _at(strength, 1.0, 1.5, 2.0, 3.0)
    size = tuple(max(1, round(side / factor)) for side in image.shape[1::-1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _infrared(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Grey light of a lamp at the camera, which falls off to the edges, with noise."""
    height, width = image.shape[:2]
    weights = chance.place.dirichlet([1.0, 2.0, 3.0]).astype(np.float32)
    grey = _light(image) @ weights
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    away = ((across - width / 2) / width) ** 2 + ((down - height / 2) / height) ** 2
    lamp = np.exp(-away * _at(strength, 0.0, 2.0, 4.0, 7.0))
    light = np.repeat((grey * lamp)[:, :, None], 3, axis=2)
    noisy = _sensed(light[:, :, :1], _at(strength, 20_000, 600, 250, 120), 3.0, chance.moment)
    return _picture(np.repeat(noisy, 3, axis=2))


def _dirt(image: Picture, strength: float, chance: _Chance) -> Picture:
    """Smears that blur a part of the picture and take its contrast, and specks."""
    soft = cv2.GaussianBlur(image, (0, 0), _at(strength, 0.1, 2.0, 3.5, 5.0)).astype(np.float32)
    soft = soft + (128 - soft) * _at(strength, 0.0, 0.15, 0.25, 0.35)
    share = np.clip((_cloud(image.shape[:2], chance.place, 6) - 0.45) * 4, 0, 1)[:, :, None] * _at(
        strength, 0, 0.6, 0.8, 0.9
    )
    smeared = (image + (soft - image) * share + 0.5).clip(0, 255).astype(np.uint8)
    mean = _at(strength, 0.5, 0.58, 0.62, 0.65)
    return _by(albumentations.Spatter(mean_range=(mean, mean), mode="mud", p=1), smeared, chance.place)


def _umbrellas(image: Picture, strength: float, rng: Rng, heads_px: FloatArray) -> Picture:
    """Umbrellas over some heads and hats on others; each is as wide as the distance to the neighbours allows."""
    if len(heads_px) < 4:
        return image
    spoiled = image.copy()
    near = np.asarray(cKDTree(heads_px).query(heads_px, k=4)[0])[:, 1:].mean(axis=1)
    size = np.clip(np.minimum(near, np.median(near) * 2), 3, 0.06 * image.shape[0])
    order = np.argsort(heads_px[:, 1])  # from far to near
    draws = rng.random(len(heads_px))
    umbrellas, hats = _at(strength, 0, 0.06, 0.12, 0.2), _at(strength, 0, 0.15, 0.25, 0.35)
    for index in order:
        x, y = heads_px[index]
        if draws[index] < umbrellas:
            axes = (max(2, round(1.2 * size[index])), max(1, round(0.7 * size[index])))
            _disc(spoiled, (x, y - 0.4 * size[index]), axes, rng)
        elif draws[index] < umbrellas + hats:
            axes = (max(1, round(0.35 * size[index])), max(1, round(0.25 * size[index])))
            _disc(spoiled, (x, y - 0.1 * size[index]), axes, rng)
    return spoiled


def _disc(image: Picture, at: tuple[float, float], axes: tuple[int, int], rng: Rng) -> None:
    """A disc of one colour with a lighter half, as light the picture has where it lies."""
    x, y = round(at[0]), round(at[1])
    around = image[max(0, y - axes[1]) : y + axes[1] + 1, max(0, x - axes[0]) : x + axes[0] + 1]
    light = float(around.mean()) / 128 if around.size else 1.0
    colour = np.clip(rng.uniform(20, 235, 3) * light, 0, 255)
    cv2.ellipse(image, (x, y), axes, 0, 0, 360, colour.tolist(), -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y), axes, 0, 180, 300, np.clip(colour * 1.2, 0, 255).tolist(), -1, cv2.LINE_AA)


def _by(transform: albumentations.BasicTransform, image: Picture, rng: Rng) -> Picture:
    """What a library's transform makes of a picture."""
    transform.set_random_seed(int(rng.integers(2**31)))
    return np.asarray(transform(image=np.ascontiguousarray(image))["image"], np.uint8)


_KINDS: dict[Condition, Callable[[Picture, float, _Chance], Picture]] = {
    Condition.NIGHT: _night,
    Condition.LAMPS: _lamps,
    Condition.FLASH: _flash,
    Condition.SMOKE: _smoke,
    Condition.RAIN: _rain,
    Condition.DEFOCUS: _defocus,
    Condition.MOTION: _motion,
    Condition.JPEG: _jpeg,
    Condition.H264: _h264,
    Condition.RESOLUTION: _resolution,
    Condition.INFRARED: _infrared,
    Condition.DIRT: _dirt,
}
