"""Laboratory experiments as simulated observations: density, speed and flow of the fold against PedPy.

Bottleneck 040_c_56_h and the HERMES corridors, both of Forschungszentrum Juelich. A camera that sees everything finds
every person with the recall that ``crowd-n`` has at that density for people of 128 px and more (docs/decisions.md),
with positions that scatter as on PETS2009 (0.14 m in the median). Once a second a density map counts them, off by 5 %
of each map (the spread of ``counter-n``'s interval), people smeared over 0.25 m. Velocities are off by 0.1 m/s.

PedPy says what is true: Voronoi density, mean speed and flow, over windows of 10 s. Everything else is the fold.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.analytics.gate_flow import Sampled
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.records import (
    Anchor,
    Detections,
    Evidence,
    FloatArray,
    GroundMass,
    Observation,
    ObservationId,
    Positions,
    Stamp,
    Tick,
)
from crowdwatch.core.site import Camera, Gate, Phase, Site, Zone, ZoneKind, ZoneLimits
from crowdwatch.errors import ConfigError
from crowdwatch.ground import plane_from_pose
from pipelines.command_line import progress

__all__ = ["Experiment", "experiments", "figures", "simulate"]

NS = 1_000_000_000
NOISE_M, MAP_SPREAD, SMEAR_M, VELOCITY_M_S = 0.12, 0.05, 0.25, 0.1
RECALL_P_M2 = (0.0, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 3.0)
RECALL = (0.95, 0.87, 0.81, 0.77, 0.69, 0.67, 0.50, 0.44, 0.20)
WINDOW_S = 10
STEPS_HZ = 5.0
LEAST_P_M2, LEAST_M_S, LEAST_CROSSINGS = 0.3, 0.05, 5
"""Windows with less are left out: a share of nearly nothing says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """One experiment in metres.

    Args:
        name: of its file.
        rate_hz: frames a second.
        rows: (N, 4) person, frame, east, north.
        walkable: (west, south, east, north).
        wall: an obstacle's rings.
        area: (west, south, east, north) where density and speed are measured.
        line: where flow is, so that the crowd walks in.
    """

    name: str
    rate_hz: float
    rows: FloatArray
    walkable: tuple[float, float, float, float]
    wall: tuple[FloatArray, ...]
    area: tuple[float, float, float, float]
    line: FloatArray


def experiments(folder: Path) -> Iterator[Experiment]:
    """The bottleneck, and the corridors of the archive ``tracks/hermes_corridors.tar.xz``.

    Raises:
        ConfigError: a file is missing.
    """
    path = folder / "pedpy" / "bottleneck_040_c_56_h.txt"
    try:
        rows = np.loadtxt(path)[:, :4]
        walls = tuple(np.array([[a, -0.05], [b, -0.05], [b, 0.05], [a, 0.05]]) for a, b in ((-3.2, -0.25), (0.25, 3.2)))
        yield Experiment(
            "bottleneck",
            25.0,
            rows,
            (-3.2, -2.4, 3.2, 6.4),
            walls,
            (-0.4, 0.5, 0.4, 1.3),
            np.array([[2.5, -0.5], [-2.5, -0.5]]),
        )
        with tarfile.open(folder / "tracks" / "hermes_corridors.tar.xz") as packed:
            for member in packed.getmembers():
                file = (
                    packed.extractfile(member) if member.name.endswith(".txt") and "/Corridor-" in member.name else None
                )
                if file is not None:
                    rows = np.loadtxt(file)[:, :4]
                    rows[:, 2:] /= 100
                    yield _corridor(Path(member.name).stem, rows)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise ConfigError(f"laboratory: {error}. Name the folder that holds pedpy and tracks.") from error


def _corridor(name: str, rows: FloatArray) -> Experiment:
    """A corridor along the north axis; the one of the archive that its name says: width in centimetres."""
    west, east = np.percentile(rows[:, 2], [0.05, 99.95])
    box = (float(west) - 0.2, float(rows[:, 3].min()) - 0.5, float(east) + 0.2, float(rows[:, 3].max()) + 0.5)
    return Experiment(
        name, 16.0, rows, box, (), (box[0] + 0.3, -1.0, box[2] - 0.3, 1.0), np.array([[box[0], 0.0], [box[2], 0.0]])
    )


def _site(lab: Experiment) -> Site:
    west, south, east, north = lab.walkable
    middle = np.array([(west + east) / 2, (south + north) / 2])
    matrix = np.array([[800.0, 0, 960], [0, 800, 960], [0, 0, 1]])
    rotation = np.diag([1.0, -1.0, -1.0])
    plane = plane_from_pose(
        matrix, rotation, -rotation @ np.array([*middle, 12.0]), image_hw=(1920, 1920), rmse_m=0.05, max_sigma_m=2.0
    )
    camera = Camera("lab", {"en": "lab"}, plane, Anchor.FEET, 1 / STEPS_HZ, 0.25)
    a, b, c, d = lab.area
    zone = Zone("area", {"en": "area"}, np.array([[a, b], [c, b], [c, d], [a, d]]), ZoneKind.MOVING, (c - a) * (d - b))
    gate = Gate("line", {"en": "line"}, lab.line, float(np.hypot(*np.diff(lab.line, axis=0)[0])))
    ring = np.array([[west, south], [east, south], [east, north], [west, north]])
    phases = (Phase("all", 0, (ZoneLimits("area", ()),)),)
    return Site(lab.name, {"en": lab.name}, {}, ring, lab.wall, (zone,), (gate,), (camera,), phases)


