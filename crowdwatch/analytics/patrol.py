"""Where to look next: which ground is most at risk unseen, and from where each free drone would see most of it.

It proposes; a person sends a drone. Nothing here speaks to an aircraft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import MOST_P_M2
from crowdwatch.ground import AerialPose, Grid, aerial_plane, picture_edges_px, position_sigma_m, to_image

__all__ = ["FreeDrone", "Proposal", "propose", "risk_of"]

INFLOW_P_M2_S = 0.02
"""How fast a density may grow unseen, 1.2 p/m2 a minute: 100 m2 at the end of a way 2 m wide on which 1 person a metre
and second comes. [design value]"""

TELEMETRY = AerialPose(1.5, 1.5, 0.5, 1.0, 0.5, 0.5, 0.0)
"""Standard errors of a pose by telemetry alone, as makers state them."""

HEADINGS = 8
PLACES = 9
"""Places along the longer side of the ground at risk that are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class FreeDrone:
    """A drone that waits for an order.

    Args:
        drone_id: its name.
        at_m: (2,) where it is, or its dock.
        home_m: (2,) where it must come back to.
        flight_s: flight time that its battery has left.
        speed_m_s: at which it goes from place to place.
        height_m: above the ground at which it may hover.
        focal_px, image_hw: of its camera.
        pitch_deg: at which its camera looks.
        errors: standard errors of its pose.
        max_sigma_m: ground that is less certain is not seen.
        fence_m: (K, 2) ring that it must not leave; None: none.
        reserve_s: flight time that must be left at home.
    """

    drone_id: str
    at_m: tuple[float, float]
    home_m: tuple[float, float]
    flight_s: float
    speed_m_s: float
    height_m: float
    focal_px: float
    image_hw: tuple[int, int]
    pitch_deg: float = -60.0
    errors: AerialPose = TELEMETRY
    max_sigma_m: float = 5.0
    fence_m: FloatArray | None = None
    reserve_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where a drone should hover next, and what it will see then.

    Args:
        drone_id: which.
        pose: where, how high, in which direction.
        risk_frac: share of all risk that it will see, without what drones before it see.
        area_m2: watched ground that it will see.
        flight_s: to get there.
        hover_s: how long it can stay.
    """

    drone_id: str
    pose: AerialPose
    risk_frac: float
    area_m2: float
    flight_s: float
    hover_s: float


def risk_of(
    rho_p_m2: FloatArray, age_s: FloatArray, limit_p_m2: FloatArray, watched_m2: FloatArray,
    trend_p_m2_s: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """(rows, cols) how much there is to find out about each cell: square metres of ground that may be over its limit.

    An unseen density lies between what was last read, and what it may have grown to: d .. min(d + age x growth, 10),
    the growth at least :data:`INFLOW_P_M2_S`. The risk is the share of that range that is over the limit, a tenth of
    the range's height against the limit where none of it is, times the watched area. What was seen just now is known:
    no risk.

    Args:
        rho_p_m2: density when it was last seen; NaN where it never was, which may be anything.
        age_s: since then; infinite where it never was.
        limit_p_m2: the density that must not be reached.
        watched_m2: of each cell.
        trend_p_m2_s: how fast the density grew when it was last seen.

    >>> one = np.ones((1, 3))
    >>> risk_of(np.array([[3.0, 3.0, np.nan]]), np.array([[0.0, 100.0, np.inf]]), 4 * one, one).round(2).tolist()
    [[0.0, 0.5, 0.6]]
    """
    growth = np.maximum(INFLOW_P_M2_S, 0.0 if trend_p_m2_s is None else np.nan_to_num(trend_p_m2_s))
    low = np.nan_to_num(rho_p_m2, nan=0.0)
    with np.errstate(invalid="ignore"):
        high = np.minimum(low + np.where(np.isfinite(rho_p_m2), growth * age_s, np.inf), MOST_P_M2)
    high = np.maximum(high, low)
    span = high - low
    over = np.clip(high - np.maximum(low, limit_p_m2), 0.0, None)
    share = np.divide(over, span, out=np.zeros_like(span), where=span > 0)
    near = 0.1 * np.where(over > 0, 0.0, np.clip(high / limit_p_m2, 0.0, 1.0)) * (span > 0)
    return np.asarray((share + near) * watched_m2)


def propose(drones: Sequence[FreeDrone], risk: FloatArray, grid: Grid, watched_m2: FloatArray) -> list[Proposal]:
    """Give each drone the hover point from which it sees most of the risk that no drone before it will see.

    Points stand around the ground at risk; a point counts by the risk in view over the time to get there, so that of
    two like views the nearer one is taken. Points beyond the fence, or from which the battery does not bring the drone
    home with its reserve, are none. A drone without a point that sees any risk gets no proposal.

    Args:
        drones: in the order in which they choose.
        risk: (rows, cols) as of :func:`risk_of`.
        grid: the cells.
        watched_m2: (rows, cols).
    """
    left, found = risk.copy(), []
    total = float(risk.sum())
    east, north = np.meshgrid(*grid.centres())
    for drone in drones:
        held = np.flatnonzero(left.ravel() > 0)
        if not len(held) or not total > 0:
            break
        xy = np.column_stack([east.ravel()[held], north.ravel()[held]])
        best: tuple[float, AerialPose, np.ndarray[tuple[int], np.dtype[np.int64]], float] | None = None
        for pose in _hovers(drone, xy):
            away_s = _flight_s(drone, pose, drone.at_m)
            if away_s + _flight_s(drone, pose, drone.home_m) + drone.reserve_s >= drone.flight_s:
                continue
            seen = held[_in_view(drone, pose, xy)]
            worth = float(left.ravel()[seen].sum()) / (1.0 + away_s / 60.0)
            if worth > 0 and (best is None or worth > best[0]):
                best = worth, pose, seen, away_s
        if best is None:
            continue
        _, pose, seen, away_s = best
        back_s = _flight_s(drone, pose, drone.home_m)
        found.append(
            Proposal(
                drone.drone_id, pose, float(left.ravel()[seen].sum()) / total, float(watched_m2.ravel()[seen].sum()),
                away_s, drone.flight_s - away_s - back_s - drone.reserve_s,
            )
        )  # fmt: skip
        left.ravel()[seen] = 0.0
    return found


def _hovers(drone: FreeDrone, xy: FloatArray) -> list[AerialPose]:
    """Points from which the middle of the picture falls on places around the ground at risk, in eight directions."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    step = max(float((high - low).max()) / (PLACES - 1), 1.0)
    targets = np.stack(np.meshgrid(*(np.arange(a, b + step / 2, step) for a, b in zip(low, high, strict=True))), axis=2)
    away = drone.height_m / np.tan(np.radians(-drone.pitch_deg)) if drone.pitch_deg > -89 else 0.0
    fence = None if drone.fence_m is None else shapely.Polygon(drone.fence_m)
    found = []
    for target in targets.reshape(-1, 2):
        for yaw in np.arange(HEADINGS) * 360.0 / HEADINGS if away else (0.0,):
            at = target - away * np.array([np.sin(np.radians(yaw)), np.cos(np.radians(yaw))])
            if fence is None or fence.covers(shapely.Point(at)):
                place = float(at[0]), float(at[1]), drone.height_m
                found.append(AerialPose(*place, float(yaw), drone.pitch_deg, 0.0, drone.focal_px))
    return found


def _flight_s(drone: FreeDrone, pose: AerialPose, place_m: tuple[float, float]) -> float:
    return float(np.hypot(pose.east_m - place_m[0], pose.north_m - place_m[1])) / drone.speed_m_s


def _in_view(drone: FreeDrone, pose: AerialPose, xy: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(N,) whether a place would be in the picture and known well enough."""
    plane = aerial_plane(pose, drone.errors, drone.image_hw, max_sigma_m=drone.max_sigma_m)
    uv = to_image(plane, xy)
    left, top, right, bottom = picture_edges_px(drone.image_hw)
    inside = (uv[:, 0] >= left) & (uv[:, 0] <= right) & (uv[:, 1] >= top) & (uv[:, 1] <= bottom)
    return np.asarray(inside & (np.nan_to_num(position_sigma_m(plane, uv), nan=np.inf) <= drone.max_sigma_m))
