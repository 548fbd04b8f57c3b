"""Speed and memory of the fold: ``advance`` alone on drawn sites of any size. See ``benchmark --fold``."""

from __future__ import annotations

import gc
import math
import os
import statistics
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.outcomes import Health, Outcome
from crowdwatch.core.records import Tick
from crowdwatch.errors import ConfigError
from pipelines.benchmarks.drawn_site import NS, SEED, START_NS, DrawnSite, SiteSize, draw
from pipelines.benchmarks.held_memory import held_mb
from pipelines.command_line import err, print_json, progress

__all__ = ["SITES", "measure_fold", "sizes_of"]

SITES = (SiteSize(4, 60.0, 9, 1000), SiteSize(8, 100.0, 25, 3000), SiteSize(16, 200.0, 49, 8000))

TICKS = 20
"""Ordinary ticks whose median is reported."""

LOST = 5
"""So many cameras fall silent and come back, one after the other."""

SILENT_WITHIN = 10
"""Ticks. A camera of at least one picture a second is silent after more than 5 s."""

FIRST_CHANGES = 10
"""Memory after all changes of health is compared with memory after so many."""

BUSY_FRAC = 0.25
"""Load of each core before the benchmark begins, above which its times are said to be too long: at 2.5 a tick took
eight times as long as alone."""

ALIKE = 0.02
"""Two ratios are alike when they differ by less than this share."""


class Fold:
    """The fold of a drawn site, one second after the other."""

    def __init__(self, drawn: DrawnSite) -> None:
        self.drawn = drawn
        self.second = 0
        began = time.perf_counter()
        self.state: State = start(view_site(drawn.site))
        self.prepare_s = time.perf_counter() - began

    def tick(self, dark: Iterable[str] = (), absent: Iterable[str] = ()) -> tuple[float, Outcome]:
        """Advance by a second. Returns the seconds that all of its observations and the tick took, and the outcome."""
        self.second += 1
        seen = self.drawn.observations(self.second, dark, absent)
        tick = Tick(START_NS + self.second * NS, tuple(one.stamp.id for one in seen))
        state = self.state
        began = time.perf_counter()
        for observation in seen:
            state, _ = advance(state, observation)
        state, outcome = advance(state, tick)
        took_s = time.perf_counter() - began
        self.state = state
        if outcome is None:
            raise ConfigError("benchmark --fold: a tick had no outcome.")
        return took_s, outcome

    def fill_window(self) -> None:
        """Let every camera see until the window holds nothing of what was before."""
        for _ in range(math.ceil(self.drawn.site.window_s) + 1):
            self.tick()


def sizes_of(
    cameras: list[int] | None, side_m: list[float] | None, zones: list[int] | None, people: list[int] | None,
    double: bool,
) -> list[SiteSize]:  # fmt: skip
    """The sites that were asked for; without any, those of :data:`SITES`. ``double`` adds one of twice the last.

    Raises:
        ConfigError: sizes are incomplete, or no such site can be.
    """
    counts = [len(column or []) for column in (cameras, side_m, zones, people)]
    if len(set(counts)) != 1:
        got = ", ".join(f"{n} x {name}" for n, name in zip(counts, OPTIONS, strict=True))
        raise ConfigError(f"benchmark --fold: got {got}. Give all four for each site, or none.")
    rows = zip(cameras or [], side_m or [], zones or [], people or [], strict=True)
    sizes = [SiteSize(*row) for row in rows] or list(SITES)
    return [*sizes, sizes[-1].doubled()] if double else sizes


OPTIONS = ("--cameras", "--side-m", "--zones", "--people")


def measure_fold(sizes: list[SiteSize], hz: int, changes: int, *, as_json: bool) -> None:
    """Measure each site and print what was found.

    Args:
        sizes: of the sites, in the order in which growth is reported.
        hz: pictures a second of each camera.
        changes: changes of health before memory is measured again; 0 leaves memory out.
        as_json: for programs.

    Raises:
        ConfigError: a site cannot be measured.
    """
    if changes and changes <= FIRST_CHANGES:
        raise ConfigError(f"benchmark --changes: got {changes}, need more than {FIRST_CHANGES}, or 0 for none.")
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if load > BUSY_FRAC * cores:
        err.print(f"The load is {load:.1f} on {cores} cores before the benchmark begins: its times will be too long.")
    sites = [_measured(size, hz, changes) for size in sizes]
    growth = [_growth(*pair) for pair in pairwise(sites)]
    answer = {"hz": hz, "cores": cores, "load_before": load, "sites": sites, "growth": growth}
    if as_json:
        print_json(answer)
    else:
        _print(answer, changes)


