"""How good velocities, fields and signs are: :func:`field_figures` for ``python -m pipelines.evaluate movement``.

Velocities are measured on pictures of drawn crowds, and on PETS2009 against its annotation; signs on tracks of
laboratories and streets, as if they were measured with the error that pictures have, and on drawn series.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from crowdwatch.analytics.coverage import SiteView, view_site
from crowdwatch.analytics.flow_field import first_field, pressure, remember_flow
from crowdwatch.analytics.movement import Movement, step_movement
from crowdwatch.analytics.precursors import stop_and_go
from crowdwatch.calibration.tsai_files import read_tsai
from crowdwatch.core.flow import FlowSamples
from crowdwatch.core.movement import PrecursorKind, ZoneMovement
from crowdwatch.core.outcomes import Level, Quality, ZoneReading
from crowdwatch.core.records import Anchor, Detections, FloatArray
from crowdwatch.core.site import Site, Zone, ZoneKind
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_ground
from crowdwatch.observation.flow import measure_flow
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.synthetic import looking_down
from pipelines.evaluation.movement_pictures import boxes_of, pair_of, walking_crowd

__all__ = ["Tracks", "field_figures", "fold_tracks", "read_hermes"]

NS = 1_000_000_000
Progress = Callable[[str], None]

MASTS = ((6.0, 7.0, (-8, -4, 8, 10)), (10.0, 12.0, (-12, -6, 12, 12)), (20.0, 20.0, (-16, -10, 16, 12)))
"""Height, how far the camera stands from the middle, and the crowd's rectangle."""

DENSITIES, SPEEDS = (1, 2, 4, 6), (0.1, 0.6, 1.4)
NOISE_M_S, RECALL = 0.06, 0.7
"""Of velocities made from tracks: the error of a square's velocity from pictures, and how many are measured."""

PETS_FRAMES, PETS_EVERY = 12, 2
"""Frames over which speeds are compared, and which of them are measured."""

SERIES_NOISE_M_S = 0.03
TRIALS = 40


def field_figures(data: Path, progress: Progress = lambda _: None) -> dict[str, float]:
    """Measure everything; the keys say what.

    Args:
        data: the folder of the data sets.
        progress: told what is being measured.

    Raises:
        ConfigError: a data set is missing.
    """
    figures: dict[str, float] = {}
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "velocity of drawn crowds": velocity_figures,
        "velocity on PETS2009": partial(pets_figures, data / "pets2009"),
        "counter-flow": partial(counter_flow_figures, data / "tracks" / "hermes_corridors.tar.xz"),
        "stop-and-go": wave_figures,
        "pressure": pressure_figures,
        "signs on uneventful tracks": partial(uneventful_figures, data),
    }
    for name, measure in measures.items():
        progress(name)
        figures |= measure()
    return figures


def velocity_figures() -> dict[str, float]:
    """Errors of the mean velocity of drawn crowds, and how far single squares are off for their stated error."""
    errors, angles, ratios = [], [], []
    for height, away, box in MASTS:
        plane = looking_down((0.0, -away, height), (0.0, 2.0), (720, 1280), 930.0)
        for density in DENSITIES:
            for speed in SPEEDS:
                angle = 1.0 + density + height
                true = speed * np.array([math.cos(angle), math.sin(angle)])
                crowd = walking_crowd(density, (true[0], true[1]), box, int(density * 10 + height))
                pair = pair_of(crowd, plane, 3.0, 0.2)
                flow = measure_flow(pair, boxes_of(crowd, plane, pair.current.stamp, 3.0), plane)
                if flow is None:
                    raise ConfigError("drawn crowds: nothing was measured. Report this as a fault.")
                inner = ((flow.xy_m > np.array(box[:2]) + 1) & (flow.xy_m < np.array(box[2:]) - 1)).all(axis=1)
                mean = flow.v_m_s[inner].mean(axis=0)
                errors.append(float(np.hypot(*(mean - true))))
                turned = math.atan2(mean[1], mean[0]) - angle
                angles.append(abs(math.degrees(math.remainder(turned, 2 * math.pi))))
                ratios.append(np.abs(flow.v_m_s[inner] - true).ravel() / np.repeat(flow.sigma_m_s[inner], 2))
    every = np.concatenate(ratios)
    return {
        "drawn_velocity_worst_m_s": max(errors),
        "drawn_velocity_mean_m_s": float(np.mean(errors)),
        "drawn_direction_worst_deg": max(angles),
        "drawn_error_over_stated": float(np.median(every) / 0.6745),
    }


