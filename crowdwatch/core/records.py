"""The nouns: plain frozen data that every layer takes and returns. Read this first.

A noun knows nothing of its makers. Arrays are checked once, at construction, and made read-only. Units stand in
the names: ``_px`` image pixels (x right, y down), ``_m`` metres on the ground (x east, y north), ``_ns``
nanoseconds of UTC event time, ``_p_m2`` persons per square metre, ``_frac`` a share from 0 to 1. NaN means unknown,
never zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crowdwatch.core.actions import OperatorAction
from crowdwatch.core.blocks import BlockEvidence
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.planes import FloatArray, GroundPlane, Lens, readonly
from crowdwatch.core.reasons import CAMERA_FAULTS, ESTIMATOR_FAULTS, Code
from crowdwatch.errors import RecordError

__all__ = [
    "Anchor",
    "BlockEvidence",
    "CameraFault",
    "Detections",
    "Evidence",
    "FloatArray",
    "FlowSamples",
    "Frame",
    "FramePair",
    "GroundMass",
    "GroundPlane",
    "HeadMass",
    "Lens",
    "LogEvent",
    "Observation",
    "ObservationId",
    "OperatorAction",
    "Positions",
    "Stamp",
    "Tick",
    "readonly",
]

ObservationId: TypeAlias = tuple[str, int]
"""camera_id and frame sequence number."""


class Anchor(StrEnum):
    """The part of a person that a detection marks: it decides which plane the pixel is mapped through."""

    FEET = "feet"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and by which camera a frame was exposed.

    Args:
        camera_id: the camera.
        seq: number of the frame within its source, from 0, in the order of showing.
        t_ns: UTC exposure time.
        t_source: where the time comes from: ``container``, ``capture_rate``, ``arrival``, or ``estimated`` where the
            container has no time stamp for the frame.
        t_sigma_s: standard error of ``t_ns`` within its footage; 0 where the frame has a time stamp of its own.
    """

    camera_id: str
    seq: int
    t_ns: int
    t_source: str = "container"
    t_sigma_s: float = 0.0

    @property
    def id(self) -> ObservationId:
        """(camera_id, seq)."""
        return (self.camera_id, self.seq)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture, ``image_bgr`` u8 of shape (H, W, 3). Never stored, never sent between processes.

    ``plane`` is where a camera that moves looked from; None for one that stands, and where the source does not know.
    """

    stamp: Stamp
    image_bgr: NDArray[np.uint8]
    plane: GroundPlane | None = None

    def __post_init__(self) -> None:
        shape = self.image_bgr.shape
        if len(shape) != 3 or shape[2] != 3 or self.image_bgr.dtype != np.uint8 or 0 in shape:
            raise RecordError(f"image_bgr: got {shape} {self.image_bgr.dtype}, need (H, W, 3) uint8.")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image_bgr.shape[0], self.image_bgr.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """What a source delivers: the frame to analyse and the one decoded just before it, if there is one.

    ``earlier`` is one from 0.1 to 0.4 s before it, for velocities, where the source kept one. ``analysed_ns`` is the
    exposure of the camera's frame that was analysed before, where frames may be left out: what is measured once a
    second is then measured on the first *analysed* frame of the second. None: sampling instants decide.
    """

    previous: Frame | None
    current: Frame
    analysed_ns: int | None = None
    earlier: Frame | None = None

    @property
    def before_ns(self) -> int | None:
        """The frame before the current one as schedules take it; None for the first of its footage."""
        if self.analysed_ns is not None:
            return self.analysed_ns
        return None if self.previous is None else self.previous.stamp.t_ns


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes in one frame, low scores included: limits on the score are applied after the seam.

    Args:
        stamp: the frame.
        xyxy_px: (N, 4) left, top, right, bottom.
        score: (N,) confidence in 0..1.
        class_id: (N,) 0 is a person, 1 a head.
        anchor: the part of a person that the box locates on the ground.
        image_hw: size of the frame.
        detector_id: name, runtime, precision and first digits of the weights' sha256.
        saturated: the detector may have been cut off by one of its limits (candidates, boxes).
    """

    stamp: Stamp
    xyxy_px: FloatArray
    score: FloatArray
    class_id: NDArray[np.int64]
    anchor: Anchor
    image_hw: tuple[int, int]
    detector_id: str
    saturated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy_px", readonly("xyxy_px", self.xyxy_px, (None, 4)))
        n = len(self.xyxy_px)
        object.__setattr__(self, "score", readonly("score", self.score, (n,)))
        object.__setattr__(self, "class_id", readonly("class_id", self.class_id, (n,), np.int64))
        if not np.isfinite(self.xyxy_px).all() or not np.isfinite(self.score).all():
            raise RecordError("xyxy_px and score must be finite.")

    def __len__(self) -> int:
        return len(self.score)

    def anchor_px(self) -> FloatArray:
        """(N, 2) the pixel that is mapped to the ground: bottom centre for FEET, box centre for HEAD."""
        x = (self.xyxy_px[:, 0] + self.xyxy_px[:, 2]) / 2
        if self.anchor is Anchor.FEET:
            return np.stack([x, self.xyxy_px[:, 3]], axis=1)
        return np.stack([x, (self.xyxy_px[:, 1] + self.xyxy_px[:, 3]) / 2], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class HeadMass:
    """Expected number of heads in every pixel block of a frame: what a counter gives where people cannot be boxed.

    Args:
        stamp: the frame.
        mass: (h, w) persons per block, not negative; row 0 is the top of the picture. Blocks at the right and bottom
            edge may be cut by it: h = ceil(H / block_px), w = ceil(W / block_px).
        block_px: side of a block in pixels of the frame; not always a whole number, since a counter may resize.
        image_hw: size of the frame.
        counter_id: name, input scale, runtime, precision and first digits of the weights' sha256.
        fewer_frac, more_frac: for the state of the picture, how many fewer and how many more people there may be in
            nine of ten such pictures, as shares of the mass: 0 for a picture like those that the counter learned well;
            ``more_frac`` may exceed 1. NaN where nobody measured it for this counter.
    """

    stamp: Stamp
    mass: FloatArray
    block_px: float
    image_hw: tuple[int, int]
    counter_id: str
    fewer_frac: float = math.nan
    more_frac: float = math.nan

    def __post_init__(self) -> None:
        object.__setattr__(self, "mass", readonly("mass", self.mass, (None, None)))
        _check_shares(self.fewer_frac, self.more_frac)
        if not np.isfinite(self.mass).all() or (self.mass < 0).any():
            raise RecordError("mass must be finite and not negative.")
        need = tuple(math.ceil(side / self.block_px - 1e-9) for side in self.image_hw)
        if self.mass.shape != need:
            raise RecordError(f"mass: got shape {self.mass.shape}, need {need} for {self.image_hw} pixels.")

    @property
    def total(self) -> float:
        """Expected heads in the whole frame."""
        return float(self.mass.sum())


@dataclass(frozen=True, slots=True, eq=False)
class GroundMass:
    """A density map on the ground: what crosses the seam of a counter's answer. It holds no pixel.

    ``mass.sum() + beyond + unseen`` is the mass that the counter gave, up to the rounding of ``mass``.

    Args:
        stamp: the frame.
        origin_m: (2,) east and north of the south-west corner of cell (0, 0).
        cell_m: side of a square cell.
        mass: (rows, cols) persons per cell, not negative; row 0 is south, column 0 west.
        beyond: persons on ground that the camera validly sees and the grid does not cover.
        unseen: persons in pixels without valid ground: above the horizon, too far, outside the calibrated hull.
        counter_id, fewer_frac, more_frac: as in :class:`HeadMass`.
    """

    stamp: Stamp
    origin_m: FloatArray
    cell_m: float
    mass: FloatArray
    beyond: float
    unseen: float
    counter_id: str
    fewer_frac: float = math.nan
    more_frac: float = math.nan

    def __post_init__(self) -> None:
        _check_shares(self.fewer_frac, self.more_frac)
        object.__setattr__(self, "origin_m", readonly("origin_m", self.origin_m, (2,)))
        object.__setattr__(self, "mass", readonly("mass", self.mass, (None, None)))
        parts = (self.origin_m, self.mass, np.array([self.cell_m, self.beyond, self.unseen]))
        if not all(np.isfinite(part).all() for part in parts) or (self.mass < 0).any():
            raise RecordError("ground mass: every number must be finite, and no mass negative.")
        if not self.cell_m > 0 or self.beyond < 0 or self.unseen < 0:
            raise RecordError(f"ground mass: got cell_m {self.cell_m}, need > 0, and no negative remainder.")


def _check_shares(fewer_frac: float, more_frac: float) -> None:
    known = not (math.isnan(fewer_frac) and math.isnan(more_frac))
    if known and not (0 <= fewer_frac <= 1 and 0 <= more_frac < math.inf):
        raise RecordError(
            f"fewer_frac, more_frac: got {fewer_frac} and {more_frac}, need 0 to 1 and 0 or more, or NaN for both."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Where detections stand on the ground, row for row with :class:`Detections`.

    Args:
        stamp: the frame.
        xy_m: (N, 2) east and north; NaN where the pixel has no valid ground point.
        sigma_m: (N,) standard error of the position (root of the summed variances of both axes); NaN likewise.
        score: (N,) as detected.
    """

    stamp: Stamp
    xy_m: FloatArray
    sigma_m: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "xy_m", readonly("xy_m", self.xy_m, (None, 2)))
        n = len(self.xy_m)
        object.__setattr__(self, "sigma_m", readonly("sigma_m", self.sigma_m, (n,)))
        object.__setattr__(self, "score", readonly("score", self.score, (n,)))

    @property
    def dropped(self) -> int:
        """How many detections have no valid ground point."""
        return int(np.isnan(self.xy_m).any(axis=1).sum())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a frame says of its camera's health. ``advance`` judges it; ``observe`` only measures.

    Args:
        frame_hash: 16 hex digits of the picture's content.
        luma: mean brightness, 0..255.
        contrast: standard deviation of brightness.
        sharpness: variance of the Laplacian of brightness.
        change: mean absolute difference to the previous decoded frame; NaN without one.
        blocks: the same by blocks; None where it was not measured.
    """

    frame_hash: str
    luma: float
    contrast: float
    sharpness: float
    change: float
    blocks: BlockEvidence | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that is kept of one frame. It holds no image: this is what crosses the seam.

    ``mass`` is None where no counter ran on this frame; ``counter_fault`` says why one that should have run gave
    nothing, and is None otherwise. ``plane`` is where a camera that moves looked from: None for one that stands, whose
    plane the event file gives, and where it is not known, so that nobody has a position. ``plane_id`` is empty then.
    ``flow`` is None where no velocity could be measured: there is no picture just before, or nobody looked.
    """

    detections: Detections
    positions: Positions
    evidence: Evidence
    plane_id: str
    mass: GroundMass | None = None
    counter_fault: Code | None = None
    plane: GroundPlane | None = None
    flow: FlowSamples | None = None

    def __post_init__(self) -> None:
        if self.detections.stamp != self.positions.stamp or len(self.detections) != len(self.positions.xy_m):
            raise RecordError("detections and positions of an observation must belong to one frame, row for row.")
        if self.mass is not None and self.mass.stamp != self.detections.stamp:
            raise RecordError("the density map of an observation must belong to its frame.")
        if self.counter_fault is not None and self.counter_fault not in ESTIMATOR_FAULTS:
            raise RecordError(f"counter_fault: got {self.counter_fault!r}, need one of {sorted(ESTIMATOR_FAULTS)}.")

    @property
    def stamp(self) -> Stamp:
        """The frame's stamp."""
        return self.detections.stamp

    @property
    def t_ns(self) -> int:
        """UTC exposure time."""
        return self.detections.stamp.t_ns


@dataclass(frozen=True, slots=True)
class Tick:
    """The beat of ``advance``: it folds exactly the observations that it names, so that a lateness decided live is
    replayed. ``included`` is in the order in which they are folded: by time, then camera, then number."""

    t_ns: int
    included: tuple[ObservationId, ...]


@dataclass(frozen=True, slots=True)
class CameraFault:
    """A camera has no observation where one was due: the next tick says so of the zones that it sees, and so does every
    tick after it until the camera has a newer observation.

    Args:
        camera_id: the camera.
        t_ns: exposure of the picture that could not be analysed; of the last good one where the footage broke off, the
            beginning of the span where there was none.
        code: why.
    """

    camera_id: str
    t_ns: int
    code: Code

    def __post_init__(self) -> None:
        if self.code not in CAMERA_FAULTS:
            raise RecordError(f"camera fault: got {self.code!r}, need one of {sorted(CAMERA_FAULTS)}.")


LogEvent: TypeAlias = Observation | Tick | OperatorAction | CameraFault
"""Everything that ``advance`` reacts to and that the observation log holds, in one order."""