def _measured(size: SiteSize, hz: int, changes: int) -> dict[str, Any]:
    try:
        return measure(size, hz, changes)
    except MemoryError as error:
        raise ConfigError(f"benchmark --fold: {size}: memory is exhausted. Draw a smaller site.") from error


def measure(size: SiteSize, hz: int, changes: int) -> dict[str, Any]:
    """Measure one site.

    Returns:
        The size, and

        * ``prepare_s``: to prepare the site for the fold; ``first_tick_s``: the first tick, with a second of pictures;
        * ``tick_ms``: median of ordinary ticks with the window full;
        * ``silent_tick_ms``, ``return_tick_ms``: medians of the tick at which a camera falls silent, and at which it
          comes back, each time another camera; ``change_tick_ms`` is the larger of the two;
        * ``counted_over_true``: people counted in all zones that are read, over those who stand there in sight;
          ``zone_error_frac``: the sum over zones of what each is off, as a share of all these people;
        * ``zones_read``, ``healthy_cameras``, ``seen_frac``: share of the people who stand in sight;
        * with ``changes``, ``state_mb_after_N``, ``traced_mb_after_N``: see :func:`memory`.
    """
    with err.status(f"{size}: draw"):
        drawn = draw(size, hz)
    with err.status(f"{size}: prepare, first ticks"):
        fold = Fold(drawn)
        first_tick_s, _ = fold.tick()
        fold.fill_window()
    gc.collect()
    ticks = [fold.tick() for _ in progress(range(TICKS), f"{size}: ticks", TICKS)]
    silent, back = _losses(fold)
    found = {
        "cameras": size.cameras,
        "side_m": size.side_m,
        "zones": size.zones,
        "people": size.people,
        "prepare_s": fold.prepare_s,
        "first_tick_s": first_tick_s,
        "tick_ms": _median_ms(took for took, _ in ticks),
        "change_tick_ms": max(_median_ms(silent), _median_ms(back)),
        "silent_tick_ms": _median_ms(silent),
        "return_tick_ms": _median_ms(back),
        **_truth(drawn, ticks[-1][1]),
    }
    return found | (memory(fold, changes) if changes else {})


def _median_ms(seconds: Iterable[float]) -> float:
    return statistics.median(seconds) * 1e3


def _losses(fold: Fold) -> tuple[list[float], list[float]]:
    """Seconds of the tick at which a camera falls silent, and of that at which it comes back, for several cameras."""
    ids = [camera.camera_id for camera in fold.drawn.site.cameras]
    chosen = [ids[n] for n in np.unique(np.linspace(0, len(ids) - 1, LOST).round().astype(int))]
    silent, back = [], []
    for lost in progress(chosen, f"{fold.drawn.size}: losses", len(chosen)):
        silent.append(_silence(fold, lost))
        took_s, outcome = fold.tick()
        if _health(outcome, lost) is not Health.OK:
            raise ConfigError(f"benchmark --fold: {lost} came back and is {_health(outcome, lost).value}.")
        back.append(took_s)
        fold.fill_window()
    return silent, back


def _silence(fold: Fold, lost: str) -> float:
    """Say nothing of a camera until it is silent; seconds of the tick at which it falls silent."""
    for _ in range(SILENT_WITHIN):
        took_s, outcome = fold.tick(absent=[lost])
        if _health(outcome, lost) is Health.SILENT:
            return took_s
    raise ConfigError(f"benchmark --fold: {lost} said nothing for {SILENT_WITHIN} s and is not silent.")


def _health(outcome: Outcome, camera_id: str) -> Health:
    (found,) = (one.health for one in outcome.health if one.camera_id == camera_id)
    return found


def _truth(drawn: DrawnSite, outcome: Outcome) -> dict[str, float]:
    """Compare the counts of all zones that are read with the people who stand in sight there."""
    counted = np.array([reading.count for reading in outcome.readings])
    second = (outcome.t_ns - START_NS) // NS
    true = drawn.true_counts(second, math.ceil(drawn.site.window_s))
    read = np.isfinite(counted)
    people = true[read].sum()
    nan = math.nan
    return {
        "counted_over_true": float(counted[read].sum() / people) if people else nan,
        "zone_error_frac": float(np.abs(counted - true)[read].sum() / people) if people else nan,
        "zones_read": int(read.sum()),
        "healthy_cameras": sum(one.health is Health.OK for one in outcome.health),
        "seen_frac": float(true.sum() / drawn.size.people) if drawn.size.people else nan,
    }


