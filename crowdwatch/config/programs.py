"""The programs that an event file may choose and set."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crowdwatch.config.fields import MAX_IMAGE_PX, Ident, ImagePx, NotNegative, Number, Positive, Truth, Whole
from crowdwatch.core.intervals import IntervalBand, IntervalTable
from crowdwatch.core.site import BAND_P_M2, FACTOR_RANGE, MOST_P_M2

__all__ = [
    "BiasSettings",
    "CameraCounter",
    "CounterSettings",
    "DetectorSettings",
    "IntervalsSettings",
    "Model",
    "TilesSettings",
]


class Model(BaseModel):
    """What all parts of the event file share: unknown keys are refused, values do not change after loading, and the
    text below a key explains it, in ``docs/event.md`` and to editors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class IntervalBandSettings(Model):
    """Quantiles of the scaled error in one band of crowding; the last band has no ``below``."""

    below: Positive | None = None
    """Upper end of the band; the last band has none."""
    low: Number
    """Quantile of the scaled error at the lower end of the interval."""
    high: Number
    """Quantile at the upper end."""


class IntervalsSettings(Model):
    """How far a model's counts may be off: see :mod:`crowdwatch.core.intervals`. Fitted, never guessed."""

    spread: NotNegative
    """How the error grows with the number of people."""
    between: Annotated[NotNegative, Field(le=1)] = 0.0
    """Error that pictures of one camera share, as a share of the count."""
    bands: Annotated[list[IntervalBandSettings], Field(min_length=1, max_length=50)]
    """Quantiles by band of crowding, in rising order."""

    @model_validator(mode="after")
    def _sound(self) -> IntervalsSettings:
        self.table()
        return self

    def table(self) -> IntervalTable:
        """The table that the core works with. Raises RecordError."""
        ends = [math.inf if band.below is None else band.below for band in self.bands]
        rows = zip(ends, self.bands, strict=True)
        return IntervalTable(
            self.spread, tuple(IntervalBand(end, band.low, band.high) for end, band in rows), self.between
        )


class TilesSettings(Model):
    """How pictures larger than the network's input are cut: for drones and 4K."""

    tile_px: Annotated[Whole, Field(ge=64, le=4096)] = Field(
        default=640, json_schema_extra={"source": "the size that the shipped weights were made for"}
    )
    """Side of a tile in pixels."""
    overlap_px: Annotated[Whole, Field(ge=16, le=2048)] = Field(
        default=160,
        json_schema_extra={"source": "people up to this height are whole in some tile: a quarter of a tile"},
    )
    """How far tiles overlap."""
    overview: Truth = Field(
        default=True, json_schema_extra={"source": "people larger than the overlap are found in the whole picture"}
    )
    """Whether the whole picture is looked at too."""

    @model_validator(mode="after")
    def _half_at_most(self) -> TilesSettings:
        if self.overlap_px > self.tile_px // 2:
            raise ValueError(f"overlap_px: got {self.overlap_px}, need at most half of tile_px {self.tile_px}")
        return self


class DetectorSettings(Model):
    """The program that finds people in a picture. ``auto`` takes the best that this machine can run."""

    model: Ident = Field(default="auto", json_schema_extra={"source": "the default of models/, else yolo11n"})
    """Name of the model, or `auto`."""
    runtime: Literal["auto", "openvino", "torch"] = Field(
        default="auto", json_schema_extra={"source": "OpenVINO on a CPU, torch on a GPU"}
    )
    """What runs it."""
    precision: Literal["auto", "f32", "bf16"] = Field(
        default="f32", json_schema_extra={"source": "numbers repeat between machines"}
    )
    """Of its arithmetic."""
    image_px: ImagePx | None = Field(
        default=None, json_schema_extra={"source": "the size that the weights were made for"}
    )
    """Longer side of its input: a multiple of 32, or `auto`, which follows from the calibration."""
    image_px_most: Annotated[Whole, Field(ge=640, le=MAX_IMAGE_PX, multiple_of=32)] = Field(
        default=1280, json_schema_extra={"source": "with image_px auto: four times the work of 640"}
    )
    """Longest side that `auto` may choose."""
    nms_iou: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.55, json_schema_extra={"source": "lowest count error on PETS2009 frames 0 to 199 among 0.5 to 0.7"}
    )
    """Boxes that overlap by more than this are one person."""
    score_floor: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.05, json_schema_extra={"source": "low enough that a log can be examined again with other scores"}
    )
    """Detections with a lower score are not even logged."""
    max_boxes: Annotated[Whole, Field(ge=1, le=30_000)] = Field(
        default=3000, json_schema_extra={"source": "ten times Ultralytics' 300, so that a crowd is not cut off"}
    )
    """Most boxes in a picture."""
    tiles: TilesSettings | None = Field(
        default=None, json_schema_extra={"source": "the whole picture, shrunk to the network's input"}
    )
    """How pictures larger than the input are cut, for drones and 4K."""
    threads: Annotated[Whole, Field(ge=1, le=1024)] | None = Field(
        default=None, json_schema_extra={"source": "every core of the machine"}
    )
    """Threads that it uses."""
    intervals: IntervalsSettings | None = Field(
        default=None, json_schema_extra={"source": "intervals.yaml beside the weights; else a wide guess"}
    )
    """How far its counts may be off."""

    @model_validator(mode="after")
    def _one_way(self) -> DetectorSettings:
        if self.image_px == "auto" and self.tiles is not None:
            raise ValueError("image_px: auto chooses the size for whole pictures; leave tiles out, or give a number")
        return self


