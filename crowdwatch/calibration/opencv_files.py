"""A camera's pose from the files of OpenCV, ROS and Kalibr: the intrinsic calibration in one, the extrinsic in another.

Read are OpenCV's XML, YAML and JSON of every version, ROS's ``camera_info`` and Kalibr's ``camchain`` of one camera.
What such a file says of itself is held to: the size of its pictures, and the model of its lens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crowdwatch.calibration.storage import finite, no_number, numbers_of, read_storage
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import fisheye_lens, opencv_lens, plane_from_pose, rotation_matrix

__all__ = ["OpenCvPose", "parse_opencv", "read_opencv"]

MATRIX = ("cameramatrix", "k", "intrinsicmatrix", "cameraintrinsics", "mtx")
LENS = ("distortioncoefficients", "distcoeffs", "distortioncoeffs", "distortion", "d", "dist")
ROTATION = ("rvec", "r", "rotationmatrix", "rotationvector", "rotation")
TRANSLATION = ("tvec", "t", "translationvector", "translation")
WIDTH, HEIGHT, BOTH = ("imagewidth", "width"), ("imageheight", "height"), ("imagesize", "resolution")
LENS_SIZES = (4, 5, 8, 12, 14)

FISHEYE_MODELS = {"equidistant", "fisheye", "equi", "kannala_brandt4"}
PLAIN_MODELS = {"plumb_bob", "rational_polynomial", "radtan", "none", "pinhole", "thin_prism", "brown_conrady"}
"""Names of OpenCV's two lens models, as ROS and Kalibr write them."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenCvPose:
    """A pose as OpenCV writes it, in metres: K (3, 3), coefficients (n,), R (3, 3), t (3,).

    ``width_px`` and ``height_px`` are of the pictures that were calibrated; None where the file does not say it.
    """

    camera_matrix: FloatArray
    distortion: FloatArray
    rotation: FloatArray
    translation_m: FloatArray
    width_px: int | None = None
    height_px: int | None = None
    lens_model: str = "opencv"

    def size_fault(self, image_hw: tuple[int, int]) -> str | None:
        """Say how the calibrated pictures differ from a camera's, or None.

        A file that does not say its size gives it away by a centre that lies outside the camera's picture.
        """
        height, width = image_hw
        if self.width_px not in (None, width) or self.height_px not in (None, height):
            made_for = f"{self.width_px or '?'} x {self.height_px or '?'}"
            return (
                f"was made for pictures of {made_for}, the camera's are {width} x {height}: people would stand metres "
                "off. Calibrate with pictures of the footage's size."
            )
        centre = self.camera_matrix[0, 2], self.camera_matrix[1, 2]
        if not (0 < centre[0] < width and 0 < centre[1] < height):
            return (
                f"has its centre at ({centre[0]:g}, {centre[1]:g}) px, outside the camera's picture of {width} x "
                f"{height}: it was made for larger pictures. Calibrate with pictures of the footage's size."
            )
        return None


def parse_opencv(intrinsic_path: Path | str, extrinsic_path: Path | str, unit_m: float = 0.01) -> OpenCvPose:
    """Read the intrinsic and the extrinsic calibration of a camera.

    Args:
        intrinsic_path: holds the camera matrix and the distortion coefficients.
        extrinsic_path: holds ``rvec`` (3 or 9 numbers) and ``tvec``, from the site to the camera.
        unit_m: length of the unit of ``tvec``; WILDTRACK writes centimetres.

    Raises:
        CalibrationError: a file cannot be read, something is missing, or the lens is none that is undistorted here; all
            faults are listed.
    """
    if not (np.isfinite(unit_m) and unit_m > 0):
        raise CalibrationError(f"unit_m: got {unit_m}, need > 0: 0.01 for centimetres, 1 for metres.")
    inner, outer = _File(intrinsic_path), _File(extrinsic_path)
    inner.one_camera()
    faults: list[str] = [*inner.lens_faults(), *outer.pair_faults()]
    matrix = inner.kalibr_matrix(faults)
    if matrix is None:
        matrix = inner.numbers(MATRIX, (9,), "camera_matrix or cameraMatrix", faults)
    sizes = (4,) if inner.is_fisheye() else (0, *LENS_SIZES)
    lens = inner.numbers(LENS, sizes, "distortion_coefficients or distCoeffs", faults)
    rotation = outer.numbers(ROTATION, (3, 9), "rvec or R", faults)
    translation = outer.numbers(TRANSLATION, (3,), "tvec or T", faults)
    width, height = inner.size_px(faults)
    if not faults:
        faults += [f"{intrinsic_path}: {fault}" for fault in _matrix_faults(matrix)]
    if faults:
        raise CalibrationError(" ".join(faults) + " Export the calibration again.")
    pose = matrix.reshape(3, 3), lens, rotation_matrix(rotation), translation * unit_m
    return OpenCvPose(*pose, width, height, "fisheye" if inner.is_fisheye() else "opencv")


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
    """Read a pose as a ground plane; many files do not store the picture's size, so it is asked for.

    Raises:
        CalibrationError: as :func:`parse_opencv` and :func:`crowdwatch.ground.plane_from_pose`, or the file was made
            for pictures of another size.
    """
    pose = parse_opencv(intrinsic_path, extrinsic_path, unit_m)
    fault = pose.size_fault(image_hw)
    if fault is not None:
        raise CalibrationError(f"{intrinsic_path}: {fault}")
    return plane_from_pose(
        pose.camera_matrix,
        pose.rotation,
        pose.translation_m,
        image_hw=image_hw,
        lens=(fisheye_lens if pose.lens_model == "fisheye" else opencv_lens)(pose.camera_matrix, pose.distortion),
        head_plane_m=head_plane_m,
        rmse_m=rmse_m,
        max_sigma_m=max_sigma_m,
        pixel_sigma_px=pixel_sigma_px,
    )


