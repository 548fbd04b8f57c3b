"""Pictures that leave the process show no one, and show densities in the fixed colours."""

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest

from crowdwatch.core.outcomes import DensityGrid, Level
from crowdwatch.core.records import Anchor, Detections, Frame, GroundPlane, Stamp
from crowdwatch.errors import RecordError
from crowdwatch.ground import head_size_px, plane_from_pose, to_image
from crowdwatch.rendering.palette import BAND_COLOURS, BAND_EDGES_P_M2, LEVEL_STYLES, band_index, rgb
from crowdwatch.rendering.picture import HEAD_UNDER_PX, Overlay, block_px, coarsen

HW = (240, 320)


def tilted(height_m: float = 5.0, focal_px: float = 400.0) -> GroundPlane:
    """A camera that looks north, 30 degrees down: ground below, sky above."""
    tilt = math.radians(30)
    rotation = np.array(
        [[1, 0, 0], [0, -math.sin(tilt), -math.cos(tilt)], [0, math.cos(tilt), -math.sin(tilt)]], dtype=float
    )
    matrix = np.array([[focal_px, 0, HW[1] / 2], [0, focal_px, HW[0] / 2], [0, 0, 1]])
    return plane_from_pose(matrix, rotation, -rotation @ np.array([0, 0, height_m]), image_hw=HW)


def frame(image: np.ndarray) -> Frame:
    return Frame(Stamp("cam", 0, 0), image)


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def board(cell: int, hw: tuple[int, int] = HW) -> np.ndarray:
    """A checkerboard from black to white with squares of ``cell`` pixels."""
    v, u = np.indices(hw) // cell
    return np.where((u + v) % 2, 255, 0).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def test_a_head_is_under_eight_blocks_at_every_pixel() -> None:
    head = head_size_px(tilted())
    across = head / block_px(head)
    assert across.max() < HEAD_UNDER_PX
    assert head.max() > 3 * HEAD_UNDER_PX, "the scene must need coarsening, or the test proves nothing"


def test_detail_of_the_size_of_an_eye_is_gone() -> None:
    """Squares an eighth of a head across hold the detail that faces are known by; what is left is even grey."""
    head = np.full((240, 320), 64.0)
    left = coarsen(board(8), head)
    assert int(board(8).max()) - int(board(8).min()) == 255
    assert int(left.max()) - int(left.min()) == 0  # blocks of 16 px hold four squares each: exactly grey


def test_a_drawn_face_leaves_no_more_than_its_blocks() -> None:
    """Two faces with different eyes, nose and mouth but the same means per block cannot be told apart."""
    rng = np.random.default_rng(5)
    head = np.full((64, 64), 56.0)  # blocks of 8 px
    first = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    second = first.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3)
    order = rng.permutation(64)
    second = second.reshape(64, 64, 3)[:, order].reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3)
    assert (first != second).mean() > 0.9
    assert np.array_equal(coarsen(first, head), coarsen(second, head))


def test_every_rendered_picture_is_coarse() -> None:
    """A board of single pixels has a standard deviation of 127; where blocks are 2 px or more nothing of it is left."""
    plane = tilted()
    overlay = Overlay(plane, {})
    left = decoded(overlay.render(frame(board(1)))).astype(float)
    blocks = block_px(head_size_px(plane))
    assert (blocks >= 2).mean() > 0.5
    assert abs(left[blocks >= 2] - 127.5).max() < 12  # JPEG at quality 80 moves even grey by a few steps next to detail


def test_above_the_horizon_the_coarsest_block_is_used() -> None:
    assert block_px(np.array([[0.0, 20.0]])).tolist() == [[4, 4]]
    assert block_px(np.zeros((10, 10))).min() == 2  # no head anywhere: as if one filled the picture


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_an_unknown_head_size_is_refused(bad: float) -> None:
    with pytest.raises(RecordError, match="head_px"):
        block_px(np.array([[bad]]))


def test_a_frame_of_another_size_is_refused_rather_than_shown_clear() -> None:
    with pytest.raises(RecordError, match="does not fit"):
        Overlay(tilted(), {}).render(frame(np.zeros((100, 100, 3), np.uint8)))


