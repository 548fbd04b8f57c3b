"""The plane of a camera that moves as Parquet columns, and back, bit for bit. See :mod:`crowdwatch.store.columns`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from crowdwatch.core.records import GroundPlane, Lens

__all__ = ["PLANE", "plane_columns", "plane_of"]

_NUMBERS = pa.list_(pa.field("element", pa.float64()))

PLANE = (
    pa.field("plane_height_px", pa.int32()),
    pa.field("plane_width_px", pa.int32()),
    pa.field("plane_head_m", pa.float64()),
    pa.field("plane_rmse_m", pa.float64()),
    pa.field("plane_hull_reach", pa.float64()),
    pa.field("plane_max_sigma_m", pa.float64()),
    pa.field("plane_pixel_sigma_px", pa.float64()),
    pa.field("plane_image_to_ground", _NUMBERS),
    pa.field("plane_centre_m", _NUMBERS),
    pa.field("plane_hull_east_m", _NUMBERS),
    pa.field("plane_hull_north_m", _NUMBERS),
    pa.field("plane_homography_cov", _NUMBERS),
    pa.field("lens_model", pa.string()),
    pa.field("lens_camera_matrix", _NUMBERS),
    pa.field("lens_coefficients", _NUMBERS),
)
"""All null for a camera that stands still. Matrices are written row by row."""


def plane_columns(planes: Sequence[GroundPlane | None]) -> list[Any]:
    """Planes as the columns :data:`PLANE`; None is a row of nulls."""

    def facts(kind: Any, of: Callable[[GroundPlane], Any]) -> Any:
        return pa.array([None if plane is None else of(plane) for plane in planes], kind)

    def lists(of: Callable[[GroundPlane], Any]) -> Any:
        values = [None if plane is None else of(plane) for plane in planes]
        flat = [np.asarray(each, np.float64).ravel() for each in values if each is not None]
        ends = np.cumsum([0, *(0 if each is None else np.size(each) for each in values)]).astype(np.int32)
        joined = pa.array(np.concatenate([np.empty(0), *flat]))
        missing = pa.array([each is None for each in values], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(ends), joined, type=_NUMBERS, mask=missing)

    number = pa.float64()
    return [
        facts(pa.int32(), lambda plane: plane.image_hw[0]),
        facts(pa.int32(), lambda plane: plane.image_hw[1]),
        facts(number, lambda plane: plane.head_plane_m),
        facts(number, lambda plane: plane.rmse_m),
        facts(number, lambda plane: plane.hull_reach),
        facts(number, lambda plane: plane.max_sigma_m),
        facts(number, lambda plane: plane.pixel_sigma_px),
        lists(lambda plane: plane.image_to_ground),
        lists(lambda plane: plane.camera_centre_m),
        lists(lambda plane: None if plane.hull_m is None else plane.hull_m[:, 0]),
        lists(lambda plane: None if plane.hull_m is None else plane.hull_m[:, 1]),
        lists(lambda plane: plane.homography_cov),
        facts(pa.string(), lambda plane: None if plane.lens is None else plane.lens.model),
        lists(lambda plane: None if plane.lens is None else plane.lens.camera_matrix),
        lists(lambda plane: None if plane.lens is None else plane.lens.coefficients),
    ]


def plane_of(fact: dict[str, Any], lists: dict[str, Callable[[int], Any]], row: int) -> GroundPlane:
    """The plane of one row: its plain values by column, and its lists by column as functions of the row."""
    lens = None
    if fact["lens_model"] is not None:
        matrix = lists["lens_camera_matrix"](row).reshape(3, 3)
        lens = Lens(fact["lens_model"], matrix, lists["lens_coefficients"](row))
    east_m, north_m = lists["plane_hull_east_m"](row), lists["plane_hull_north_m"](row)
    covariance = lists["plane_homography_cov"](row)
    return GroundPlane(
        image_to_ground=lists["plane_image_to_ground"](row).reshape(3, 3),
        image_hw=(fact["plane_height_px"], fact["plane_width_px"]),
        lens=lens,
        camera_centre_m=lists["plane_centre_m"](row),
        head_plane_m=fact["plane_head_m"],
        rmse_m=fact["plane_rmse_m"],
        hull_m=None if east_m is None else np.stack([east_m, north_m], axis=1),
        hull_reach=fact["plane_hull_reach"],
        max_sigma_m=fact["plane_max_sigma_m"],
        pixel_sigma_px=fact["plane_pixel_sigma_px"],
        homography_cov=None if covariance is None else covariance.reshape(9, 9),
    )
