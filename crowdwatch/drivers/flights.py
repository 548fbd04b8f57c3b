"""A drone's film opened with its telemetry: the event file's words as :class:`FlightSettings`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from crowdwatch.calibration.drone_lenses import DRONES, focal_px
from crowdwatch.calibration.ground_pictures import from_orthophoto, from_picture
from crowdwatch.calibration.registration import GroundPicture
from crowdwatch.calibration.terrain_files import read_terrain
from crowdwatch.config import EventFile
from crowdwatch.config.calibrations import calibrated
from crowdwatch.config.points_file import read_points
from crowdwatch.config.schema import CameraFile
from crowdwatch.config.telemetry_keys import TelemetryFile
from crowdwatch.core.records import Lens
from crowdwatch.errors import CalibrationError, SourceUnavailable
from crowdwatch.ground import Terrain, fisheye_lens, opencv_lens
from crowdwatch.sources.flight.csv_log import read_csv
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.flight import Altitude, FlightSettings, flight_of, placed
from crowdwatch.sources.flight.joining import Film
from crowdwatch.sources.flight.klv import read_klv
from crowdwatch.sources.flight.log import FlightLog, Order
from crowdwatch.sources.flight.place import SitePlace
from crowdwatch.sources.flight.srt import read_srt

__all__ = ["live_view_of", "read_telemetry", "view_of"]

SQUARE_FRAC = 0.01
"""A lens whose focal lengths differ by more has pixels that are not square."""

CALIBRATED_SIGMA_FRAC = 0.005


def read_telemetry(path: Path) -> FlightLog:
    """Read a file of telemetry by its ending; what has another one is looked into.

    Raises:
        SourceUnavailable: it cannot be read, or holds no telemetry.
    """
    ending = path.suffix.lower()
    if ending in (".klv", ".bin", ".ts", ".mts", ".m2ts", ".mpg", ".mp4", ".mov", ".mkv"):
        return read_klv(path)
    return read_csv(path) if ending in (".csv", ".tsv") else read_srt(path)


def view_of(event: EventFile, camera: CameraFile, film: Film, image_hw: tuple[int, int]) -> FlightView:
    """What a drone's pictures show, from its telemetry and from what the event file adds.

    Raises:
        SourceUnavailable: telemetry cannot be read, does not fit film or site, or lacks what it needs.
    """
    told = camera.source.telemetry
    assert told is not None, "asked for a drone's film alone"
    place = _place(event)
    lens, settings = _settings(told, image_hw)
    log = read_telemetry(Path(str(told.file)))
    flight = flight_of(log, film, place, settings)
    try:
        reference = None if told.reference is None else _reference(told, place)
    except CalibrationError as error:
        raise SourceUnavailable(str(error)) from error
    terrain = _terrain(event, told, place)
    return FlightView(flight, image_hw, lens, camera.head_plane_m, camera.max_position_error_m, reference, terrain)


def live_view_of(event: EventFile, camera: CameraFile, image_hw: tuple[int, int]) -> Callable[[FlightLog], FlightView]:
    """What makes the view of a live drone, again and again, from the telemetry of its last seconds.

    Raises:
        SourceUnavailable: the lens or the reference cannot be used. What it returns raises it for telemetry that lacks
            what it needs.
    """
    told = camera.source.telemetry
    assert told is not None, "asked for a drone alone"
    place = _place(event)
    lens, settings = _settings(told, image_hw)
    try:
        reference = None if told.reference is None else _reference(told, place)
    except CalibrationError as error:
        raise SourceUnavailable(str(error)) from error
    terrain = _terrain(event, told, place)

    def view(log: FlightLog) -> FlightView:
        flight = placed(log, place, settings)
        return FlightView(flight, image_hw, lens, camera.head_plane_m, camera.max_position_error_m, reference, terrain)

    return view


def _place(event: EventFile) -> SitePlace:
    if event.site.origin_m is None:
        raise SourceUnavailable("telemetry is in degrees, and the site lies on no map. Give site.crs and origin_m.")
    return SitePlace(event.site.crs, (event.site.origin_m[0], event.site.origin_m[1]))


def _settings(told: TelemetryFile, image_hw: tuple[int, int]) -> tuple[Lens | None, FlightSettings]:
    sigmas = told.sigmas
    named = {
        "east_m": sigmas.position_m, "north_m": sigmas.position_m, "up_m": sigmas.height_m, "yaw_deg": sigmas.yaw_deg,
        "pitch_deg": sigmas.pitch_deg, "roll_deg": sigmas.roll_deg, "focal_px": sigmas.focal_frac,
    }  # fmt: skip
    build = partial(
        FlightSettings,
        image_hw=image_hw,
        takeoff_height_m=told.takeoff_height_m,
        ground_elevation_m=told.ground_elevation_m,
        altitude=None if told.altitude is None else Altitude(told.altitude),
        gps_order=None if told.gps_order is None else Order(told.gps_order),
        offset_s=told.offset_s,
        antenna_m=None if told.antenna_m is None else (told.antenna_m[0], told.antenna_m[1], told.antenna_m[2]),
        yaw_deg=told.gimbal.yaw_deg,
        pitch_deg=told.gimbal.pitch_deg,
        roll_deg=told.gimbal.roll_deg,
        angle_sigma_deg=told.gimbal.sigma_deg,
        sigmas=tuple((name, value) for name, value in named.items() if value is not None),
    )
    if told.model is not None:
        drone = DRONES[told.model]
        return None, build(
            focal_px(drone, image_hw[1]), focal_sigma_frac=drone.sigma_frac, focal_35_mm=drone.focal_35_mm
        )
    assert told.lens is not None, "exactly one of model and lens"
    across, down = told.lens.focal_px
    middle = told.lens.centre_px[0] / image_hw[1], told.lens.centre_px[1] / image_hw[0]
    if not all(0.4 < each < 0.6 for each in middle):
        raise SourceUnavailable(
            f"telemetry {told.name}: the lens has its centre at {told.lens.centre_px}, and the film's "
            f"pictures are {image_hw[1]}x{image_hw[0]}: it was calibrated for another size. Calibrate for this one."
        )
    if abs(across / down - 1) > SQUARE_FRAC or told.lens.model == "tsai":
        raise SourceUnavailable(
            f"telemetry {told.name}: need a lens of OpenCV with square pixels, got {told.lens.model} with "
            f"focal_px {across:g} and {down:g}. Calibrate the drone's camera with OpenCV."
        )
    matrix = np.array([[across, 0.0, told.lens.centre_px[0]], [0.0, across, told.lens.centre_px[1]], [0.0, 0.0, 1.0]])
    coefficients = told.lens.coefficients
    lens = fisheye_lens(matrix, coefficients) if told.lens.model == "fisheye" else opencv_lens(matrix, coefficients)
    return lens, build(across, focal_sigma_frac=CALIBRATED_SIGMA_FRAC)


def _terrain(event: EventFile, told: TelemetryFile, place: SitePlace) -> Terrain | None:
    """Heights of the ground, where the event file names them. Raises SourceUnavailable."""
    if told.terrain is None:
        return None
    walkable = np.array(event.site.walkable_area_m, np.float64)
    named, level = told.terrain, told.ground_elevation_m
    try:
        return read_terrain(Path(named.file), place.crs, place.origin_m, walkable, named.sigma_m, level)
    except CalibrationError as error:
        raise SourceUnavailable(str(error)) from error


def _reference(told: TelemetryFile, place: SitePlace) -> GroundPicture:
    """The picture of the ground that the event file names. Raises CalibrationError."""
    named = told.reference
    assert named is not None, "asked for where there is one"
    if named.orthophoto is not None:
        return from_orthophoto(Path(named.orthophoto), place.crs, place.origin_m, named.sigma_m)
    picture = Path(str(named.picture))
    points = read_points(Path(str(named.points_file)))
    size = points.image_size_px
    if size is None:
        read = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
        size = [0, 0] if read is None else [read.shape[1], read.shape[0]]
    plane = calibrated(points, (size[1], size[0])).plane
    return from_picture(picture, plane, named.sigma_m)
