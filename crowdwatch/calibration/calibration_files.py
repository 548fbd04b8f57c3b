"""Camera poses in files: Tsai's XML as PETS and ETISEO use it, and OpenCV's XML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException

from crowdwatch.core.records import FloatArray, GroundPlane, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import opencv_lens, plane_from_pose, rotation_matrix

__all__ = [
    "OpenCvPose",
    "TsaiModel",
    "finite",
    "parse_opencv",
    "parse_tsai",
    "plane_from_tsai",
    "read_opencv",
    "read_tsai",
    "small_text",
]

LARGEST_FILE_BYTES = 4_000_000
"""No calibration is larger; a larger file is something else."""


@dataclass(frozen=True, slots=True)
class TsaiModel:
    """Tsai's camera model in the units of its files: pixels, millimetres and radians."""

    width_px: int
    height_px: int
    ncx: float
    nfx: float
    dx_mm: float
    dy_mm: float
    dpx_mm: float
    dpy_mm: float
    focal_mm: float
    kappa1_per_mm2: float
    cx_px: float
    cy_px: float
    sx: float
    tx_mm: float
    ty_mm: float
    tz_mm: float
    rx_rad: float
    ry_rad: float
    rz_rad: float


@dataclass(frozen=True, slots=True, eq=False)
class OpenCvPose:
    """A pose as OpenCV writes it, in metres: K (3, 3), coefficients (n,), R (3, 3), t (3,)."""

    camera_matrix: FloatArray
    distortion: FloatArray
    rotation: FloatArray
    translation_m: FloatArray


_TSAI_NAMES = {
    "Geometry": {
        "width": "width_px", "height": "height_px", "ncx": "ncx", "nfx": "nfx",
        "dx": "dx_mm", "dy": "dy_mm", "dpx": "dpx_mm", "dpy": "dpy_mm",
    },
    "Intrinsic": {"focal": "focal_mm", "kappa1": "kappa1_per_mm2", "cx": "cx_px", "cy": "cy_px", "sx": "sx"},
    "Extrinsic": {
        "tx": "tx_mm", "ty": "ty_mm", "tz": "tz_mm", "rx": "rx_rad", "ry": "ry_rad", "rz": "rz_rad",
    },
}  # fmt: skip


def plane_from_tsai(
    model: TsaiModel,
    *,
    head_plane_m: float = 1.65,
    rmse_m: float = float("nan"),
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
) -> GroundPlane:
    """Build the ground plane of a camera from Tsai's numbers.

    fx = sx f / dpx, fy = f / dpy, R = Rz Ry Rx, t in mm; the lens: ideal = distorted (1 + kappa1 r^2) with r in mm on
    the sensor, which is kappa1 f^2 in units of the focal length.

    Args:
        model: the numbers.
        head_plane_m, rmse_m, max_sigma_m, pixel_sigma_px: as in :class:`~crowdwatch.core.records.GroundPlane`.

    Raises:
        CalibrationError: as :func:`crowdwatch.ground.plane_from_pose`.

    Source: Tsai 1987, section II.
    """
    if not (min(model.focal_mm, model.dpx_mm, model.dpy_mm, model.sx) > 0 and min(model.width_px, model.height_px) > 0):
        raise CalibrationError("Tsai model: width, height, focal, dpx, dpy and sx must be > 0. Check the file.")
    matrix = np.array(
        [
            [model.sx * model.focal_mm / model.dpx_mm, 0.0, model.cx_px],
            [0.0, model.focal_mm / model.dpy_mm, model.cy_px],
            [0.0, 0.0, 1.0],
        ]
    )
    about_x, about_y, about_z = (
        rotation_matrix(axis * angle)
        for axis, angle in zip(np.eye(3), (model.rx_rad, model.ry_rad, model.rz_rad), strict=True)
    )
    kappa = model.kappa1_per_mm2 * model.focal_mm**2
    return plane_from_pose(
        matrix,
        about_z @ about_y @ about_x,
        np.array([model.tx_mm, model.ty_mm, model.tz_mm]) / 1000.0,
        image_hw=(model.height_px, model.width_px),
        lens=Lens("tsai", matrix, np.array([kappa])) if kappa != 0 else None,
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
    )


def parse_tsai(path: Path | str) -> TsaiModel:
    """Read Tsai's numbers from an XML file as PETS and ETISEO use it.

    Raises:
        CalibrationError: the file cannot be read, or numbers are missing or not finite; all faults are listed.
    """
    root = _xml_root(Path(path))
    faults: list[str] = []
    values: dict[str, float] = {}
    for tag, names in _TSAI_NAMES.items():
        element = root.find(tag)
        if element is None:
            faults.append(f"element {tag} is missing.")
            continue
        for attribute, field in names.items():
            number = finite(element.get(attribute))
            if number is None:
                faults.append(f"{tag} {attribute}: got {element.get(attribute)!r}, need a finite number.")
            else:
                values[field] = number
    if faults:
        raise CalibrationError(f"{path}: {' '.join(faults)} Export the Tsai calibration again.")
    width, height = int(values.pop("width_px")), int(values.pop("height_px"))
    return TsaiModel(width_px=width, height_px=height, **values)


