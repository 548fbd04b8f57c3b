"""A flight: time of the film to where the camera was and where it looked, with the error of every part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from crowdwatch.core.records import FloatArray
from crowdwatch.errors import SourceUnavailable
from crowdwatch.ground import AerialPose, aerial_rotation
from crowdwatch.sources.flight.cleaning import clean_angles, clean_heights, clean_positions
from crowdwatch.sources.flight.gps_order import EARTH_M, MOST_AWAY_M, decided, positions_of
from crowdwatch.sources.flight.joining import Film, joined
from crowdwatch.sources.flight.log import Field, FlightLog, Order
from crowdwatch.sources.flight.place import SitePlace

__all__ = ["Altitude", "Flight", "FlightSettings", "flight_of", "placed"]

GAP_S = 2.0
"""Between entries farther apart nothing is known: a drone turns by a quarter in that time."""

SAME_S = 2e-3
"""Times of subtitles are written to the millisecond: a picture so close to an entry is the entry's."""

POSITION_SIGMA_M, HEIGHT_SIGMA_M, YAW_SIGMA_DEG, PITCH_SIGMA_DEG, ROLL_SIGMA_DEG = 1.5, 1.5, 1.0, 0.5, 0.5
"""Standard errors of what is written, as makers state them: position by satellites 1.5 m on each axis; height by air
pressure 0.5 m in still air and 2 m in wind; heading 1 degree; a gimbal's own angles better than half a degree."""

ALTITUDE_SIGMA_M = 5.0
"""A height above the sea by satellites, whose zero (ellipsoid or geoid) firmware does not say."""

TAKEOFF_SIGMA_M = 2.0
"""The ground where it took off against the site's, where nobody has said how they differ."""

ARM_SIGMA_M = 0.15
"""From the antenna to the camera, where nobody has measured it."""

LENS_DIFFERS_FRAC = 0.15
"""Telemetry and model say the same lens up to the rounding of firmware (Air 2S: 22 mm, written as 240)."""


MOST_ZOOM = 60.0
"""No drone enlarges its pictures more: the number is none of a zoom."""


class Altitude(StrEnum):
    """What ``altitude`` counts from where telemetry does not say."""

    TAKEOFF = "takeoff"
    SEA = "sea"