def _holds_intrinsics(values: Mapping[str, Any]) -> bool:
    """Whether named values are those of a lens, for who has taken such a file for another."""
    return any(name in values for name in (*MATRIX, *LENS))


def _matrix_faults(matrix: FloatArray) -> list[str]:
    """What is wrong with nine numbers as fx 0 cx, 0 fy cy, 0 0 1."""
    if matrix[3] != 0 or matrix[6] != 0 or matrix[7] != 0 or matrix[8] != 1:
        hint = "It is transposed: write it row by row." if matrix[2] == matrix[5] == 0 else "Write it row by row."
        return [f"camera_matrix: got rows {matrix.reshape(3, 3).tolist()}, need [fx 0 cx], [0 fy cy], [0 0 1]. {hint}"]
    if not (matrix[0] > 0 and matrix[4] > 0):
        return [f"focal lengths {matrix[0]:g} and {matrix[4]:g} px, need > 0: x right, y down, z forward."]
    return []


class _File:
    """One file, by the names that programs give to the same thing."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.values = read_storage(Path(path))

    def find(self, names: tuple[str, ...]) -> Any:
        return next((self.values[name] for name in names if name in self.values), None)

    def one_camera(self) -> None:
        """Take the one camera that a Kalibr file, or one that nests its values, holds."""
        inside = {
            name: value
            for name, value in self.values.items()
            if isinstance(value, dict) and (_holds_intrinsics(value) or "intrinsics" in value)
        }
        pair = sorted({"m1", "m2", "cameramatrix1", "cameramatrix2"} & set(self.values))
        if len(inside) > 1 or len(pair) > 1:
            names = ", ".join(inside or pair)
            raise CalibrationError(f"{self.path}: holds several cameras ({names}). Copy this camera's into a file.")
        if inside and not _holds_intrinsics(self.values):
            self.values = next(iter(inside.values()))

    def kalibr_matrix(self, faults: list[str]) -> FloatArray | None:
        """Kalibr writes fx, fy, cx and cy alone."""
        if "intrinsics" not in self.values or self.find(MATRIX) is not None:
            return None
        four = self.numbers(("intrinsics",), (4,), "intrinsics", faults)
        fx, fy, cx, cy = four if len(four) else (0.0, 0.0, 0.0, 0.0)
        return np.array([fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0])

    def numbers(self, names: tuple[str, ...], sizes: tuple[int, ...], said: str, faults: list[str]) -> FloatArray:
        found = self.find(names)
        if found is None:
            faults.append(f"{self.path}: {said} is missing.")
            return np.zeros(0)
        words = numbers_of(found)
        values = [finite(word) for word in words]
        if None in values:
            wrong = words[values.index(None)]
            faults.append(f"{self.path}: {said.split(' or ')[0]}: got {wrong!r}. {no_number(wrong)}")
        elif len(values) not in sizes:
            wanted = " or ".join(str(size) for size in sizes if size)
            commas = " Are decimals written with commas? Write points." if len(values) > max(sizes) else ""
            name = said.split(" or ")[0]
            faults.append(f"{self.path}: {name}: got {len(words)} values, need {wanted} finite numbers.{commas}")
        else:
            return np.array(values, dtype=np.float64)
        return np.zeros(0)

    def size_px(self, faults: list[str]) -> tuple[int | None, int | None]:
        """Width and height of the calibrated pictures."""
        both = numbers_of(self.find(BOTH))
        words = both if len(both) == 2 else [self.find(WIDTH), self.find(HEIGHT)]
        sides = []
        for name, word in zip(("width", "height"), words, strict=True):
            side = finite(word)
            if word is not None and (side is None or side < 1 or side % 1):
                faults.append(f"{self.path}: image {name}: got {word!r}, need a whole number of pixels.")
            sides.append(None if side is None else int(side))
        return sides[0], sides[1]

    def is_fisheye(self) -> bool:
        """Whether the file says that its four coefficients are those of a fisheye: OpenCV, ROS or Kalibr."""
        flag = self.find(("fisheyemodel", "fisheye"))
        models = [self.find((name,)) for name in ("distortionmodel", "cameramodel")]
        return (
            flag is True
            or finite(flag) not in (None, 0.0)
            or any(isinstance(model, str) and model.strip().lower() in FISHEYE_MODELS for model in models)
        )

    def lens_faults(self) -> list[str]:
        """A lens that is not OpenCV's plain one would put people metres off."""
        said = []
        for name in ("distortionmodel", "cameramodel"):
            model = self.find((name,))
            if isinstance(model, str) and model.strip().lower() not in {"", *PLAIN_MODELS, *FISHEYE_MODELS}:
                said.append(f"its lens model is {model.strip()}")
        if any(finite(self.find((name,))) not in (None, 0.0, 1.0) for name in ("binningx", "binningy")):
            said.append("its pictures are binned")
        return [
            f"{self.path}: {what}, and only OpenCV's plain model (k1 k2 p1 p2 k3 ...) and its fisheye (k1 k2 k3 k4) "
            "are undistorted here. Calibrate with one of them, or undistort the footage and calibrate what comes out."
            for what in said
        ]

    def pair_faults(self) -> list[str]:
        """R and T of a stereo pair lead from camera to camera, not from the site to the camera."""
        if {"r1", "r2", "p1", "p2"} <= set(self.values):
            return [
                f"{self.path}: is the calibration of a stereo pair, which does not say where the camera stands on the "
                "site. Give rvec and tvec of solvePnP with surveyed points."
            ]
        return []
