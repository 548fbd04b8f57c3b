"""Where on the ground is it? The only homography, lens, pose and polygon code, and the grid of cells.

Everything here is a pure function of :class:`~crowdwatch.core.records.GroundPlane` and arrays: ``lens`` straightens the
picture, ``homography`` fits control points, ``plane`` maps pixels to the ground and says how well, ``view`` finds the
ground that a camera sees, ``polygons`` checks areas, and ``grid`` cuts the ground into cells.
"""

from crowdwatch.ground.grid import Grid, cell_cover, make_grid
from crowdwatch.ground.homography import Fit, fit_homography, leave_one_out
from crowdwatch.ground.lens import distort, opencv_lens, undistort, undistort_jacobian
from crowdwatch.ground.plane import (
    anchor_height_m,
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
from crowdwatch.ground.polygons import inside, polygon, polygon_fault
from crowdwatch.ground.view import areas_only, head_size_px, visible_area

__all__ = [
    "Fit",
    "Grid",
    "anchor_height_m",
    "areas_only",
    "cell_cover",
    "distort",
    "fit_homography",
    "head_size_px",
    "heads_fault",
    "hull_area",
    "inside",
    "leave_one_out",
    "make_grid",
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
