"""Which way up a recording is: telephones film as the sensor lies and note the turn beside the pictures.

Players, OpenCV and ``crowdwatch calibrate --picture`` all show the turned picture, so pixels of a calibration are
pixels of that one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

__all__ = ["quarter_turns"]

ONE = 1 << 16
"""Unit of the matrix: 16.16 fixed point."""

TURNS = {(1, 0, 0, 1): 0, (0, -1, 1, 0): 1, (-1, 0, 0, -1): 2, (0, 1, -1, 0): 3}


def quarter_turns(frame: VideoFrame) -> int:
    """How often a decoded picture must be turned anticlockwise by 90 degrees to stand as it was filmed.

    The display matrix (a, b, c, d) moves a pixel (x, y) to (a x + c y, b x + d y), x right and y down.

    Raises:
        ValueError: the matrix mirrors, scales or turns by another angle.

    Source: ISO/IEC 14496-12, section 6.2.2; libavutil/display.h.
    """
    side_data: Any = frame.side_data  # a mapping by Type, whose stub says by str
    noted = side_data.get(Type.DISPLAYMATRIX)
    if noted is None:
        return 0
    matrix = np.frombuffer(bytes(noted), np.int32).reshape(3, 3)
    key = tuple((matrix[:2, :2].ravel() / ONE).tolist())
    if key not in TURNS:
        raise ValueError(f"display matrix {key} mirrors, scales or turns by other than quarters")
    return TURNS[key]
