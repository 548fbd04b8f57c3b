"""How a camera's calibration is written: in the event file, and control points in a file of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crowdwatch.config.fields import (
    CameraPositionM,
    HeadPlane,
    Matrix3,
    NotNegative,
    Number,
    PairPx,
    Plain,
    Point3M,
    PointM,
    PointName,
    Positive,
    SizePx,
    Whole,
)
from crowdwatch.config.programs import Model

__all__ = [
    "CalibrationFile",
    "LensFile",
    "OpenCvFiles",
    "PointPair",
    "PointsFile",
    "PoseNumbers",
    "TsaiNumbers",
]


class PointPair(Model):
    """One control point: where it is in the picture, and where it was surveyed on the ground."""

    name: PointName = ""
    pixel_px: PairPx
    ground_m: PointM
    survey_sigma_m: Positive = Field(
        default=0.05, json_schema_extra={"source": "a tape or a total station on uneven ground"}
    )


class LensFile(Model):
    """How the picture departs from a pinhole. Coefficients: OpenCV's k1 k2 p1 p2 k3 ..., its fisheye's k1 k2 k3 k4, or
    Tsai's one kappa."""

    model: Literal["opencv", "fisheye", "tsai"] = "opencv"
    focal_px: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    centre_px: PairPx
    coefficients: Annotated[list[Number], Field(min_length=1, max_length=14)]


class TsaiNumbers(Model):
    """Tsai's camera model in the units of its XML files: millimetres and radians."""

    width_px: Annotated[Whole, Field(gt=0, le=20_000)]
    height_px: Annotated[Whole, Field(gt=0, le=20_000)]
    ncx: Positive
    nfx: Positive
    dx_mm: Positive
    dy_mm: Positive
    dpx_mm: Positive
    dpy_mm: Positive
    focal_mm: Positive
    kappa1_per_mm2: Number
    cx_px: Number
    cy_px: Number
    sx: Positive
    tx_mm: Number
    ty_mm: Number
    tz_mm: Number
    rx_rad: Number
    ry_rad: Number
    rz_rad: Number


class OpenCvFiles(Model):
    """OpenCV's XML files of the intrinsic and the extrinsic calibration; relative to the event file.

    ``unit_m`` is the length of the unit of their translation: 0.01 for centimetres, 1 for metres. No default: a wrong
    one moves the camera a hundredfold.
    """

    intrinsics_file: Plain
    extrinsics_file: Plain
    unit_m: Positive


class PoseNumbers(Model):
    """A full camera pose: x_camera = R x_site + t, in metres; then focal lengths, centre and OpenCV's coefficients, of
    its plain lens or of its fisheye."""

    focal_px: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    centre_px: PairPx
    distortion: Annotated[list[Number], Field(max_length=14)] = Field(default_factory=list)
    lens_model: Literal["opencv", "fisheye"] = "opencv"
    rotation: Matrix3
    translation_m: Point3M


class PointsFile(Model):
    """A points file: control points, and what else is known of the picture in which they were clicked."""

    points: Annotated[list[PointPair], Field(max_length=10_000)]
    image_size_px: SizePx | None = None
    lens: LensFile | None = None
    camera_position_m: CameraPositionM | None = None
    head_plane_m: HeadPlane | None = None
    click_sigma_px: Positive | None = None


class CalibrationFile(Model):
    """How pixels become metres: exactly one of the ways. Files are read when the event file is loaded, and what they
    say then stands here, so that a log holds it.

    ``camera_position_m`` (east, north, height) belongs to control points: without it heads cannot be located.
    ``rmse_m`` is the error on the ground that was measured for a pose or for Tsai's numbers; without it the error is
    unknown, and readings say so. Control points have their own.
    """

    points: Annotated[list[PointPair], Field(min_length=4, max_length=10_000)] | None = None
    points_file: Plain | None = None
    lens: LensFile | None = None
    camera_position_m: CameraPositionM | None = None
    click_sigma_px: Positive = Field(default=2.0, json_schema_extra={"source": "a careful click by hand"})
    rmse_m: NotNegative | None = None
    tsai: TsaiNumbers | None = None
    tsai_file: Plain | None = None
    opencv: OpenCvFiles | None = None
    pose: PoseNumbers | None = None
