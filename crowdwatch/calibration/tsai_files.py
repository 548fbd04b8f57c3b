"""Camera poses in Tsai's XML, as PETS and ETISEO use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from crowdwatch.calibration.storage import finite, no_number, small_text, xml_root
from crowdwatch.core.records import GroundPlane, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import plane_from_pose, rotation_matrix

__all__ = ["TsaiModel", "parse_tsai", "plane_from_tsai", "read_tsai"]


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
    root = _root(Path(path))
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
                got = element.get(attribute)
                faults.append(f"{tag} {attribute}: got {got!r}, need a finite number. {no_number(got)}")
            else:
                values[field] = number
    if faults:
        raise CalibrationError(f"{path}: {' '.join(faults)} Export the Tsai calibration again.")
    width, height = int(values.pop("width_px")), int(values.pop("height_px"))
    return TsaiModel(width_px=width, height_px=height, **values)


def _root(path: Path) -> Element:
    """The root of Tsai's XML; another form of calibration is told by name."""
    if not small_text(path).lstrip().startswith("<"):
        raise CalibrationError(
            f"{path}: is not XML, need Tsai's XML as PETS and ETISEO use it. Write its numbers into the event file "
            "under tsai, or name OpenCV's YAML with opencv."
        )
    root = xml_root(path)
    if root.tag == "opencv_storage":
        raise CalibrationError(
            f"{path}: is OpenCV's, not a Tsai calibration. Name it with opencv: {{intrinsics_file, extrinsics_file, "
            "unit_m}."
        )
    return root


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