def test_edges_that_are_not_a_multiple_of_the_block_are_coarsened_too() -> None:
    image = board(1, (37, 53))
    left = coarsen(image, np.full((37, 53), 100.0))
    # averages over 16 px blocks that are cut at the edge and filled by repeating the last row: near grey, not detail
    assert int(left.max()) - int(left.min()) < 140
    assert len(np.unique(left.reshape(-1, 3), axis=0)) <= 3 * 4


def test_density_is_painted_where_it_lies_and_in_its_colour() -> None:
    plane = tilted()
    rho = np.full((20, 20), 0.0)
    rho[10:12, 9:11] = 4.5  # 1 m by 1 m cells: 5 m to 7 m north of the grid's origin at (-10, 0)
    grid = DensityGrid(0, np.array([-10.0, 0.0]), 1.0, rho, 1.0)
    grey = np.full((*HW, 3), 100, np.uint8)
    plain, painted = (decoded(Overlay(plane, {}).render(frame(grey), grid=g)).astype(int) for g in (None, grid))
    u, v = to_image(plane, np.array([[0.0, 11.0]]))[0].astype(int)
    red, green, blue = rgb(BAND_COLOURS[5])
    expected = 100 * 0.55 + np.array([blue, green, red]) * 0.45
    assert abs(painted[v, u] - expected).max() < 8  # JPEG
    u, v = to_image(plane, np.array([[-5.0, 11.0]]))[0].astype(int)
    assert abs(painted[v, u] - plain[v, u]).max() < 8  # no density, no paint; the rest is JPEG


def test_unknown_cells_are_not_painted_as_empty() -> None:
    grid = DensityGrid(0, np.array([-10.0, 0.0]), 1.0, np.full((20, 20), np.nan), 1.0)
    bright = np.full((*HW, 3), 250, np.uint8)
    plane = tilted()
    u, v = to_image(plane, np.array([[0.0, 8.0]]))[0].astype(int)
    shown = decoded(Overlay(plane, {}).render(frame(bright), grid=grid))[v, u : u + 24]
    assert shown.min() < 160 < 220 < shown.max()  # stripes of 250 * 0.55 = 137 beside 250


def test_boxes_below_the_score_are_not_drawn() -> None:
    grey = np.full((*HW, 3), 100, np.uint8)
    boxes = Detections(
        Stamp("cam", 0, 0), np.array([[20.0, 20, 60, 100], [200, 20, 240, 100]]), np.array([0.9, 0.2]),
        np.zeros(2), Anchor.FEET, HW, "test",
    )  # fmt: skip
    shown = decoded(Overlay(tilted(), {}).render(frame(grey), detections=boxes, score_min=0.3)).astype(int)
    assert shown[60, 20].min() > 180
    assert abs(shown[60, 200] - 100).max() < 8  # JPEG


def test_zone_outlines_carry_the_level() -> None:
    zone = np.array([[-2.0, 6.0], [2.0, 6.0], [2.0, 10.0], [-2.0, 10.0]])
    grey = np.full((*HW, 3), 100, np.uint8)
    plane = tilted()
    shown = decoded(Overlay(plane, {"z": zone}).render(frame(grey), levels={"z": Level.CRITICAL})).astype(int)
    u, v = np.rint(to_image(plane, np.array([[0.0, 6.0]]))[0]).astype(int)
    red, green, blue = rgb(LEVEL_STYLES[Level.CRITICAL].colour)
    # a 3 px line, chroma halved by JPEG: half of the way from grey to the colour at least
    assert abs(shown[v - 3 : v + 4, u] - [blue, green, red]).sum(axis=1).min() < 150


def luminance(colour: str) -> float:
    parts = [c / 255 for c in rgb(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_bands_grow_lighter_so_that_they_need_no_hue() -> None:
    lights = [luminance(c) for c in BAND_COLOURS]
    assert all(b > a * 1.15 for a, b in pairwise(lights))
    assert len(BAND_COLOURS) == len(BAND_EDGES_P_M2)


def test_no_level_is_green() -> None:
    for level in Level:
        red, green, blue = rgb(LEVEL_STYLES[level].colour)
        assert not (green > red * 1.2 and green > blue * 1.2)


def test_band_of_unknown_is_not_a_band() -> None:
    assert band_index(np.array([np.nan, -0.0, 5.999, 6.0])).tolist() == [-2, -1, 6, 7]
