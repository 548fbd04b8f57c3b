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
    """Name or number of the point."""
    pixel_px: PairPx
    """Where it is in the picture: x to the right, y down, in pixels."""
    ground_m: PointM
    """Where it is on the ground: east and north in metres."""
    survey_sigma_m: Positive = Field(
        default=0.05, json_schema_extra={"source": "a tape or a total station on uneven ground"}
    )
    """Standard error of its survey."""


class LensFile(Model):
    """How the picture departs from a pinhole. Coefficients: OpenCV's k1 k2 p1 p2 k3 ..., its fisheye's k1 k2 k3 k4, or
    Tsai's one kappa."""

    model: Literal["opencv", "fisheye", "tsai"] = "opencv"
    """Whose formula the coefficients are of."""
    focal_px: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Focal lengths in x and y, in pixels."""
    centre_px: PairPx
    """Principal point, in pixels."""
    coefficients: Annotated[list[Number], Field(min_length=1, max_length=14)]
    """OpenCV's k1 k2 p1 p2 k3 ..., its fisheye's k1 k2 k3 k4, or Tsai's one kappa."""


class TsaiNumbers(Model):
    """Tsai's camera model in the units of its XML files: millimetres and radians."""

    width_px: Annotated[Whole, Field(gt=0, le=20_000)]
    """Width of the picture."""
    height_px: Annotated[Whole, Field(gt=0, le=20_000)]
    """Height of the picture."""
    ncx: Positive
    """Sensor elements in a row."""
    nfx: Positive
    """Pixels in a row of the picture."""
    dx_mm: Positive
    """Width of a sensor element."""
    dy_mm: Positive
    """Height of a sensor element."""
    dpx_mm: Positive
    """Width of a pixel on the sensor."""
    dpy_mm: Positive
    """Height of a pixel on the sensor."""
    focal_mm: Positive
    """Focal length."""
    kappa1_per_mm2: Number
    """Radial distortion."""
    cx_px: Number
    """Principal point, x."""
    cy_px: Number
    """Principal point, y."""
    sx: Positive
    """Scale of x."""
    tx_mm: Number
    """Translation, x."""
    ty_mm: Number
    """Translation, y."""
    tz_mm: Number
    """Translation, z."""
    rx_rad: Number
    """Rotation about x."""
    ry_rad: Number
    """Rotation about y."""
    rz_rad: Number
    """Rotation about z."""


class OpenCvFiles(Model):
    """OpenCV's XML files of the intrinsic and the extrinsic calibration; relative to the event file.

    ``unit_m`` is the length of the unit of their translation: 0.01 for centimetres, 1 for metres. No default: a wrong
    one moves the camera a hundredfold.
    """

    intrinsics_file: Plain
    """Camera matrix and distortion; relative to the event file."""
    extrinsics_file: Plain
    """Rotation and translation; relative to the event file."""
    unit_m: Positive
    """Length of the unit of the translation: 0.01 for centimetres, 1 for metres. A wrong one moves the camera a
    hundredfold, so that there is no default."""


class PoseNumbers(Model):
    """A full camera pose: x_camera = R x_site + t, in metres; then focal lengths, centre and OpenCV's coefficients, of
    its plain lens or of its fisheye."""

    focal_px: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Focal lengths in x and y, in pixels."""
    centre_px: PairPx
    """Principal point, in pixels."""
    distortion: Annotated[list[Number], Field(max_length=14)] = Field(default_factory=list)
    """OpenCV's coefficients."""
    lens_model: Literal["opencv", "fisheye"] = "opencv"
    """Whose formula they are of."""
    rotation: Matrix3
    """3 x 3: x_camera = R x_site + t."""
    translation_m: Point3M
    """t of the same formula."""


class PointsFile(Model):
    """A points file: control points, and what else is known of the picture in which they were clicked."""

    points: Annotated[list[PointPair], Field(max_length=10_000)]
    """Control points."""
    image_size_px: SizePx | None = None
    """Width and height of the picture in which they were clicked."""
    lens: LensFile | None = None
    """Of the camera."""
    camera_position_m: CameraPositionM | None = None
    """East, north and height of the camera."""
    head_plane_m: HeadPlane | None = None
    """Height at which heads are seen."""
    click_sigma_px: Positive | None = None
    """Standard error of a click."""


class CalibrationFile(Model):
    """How pixels become metres: exactly one of the ways. Files are read when the event file is loaded, and what they
    say then stands here, so that a log holds it.

    ``camera_position_m`` (east, north, height) belongs to control points: without it heads cannot be located.
    ``rmse_m`` is the error on the ground that was measured for a pose or for Tsai's numbers; without it the error is
    unknown, and readings say so. Control points have their own.
    """

    points: Annotated[list[PointPair], Field(min_length=4, max_length=10_000)] | None = None
    """Control points: at least four, spread over the ground that matters."""
    points_file: Plain | None = None
    """A file of control points; relative to the event file."""
    lens: LensFile | None = None
    """Beside control points: how the picture departs from a pinhole."""
    camera_position_m: CameraPositionM | None = None
    """Beside control points: east, north and height of the camera. Without it heads cannot be located."""
    click_sigma_px: Positive = Field(default=2.0, json_schema_extra={"source": "a careful click by hand"})
    """Beside control points: standard error of a click."""
    rmse_m: NotNegative | None = None
    """Error on the ground that was measured for a pose or for Tsai's numbers. Without it the error is unknown, and
    readings say so."""
    tsai: TsaiNumbers | None = None
    """Tsai's numbers."""
    tsai_file: Plain | None = None
    """Tsai's numbers in an XML file; relative to the event file."""
    opencv: OpenCvFiles | None = None
    """OpenCV's XML files."""
    pose: PoseNumbers | None = None
    """A full camera pose."""