@dataclass(frozen=True, slots=True)
class FlightSettings:
    """What a person says of a flight, and its camera.

    Args:
        focal_px: of the whole picture without digital zoom.
        focal_sigma_frac: its relative standard error.
        focal_35_mm: of the model, as of 35 mm film; None where the lens was calibrated.
        image_hw: height and width of the pictures.
        takeoff_height_m: of the place of take-off above the site's ground; None: unknown, taken as level.
        ground_elevation_m: of the site's ground above the sea, where heights above the sea are to be used.
        altitude: what an ``altitude`` without a zero counts from.
        gps_order: of positions without names; None: by evidence.
        offset_s: as in :func:`~crowdwatch.sources.flight.joining.joined`.
        antenna_m: from the antenna to the camera: forward, right, up in the aircraft.
        yaw_deg, pitch_deg, roll_deg: of the gimbal, where telemetry does not write them.
        angle_sigma_deg: standard error of those.
        sigmas: standard errors of what is written, by name of :class:`AerialPose`; absent: as makers state them.
    """

    focal_px: float
    image_hw: tuple[int, int]
    focal_sigma_frac: float = 0.03
    focal_35_mm: float | None = None
    takeoff_height_m: float | None = None
    ground_elevation_m: float | None = None
    altitude: Altitude | None = None
    gps_order: Order | None = None
    offset_s: float | None = None
    antenna_m: tuple[float, float, float] | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    angle_sigma_deg: float = 3.0
    sigmas: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """Poses over the time of a film.

    Args:
        t_s: (N,) seconds after its first picture.
        poses: (N, 7) as :class:`AerialPose` has them; the yaw goes on beyond 360 degrees. NaN where unknown.
        sigmas: standard errors of a pose at an entry, without that of time.
        t_sigma_s: standard error of the time.
        gap_s: entries farther apart have nothing between them.
        estimated: what telemetry does not write and a person says, or what is taken for want of better.
        notes: what is odd, for people.
    """

    t_s: FloatArray
    poses: FloatArray
    sigmas: AerialPose
    t_sigma_s: float
    gap_s: float
    estimated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, t_s: float) -> tuple[AerialPose, AerialPose] | None:
        """Pose and its standard errors at a time of the film; None where telemetry says nothing.

        Between two entries positions and angles are interpolated, a heading the shorter way. The error of time
        counts by how fast the pose changes.
        """
        after = int(np.searchsorted(self.t_s, t_s, side="right"))
        before = after - 1
        if before < 0 or (after == len(self.t_s) and t_s > self.t_s[-1] + self.gap_s):
            return None
        if after == len(self.t_s):
            first = max(before - 1, 0)
            pose, rate = self.poses[before], self._rate(first, before)
        elif self.t_s[after] - self.t_s[before] > self.gap_s:
            return None
        else:
            span_s = self.t_s[after] - self.t_s[before]
            share = (t_s - self.t_s[before]) / span_s
            pose = self.poses[before]
            if share * span_s > SAME_S:
                pose = (1 - share) * pose + share * self.poses[after]
            rate = self._rate(before, after)
        if not np.isfinite(pose).all():
            return None
        late = np.where(np.isfinite(rate), rate, 0.0) * self.t_sigma_s
        errors = np.hypot(self.sigmas.values(), late)
        found = AerialPose.of(pose)
        focal_sigma = self.sigmas.focal_px * found.focal_px  # a share of the length
        return found, AerialPose.of(np.append(errors[:6], focal_sigma))

    def _rate(self, first: int, last: int) -> FloatArray:
        """(7,) change per second, over a second at least: single steps of written digits are no speed."""
        while self.t_s[last] - self.t_s[first] < 1.0 and (first > 0 or last < len(self.t_s) - 1):
            if first > 0:
                first -= 1
            if last < len(self.t_s) - 1:
                last += 1
        span_s = self.t_s[last] - self.t_s[first]
        if not span_s > 0:
            return np.zeros(7)
        return np.asarray(np.abs(self.poses[last] - self.poses[first]) / span_s)

    @property
    def known(self) -> int:
        """Entries that have a whole pose."""
        return int(np.isfinite(self.poses).all(axis=1).sum())


def flight_of(log: FlightLog, film: Film, place: SitePlace, settings: FlightSettings) -> Flight:
    """Join telemetry with its film and put it on the site.

    Raises:
        SourceUnavailable: it lacks what no person has said either, is of another place, or of another film.
    """
    log, notes = joined(_ordered(log, place, settings), film, settings.offset_s)
    return placed(log, place, settings, notes)


def _ordered(log: FlightLog, place: SitePlace, settings: FlightSettings) -> FlightLog:
    """The log whose positions have names. Raises SourceUnavailable: nothing decides them."""
    log = decided(log, settings.gps_order, place.lat_lon)
    if log.order is Order.UNDECIDED:
        pair = log.get(Field.FIRST), log.get(Field.SECOND)
        at = int(np.flatnonzero(np.isfinite(pair[0]))[0])
        raise SourceUnavailable(
            f"telemetry {log.name}: its positions have no names, as GPS({pair[0][at]:g}, {pair[1][at]:g}), and neither "
            f"order is near the site at {_place_text(place)}, or both are. State gps_order: lon_lat or lat_lon, or "
            "correct site.crs and origin_m."
        )
    return log


