"""Crossings and speeds against annotated people: ``python -m pipelines.evaluate movement DIR [--json]``.

PETS2009 S2.L1 view 1, frames 200 to 794; every choice was made on frames 0 to 199. The gates are the lines of a grid of
3 m over the ground on which people walk, each from one end of the walkable ground to the other, so that nobody chose a
place. A true crossing is that of an annotated path, by the same rule as a found one; only pieces of a gate of which the
camera sees both sides count.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from defusedxml import ElementTree
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.crossings import HYSTERESIS_M
from crowdwatch.analytics.engine import advance, start
from crowdwatch.analytics.gate_lines import GateLine, gate_ground
from crowdwatch.analytics.tracks import NO_TRACKS, follow
from crowdwatch.assets.examples import example
from crowdwatch.core.records import FloatArray, Observation, Positions, Tick
from crowdwatch.core.site import Gate, Site
from crowdwatch.drivers import build
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_ground
from pipelines.command_line import print_json, progress
from pipelines.evaluation import evening, laboratory, movement_fields
from pipelines.evaluation.interval_boxes import CHOICES
from pipelines.evaluation.scoring import read_boxes

__all__ = ["Crossed", "matched", "movement_command", "pets_figures"]

GRID_M = (-12.0, -9.0, -6.0, -3.0, 0.0)
"""East and north of the gates: where PETS2009's people walk."""

WITHIN_S = 2.5
"""A found crossing is a true one when it comes within so much of it, at the same gate and in the same direction:
the fold says a second at once."""

RECALL = 0.7
SEEDS = (1, 2, 3)

