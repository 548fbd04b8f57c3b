"""A synthetic scene: people at known ground positions, rendered through a known camera, so that the truth is known.

It ships with the library: the closed-form tests use it, and so does the demonstration where no real recording can be
had. Everything that shows it says SYNTHETIC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from operator import attrgetter
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.records import Anchor, Detections, FloatArray, Frame, FramePair, GroundPlane, HeadMass, Stamp
from crowdwatch.ground import plane_from_pose, to_ground, to_image
from crowdwatch.sources.sampling import FARTHEST_S, NS, sample, whole

__all__ = [
    "Flight",
    "Scene",
    "SyntheticSource",
    "TruthCounter",
    "TruthDetector",
    "draw_people",
    "ebb_and_flow",
    "lattice",
    "looking_down",
    "standing",
    "visit",
]

Flight: TypeAlias = Callable[[float], GroundPlane]
"""Seconds since the start -> where a camera that moves looks from."""

PERSON_M, SHOULDER_M, HEAD_RADIUS_M = 1.75, 0.45, 0.12
BUILTIN_RATE_HZ = Fraction(5)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """People, ground and camera.

    Args:
        plane: the camera; of one that moves, its flight.
        people: seconds since the start -> (N, 2) where everyone stands.
        start_ns: event time of the first frame.
        frames: how many frames there are.
        rate_hz: frames per second.
        seed: of the sensor's noise.
    """

    plane: GroundPlane | Flight
    people: Callable[[float], FloatArray]
    start_ns: int
    frames: int
    rate_hz: Fraction = BUILTIN_RATE_HZ
    seed: int = 1

    def t_ns(self, seq: int) -> int:
        """Event time of a frame."""
        return self.start_ns + math.floor(seq / self.rate_hz * NS)

    def truth(self, seq: int) -> FloatArray:
        """(N, 2) where everyone stands in a frame."""
        return self.people(float(seq / self.rate_hz))

    def seq_at(self, into_ns: int) -> int:
        """The frame that is shown so long after the first one, where the scene begins anew when it is over."""
        return round(into_ns * self.rate_hz / NS) % self.frames

    def plane_at(self, seq: int) -> GroundPlane:
        """The camera in a frame."""
        return self.plane if isinstance(self.plane, GroundPlane) else self.plane(float(seq / self.rate_hz))


def standing(xy_m: Sequence[Sequence[float]] | FloatArray) -> Callable[[float], FloatArray]:
    """People who do not move."""
    fixed = np.array(xy_m, dtype=np.float64).reshape(-1, 2)
    return lambda _: fixed


def lattice(density_p_m2: float, west: float, south: float, east: float, north: float) -> FloatArray:
    """A square lattice of exactly this density, half a step away from the rectangle's edges where it fits.

    >>> lattice(4.0, 0, 0, 3, 2).shape
    (24, 2)
    """
    step = 1 / math.sqrt(density_p_m2)
    xs = np.arange(west + step / 2, east, step)
    ys = np.arange(south + step / 2, north, step)
    grid = np.meshgrid(xs, ys)
    return np.stack([grid[0].ravel(), grid[1].ravel()], axis=1)


def ebb_and_flow(
    people: int, duration_s: float, west: float, south: float, east: float, north: float, seed: int = 7
) -> Callable[[float], FloatArray]:
    """A crowd that gathers around the rectangle's centre, stays, and leaves again: the demonstration's story.

    Everyone enters from the west edge at an own time, walks to an own place (a Gaussian cloud about the centre),
    shuffles, and leaves to the east.
    """
    rng = np.random.default_rng(seed)
    centre = np.array([(west + east) / 2, (south + north) / 2])
    spread = np.array([(east - west) / 7, (north - south) / 6])
    low, high = np.array([west + 0.5, south + 0.5]), np.array([east - 0.5, north - 0.5])
    place = np.clip(rng.normal(centre, spread, (people, 2)), low, high)
    entry = np.stack([np.full(people, west), rng.uniform(south + 1, north - 1, people)], axis=1)
    leave = np.stack([np.full(people, east), rng.uniform(south + 1, north - 1, people)], axis=1)
    arrives = rng.uniform(0.0, 0.45 * duration_s, people)
    departs = rng.uniform(0.6 * duration_s, 0.85 * duration_s, people)
    phase = rng.uniform(0, 2 * math.pi, (people, 2))
    walk_s = 8.0

    def at(t_s: float) -> FloatArray:
        inward = np.clip((t_s - arrives) / walk_s, 0, 1)[:, None]
        outward = np.clip((t_s - departs) / walk_s, 0, 1)[:, None]
        xy = entry + (place - entry) * inward + (leave - place) * outward
        xy = xy + 0.05 * np.sin(phase + t_s)
        here = (t_s >= arrives) & (t_s <= departs + walk_s)
        inside: FloatArray = xy[here]
        return inside

    return at


def looking_down(
    centre_m: tuple[float, float, float],
    target_m: tuple[float, float],
    image_hw: tuple[int, int] = (576, 768),
    focal_px: float = 700.0,
    head_plane_m: float = 1.65,
    max_sigma_m: float = 1.0,
) -> GroundPlane:
    """A level pinhole camera at ``centre_m`` that looks at a point of the ground."""
    eye = np.array(centre_m)
    forward = np.array([*target_m, 0.0]) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    height, width = image_hw
    camera_matrix = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1.0]])
    return plane_from_pose(
        camera_matrix, rotation, -rotation @ eye, image_hw=image_hw, head_plane_m=head_plane_m, rmse_m=0.0,
        max_sigma_m=max_sigma_m,
    )  # fmt: skip


def visit(
    centre_m: tuple[float, float, float],
    target_m: tuple[float, float],
    away_m: tuple[float, float],
    times_s: tuple[float, float, float, float],
    *,
    image_hw: tuple[int, int] = (540, 960),
    focal_px: float = 720.0,
    head_plane_m: float = 1.65,
    max_sigma_m: float = 1.0,
    sway_m: float = 0.2,
) -> Flight:
    """A drone that comes, hovers and leaves again; it never looks from quite the same place twice.

    Args:
        centre_m: where it hovers.
        target_m: the point of the ground that it looks at there.
        away_m: how far east and north of there it is before it comes and after it has left.
        times_s: when it sets out, arrives, sets out again and has left.
        image_hw, focal_px, head_plane_m, max_sigma_m: of its pictures; see :class:`GroundPlane`.
        sway_m: how far the wind moves it, and what it looks at, to either side.
    """
    rates = np.array([0.7, 1.1, 0.4, 0.9, 1.3])

    def at(t_s: float) -> GroundPlane:
        share = np.interp(t_s, times_s, (0.0, 1.0, 1.0, 0.0))
        far = 1 - share * share * (3 - 2 * share)
        sway = sway_m * np.sin(rates * t_s + np.arange(5))
        shift = np.array([far * away_m[0], far * away_m[1], 0.0])
        east, north, up = (centre_m + shift + sway[:3]).tolist()
        look = (target_m + shift[:2] + sway[3:]).tolist()
        return looking_down(
            (east, north, up), (look[0], look[1]), image_hw, focal_px, head_plane_m, max_sigma_m
        )  # fmt: skip

    return at


def draw_people(plane: GroundPlane, xy: FloatArray, seed: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of a crowd: paving, people from far to near, sensor noise.

    Args:
        plane: who looks.
        xy: (N, 2) where everyone stands.
        seed: of the noise.

    Returns:
        (H, W, 3).
    """
    height, width = plane.image_hw
    image = _paving(plane).copy()
    centre = plane.camera_centre_m
    if len(xy) and centre is not None:
        xy = xy[np.argsort(-np.hypot(*(xy - centre[:2]).T), kind="stable")]
    feet = to_image(plane, xy)
    heads = to_image(plane, xy, PERSON_M - HEAD_RADIUS_M)
    seen = np.isfinite(feet).all(axis=1) & np.isfinite(heads).all(axis=1)
    with np.errstate(invalid="ignore"):
        tall = np.abs(feet - heads).max(axis=1, keepdims=True)
        seen &= ((heads > -tall) & (heads < np.array([width, height]) + tall)).all(axis=1)
    shown = np.flatnonzero(seen)
    feet, heads = feet[shown], heads[shown]
    px_per_m = np.hypot(*(heads - feet).T) / (PERSON_M - HEAD_RADIUS_M)
    bodies = (feet + (heads - feet) * 0.42).round().astype(int).tolist()
    sizes = np.outer(px_per_m, (SHOULDER_M / 2, 0.75, HEAD_RADIUS_M)).round().astype(int).clip(1).tolist()
    for index, body, head, (wide, high, radius) in zip(
        shown.tolist(), bodies, heads.round().astype(int).tolist(), sizes, strict=True
    ):
        shade = 40 + 37 * index % 120
        cv2.ellipse(image, body, (wide, high), 0, 0, 360, (shade, 70, 150 - shade // 2), -1, cv2.LINE_AA)
        cv2.circle(image, head, radius, (150, 175, 205), -1, cv2.LINE_AA)
    rng = np.random.default_rng(seed)
    noise = rng.integers(-4, 5, (height, width, 1), dtype=np.int16)
    noisy: NDArray[np.uint8] = cv2.add(image, cv2.merge([noise] * 3), dtype=cv2.CV_8U)  # type: ignore[assignment]
    return noisy


@lru_cache(maxsize=16)
def _paving(plane: GroundPlane) -> NDArray[np.uint8]:
    """Slabs of two metres on the ground, sky above the horizon."""
    height, width = plane.image_hw
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    xy = to_ground(plane, np.stack([u.ravel(), v.ravel()], axis=1))
    slab = np.floor(np.nan_to_num(xy) / 2).sum(axis=1) % 2
    tone = np.where(np.isfinite(xy).all(axis=1), 150 + 14 * slab, 215).astype(np.uint8)
    paving: NDArray[np.uint8] = np.repeat(tone.reshape(height, width, 1), 3, axis=2)
    return paving


class SyntheticSource:
    """A :class:`Scene` as a Source."""

    def __init__(self, scene: Scene, *, camera_id: str, sample_hz: Fraction | None = None) -> None:
        self.scene = scene
        self._camera_id = camera_id
        self._sample_hz = sample_hz
        self.image_hw = scene.plane_at(0).image_hw

    @property
    def camera_id(self) -> str:
        """The camera."""
        return self._camera_id

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first frame and of the end."""
        return self.scene.start_ns, self.scene.t_ns(self.scene.frames)

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames of ``[from_ns, to_ns)``; see :class:`crowdwatch.core.ports.Source`."""
        first = 0
        if from_ns is not None:
            begin_ns = from_ns - self.scene.start_ns - round(FARTHEST_S * NS)
            first = max(0, math.floor(Fraction(begin_ns, NS) * self.scene.rate_hz) - 1)
        yield from whole(sample(self._frames(first), self._sample_hz, from_ns, to_ns))

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """The same: no drawn frame is damaged."""
        return self.pairs(from_ns, to_ns)

    def close(self) -> None:
        """Nothing to release."""

    def _frames(self, first: int) -> Iterator[tuple[Stamp, Callable[[], Frame]]]:
        for seq in range(first, self.scene.frames):
            stamp = Stamp(self._camera_id, seq, self.scene.t_ns(seq), "capture_rate")
            yield stamp, partial(self._frame, stamp)

    def _frame(self, stamp: Stamp) -> Frame:
        plane = self.scene.plane_at(stamp.seq)
        moves = not isinstance(self.scene.plane, GroundPlane)
        return Frame(
            stamp,
            draw_people(plane, self.scene.truth(stamp.seq), (self.scene.seed, stamp.seq)),
            plane if moves else None,
        )


class TruthDetector:
    """Tells the scene's truth as boxes: everyone whose anchor lies in the picture, with score 1.

    Args:
        scene: what is shown.
        anchor: what the boxes locate.
        seq_of: which of the scene's frames a frame shows; by default the one of its number.
    """

    detector_id = "synthetic/truth"

    def __init__(
        self, scene: Scene, anchor: Anchor = Anchor.FEET, seq_of: Callable[[Stamp], int] = attrgetter("seq")
    ) -> None:
        self._scene = scene
        self._anchor = anchor
        self._seq_of = seq_of

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate."""
        return self._anchor

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the truth of each frame."""
        return [self._truth(frame) for frame in frames]

    def close(self) -> None:
        """Nothing to release."""

    def _truth(self, frame: Frame) -> Detections:
        seq = self._seq_of(frame.stamp)
        plane = self._scene.plane_at(seq)
        height, width = frame.image_hw
        xy = self._scene.truth(seq)
        feet = to_image(plane, xy)
        top = to_image(plane, xy, PERSON_M)
        centre = feet if self._anchor is Anchor.FEET else to_image(plane, xy, plane.head_plane_m)
        size = np.hypot(*(top - feet).T) / PERSON_M * (SHOULDER_M if self._anchor is Anchor.FEET else 2 * HEAD_RADIUS_M)
        if self._anchor is Anchor.FEET:
            boxes = np.stack([centre[:, 0] - size / 2, top[:, 1], centre[:, 0] + size / 2, centre[:, 1]], axis=1)
        else:
            boxes = np.concatenate([centre - size[:, None] / 2, centre + size[:, None] / 2], axis=1)
        u, v = centre[:, 0], centre[:, 1]
        shown = np.isfinite(boxes).all(axis=1) & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
        kept = boxes[shown]
        n = len(kept)
        return Detections(
            frame.stamp, kept, np.ones(n), np.zeros(n, dtype=np.int64), self._anchor, frame.image_hw, self.detector_id
        )


class TruthCounter:
    """Tells the scene's truth as a density map: one person in the block that shows the middle of their head.

    Args:
        scene, seq_of: as of :class:`TruthDetector`.
        block_px: side of a block.
    """

    counter_id = "synthetic/truth"

    def __init__(self, scene: Scene, block_px: float = 8.0, seq_of: Callable[[Stamp], int] = attrgetter("seq")) -> None:
        self._scene = scene
        self._seq_of = seq_of
        self._block_px = block_px

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Return the truth of each frame."""
        return [self._truth(frame) for frame in frames]

    def close(self) -> None:
        """Nothing to release."""

    def _truth(self, frame: Frame) -> HeadMass:
        seq = self._seq_of(frame.stamp)
        plane = self._scene.plane_at(seq)
        height, width = frame.image_hw
        heads = to_image(plane, self._scene.truth(seq), plane.head_plane_m)
        with np.errstate(invalid="ignore"):
            shown = ((heads >= 0) & (heads < (width, height))).all(axis=1)
        block = (heads[shown] / self._block_px).astype(np.int64)
        mass = np.zeros((math.ceil(height / self._block_px), math.ceil(width / self._block_px)))
        np.add.at(mass, (block[:, 1], block[:, 0]), 1.0)
        return HeadMass(frame.stamp, mass, self._block_px, frame.image_hw, self.counter_id)
