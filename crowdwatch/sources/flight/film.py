"""A drone's film as a Source: every picture says from where it was taken, or is a fault with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch.calibration.registration import GroundPicture, refined
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, FramePair, GroundPlane, Lens
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import Terrain, aerial_plane, sees_valid_ground
from crowdwatch.sources.flight.flight import Flight
from crowdwatch.sources.flight.joining import Film
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sampling import NS

__all__ = ["FlightView", "FlownRecording"]


@dataclass(frozen=True, slots=True, eq=False)
class FlightView:
    """What a flight's pictures show of the ground.

    Args:
        flight: where the camera was.
        image_hw: height and width of its pictures.
        lens: how they depart from a pinhole.
        head_plane_m, max_sigma_m: as in :class:`~crowdwatch.core.records.GroundPlane`.
        reference: a picture of the ground that poses are refined against; None: telemetry alone.
        terrain: heights of the ground; None: it is flat.
    """

    flight: Flight
    image_hw: tuple[int, int]
    lens: Lens | None = None
    head_plane_m: float = 1.65
    max_sigma_m: float = 1.0
    reference: GroundPicture | None = None
    terrain: Terrain | None = None

    def at(self, t_s: float, image_bgr: NDArray[np.uint8] | None = None) -> GroundPlane | Code:
        """The plane of a picture at a time of the film, or why there is none.

        It follows from this picture and the telemetry alone, so that cutting a film changes nothing. Where the picture
        cannot be laid on the reference the plane is that of telemetry, and as uncertain.
        """
        found = self.flight.at(t_s)
        if found is None:
            return Code.NO_TELEMETRY
        pose, errors = found
        settings: dict[str, Any] = {
            "lens": self.lens, "head_plane_m": self.head_plane_m, "max_sigma_m": self.max_sigma_m,
        }  # fmt: skip
        try:
            if self.terrain is not None:
                centre = None if self.lens is None else (self.lens.camera_matrix[0, 2], self.lens.camera_matrix[1, 2])
                ground = self.terrain.local(pose, self.image_hw, centre)
                up_m = math.hypot(errors.up_m, ground.off_m, self.terrain.sigma_m)
                plane = aerial_plane(
                    pose, replace(errors, up_m=up_m), self.image_hw, surface=ground.surface, **settings
                )
            elif self.reference is None or image_bgr is None:
                plane = aerial_plane(pose, errors, self.image_hw, **settings)
            else:
                gray = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
                plane = refined(gray, pose, errors, self.reference, **settings).plane
        except CalibrationError:
            return Code.NO_GROUND
        return plane if sees_valid_ground(plane) else Code.NO_GROUND


class FlownRecording(Recording):
    """A film with telemetry.

    Args:
        path: the film.
        view_of: builds the view once the film's length is known. Raises SourceUnavailable.
        settings: as of :class:`~crowdwatch.sources.recording.Recording`.

    Raises:
        SourceUnavailable: as there, or telemetry does not fit.
    """

    def __init__(self, path: Path, *, view_of: Callable[[Film, tuple[int, int]], FlightView], **settings: Any) -> None:
        super().__init__(path, **settings)
        length_s = (self.found_ns - self.start_ns) / NS
        self.film = Film(self.frames, length_s, self.step_s, self.start_ns)
        self.view = view_of(self.film, self.image_hw)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd and was dealt with, for people: of the film, and of its telemetry."""
        flight = self.view.flight
        said = [*super().notes, *flight.notes]
        if flight.estimated:
            said.append(
                f"camera {self.camera_id!r}: {', '.join(flight.estimated)} is not in its telemetry and is "
                "estimated, with its standard error."
            )
        return tuple(said)

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair | CameraFault]:
        """As there; a picture of which nobody knows where it was taken, or that shows no ground, is a fault."""
        for item in super().read(from_ns, to_ns):
            if not isinstance(item, FramePair):
                yield item
                continue
            frame = item.current
            plane = self.view.at((frame.stamp.t_ns - self.start_ns) / NS, frame.image_bgr)
            if isinstance(plane, Code):
                yield CameraFault(frame.stamp.camera_id, frame.stamp.t_ns, plane)
            else:
                yield FramePair(item.previous, replace(frame, plane=plane), item.analysed_ns)
