"""Where on the ground is it, and who sees it there? Pixels to metres and back, and the cells that a view reaches.

Everything here is a pure function of :class:`~crowdwatch.core.records.GroundPlane` and arrays: ``lens`` straightens the
picture, ``homography`` fits control points, ``pose`` makes a plane of a known pose, ``aerial`` of a drone's, ``plane``
maps pixels to the ground and says how well, ``view`` finds the area that a camera sees, ``polygons`` checks areas.
``grid`` cuts the ground into cells and ``parts`` each cell into 16 bits; ``cells`` puts areas on them, ``footprint``
what a picture sees, and ``walkable`` the place itself.
"""

from crowdwatch.ground.aerial import AerialPose, aerial_plane, aerial_rotation, camera_matrix, homography_of
from crowdwatch.ground.cells import AreaCells, Covered, cell_shares, cells_of
from crowdwatch.ground.fisheye import fisheye_lens
from crowdwatch.ground.footprint import Footprint, footprint, reach_m, sees
from crowdwatch.ground.grid import Grid, IntArray, Window, make_grid, moved
from crowdwatch.ground.homography import Fit, fit_homography, leave_one_out
from crowdwatch.ground.lens import distort, opencv_lens, undistort, undistort_jacobian
from crowdwatch.ground.parts import EVERY_PART, SIDE, Masks, nearest_part, parts_at, share_of
from crowdwatch.ground.plane import (
    EastNorth,
    anchor_height_m,
    ground_at,
    heads_fault,
    hull_area,
    picture_edges_px,
    position_sigma_m,
    sees_ground,
    sees_valid_ground,
    to_ground,
    to_image,
    valid_at,
    valid_ground,
    valid_px,
)
from crowdwatch.ground.polygons import inside, polygon, polygon_fault
from crowdwatch.ground.pose import plane_from_pose, rotation_matrix
from crowdwatch.ground.stature import STATURE_M, statures_px
from crowdwatch.ground.terrain import LocalGround, Terrain
from crowdwatch.ground.view import areas_only, ground_seen, head_size_px, visible_area
from crowdwatch.ground.walkable import Ground, site_ground, walkable_ground

__all__ = [
    "EVERY_PART",
    "SIDE",
    "STATURE_M",
    "AerialPose",
    "AreaCells",
    "Covered",
    "EastNorth",
    "Fit",
    "Footprint",
    "Grid",
    "Ground",
    "IntArray",
    "LocalGround",
    "Masks",
    "Terrain",
    "Window",
    "aerial_plane",
    "aerial_rotation",
    "anchor_height_m",
    "areas_only",
    "camera_matrix",
    "cell_shares",
    "cells_of",
    "distort",
    "fisheye_lens",
    "fit_homography",
    "footprint",
    "ground_at",
    "ground_seen",
    "head_size_px",
    "heads_fault",
    "homography_of",
    "hull_area",
    "inside",
    "leave_one_out",
    "make_grid",
    "moved",
    "nearest_part",
    "opencv_lens",
    "parts_at",
    "picture_edges_px",
    "plane_from_pose",
    "polygon",
    "polygon_fault",
    "position_sigma_m",
    "reach_m",
    "rotation_matrix",
    "sees",
    "sees_ground",
    "sees_valid_ground",
    "share_of",
    "site_ground",
    "statures_px",
    "to_ground",
    "to_image",
    "undistort",
    "undistort_jacobian",
    "valid_at",
    "valid_ground",
    "valid_px",
    "visible_area",
    "walkable_ground",
]
