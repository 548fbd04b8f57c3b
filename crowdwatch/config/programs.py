"""The programs that an event file may choose and set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crowdwatch.config.fields import Ident, Number, Whole

__all__ = ["DetectorSettings", "Model", "TilesSettings"]


class Model(BaseModel):
    """What all parts of the event file share: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TilesSettings(Model):
    """How pictures larger than the network's input are cut: for drones and 4K."""

    tile_px: Annotated[Whole, Field(ge=64, le=4096)] = Field(
        default=640, json_schema_extra={"source": "the size that the shipped weights were made for"}
    )
    overlap_px: Annotated[Whole, Field(ge=16, le=2048)] = Field(
        default=160,
        json_schema_extra={"source": "people up to this height are whole in some tile: a quarter of a tile"},
    )
    overview: bool = Field(
        default=True, json_schema_extra={"source": "people larger than the overlap are found in the whole picture"}
    )

    @model_validator(mode="after")
    def _half_at_most(self) -> TilesSettings:
        if self.overlap_px > self.tile_px // 2:
            raise ValueError(f"overlap_px: got {self.overlap_px}, need at most half of tile_px {self.tile_px}")
        return self


class DetectorSettings(Model):
    """The program that finds people in a picture. ``auto`` takes the best that this machine can run."""

    model: Ident = Field(default="auto", json_schema_extra={"source": "the default of models/, else yolo11n"})
    runtime: Literal["auto", "openvino", "torch"] = Field(
        default="auto", json_schema_extra={"source": "OpenVINO on a CPU, torch on a GPU"}
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        default="f32", json_schema_extra={"source": "numbers repeat between machines"}
    )
    image_px: Annotated[Whole, Field(ge=64, le=4096, multiple_of=32)] | None = Field(
        default=None, json_schema_extra={"source": "the size that the weights were made for"}
    )
    nms_iou: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.55, json_schema_extra={"source": "lowest count error on PETS2009 frames 0 to 199 among 0.5 to 0.7"}
    )
    score_floor: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.05, json_schema_extra={"source": "low enough that a log can be examined again with other scores"}
    )
    max_boxes: Annotated[Whole, Field(ge=1, le=30_000)] = Field(
        default=3000, json_schema_extra={"source": "ten times Ultralytics' 300, so that a crowd is not cut off"}
    )
    tiles: TilesSettings | None = Field(
        default=None, json_schema_extra={"source": "the whole picture, shrunk to the network's input"}
    )
    threads: Annotated[Whole, Field(ge=1, le=1024)] | None = Field(
        default=None, json_schema_extra={"source": "every core of the machine"}
    )