def read_tsai(
    path: Path | str,
    *,
    head_plane_m: float = 1.65,
    rmse_m: float = float("nan"),
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
) -> GroundPlane:
    """Read a Tsai XML file as a ground plane (:func:`parse_tsai`, then :func:`plane_from_tsai`)."""
    return plane_from_tsai(
        parse_tsai(path),
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
    )


def parse_opencv(intrinsic_path: Path | str, extrinsic_path: Path | str, unit_m: float = 0.01) -> OpenCvPose:
    """Read OpenCV's XML files of a camera's intrinsic and extrinsic calibration.

    Args:
        intrinsic_path: holds ``camera_matrix`` and ``distortion_coefficients``.
        extrinsic_path: holds ``rvec`` (3 or 9 numbers) and ``tvec``.
        unit_m: length of the unit of ``tvec``; WILDTRACK writes centimetres.

    Raises:
        CalibrationError: a file cannot be read, or something is missing; all faults are listed.
    """
    if not (np.isfinite(unit_m) and unit_m > 0):
        raise CalibrationError(f"unit_m: got {unit_m}, need > 0: 0.01 for centimetres, 1 for metres.")
    inner, outer = _xml_root(Path(intrinsic_path)), _xml_root(Path(extrinsic_path))
    faults: list[str] = []

    def numbers(root: Element, path: Path | str, names: tuple[str, ...], sizes: tuple[int, ...]) -> FloatArray:
        element = next((found for name in names if (found := root.find(name)) is not None), None)
        if element is None:
            faults.append(f"{path}: element {' or '.join(names)} is missing.")
            return np.zeros(0)
        data = element.find("data")
        words = ((data if data is not None else element).text or "").split()
        values = [finite(word) for word in words]
        if None in values or len(values) not in sizes:
            wanted = " or ".join(str(size) for size in sizes)
            faults.append(f"{path}: {element.tag}: got {len(words)} values, need {wanted} finite numbers.")
            return np.zeros(0)
        return np.array(values, dtype=np.float64)

    matrix = numbers(inner, intrinsic_path, ("camera_matrix", "cameraMatrix"), (9,))
    lens = numbers(inner, intrinsic_path, ("distortion_coefficients", "distCoeffs"), (4, 5, 8, 12, 14))
    rotation = numbers(outer, extrinsic_path, ("rvec", "R"), (3, 9))
    translation = numbers(outer, extrinsic_path, ("tvec", "T"), (3,))
    if faults:
        raise CalibrationError(" ".join(faults) + " Export the OpenCV calibration again.")
    return OpenCvPose(matrix.reshape(3, 3), lens, rotation_matrix(rotation), translation * unit_m)


def read_opencv(
    intrinsic_path: Path | str,
    extrinsic_path: Path | str,
    image_hw: tuple[int, int],
    *,
    unit_m: float = 0.01,
    head_plane_m: float = 1.65,
    rmse_m: float = float("nan"),
    max_sigma_m: float = 1.0,
    pixel_sigma_px: float = 2.0,
) -> GroundPlane:
    """Read OpenCV's XML files as a ground plane; OpenCV does not store the picture's size, so it is asked for.

    Raises:
        CalibrationError: as :func:`parse_opencv` and :func:`crowdwatch.ground.plane_from_pose`.
    """
    pose = parse_opencv(intrinsic_path, extrinsic_path, unit_m)
    return plane_from_pose(
        pose.camera_matrix,
        pose.rotation,
        pose.translation_m,
        image_hw=image_hw,
        lens=opencv_lens(pose.camera_matrix, pose.distortion),
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
    )


def small_text(path: Path) -> str:
    """Return the text of a calibration file.

    Raises:
        CalibrationError: it cannot be read, is too large to be one, or is not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise CalibrationError(f"{path}: {path.stat().st_size} bytes is no calibration. Give the right file.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error


def _xml_root(path: Path) -> Element:
    text = small_text(path)
    # an encoding declared inside has been dealt with by reading the file as text
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text
    try:
        root: Element = defusedxml.ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise CalibrationError(f"{path}: is not a plain XML file ({error}). Export the calibration again.") from error
    return root


def finite(text: Any) -> float | None:
    """Return the finite number that a text or value stands for, or None.

    >>> finite("2.5"), finite("nan"), finite(True)
    (2.5, None, None)
    """
    if isinstance(text, bool) or text is None:
        return None
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if np.isfinite(value) else None