def simulate(lab: Experiment, seed: int = 0, seconds: int | None = None) -> Iterator[tuple[Outcome, FloatArray]]:
    """Fold an experiment second by second.

    Yields:
        The outcome of each second, and (2,) the mean velocity measured in the area; NaN where nobody is there.
    """
    site = _site(lab)
    view, rng = view_site(site), np.random.default_rng(seed)
    state = start(view)
    step = round(lab.rate_hz / STEPS_HZ)
    first, last = int(lab.rows[:, 1].min()), int(lab.rows[:, 1].max())
    by_frame = {int(f): lab.rows[lab.rows[:, 1] == f] for f in range(first, last + 1)}
    named: list[ObservationId] = []
    second, speeds = 0, np.full(2, np.nan)
    for frame in range(first, last + 1 + round(2 * lab.rate_hz), step):
        t_ns = round((frame - first) / lab.rate_hz * NS)
        if t_ns >= (second + 1) * NS:
            second += 1
            state, outcome = advance(state, Tick(second * NS, tuple(named)))
            named = []
            if outcome is not None:
                yield outcome, speeds
            if second == seconds:
                return
        people, v_m_s = _moving(lab, by_frame, frame, step)
        due = t_ns // NS != (t_ns - round(step / lab.rate_hz * NS)) // NS or frame == first
        one, field = _observed(view.grid, rng, t_ns, frame - first, people, v_m_s, due)
        if field is not None:
            speeds = _speed_in(lab, field, people)
        state, _ = advance(state, one)
        named.append(one.stamp.id)


def _moving(lab: Experiment, by_frame: dict[int, FloatArray], frame: int, step: int) -> tuple[FloatArray, FloatArray]:
    """Where everybody is, and how they move over the frames around, as far as these are known."""
    here = by_frame.get(frame)
    if here is None:
        return np.empty((0, 2)), np.empty((0, 2))
    v_m_s = np.full((len(here), 2), np.nan)
    frames = [by_frame.get(frame - step), here, by_frame.get(frame + step)]
    for k, who in enumerate(here[:, 0]):
        known = [each[each[:, 0] == who][0] for each in frames if each is not None and (each[:, 0] == who).any()]
        if len(known) > 1:
            v_m_s[k] = (known[-1][2:] - known[0][2:]) * lab.rate_hz / (known[-1][1] - known[0][1])
    return here[:, 2:], v_m_s


def _observed(
    grid: Any, rng: np.random.Generator, t_ns: int, seq: int, people: FloatArray, v_m_s: FloatArray, due: bool
) -> tuple[Observation, Sampled | None]:
    stamp = Stamp("lab", seq, t_ns)
    n = len(people)
    far = np.hypot(*(people[:, None] - people[None]).transpose(2, 0, 1)) if n else np.empty((0, 0))
    near_p_m2 = (far < 1.0).sum(axis=1) / np.pi if n else np.empty(0)
    found = rng.random(n) < np.interp(near_p_m2, RECALL_P_M2, RECALL)
    at = people[found] + rng.normal(0, NOISE_M, (int(found.sum()), 2))
    k = len(at)
    boxes = np.tile([0.0, 0.0, 10.0, 20.0], (k, 1))
    scores = np.full(k, 0.8)
    detections = Detections(stamp, boxes, scores, np.zeros(k, int), Anchor.FEET, (1920, 1920), "simulated")
    positions = Positions(stamp, at, np.full(k, NOISE_M * 2**0.5), scores)
    known = np.isfinite(v_m_s).all(axis=1)
    samples, field = None, None
    if known.any():
        v = v_m_s[known] + rng.normal(0, VELOCITY_M_S, (int(known.sum()), 2))
        samples = FlowSamples(people[known], v, np.full(len(v), VELOCITY_M_S), 0.2)
        field = Sampled(samples.xy_m, samples.v_m_s, samples.sigma_m_s)
    mass = None
    if due:
        smeared = people + rng.normal(0, SMEAR_M, people.shape)
        col, row = np.floor((smeared - grid.origin_m) / grid.cell_m).astype(int).T if n else (np.empty(0, int),) * 2
        rows, cols = grid.shape
        row, col = np.clip(row, 0, rows - 1), np.clip(col, 0, cols - 1)
        cells = np.bincount(row * cols + col, minlength=rows * cols).reshape(rows, cols).astype(float)
        cells *= max(0.0, 1 + MAP_SPREAD * rng.normal())
        mass = GroundMass(stamp, grid.origin_m, grid.cell_m, cells, 0.0, 0.0, "simulated", 0.0, 0.0)
    evidence = Evidence(f"{t_ns:016x}", 120.0, 40.0, 100.0, 2.0)
    return Observation(detections, positions, evidence, "lab", mass, flow=samples), field


