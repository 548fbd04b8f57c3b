"""The only homography, lens, pose and polygon code: pixels to metres and back, and what a camera sees.

Everything here is a pure function of :class:`~crowdwatch.records.GroundPlane` and arrays: ``lens`` straightens the
picture, ``homography`` fits control points, ``plane`` maps pixels to the ground and says how well, ``view`` finds the
ground that a camera sees, and ``polygons`` checks areas.
"""

from crowdwatch.geometry.homography import Fit, fit_homography, leave_one_out
from crowdwatch.geometry.lens import distort, opencv_lens, undistort, undistort_jacobian
from crowdwatch.geometry.plane import (
    heads_fault,
    hull_area,
    picture_edges_px,
    plane_from_pose,
    position_sigma_m,
    rotation_matrix,
    sees_ground,
    to_ground,
    to_image,
    valid_ground,
    valid_px,
)
from crowdwatch.geometry.polygons import inside, polygon, polygon_fault
from crowdwatch.geometry.view import areas_only, head_size_px, visible_area

__all__ = [
    "Fit",
    "areas_only",
    "distort",
    "fit_homography",
    "head_size_px",
    "heads_fault",
    "hull_area",
    "inside",
    "leave_one_out",
    "opencv_lens",
    "picture_edges_px",
    "plane_from_pose",
    "polygon",
    "polygon_fault",
    "position_sigma_m",
    "rotation_matrix",
    "sees_ground",
    "to_ground",
    "to_image",
    "undistort",
    "undistort_jacobian",
    "valid_ground",
    "valid_px",
    "visible_area",
]