def memory(fold: Fold, changes: int) -> dict[str, float]:
    """What the fold holds after some and after all of so many changes of health.

    At every tick one camera's pictures turn dark or well again, at most half of the cameras at once, drawn at random.
    Before memory is measured all are well, and the window is full.

    Returns:
        ``state_mb_after_N``: what the state and the prepared site in it hold; ``traced_mb_after_N``: what was
        allocated since the changes began and is still held by anything, caches of modules too; ``state_growth``: the
        last over the first.
    """
    ids = [camera.camera_id for camera in fold.drawn.site.cameras]
    found: dict[str, float] = {}
    tracemalloc.start()
    try:
        for number, dark in enumerate(progress(_outages(ids, changes), f"{fold.drawn.size}: changes", changes), 1):
            fold.tick(dark=dark)
            if number in (FIRST_CHANGES, changes):
                fold.fill_window()
                gc.collect()
                found[f"traced_mb_after_{number}"] = tracemalloc.get_traced_memory()[0] / 2**20
                found[f"state_mb_after_{number}"] = held_mb(fold.state)
    finally:
        tracemalloc.stop()
    found["state_growth"] = found[f"state_mb_after_{changes}"] / found[f"state_mb_after_{FIRST_CHANGES}"]
    return found


def _outages(ids: list[str], changes: int) -> Iterator[frozenset[str]]:
    """The cameras whose pictures are dark, after each change."""
    rng = np.random.default_rng(SEED)
    dark: frozenset[str] = frozenset()
    for _ in range(changes):
        full = len(dark) >= max(1, len(ids) // 2)
        dark = dark ^ {str(rng.choice(sorted(dark) if full else ids))}
        yield dark


def _growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """How many times as large the second site is, and how many times as long it takes."""
    ratio = {key: after[key] / before[key] if before[key] else math.nan for key in ("cameras", "zones", "people")}
    ground = (after["side_m"] / before["side_m"]) ** 2
    doubled = all(abs(each / 2 - 1) < ALIKE for each in (ratio["cameras"], ratio["people"], ground))
    times = {key: after[key] / before[key] for key in ("prepare_s", "first_tick_s", "tick_ms", "change_tick_ms")}
    return {**ratio, "ground": ground, "doubled": doubled, **times}


def _print(answer: dict[str, Any], changes: int) -> None:
    console = Console(width=150)
    table = Table(
        "cameras", "side", "zones", "people", "prepare", "first tick", "tick", "a camera lost", "and back",
        "counted / true", "off by zone", title=f"the fold alone, pictures of each camera at {answer['hz']} Hz, medians",
    )  # fmt: skip
    for one in answer["sites"]:
        times = (f"{one[key]:,.1f} ms" for key in ("tick_ms", "silent_tick_ms", "return_tick_ms"))
        table.add_row(
            str(one["cameras"]), f"{one['side_m']:.4g} m", f"{one['zones_read']} of {one['zones']}",
            f"{one['people']:,}", f"{one['prepare_s']:.2f} s", f"{one['first_tick_s']:.2f} s", *times,
            f"{one['counted_over_true']:.4f}", f"{one['zone_error_frac']:.2%}",
        )  # fmt: skip
    console.print(table)
    for one in answer["growth"]:
        what = "cameras, people and ground doubled" if one["doubled"] else (
            f"cameras x {one['cameras']:.2f}, ground x {one['ground']:.2f}, people x {one['people']:.2f}"
        )  # fmt: skip
        console.print(f"growth: {what}: tick x {one['tick_ms']:.2f}, tick of a change x {one['change_tick_ms']:.2f}")
    if not changes:
        return
    for one in answer["sites"]:
        sizes = [one[f"{what}_mb_after_{n}"] for what in ("state", "traced") for n in (FIRST_CHANGES, changes)]
        console.print(
            f"{one['cameras']} cameras: state and prepared site hold {sizes[0]:.1f} MB after {FIRST_CHANGES} changes "
            f"of health, {sizes[1]:.1f} MB after {changes} (x {one['state_growth']:.3f}); all that is held grew by "
            f"{sizes[3] - sizes[2]:.1f} MB"
        )
