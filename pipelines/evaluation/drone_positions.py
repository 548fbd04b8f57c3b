"""How far from where they stand people come to lie, seen by a drone: by telemetry alone, and laid on a reference."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crowdwatch.calibration.drone_lenses import DRONES, focal_px
from crowdwatch.calibration.registration import refined
from crowdwatch.core.records import FloatArray, GroundPlane
from crowdwatch.ground import AerialPose, aerial_plane, to_ground, to_image, valid_ground
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.flight import FlightSettings, flight_of
from crowdwatch.sources.flight.joining import Film
from crowdwatch.sources.flight.place import SitePlace
from crowdwatch.sources.flight.srt import read_srt
from pipelines.evaluation.drawn_flight import DrawnFlight, TelemetryError, write_srt
from pipelines.evaluation.drawn_ground import drawn_ground, drawn_picture

__all__ = ["FLIGHTS", "REFINED", "figures", "measure"]

PLACE = SitePlace("EPSG:32650", (447500.0, 4418500.0))
MODEL = "mavic-3"
HW = (1080, 1920)
UP_M, PITCH_DEG, SPEED_M_S = 60.0, -60.0, 4.0
POSITION_M, HEIGHT_M, YAW_DEG, LATE_S = 1.5, 0.5, 1.0, 0.1
"""Standard errors of telemetry in the drawn flights: east and north, height, heading, and time. Data sheets state 1.5 m
across and 0.5 m up for hovering by satellites; errors stay what they are for a flight."""

FLIGHTS, REFINED = 60, 12
"""Flights, each with errors of its own, and those of which a picture is drawn and laid on a reference."""

RATE, FRAMES, AT_S = Fraction(10), 100, (2.0, 5.0, 8.0)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One flight: distances between where people stand and where they come to lie, metres, and the errors told."""

    told_m: FloatArray
    sigma_m: FloatArray
    laid_m: FloatArray | None = None
    failed: str = ""


def measure() -> Iterator[Measured]:
    """Fly."""
    rng = np.random.default_rng(19)
    ground = drawn_ground(-70, -50, 70, 110)
    focal = focal_px(DRONES[MODEL], HW[1])
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FLIGHTS):
            people = rng.uniform((-45, -10), (45, 75), (1500, 2))
            start, turn = rng.uniform(-10, 10, 2), rng.uniform(-20, 20)

            def pose(t_s: float, start: FloatArray = start, turn: float = turn) -> AerialPose:
                along = start + SPEED_M_S * (t_s - 5.0) * np.array([np.cos(turn / 20), np.sin(turn / 20)])
                yaw, up = turn + 2 * np.sin(t_s), UP_M + 0.3 * np.sin(t_s / 2)
                return AerialPose(float(along[0]), float(along[1]), float(up), float(yaw), PITCH_DEG, 0.0, focal)

            east, north, up = rng.normal(0.0, (POSITION_M, POSITION_M, HEIGHT_M)).tolist()
            error = TelemetryError(east, north, up, rng.normal(0.0, YAW_DEG), rng.normal(0.0, LATE_S))
            flight = DrawnFlight(pose, HW, RATE, FRAMES, lambda _, people=people: people)  # type: ignore[misc]
            path = Path(folder) / "film.srt"
            write_srt(path, flight, PLACE, error)
            film = Film(FRAMES, float(FRAMES / RATE), float(1 / RATE), int(flight.start.timestamp()) * 10**9)
            settings = FlightSettings(focal, HW, 0.01, 24.0, takeoff_height_m=0.0)
            told = flight_of(read_srt(path), film, PLACE, settings)
            view = FlightView(told, HW, max_sigma_m=8.0)
            yield _one(flight, view, ground if number < REFINED else None, number)


def _one(flight: DrawnFlight, view: FlightView, ground: Any, seed: int) -> Measured:
    people = flight.people(0.0)
    told, sigma = [], []
    for at_s in AT_S:
        plane = view.at(at_s)
        assert isinstance(plane, GroundPlane), "telemetry is whole"
        seen = _seen(flight.plane(at_s), people)
        told.append(_off(plane, flight.plane(at_s), people[seen]))
        sigma.append(valid_ground(plane, to_image(flight.plane(at_s), people[seen]))[1])
    if ground is None:
        return Measured(np.concatenate(told), np.concatenate(sigma))
    at_s = AT_S[1]
    true = flight.plane(at_s)
    image = drawn_picture(true, ground, people, light=0.6 + 0.05 * seed, seed=seed)
    found = view.flight.at(at_s)
    assert found is not None, "telemetry is whole"
    laid = refined(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8), *found, ground, max_sigma_m=8.0)
    off = _off(laid.plane, true, people[_seen(true, people)])
    return Measured(np.concatenate(told), np.concatenate(sigma), off, laid.why)


def _seen(plane: GroundPlane, people: FloatArray) -> Any:
    uv = to_image(plane, people)
    return (uv >= 0).all(axis=1) & (uv < [plane.image_hw[1], plane.image_hw[0]]).all(axis=1)


def _off(told: GroundPlane, true: GroundPlane, people: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(*(to_ground(told, to_image(true, people)) - people).T))


def figures(found: list[Measured]) -> dict[str, Any]:
    """What is reported: distances, and how many lie within twice the error that was told."""
    told, sigma = (np.concatenate([getattr(each, name) for each in found]) for name in ("told_m", "sigma_m"))
    laid = [each for each in found if each.laid_m is not None]
    after = np.concatenate([each.laid_m for each in laid if each.laid_m is not None])
    return {
        "flights": len(found),
        "position_median_m": float(np.median(told)),
        "position_p90_m": float(np.percentile(told, 90)),
        "told_sigma_median_m": float(np.nanmedian(sigma)),
        "within_two_sigma_frac": float(np.mean(told <= 2 * sigma)),
        "refined_pictures": len(laid),
        "refined_failed": sum(bool(each.failed) for each in laid),
        "refined_median_m": float(np.median(after)),
        "refined_p90_m": float(np.percentile(after, 90)),
    }


def plane_of(pose: AerialPose, errors: AerialPose, max_sigma_m: float = 8.0) -> GroundPlane:
    """A plane of the drawn drone's pictures."""
    return aerial_plane(pose, errors, HW, max_sigma_m=max_sigma_m)