MUST = {
    "crossings_frac": (0.95, "at least"), "crossings_frac_recall_0.7": (0.90, "at least"),
    "speed_error_m_s": (0.15, "at most"), "density_error_frac": (0.10, "at most"),
    "lab_speed_error_frac": (0.10, "at most"), "flow_error_frac": (0.10, "at most"), "n_t_error": (2.0, "at most"),
    "occupancy_error_frac": (0.03, "at most"), "drawn_velocity_worst_m_s": (0.10, "at most"),
    "drawn_direction_worst_deg": (10.0, "at most"), "counter_flow_found_frac": (1.0, "at least"),
    "counter_flow_one_way_called": (0.0, "at most"), "waves_found_frac": (0.95, "at least"),
    "waves_called_in_steady_hours": (0.0, "at most"), "pressure_worst_error_frac": (0.15, "at most"),
    "false_signs_per_hour": (0.05, "at most"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crossed:
    """One crossing: which gate, which way, when, where along it."""

    gate: int
    inward: bool
    t_s: float
    place_m: float


def movement_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the data: pets2009, pedpy and tracks in it.")
    ],
    only: Annotated[str, typer.Option(help="pets, laboratory, occupancy or fields alone.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Crossings, speeds, density and flow against annotated people and laboratory experiments, the ledger of the whole
    site against drawn evenings, and velocities and signs of movement against what was drawn and walked."""
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "pets": lambda: pets_figures(folder / "pets2009"),
        "laboratory": lambda: laboratory.figures(folder),
        "occupancy": evening.figures,
        "fields": lambda: movement_fields.field_figures(
            folder, lambda what: typer.echo(f"measuring: {what}", err=True)
        ),
    }
    if only and only not in parts:
        raise ConfigError(f"--only: got {only!r}, need one of {', '.join(parts)}. Leave it out for all.")
    result: dict[str, Any] = {}
    for name, part in parts.items():
        if only in ("", name):
            result |= part()
    if as_json:
        print_json(result)
        return
    table = Table("figure", "value", "must", title="Movement")
    for key, value in result.items():
        limit = "{1} {0:g}".format(*MUST[key]) if key in MUST else ""
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value), limit)
    Console().print(table)


def _say(what: str) -> None:
    typer.echo(f"measuring: {what}", err=True)


def pets_figures(folder: Path, recall: float = RECALL, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """``crossings_frac``: the crossings that were found one by one, at the right gate, in the right direction and
    within :data:`WITHIN_S`, as a share of the true or of the found ones, whichever are more. ``crossings_off_frac``:
    the differences of found and true numbers of every gate and direction, added up, as a share of the true ones; who is
    counted at the wrong one is off twice. Also the error of speeds."""
    site, seen, paths = _recording(folder)
    lines = gate_ground(view_site(site)).gates
    from_s = seen[CHOICES].t_ns / 1e9
    found, watched = _found(site, seen)
    true = _true(paths, lines, watched, [one.t_ns / 1e9 for one in seen])
    figures = _score(true, found, from_s)
    dropped = [_score(true, _found(site, _dropped(seen, recall, seed))[0], from_s) for seed in seeds]
    for key in ("crossings_frac", "crossings_off_frac"):
        figures[f"{key}_recall_{recall:g}"] = float(np.mean([each[key] for each in dropped]))
    return figures | _speeds(site, seen, paths)


def _recording(folder: Path) -> tuple[Site, list[Observation], dict[int, tuple[FloatArray, FloatArray]]]:
    """The site with its gates, what the shipped detector finds in every frame, and the annotated paths: frames, and
    metres on the ground."""
    event = config.load(example("pets2009"))
    here = event.cameras[0].source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    event = event.model_copy(
        update={
            "cameras": [event.cameras[0].model_copy(update={"source": here})],
            "counter": event.counter.model_copy(update={"model": "none"}),
        }
    )
    site = config.to_site(event)
    west, south = site.walkable_m.min(axis=0)
    east, north = site.walkable_m.max(axis=0)
    ends = {f"y{at:g}": [[west, at], [east, at]] for at in GRID_M} | {
        f"x{at:g}": [[at, south], [at, north]] for at in GRID_M
    }
    gates = tuple(
        Gate(name, {"en": name}, np.array(line), float(np.ptp(line, axis=0).max())) for name, line in ends.items()
    )
    site = replace(site, gates=gates)
    (feed,) = build.open_feeds(event, site)
    boxes = len(read_boxes(folder / "annotations_s2l1.xml"))
    seen = [feed.observe(pair) for pair in progress(feed.source.pairs(), "frames", boxes)]
    return site, seen, _paths(folder / "annotations_s2l1.xml", site)


def _paths(path: Path, site: Site) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Per annotated person: frames, and where the feet are."""
    rows: dict[int, list[tuple[float, float, float]]] = {}
    try:
        for frame in ElementTree.parse(path).getroot().iter("frame"):
            for person in frame.iter("object"):
                box = next(person.iter("box")).attrib
                feet = float(box["xc"]), float(box["yc"]) + float(box["h"]) / 2
                rows.setdefault(int(person.attrib["id"]), []).append((float(frame.attrib["number"]), *feet))
    except (OSError, ElementTree.ParseError, KeyError, ValueError, StopIteration) as error:
        raise ConfigError(f"annotations {path}: cannot be read ({error}). Name the folder of the dataset.") from error
    plane = site.cameras[0].fixed_plane
    return {who: (np.array(each)[:, 0], to_ground(plane, np.array(each)[:, 1:])) for who, each in rows.items()}


def _found(site: Site, seen: Sequence[Observation]) -> tuple[list[Crossed], list[NDArray[np.bool_]]]:
    """What the fold counts, a tick a second; and per gate, which of its pieces are watched."""
    state, found = start(view_site(site)), []
    before = np.zeros((len(site.gates), 2))
    seconds = [list(each) for _, each in itertools.groupby(seen, lambda one: one.t_ns // 10**9)]
    for pictures in progress(seconds, "folded"):
        for one in pictures:
            state, _ = advance(state, one)
        t_ns = pictures[-1].t_ns
        state, _ = advance(state, Tick(t_ns, tuple(one.stamp.id for one in pictures)))
        if state.gates is None:
            raise ConfigError("the site has no gates.")
        new = np.round(state.gates.totals - before).astype(int)
        for gate, way in np.argwhere(new > 0):
            found += [Crossed(int(gate), way == 0, t_ns / 1e9, 0.0)] * int(new[gate, way])
        before = state.gates.totals
    return found, [] if state.gates is None else [watch.watcher >= 0 for watch in state.gates.watches]


def _true(
    paths: dict[int, tuple[FloatArray, FloatArray]],
    lines: Sequence[GateLine],
    watched: Sequence[NDArray[np.bool_]],
    times_s: Sequence[float],
) -> list[Crossed]:
    """Crossings of annotated paths, by the rule of :mod:`crowdwatch.analytics.crossings`."""
    true = []
    for frames, xy_m in paths.values():
        for gate, line in enumerate(lines):
            s, d = line.coordinates(xy_m)
            out = np.flatnonzero(np.abs(d) > HYSTERESIS_M)
            for a, b in itertools.pairwise(out):
                if np.sign(d[a]) == np.sign(d[b]):
                    continue
                place_m = float(s[a] + (s[b] - s[a]) * d[a] / (d[a] - d[b]))
                piece = int(np.abs(line.places - place_m).argmin())
                if 0 <= place_m <= line.length_m and watched[gate][piece]:
                    true.append(Crossed(gate, bool(d[b] > 0), times_s[int(frames[b])], place_m))
    return true


def matched(true: Sequence[Crossed], found: Sequence[Crossed], within_s: float = WITHIN_S) -> list[tuple[int, int]]:
    """The most one-to-one pairs of true and found crossings of one gate, one way, within a time.

    >>> one, late, back = Crossed(0, True, 1.0, 0.0), Crossed(0, True, 9.0, 0.0), Crossed(0, False, 1.0, 0.0)
    >>> matched([one], [late, back, one])
    [(0, 2)]
    """
    if not true or not found:
        return []
    costs = np.array([
        [abs(a.t_s - b.t_s) if (a.gate, a.inward) == (b.gate, b.inward) else np.inf for b in found] for a in true
    ])  # fmt: skip
    far = 1e3 * len(true) * within_s
    rows, cols = linear_sum_assignment(np.where(costs <= within_s, costs, far))
    return [(int(r), int(c)) for r, c in zip(rows, cols, strict=True) if costs[r, c] <= within_s]


def _score(true: Sequence[Crossed], found: Sequence[Crossed], from_s: float) -> dict[str, Any]:
    """Over the time from ``from_s`` on. A pair counts where its true crossing lies."""
    pairs = matched(true, found)
    early = {c for r, c in pairs if true[r].t_s < from_s}
    paired = {c for r, c in pairs if true[r].t_s >= from_s}
    there = [each for each in true if each.t_s >= from_s]
    here = [each for n, each in enumerate(found) if n in paired or (each.t_s >= from_s and n not in early)]
    kinds = {(each.gate, each.inward) for each in (*there, *here)}
    off = sum(
        abs(sum((e.gate, e.inward) == kind for e in there) - sum((e.gate, e.inward) == kind for e in here))
        for kind in kinds
    )
    return {
        "crossings_true": len(there), "crossings_found": len(here),
        "crossings_frac": len(paired) / max(1, len(there), len(here)),
        "crossings_off_frac": off / max(1, len(there)),
    }  # fmt: skip


def _dropped(seen: Sequence[Observation], recall: float, seed: int) -> list[Observation]:
    """The observations with every box dropped by chance."""
    rng = np.random.default_rng(seed)
    kept = []
    for one in seen:
        p, boxes = one.positions, one.detections
        keep = rng.random(len(boxes)) < recall
        fewer = replace(boxes, xyxy_px=boxes.xyxy_px[keep], score=boxes.score[keep], class_id=boxes.class_id[keep])
        kept.append(
            replace(one, detections=fewer, positions=Positions(p.stamp, p.xy_m[keep], p.sigma_m[keep], p.score[keep]))
        )
    return kept


def _speeds(
    site: Site, seen: Sequence[Observation], paths: dict[int, tuple[FloatArray, FloatArray]]
) -> dict[str, float]:
    """Speeds of tracks against those of annotated people within 1 m, a second's way each."""
    half = 3  # frames: 0.43 s to either side
    true: dict[int, list[tuple[FloatArray, float]]] = {}
    for frames, xy_m in paths.values():
        for k in range(half, len(frames) - half):
            span_s = (seen[int(frames[k + half])].t_ns - seen[int(frames[k - half])].t_ns) / 1e9
            true.setdefault(int(frames[k]), []).append(
                (xy_m[k], float(np.hypot(*(xy_m[k + half] - xy_m[k - half]))) / span_s)
            )
    tracks, errors = NO_TRACKS, []
    for frame, one in enumerate(seen):
        p = one.positions
        tracks = follow(tracks, one.t_ns, p.xy_m, p.sigma_m, p.score, site.cameras[0].score_min)
        if frame < CHOICES or frame not in true:
            continue
        here = tracks.sure & tracks.seen_now
        if not here.any():
            continue
        at = np.array([xy for xy, _ in true[frame]])
        far = np.hypot(*(at[:, None] - tracks.xy_m[here][None]).transpose(2, 0, 1))
        rows, cols = linear_sum_assignment(np.where(far <= 1, far, 1e3))
        speed = np.hypot(*tracks.v_m_s[here].T)
        errors += [abs(speed[c] - true[frame][r][1]) for r, c in zip(rows, cols, strict=True) if far[r, c] <= 1]
    return {"speed_error_m_s": float(np.median(errors)), "speeds": len(errors)}
