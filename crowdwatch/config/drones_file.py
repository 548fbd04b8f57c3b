"""The drones that may be sent: a YAML file with a list ``drones``, its units in the keys.

::

    drones:
      - id: dock-3
        at_m: [12, -40]            # where it is; east and north on the site
        home_m: [12, -40]          # where it must come back to; absent: where it is
        flight_s: 1500             # flight time that its battery has left
        speed_m_s: 8
        height_m: 60
        model: mavic-3
        fence_m: [[-100, -100], [100, -100], [100, 100], [-100, 100]]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from crowdwatch.analytics.patrol import FreeDrone
from crowdwatch.assets.document import Document, read_document
from crowdwatch.calibration.drone_lenses import DRONES, focal_px
from crowdwatch.config.fields import Ident, Number, PointM, Positive, Ring, SizePx
from crowdwatch.config.programs import Model
from crowdwatch.config.structure import structure_faults
from crowdwatch.config.telemetry_keys import DroneModel

__all__ = ["DronesFile", "read_drones"]


class DroneFile(Model):
    """One drone. Heights and distances are metres, its camera that of the model."""

    id: Ident
    at_m: PointM
    home_m: PointM | None = None
    flight_s: Positive
    speed_m_s: Annotated[Positive, Field(le=40)] = Field(
        default=8.0, json_schema_extra={"source": "half of what such drones fly at most: a margin for wind"}
    )
    height_m: Annotated[Positive, Field(ge=10, le=500)]
    model: DroneModel
    image_size_px: SizePx = Field(default_factory=lambda: [1920, 1080])
    pitch_deg: Annotated[Number, Field(ge=-90, le=-25)] = -60.0
    max_position_error_m: Positive = Field(default=4.0, json_schema_extra={"source": "telemetry alone is 2 to 3 m off"})
    reserve_s: Positive = Field(default=180.0, json_schema_extra={"source": "to land, and to wait for who lands first"})
    fence_m: Ring | None = None


class DronesFile(Model):
    """The drones, in the order in which they choose."""

    drones: Annotated[list[DroneFile], Field(min_length=1, max_length=200)]


def read_drones(path: Path) -> list[FreeDrone]:
    """Read a file of drones.

    Raises:
        ConfigError: every fault of the file at once.
    """
    document = read_document(Document(path, "drones file", "Write a list of drones into it."))
    try:
        read = DronesFile.model_validate(document.raw)
    except ValidationError as error:
        structure_faults(document, error)
        raise document.error() from error
    return [_drone(each) for each in read.drones]


def _drone(told: DroneFile) -> FreeDrone:
    width, height = told.image_size_px
    home = told.home_m or told.at_m
    return FreeDrone(
        told.id, (told.at_m[0], told.at_m[1]), (home[0], home[1]), told.flight_s, told.speed_m_s, told.height_m,
        focal_px(DRONES[told.model], width), (height, width), told.pitch_deg, max_sigma_m=told.max_position_error_m,
        fence_m=None if told.fence_m is None else np.array(told.fence_m), reserve_s=told.reserve_s,
    )  # fmt: skip
