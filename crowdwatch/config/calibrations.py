"""The calibration of a camera in the event file: reading the files it names, and building its ground plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crowdwatch.calibration.calibrate import Calibration, from_points, from_pose
from crowdwatch.calibration.control_points import ControlPoint
from crowdwatch.calibration.opencv_files import parse_opencv
from crowdwatch.calibration.tsai_files import TsaiModel, parse_tsai, plane_from_tsai
from crowdwatch.config.calibration_keys import LensFile, PointPair, PointsFile
from crowdwatch.config.points_file import read_points
from crowdwatch.config.schema import CameraFile
from crowdwatch.core.records import Anchor, GroundPlane, Lens
from crowdwatch.errors import AnchorRefused, CalibrationError
from crowdwatch.ground import fisheye_lens, heads_fault, opencv_lens

__all__ = ["FILE_KEYS", "WAYS", "calibrated", "ground_plane", "inline"]

WAYS = ("points", "points_file", "tsai", "tsai_file", "opencv", "pose")
"""The ways to calibrate, of which a camera uses exactly one."""

FILE_KEYS = ("points_file", "tsai_file", "opencv")


def inline(key: str, value: Any, folder: Path, size_px: Any = None) -> dict[str, Any]:
    """Read a calibration file and return what it says, as keys of the event file.

    Args:
        key: ``points_file``, ``tsai_file`` or ``opencv``.
        value: what stands at the key, already known to be of the right form.
        folder: relative paths count from here.
        size_px: what the camera says of its picture's width and height, sound or not.

    Returns:
        Keys of ``calibration``, and ``image_size_px`` and ``head_plane_m`` of the camera where the file holds them.

    Raises:
        CalibrationError: the file cannot be read or has faults.
    """
    if key == "tsai_file":
        model = parse_tsai(folder / value)
        return {"tsai": asdict(model)}
    if key == "opencv":
        pose = parse_opencv(folder / value["intrinsics_file"], folder / value["extrinsics_file"], value["unit_m"])
        matrix = pose.camera_matrix
        if matrix[0, 1] != 0:
            raise CalibrationError(
                f"the camera matrix has a skew of {matrix[0, 1]:g} px, need 0. Calibrate again without skew."
            )
        fault = pose.size_fault((size_px[1], size_px[0])) if _is_size(size_px) else None
        if fault is not None:
            raise CalibrationError(f"{value['intrinsics_file']} {fault}")
        size = {"image_size_px": [pose.width_px, pose.height_px]} if pose.width_px and pose.height_px else {}
        return size | {
            "pose": {
                "focal_px": [float(matrix[0, 0]), float(matrix[1, 1])],
                "centre_px": [float(matrix[0, 2]), float(matrix[1, 2])],
                "distortion": pose.distortion.tolist(),
                "rotation": pose.rotation.tolist(),
                "translation_m": pose.translation_m.tolist(),
                "lens_model": pose.lens_model,
            }
        }
    return read_points(folder / value).model_dump(exclude_none=True)


def _is_size(size_px: Any) -> bool:
    return isinstance(size_px, list) and len(size_px) == 2 and all(isinstance(side, int) for side in size_px)


def calibrated(read: PointsFile, image_hw: tuple[int, int]) -> Calibration:
    """Calibrate a camera by a points file alone.

    Args:
        read: the file.
        image_hw: height and width of the picture, in pixels.

    Raises:
        CalibrationError: the numbers give no usable plane.
    """
    given = read.model_dump(include={"click_sigma_px", "head_plane_m"}, exclude_none=True)
    return _from_points(read.points, image_hw, read.lens, read.camera_position_m, **given)


def ground_plane(camera: CameraFile) -> GroundPlane:
    """Build the ground plane of a camera whose calibration files have been read.

    Raises:
        CalibrationError: the numbers give no usable plane.
        AnchorRefused: heads are asked for, and the camera's position is unknown or below them.
    """
    plane = _plane(camera)
    if camera.anchor is not Anchor.HEAD:
        return plane
    fault = heads_fault(plane)
    if fault is not None:
        raise AnchorRefused(f"anchor head is refused: {fault} Or use anchor: feet.")
    return plane


def _plane(camera: CameraFile) -> GroundPlane:
    calibration = camera.calibration
    if calibration is None:
        raise CalibrationError(f"camera {camera.id!r}: has no calibration. Give it one.")
    rmse_m = float("nan") if calibration.rmse_m is None else calibration.rmse_m
    if calibration.tsai is not None:
        model = TsaiModel(**calibration.tsai.model_dump())
        _same_size(camera, (model.height_px, model.width_px))
        return plane_from_tsai(
            model, head_plane_m=camera.head_plane_m, rmse_m=rmse_m, max_sigma_m=camera.max_position_error_m
        )
    if camera.image_size_px is None:
        raise CalibrationError("image_size_px is missing. Give the picture's [width, height] in pixels.")
    image_hw = (camera.image_size_px[1], camera.image_size_px[0])
    if calibration.pose is not None:
        pose = calibration.pose
        return from_pose(
            _matrix(pose.focal_px, pose.centre_px),
            np.array(pose.rotation),
            np.array(pose.translation_m),
            image_hw,
            distortion=pose.distortion,
            lens_model=pose.lens_model,
            head_plane_m=camera.head_plane_m,
            rmse_m=rmse_m,
            max_sigma_m=camera.max_position_error_m,
        )
    return _from_points(
        calibration.points or [],
        image_hw,
        calibration.lens,
        calibration.camera_position_m,
        head_plane_m=camera.head_plane_m,
        click_sigma_px=calibration.click_sigma_px,
        max_sigma_m=camera.max_position_error_m,
    ).plane


def _from_points(
    pairs: Sequence[PointPair],
    image_hw: tuple[int, int],
    lens: LensFile | None,
    camera_position_m: Sequence[float] | None,
    **more: float,
) -> Calibration:
    points = [
        ControlPoint(p.pixel_px[0], p.pixel_px[1], p.ground_m[0], p.ground_m[1], p.name, p.survey_sigma_m)
        for p in pairs
    ]
    return from_points(points, image_hw, lens=_lens(lens), camera_centre_m=camera_position_m, **more)


def _same_size(camera: CameraFile, image_hw: tuple[int, int]) -> None:
    if camera.image_size_px is not None and camera.image_size_px != [image_hw[1], image_hw[0]]:
        got, need = camera.image_size_px, [image_hw[1], image_hw[0]]
        raise CalibrationError(
            f"image_size_px: got {got}, the calibration is for {need}. Remove the key or correct it."
        )


def _matrix(focal_px: list[float], centre_px: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[focal_px[0], 0.0, centre_px[0]], [0.0, focal_px[1], centre_px[1]], [0.0, 0.0, 1.0]])


def _lens(lens: LensFile | None) -> Lens | None:
    if lens is None:
        return None
    matrix = _matrix(lens.focal_px, lens.centre_px)
    if lens.model == "fisheye":
        return fisheye_lens(matrix, lens.coefficients)
    if lens.model == "opencv":
        return opencv_lens(matrix, lens.coefficients)
    if len(lens.coefficients) != 1:
        raise CalibrationError(
            f"lens coefficients: got {len(lens.coefficients)}, need the one kappa of Tsai's model. Remove the others."
        )
    return Lens("tsai", matrix, np.array(lens.coefficients))