def placed(log: FlightLog, place: SitePlace, settings: FlightSettings, notes: Sequence[str] = ()) -> Flight:
    """Put telemetry whose times are right on the site.

    Args:
        log: in the seconds in which the flight is wanted.
        place: the site.
        settings: what a person says; ``offset_s`` is not looked at.
        notes: what is odd so far.

    Raises:
        SourceUnavailable: it lacks what no person has said either, or is of another place.
    """
    log, notes = _ordered(log, place, settings), list(notes)
    xy, said = _positions(log, place)
    notes += said
    height, height_sigma_m, estimated, said = _heights(log, xy, settings)
    notes += said
    angles, angle_sigmas, guessed = _angles(log, place, settings)
    notes += clean_angles(angles[0], angles[1], angles[2], log.t_s)
    estimated += guessed
    focal = _focal(log, settings)
    poses = np.column_stack([xy, height, *angles, focal])
    poses[:, :3] += _arm(poses, settings)
    rounding_m = math.radians(log.degrees_step) * EARTH_M / math.sqrt(12)
    arm_m = 0.0 if settings.antenna_m is not None else ARM_SIGMA_M
    flat_m = math.hypot(POSITION_SIGMA_M, rounding_m, arm_m)
    sigmas = dict(zip(AerialPose.__slots__, (flat_m, flat_m, height_sigma_m, *angle_sigmas, settings.focal_sigma_frac),
                      strict=True)) | dict(settings.sigmas)  # fmt: skip
    gap_s = max(GAP_S, 3 * log.step_s) if math.isfinite(log.step_s) else GAP_S
    flight = Flight(
        log.t_s, poses, AerialPose(**sigmas), log.t_sigma_s, gap_s, tuple(estimated),
        tuple(f"telemetry {log.name}: {note}" for note in [*log.notes, *notes]),
    )  # fmt: skip
    if not flight.known:
        raise SourceUnavailable(
            f"telemetry {log.name}: none of its {len(log)} entries has position, height and direction. "
            f"{' '.join(notes)} Name another file."
        )
    return flight


def _place_text(place: SitePlace) -> str:
    lat, lon = place.lat_lon
    return f"{lat:.4f}, {lon:.4f} (latitude, longitude)"


def _positions(log: FlightLog, place: SitePlace) -> tuple[FloatArray, list[str]]:
    lat, lon = positions_of(log)
    if not (np.isfinite(lat) & np.isfinite(lon)).any():
        raise SourceUnavailable(
            f"telemetry {log.name}: no entry has a position. This model or setting writes none: use a log that has one "
            "(CSV of the flight app), or a camera that stands still."
        )
    slack_m = 2 * math.radians(log.degrees_step) * EARTH_M + 5.0
    xy, notes = clean_positions(lat, lon, log.t_s, place.to_site, slack_m, MOST_AWAY_M)
    known = np.isfinite(xy).all(axis=1)
    if not known.any():
        raise SourceUnavailable(f"telemetry {log.name}: no entry has a position: {' '.join(notes)}")
    away_m = float(np.median(np.hypot(*xy[known].T)))
    if away_m > MOST_AWAY_M:
        at = int(np.flatnonzero(known)[0])
        raise SourceUnavailable(
            f"telemetry {log.name}: it begins at {lat[at]:.4f}, {lon[at]:.4f} (latitude, longitude), "
            f"{away_m / 1000:.0f} km from the site at {_place_text(place)}: it is of another place. Name the right "
            "file, or correct site.crs and origin_m."
        )
    return xy, notes


def _heights(
    log: FlightLog, xy: FloatArray, settings: FlightSettings
) -> tuple[FloatArray, float, list[str], list[str]]:
    """(N,) heights above the site's ground, their standard error, what is estimated, and what is odd."""
    untold = settings.altitude
    height, notes = clean_heights(log, Field.HEIGHT, xy)
    if not log.has(Field.HEIGHT) and untold is Altitude.TAKEOFF:
        height, notes = clean_heights(log, Field.ALTITUDE_UNTOLD, xy)
    if np.isfinite(height).any():
        told = settings.takeoff_height_m
        estimated = [] if told is not None else ["takeoff_height_m"]
        sigma_m = math.hypot(HEIGHT_SIGMA_M, 0.0 if told is not None else TAKEOFF_SIGMA_M)
        return height + (told or 0.0), sigma_m, estimated, notes
    above_sea = Field.ALTITUDE if log.has(Field.ALTITUDE) else Field.ALTITUDE_UNTOLD
    if above_sea is Field.ALTITUDE or untold is Altitude.SEA:
        altitude, said = clean_heights(log, above_sea, xy)
        notes += said
        ground = settings.ground_elevation_m
        written = log.get(Field.GROUND)
        if ground is not None or np.isfinite(written).any():
            level = np.full(len(log), ground) if ground is not None else written
            return altitude - level, ALTITUDE_SIGMA_M, [], notes
    says = ", ".join(each.value for each in (Field.ALTITUDE, Field.ALTITUDE_UNTOLD) if log.has(each)) or "no height"
    odd = " ".join([*notes, ""])
    raise SourceUnavailable(
        f"telemetry {log.name}: its height above the ground is unknown: it writes {says}. {odd}State "
        "altitude: takeoff or sea where it does not say from where it counts, and ground_elevation_m for a height "
        "above the sea."
    )


