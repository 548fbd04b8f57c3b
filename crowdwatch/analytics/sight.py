"""What is left of a camera's view where a part of its picture shows nothing.

A person is seen whose feet and whose head are. So ground goes with the block that shows it, and with the block that
shows the heads of who stands there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from crowdwatch.analytics.coverage import CameraView, SiteView
from crowdwatch.analytics.reference import Mask
from crowdwatch.core.blocks import BLOCKS_HW
from crowdwatch.ground import Grid, IntArray, anchor_height_m, heads_fault, to_image

__all__ = ["CellBlocks", "cell_blocks", "left_of"]


@dataclass(frozen=True, slots=True, eq=False)
class CellBlocks:
    """The blocks that show the cells of a camera's window; row by row, cells are shown where they are seen at all.

    Args:
        planes: for feet, and for heads where they can be placed: (rows, cols) the block of each cell's centre, counted
            row by row; the nearest one for a centre beyond the picture's edge.
    """

    planes: tuple[IntArray, ...]

    def hidden(self, lost: Mask) -> Mask:
        """(rows, cols) the cells of which a lost block shows the feet or the heads."""
        hidden: Mask = np.any([lost.ravel()[blocks] for blocks in self.planes], axis=0)
        return hidden


def cell_blocks(grid: Grid, camera: CameraView) -> CellBlocks:
    """Work out which block shows which cell of a camera's window."""
    east, north = np.meshgrid(*grid.centres(camera.window))
    centres_m = np.column_stack([east.ravel(), north.ravel()])
    heights_m = {anchor_height_m(camera.camera.anchor, camera.plane)}
    if heads_fault(camera.plane) is None:
        heights_m |= {0.0, camera.plane.head_plane_m}
    height, width = camera.plane.image_hw
    found = []
    for height_m in sorted(heights_m):
        uv = np.nan_to_num(to_image(camera.plane, centres_m, height_m), nan=-1.0)
        col = np.clip(uv[:, 0] * BLOCKS_HW[1] / width, 0, BLOCKS_HW[1] - 1).astype(np.int64)
        row = np.clip(uv[:, 1] * BLOCKS_HW[0] / height, 0, BLOCKS_HW[0] - 1).astype(np.int64)
        found.append((row * BLOCKS_HW[1] + col).reshape(camera.window.shape))
    return CellBlocks(tuple(found))


def left_of(view: SiteView, camera: CameraView, blocks: CellBlocks, lost: Mask) -> CameraView:
    """The view without the cells that lost blocks show.

    Args:
        view: the prepared site.
        camera: the whole view.
        blocks: of its cells.
        lost: the blocks that show nothing.
    """
    hidden = blocks.hidden(lost)
    seen = np.where(hidden, np.uint16(0), camera.seen).astype(np.uint16)
    zones, counts = view.zones, len(view.zones)
    mask = zones.mask[camera.entries]
    kept = seen.ravel()[camera.cells] & mask != 0
    gone = hidden.ravel()[camera.cells] & (camera.seen.ravel()[camera.cells] & mask != 0)
    return replace(
        camera,
        seen=seen,
        zones_in_sight=np.bincount(camera.entry_zones, kept, counts) > 0,
        zones_hidden=np.bincount(camera.entry_zones, gone, counts) > 0,
    )