def _speed_in(lab: Experiment, field: Sampled, people: FloatArray) -> FloatArray:
    """(2,) the mean speed where people are in the area, and their number."""
    a, b, c, d = lab.area
    inside = (people[:, 0] >= a) & (people[:, 0] <= c) & (people[:, 1] >= b) & (people[:, 1] <= d)
    v, _ = field.velocity_at(people[inside])
    v = v[np.isfinite(v).all(axis=1)]
    return np.array([np.hypot(*v.T).mean() if len(v) else np.nan, len(v)])


def _truth(lab: Experiment) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per second by PedPy: Voronoi density and mean speed in the area, and crossings of the line so far, both ways."""
    import pedpy

    data = pd.DataFrame(lab.rows, columns=["id", "frame", "x", "y"]).astype({"id": int, "frame": int})
    data["frame"] -= data["frame"].min()
    walk = pedpy.TrajectoryData(data=data, frame_rate=lab.rate_hz)
    west, south, east, north = lab.walkable
    area = pedpy.AxisAlignedMeasurementArea(*lab.area)
    ground = pedpy.WalkableArea(
        [(west, south), (east, south), (east, north), (west, north)],
        obstacles=[list(map(tuple, each)) for each in lab.wall],
    )
    some = data[data["frame"] % round(lab.rate_hz / 2) == 0]
    cells = pedpy.compute_individual_voronoi_polygons(
        traj_data=pedpy.TrajectoryData(data=some, frame_rate=lab.rate_hz), walkable_area=ground,
        cut_off=pedpy.Cutoff(radius=1.0),
    )  # fmt: skip
    density, _ = pedpy.compute_voronoi_density(individual_voronoi_data=cells, measurement_area=area)
    speeds = pedpy.compute_individual_speed(
        traj_data=walk,
        frame_step=round(lab.rate_hz / STEPS_HZ),
        speed_calculation=pedpy.SpeedCalculation.BORDER_SINGLE_SIDED,
    )
    speed = pedpy.compute_mean_speed_per_frame(traj_data=walk, measurement_area=area, individual_speed=speeds)
    last = int(data["frame"].max() / lab.rate_hz) + 3
    line = pedpy.MeasurementLine([tuple(each) for each in lab.line])
    _, crossing = pedpy.compute_n_t(traj_data=walk, measurement_line=line)
    n_t = np.searchsorted(np.sort(crossing["frame"].to_numpy()), (np.arange(last) + 1) * lab.rate_hz, side="right")
    return _per_second(density, "density", lab, last), _per_second(speed, "speed", lab, last), n_t.astype(float)


def _per_second(found: Any, name: str, lab: Experiment, last: int) -> FloatArray:
    values = found.reset_index() if "frame" not in found.columns else found
    second = (values["frame"].to_numpy() / lab.rate_hz).astype(int)
    value = values[name].to_numpy(dtype=float)
    good = np.isfinite(value) & (value > 0)
    total = np.bincount(second[good], value[good], last)
    times = np.bincount(second[good], minlength=last)
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)[:last]


def figures(folder: Path) -> dict[str, Any]:
    """Median relative errors over all windows of all experiments, and the final count of the bottleneck's exit."""
    off: dict[str, list[float]] = {"density": [], "speed": [], "flow": []}
    result: dict[str, Any] = {}
    for lab in progress(experiments(folder), "experiments", 9):
        density, speed, n_t = _truth(lab)
        rows = [
            (o.readings[0].density_p_m2, v[0], o.gates[0].ingress_total + o.gates[0].egress_total)
            for o, v in simulate(lab)
        ]
        found = np.array(rows)
        for end in range(WINDOW_S, min(len(found), len(n_t)), WINDOW_S):
            span = slice(end - WINDOW_S, end)
            p_m2, m_s = np.nanmean(density[span]), np.nanmean(speed[span])
            crossings = n_t[end - 1] - n_t[end - WINDOW_S]
            if p_m2 >= LEAST_P_M2:
                off["density"].append(found[end - 1, 0] / p_m2 - 1)
            if m_s >= LEAST_M_S and p_m2 >= LEAST_P_M2:
                off["speed"].append(np.nanmean(found[span, 1]) / m_s - 1)
            if crossings >= LEAST_CROSSINGS:
                off["flow"].append((found[end - 1, 2] - found[end - WINDOW_S, 2]) / crossings - 1)
        result[f"{lab.name}_crossings"] = round(float(found[-1, 2]), 1)
        result[f"{lab.name}_crossings_true"] = float(n_t[-1])
        if lab.name == "bottleneck":
            result["n_t_error"] = abs(float(found[-1, 2] - n_t[-1]))
    for name, key in (
        ("density", "density_error_frac"),
        ("speed", "lab_speed_error_frac"),
        ("flow", "flow_error_frac"),
    ):
        errors = np.array(off[name])
        result[key] = float(np.nanmedian(np.abs(errors)))
        result[f"{name}_bias_frac"] = float(np.nanmedian(errors))
        result[f"{name}_windows"] = len(errors)
    return result