def _angles(
    log: FlightLog, place: SitePlace, settings: FlightSettings
) -> tuple[list[FloatArray], tuple[float, float, float], list[str]]:
    """Yaw on the map, pitch and roll (N,), their standard errors, and which of them are estimated."""
    usual = {"yaw_deg": YAW_SIGMA_DEG, "pitch_deg": PITCH_SIGMA_DEG, "roll_deg": ROLL_SIGMA_DEG}
    fields = (Field.GIMBAL_YAW, Field.GIMBAL_PITCH, Field.GIMBAL_ROLL)
    found, sigmas, estimated, lacking = [], [], [], []
    for (name, sigma_deg), field in zip(usual.items(), fields, strict=True):
        told = getattr(settings, name)
        if log.has(field):
            found.append(log.get(field).copy())
            sigmas.append(sigma_deg)
        elif told is not None or name == "roll_deg":
            found.append(np.full(len(log), told or 0.0))
            sigmas.append(settings.angle_sigma_deg if told is not None else 1.0)  # gimbals hold the horizon
            estimated.append(name)
        else:
            lacking.append(name)
    if lacking:
        body = " It writes the heading of the aircraft, which is not where the camera looks." * log.has(Field.BODY_YAW)
        raise SourceUnavailable(
            f"telemetry {log.name}: it does not say where the camera looked ({', '.join(lacking)}): this model writes "
            f"no gimbal.{body} Use a log that has it (CSV of the flight app), or state gimbal: {{yaw_deg: .., "
            "pitch_deg: .., sigma_deg: ..}} of a drone that hovered."
        )
    found[0] = _unwrapped(found[0] + place.true_north_deg())
    return found, (sigmas[0], sigmas[1], sigmas[2]), estimated


def _unwrapped(yaw_deg: FloatArray) -> FloatArray:
    """Headings that go on through north, where they are known."""
    known = np.isfinite(yaw_deg)
    found = yaw_deg.copy()
    found[known] = np.unwrap(yaw_deg[known], period=360.0)
    return found


def _focal(log: FlightLog, settings: FlightSettings) -> FloatArray:
    """(N,) focal lengths in pixels, with digital zoom; or as the field of view says."""
    if log.has(Field.VIEW_DEG):
        view = log.get(Field.VIEW_DEG)
        return np.asarray(settings.image_hw[1] / 2 / np.tan(np.radians(view) / 2))
    written = log.get(Field.FOCAL_35_MM)
    if settings.focal_35_mm is not None and np.isfinite(written).any():
        median = float(np.nanmedian(written))
        if abs(median / settings.focal_35_mm - 1) > LENS_DIFFERS_FRAC:
            raise SourceUnavailable(
                f"telemetry {log.name}: it says that the lens is {median:g} mm long, and that of the model is "
                f"{settings.focal_35_mm:g} mm: it was filmed with another camera. Name the right model, or give "
                "the lens."
            )
    zoom = np.nan_to_num(log.get(Field.ZOOM), nan=1.0)
    zoom = np.where(zoom > MOST_ZOOM, np.nan, zoom)
    return settings.focal_px * np.where(zoom < 1.0, 1.0, zoom)


def _arm(poses: FloatArray, settings: FlightSettings) -> FloatArray:
    """(N, 3) from antenna to camera in the world, by the direction in which the gimbal looks."""
    if settings.antenna_m is None:
        return np.zeros((len(poses), 3))
    forward, right, up = settings.antenna_m
    arms: Iterable[FloatArray] = (
        aerial_rotation(yaw, 0.0, 0.0).T @ np.array([right, -up, forward]) for yaw in poses[:, 3]
    )
    return np.array(list(arms))