def pets_figures(folder: Path) -> dict[str, float]:
    """Speed of people by flow against the annotated tracks, both over twelve frames; frames 200 to 794.

    The recording's frames are not evenly spaced: one step between two frames is up to twice another, in the picture as
    in what a template finds. So single pairs are not compared.
    """
    plane = read_tsai(folder / "calibration_view_001_tsai.xml")
    rate = Fraction(7)
    source = Recording(folder / "vtest.avi", camera_id="c", start_ns=0, capture_rate_hz=rate)
    tracks = _pets_boxes(folder / "annotations_s2l1.xml")
    feet = {
        who: {n: to_ground(plane, np.array([[(b[0] + b[2]) / 2, b[3]]]))[0] for n, b in of.items()}
        for who, of in tracks.items()
    }
    found: dict[tuple[str, int], list[FloatArray]] = {}
    for pair in source.pairs(int(200 / rate * NS)):
        n = pair.current.stamp.seq
        if n % PETS_EVERY:
            continue
        boxes = np.array([of[n] for of in tracks.values() if n in of]).reshape(-1, 4)
        kinds = np.zeros(len(boxes), dtype=np.int64)
        at = Detections(pair.current.stamp, boxes, np.ones(len(boxes)), kinds, Anchor.FEET, (576, 768), "annotation")
        flow = measure_flow(pair, at, plane)
        if flow is None or not len(flow):
            continue
        for who, of in feet.items():
            near = np.hypot(*(flow.xy_m - of[n]).T) < 0.8 if n in of else np.zeros(0, dtype=np.bool_)
            if near.any():
                found.setdefault((who, n // PETS_FRAMES), []).append(np.median(flow.v_m_s[near], axis=0))
    errors = []
    for (who, group), velocities in found.items():
        first, last = group * PETS_FRAMES, (group + 1) * PETS_FRAMES - 1
        if first in feet[who] and last in feet[who] and len(velocities) >= PETS_FRAMES // PETS_EVERY - 1:
            true = (feet[who][last] - feet[who][first]) * float(rate) / (last - first)
            errors.append(float(np.hypot(*np.mean(velocities, axis=0)) - np.hypot(*true)))
    return {
        "pets_flow_speed_median_error_m_s": float(np.median(np.abs(errors))),
        "pets_flow_speed_bias_m_s": float(np.mean(errors)),
        "pets_flow_tracks": float(len(errors)),
    }


def _pets_boxes(path: Path) -> dict[str, dict[int, FloatArray]]:
    """person -> frame -> (4,) box."""
    found: dict[str, dict[int, FloatArray]] = {}
    for number, frame in enumerate(ElementTree.parse(path).getroot().iter("frame")):
        for each in frame.iter("object"):
            box = each.find("box")
            if box is not None:
                xc, yc, w, h = (float(box.attrib[key]) for key in ("xc", "yc", "w", "h"))
                at = np.array([xc - w / 2, yc - h / 2, xc + w / 2, yc + h / 2])
                found.setdefault(each.attrib["id"], {})[number] = at
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """People over time: per person (N,) seconds and (N, 2) metres."""

    name: str
    people: tuple[tuple[FloatArray, FloatArray], ...]

    @classmethod
    def of(cls, name: str, person: FloatArray, t_s: FloatArray, xy_m: FloatArray) -> Tracks:
        """From rows in any order."""
        order = np.lexsort((t_s, person))
        cuts = np.flatnonzero(np.diff(person[order])) + 1
        parts = zip(np.split(t_s[order], cuts), np.split(xy_m[order], cuts), strict=True)
        return cls(name, tuple((t, xy) for t, xy in parts if len(t) > 2))

    @property
    def span_s(self) -> tuple[float, float]:
        """From the first to the last moment."""
        return min(float(t[0]) for t, _ in self.people), max(float(t[-1]) for t, _ in self.people)

    def at(self, t_s: float) -> FloatArray:
        """(N, 4) place and velocity (over the last fifth of a second) of everyone who is there."""
        here = [(t, xy) for t, xy in self.people if t[0] <= t_s - 0.2 and t_s <= t[-1]]
        now, before = (
            np.array([[np.interp(at, t, xy[:, a]) for a in (0, 1)] for t, xy in here]).reshape(-1, 2)
            for at in (t_s, t_s - 0.2)
        )
        return np.concatenate([now, (now - before) / 0.2], axis=1)


def read_hermes(path: Path) -> Iterator[Tracks]:
    """The corridors of HERMES: id, frame, x, y, z in centimetres at 16 frames a second."""
    if not path.is_file():
        raise ConfigError(f"tracks {path}: no such file. Name the folder of the data sets.")
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".txt") else None
            if file is not None:
                rows = np.loadtxt(file)
                yield Tracks.of(Path(member.name).stem, rows[:, 0], rows[:, 1] / 16, rows[:, 2:4] / 100)


def fold_tracks(tracks: Tracks, seed: int = 1) -> Iterator[ZoneMovement]:
    """Movement of the place where people walk, every second, from velocities with the error that pictures have."""
    every = np.concatenate([xy for _, xy in tracks.people])
    low, high = (np.percentile(every, q, axis=0) for q in (2, 98))
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    area = float(np.prod(high - low))
    view = _view(corners, area)
    rng = np.random.default_rng(seed)
    counts: list[float] = []
    movement: Movement | None = None
    first, last = tracks.span_s
    for n in range(math.ceil(first) + 1, math.floor(last)):
        now = tracks.at(float(n))
        inside = ((now[:, :2] >= low) & (now[:, :2] <= high)).all(axis=1)
        counts = [*counts[-9:], float(inside.sum())]
        density = float(np.mean(counts)) / area
        kept = inside & (rng.random(len(now)) < RECALL)
        v = now[kept, 2:] + NOISE_M_S * rng.standard_normal((int(kept.sum()), 2))
        flow = FlowSamples(now[kept, :2], v, np.full(len(v), NOISE_M_S), 0.2)
        rho = np.full(view.grid.shape, density)
        at = _reading(n * NS, float(np.mean(counts)), density)
        movement, (told,), _ = step_movement(view, movement, [(n * NS, flow)], rho, rho, [at], n * NS)
        yield told


def _view(corners_m: FloatArray, area_m2: float) -> SiteView:
    middle = corners_m.mean(axis=0)
    walkable = middle + (corners_m - middle) * 1.5
    zone = Zone("place", {"en": "place"}, corners_m, ZoneKind.MOVING, area_m2)
    return view_site(Site("drawn", {}, {}, walkable, (), (zone,), (), (), ()))


def _reading(t_ns: int, count: float, density: float) -> ZoneReading:
    return ZoneReading(
        "place", t_ns, 10.0, count, count, count, density, density, density, density, 1.0, 1.0, 0.0, Quality.GOOD,
        Level.NORMAL, math.nan,
    )  # fmt: skip


def _signs(told: ZoneMovement) -> set[PrecursorKind]:
    return {each.kind for each in told.precursors if each.held_s > 0}


def counter_flow_figures(path: Path) -> dict[str, float]:
    """Runs of HERMES in which counter-flow is found: of 1 p/m2 and more both ways (``bot``), and one-way ones (``uo``).

    In ``boa`` there are fewer people than the sign is looked for in.
    """
    found = {each.name: [_signs(told) for told in fold_tracks(each)] for each in read_hermes(path)}
    seen = {name: any(PrecursorKind.COUNTER_FLOW in each for each in signs) for name, signs in found.items()}
    both = [seen[name] for name in seen if name.startswith("bot")]
    one = [seen[name] for name in seen if name.startswith("uo")]
    return {
        "counter_flow_found_frac": float(np.mean(both)),
        "counter_flow_two_way_runs": float(len(both)),
        "counter_flow_one_way_called": float(sum(one)),
        "counter_flow_one_way_runs": float(len(one)),
    }


def wave_figures() -> dict[str, float]:
    """Stop-and-go drawn with periods of 5 to 60 s, and an hour of steady flow at each of several speeds."""
    rng = np.random.default_rng(5)
    hits = []
    for period in (5, 8, 12, 20, 30, 45, 60):
        for _ in range(TRIALS):
            t = np.arange(0.0, 300.0)
            share, top = rng.uniform(0.4, 0.6), rng.uniform(0.4, 1.0)
            speed = np.where((t + rng.uniform(0, period)) % period < share * period, top, 0.0)
            waves = stop_and_go(t, np.abs(speed + SERIES_NOISE_M_S * rng.standard_normal(300)))
            hits.append(abs(waves.period_s - period) <= 0.15 * period)
    called = 0
    for steady in (0.05, 0.15, 0.22, 0.3, 0.6, 1.2):
        series = np.abs(steady + 1.5 * SERIES_NOISE_M_S * rng.standard_normal(3600))
        called += sum(
            not math.isnan(stop_and_go(np.arange(300.0), series[at : at + 300]).period_s) for at in range(0, 3301, 30)
        )
    return {"waves_found_frac": float(np.mean(hits)), "waves_called_in_steady_hours": float(called)}


def pressure_figures() -> dict[str, float]:
    """Pressure of drawn turbulence over its closed form rho 2 s^2, less 1, the worst of several strengths."""
    corners = np.array([[0.0, 0.0], [12.0, 0.0], [12.0, 12.0], [0.0, 12.0]])
    view = _view(corners, 144.0)
    xy = np.stack(np.meshgrid(np.arange(12) + 0.5, np.arange(12) + 0.5), axis=2).reshape(-1, 2)
    rng = np.random.default_rng(6)
    worst: list[float] = []
    for strength in (0.05, 0.1, 0.2, 0.4):
        field, rho = first_field(view), np.full(view.grid.shape, 6.0)
        found: list[float] = []
        for n in range(1, 101):
            v = np.hypot(strength, NOISE_M_S) * rng.standard_normal(xy.shape)
            flow = FlowSamples(xy, v, np.full(len(xy), NOISE_M_S), 0.2)
            field = remember_flow(view, field, [(n * NS, flow)], rho, n * NS)
            if n % 10 == 0:
                patches = pressure(field, rho, view.grid)
                found.append(float((patches.density_p_m2 * patches.variance_m2_s2).mean()))
        worst.append(abs(float(np.array(found).mean()) / (6.0 * 2 * strength**2) - 1))
    return {"pressure_worst_error_frac": max(worst)}


def uneventful_figures(data: Path) -> dict[str, float]:
    """Signs that begin on tracks of streets on which nothing happened, by the hour; and apart from them in one-way
    corridors of a laboratory, where people jam in front of exits of 0.7 to 1.6 m: there a slowing is one."""
    streets, hours = _begun(_streets(data))
    corridors = (each for each in read_hermes(data / "tracks" / "hermes_corridors.tar.xz") if each.name[:2] == "uo")
    jams, jam_hours = _begun(corridors)
    figures = {"uneventful_hours": hours, "false_signs_per_hour": sum(streets.values()) / hours}
    figures |= {f"false_{kind.value}_per_hour": count / hours for kind, count in sorted(streets.items())}
    figures["laboratory_hours"] = jam_hours
    return figures | {f"laboratory_{kind.value}_begun": float(count) for kind, count in sorted(jams.items())}


def _begun(runs: Iterable[Tracks]) -> tuple[dict[PrecursorKind, int], float]:
    """How often each sign began, and in how many hours."""
    begun: dict[PrecursorKind, int] = {}
    seconds = 0
    for tracks in runs:
        before: set[PrecursorKind] = set()
        for told in fold_tracks(tracks):
            now = _signs(told)
            for kind in now - before:
                begun[kind] = begun.get(kind, 0) + 1
            before, seconds = now, seconds + 1
    return begun, seconds / 3600


def _streets(data: Path) -> Iterator[Tracks]:
    for folder in sorted((data / "eth_ucy").iterdir()):
        rows = np.loadtxt(folder / "obsmat.txt")
        rate = 15.0 if folder.name.startswith("seq_eth") else 25.0
        yield Tracks.of(folder.name, rows[:, 1], rows[:, 0] / rate, rows[:, [2, 4]])
    for path in sorted((data / "madras").glob("*.csv")):
        rows = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 3, 4))
        yield Tracks.of(path.stem, rows[:, 0], rows[:, 1] / 30, rows[:, 2:4])