MOST_HOLD_S = 180.0
"""Three times the longest ``every_s``: an older density map says nothing of what is there now."""


class CounterSettings(Model):
    """The program that counts heads where people stand too close for boxes, and where it takes over from them.

    ``auto`` is the shipped counter: without one, boxes count alone; a camera that cannot put heads on the ground says
    so in its readings. A counter that is named must be there, and every camera must be able to use it.
    """

    model: Ident = Field(default="auto", json_schema_extra={"source": "the default of models/; off without one"})
    """Name of the model, `auto`, or `none`."""
    runtime: Literal["auto", "openvino", "torch"] = Field(
        default="auto", json_schema_extra={"source": "OpenVINO on a CPU, torch on a GPU"}
    )
    """What runs it."""
    precision: Literal["auto", "f32", "bf16", "int8"] = Field(
        default="auto", json_schema_extra={"source": "what the model's own card recommends"}
    )
    """Of its arithmetic."""
    every_s: Annotated[Number, Field(ge=0.04, le=60)] = Field(
        default=1.0, json_schema_extra={"source": "once a tick: a reading is made once a second"}
    )
    """How often it looks, in event time."""
    dense_every_s: Annotated[Number, Field(ge=0.04, le=60)] | None = Field(
        default=None, json_schema_extra={"source": "every_s"}
    )
    """How often where people stand densely."""
    band_p_m2: Annotated[list[Annotated[NotNegative, Field(le=MOST_P_M2)]], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: list(BAND_P_M2),
        json_schema_extra={"source": "the highest band in which boxes still find enough people, by measured recall"},
    )
    """Density at which it begins to count beside boxes, and from which on it counts alone."""
    hold_s: Annotated[Positive, Field(le=MOST_HOLD_S)] | None = Field(
        default=None, json_schema_extra={"source": "5 s, or three times every_s"}
    )
    """How long a density map stands for what is there now."""
    threads: Annotated[Whole, Field(ge=1, le=1024)] | None = Field(
        default=None, json_schema_extra={"source": "every core of the machine"}
    )
    """Threads that it uses."""
    intervals: IntervalsSettings | None = Field(
        default=None, json_schema_extra={"source": "intervals.yaml beside the weights; else a wide guess"}
    )
    """How far its counts may be off."""

    @model_validator(mode="after")
    def _rises(self) -> CounterSettings:
        low, high = self.band_p_m2
        if not low < high:
            raise ValueError(f"band_p_m2: got {self.band_p_m2}, need the lower density first, then the higher one")
        return self

    @property
    def demanded(self) -> bool:
        """Whether a certain counter must run, on every camera."""
        return self.model not in ("auto", "none")


class CameraCounter(Model):
    """What one camera does otherwise: ``use: false`` leaves its people to boxes; times as in ``counter``."""

    use: Truth = True
    """Whether density is estimated in its pictures; else boxes count alone."""
    every_s: Annotated[Number, Field(ge=0.04, le=60)] | None = None
    """As in the section `counter`."""
    dense_every_s: Annotated[Number, Field(ge=0.04, le=60)] | None = None
    """As in the section `counter`."""


class BiasSettings(Model):
    """What hand counts say of a camera, as :class:`crowdwatch.core.site.Bias`.

    A factor that stands alone, as a person writes it, holds for every picture.
    """

    factor: Annotated[Number, Field(ge=FACTOR_RANGE[0], le=FACTOR_RANGE[1])]
    """True people for every one found."""
    low: Positive
    """Lower end of its 90 % interval."""
    high: Positive
    """Upper end."""
    audits: Annotated[Whole, Field(ge=0)] = 0
    """How many hand counts have said so."""
    offset: Number = 0.0
    """People to add to every picture; below 0 where things look like people."""
    offset_low: Number | None = Field(default=None, json_schema_extra={"source": "the offset"})
    """Lower end of its 90 % interval."""
    offset_high: Number | None = Field(default=None, json_schema_extra={"source": "the offset"})
    """Upper end."""
    correlation: Annotated[Number, Field(ge=-1, le=1)] = 0.0
    """Of the errors of factor and offset."""
    most_found: Annotated[Number, Field(ge=0)] | None = Field(default=None, json_schema_extra={"source": "no bound"})
    """Most people found in an audited picture: beyond it nothing is lowered."""
    most_p_m2: Annotated[Number, Field(ge=0)] | None = Field(default=None, json_schema_extra={"source": "no bound"})
    """Highest density in an audited picture: beyond it nothing is lowered."""
    lowers: Truth = True
    """Whether counts may be lowered at all."""

    @model_validator(mode="after")
    def _in_order(self) -> BiasSettings:
        if not self.low <= self.factor <= self.high:
            raise ValueError(f"bias: got low {self.low}, factor {self.factor}, high {self.high}, need them in order")
        low, high = self.offset_ends
        if not low <= self.offset <= high:
            raise ValueError(
                f"bias: got offset_low {low}, offset {self.offset}, offset_high {high}, need them in order"
            )
        return self

    @property
    def offset_ends(self) -> tuple[float, float]:
        """The ends of the offset's interval: the offset itself where nothing is said."""
        low, high = self.offset_low, self.offset_high
        return self.offset if low is None else low, self.offset if high is None else high
