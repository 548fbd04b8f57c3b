"""The calibrated picture of a camera: what of it the event file keeps, so that a log holds it and no picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.calibration.grid_picture import read_picture
from crowdwatch.config.programs import Model
from crowdwatch.core.blocks import BLOCKS_HW, PROFILES, BlockEvidence
from crowdwatch.core.records import Frame, FramePair, Stamp
from crowdwatch.errors import SourceUnavailable
from crowdwatch.observation.evidence import evidence

__all__ = ["ReferenceNumbers", "read_reference"]


def _hex(shape: tuple[int, int]) -> Any:
    return Field(strict=True, pattern=rf"^[0-9a-f]{{{2 * shape[0] * shape[1]}}}$")


class ReferenceNumbers(Model):
    """What was measured of the picture, as :class:`~crowdwatch.core.blocks.BlockEvidence`, in hexadecimal digits."""

    luma: Annotated[str, _hex(BLOCKS_HW)]
    """Brightness by blocks."""
    sharpness: Annotated[str, _hex(BLOCKS_HW)]
    """Structure by blocks."""
    profiles: Annotated[str, _hex(PROFILES)]
    """Profiles of the gradient, which show a shift."""

    def blocks(self) -> BlockEvidence:
        """The measures as the fold takes them."""
        luma, sharpness = _array(self.luma, BLOCKS_HW), _array(self.sharpness, BLOCKS_HW)
        return BlockEvidence(luma, sharpness, None, _array(self.profiles, PROFILES))


def _array(text: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(shape)


def read_reference(document: Document, path: KeyPath, camera: dict[str, Any], folder: Path) -> str | None:
    """Put what the camera's ``reference`` shows into the event file, in the place of the file's name.

    Returns:
        The file's name; None where there is none, or it has a fault, which is listed.
    """
    name = camera.get("reference")
    if not isinstance(name, str) or not name.strip():
        return None
    where = (*path, "reference")
    if camera.get("moves") is True:
        document.fault(where, "belongs to a camera that stands still: a drone never shows the same picture. Remove it.")
        return None
    try:
        image = read_picture(folder / name)
    except SourceUnavailable as error:
        document.fault(where, str(error))
        return None
    need = _size(camera)
    got = [image.shape[1], image.shape[0]]
    if need is not None and got != need:
        text = f"got a picture of {got[0]}x{got[1]}, need {need[0]}x{need[1]}, the camera's. Take it from this camera."
        document.fault(where, text)
        return None
    seen = evidence(FramePair(None, Frame(Stamp("reference", 0, 0), image))).blocks
    if seen is None or seen.profiles is None:
        document.fault(where, f"got a picture of {got[0]}x{got[1]}, which is too small to compare with. Name another.")
        return None
    measured = {"luma": seen.luma, "sharpness": seen.sharpness, "profiles": seen.profiles}
    camera["reference"] = {key: value.tobytes().hex() for key, value in measured.items()}
    return name


def _size(camera: Mapping[str, Any]) -> list[Any] | None:
    """Width and height of the camera's picture, where it is told soundly."""
    size = camera.get("image_size_px")
    if size is None:
        calibration = camera.get("calibration")
        tsai = calibration.get("tsai") if isinstance(calibration, Mapping) else None
        size = [tsai.get("width_px"), tsai.get("height_px")] if isinstance(tsai, Mapping) else None
    return size if isinstance(size, list) and all(isinstance(side, int) for side in size) else None
