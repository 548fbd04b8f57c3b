"""A tick of the fold while many cameras flap: lost and back again at random, all the time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from pipelines.benchmarks.benchmark_fold import Fold
from pipelines.benchmarks.drawn_site import SEED, SiteSize, draw
from pipelines.benchmarks.live_figures import Measured
from pipelines.command_line import err, progress

__all__ = ["FLAPPING", "measure_flaps", "outages"]

FLAPPING = SiteSize(32, 280.0, 100, 20_000)
"""Between the sites of 16 and of 64 cameras of the fold's own benchmark."""

TICKS = 40

WELL_S, AWAY_S = 15.0, 10.0
"""A camera stays away for so long in the mean, and well: most are silent (5 s) before they come back."""


def measure_flaps(found: Measured, size: SiteSize = FLAPPING, ticks: int = TICKS) -> None:
    """Ticks of a drawn site while every camera flaps, beside those of the same site while none does.

    Args:
        found: where it is written.
        size: of the site.
        ticks: that are timed of each kind.

    Raises:
        ConfigError: the site cannot be drawn.
    """
    with err.status(f"{size}: draw"):
        fold = Fold(draw(size))
    fold.fill_window()
    ids = [camera.camera_id for camera in fold.drawn.site.cameras]
    calm = [fold.tick()[0] for _ in progress(range(ticks), f"{size.cameras} cameras: ticks", ticks)]
    timed, unhealthy = [], []
    for absent in progress(outages(ids, ticks), f"{size.cameras} cameras flap", ticks):
        took_s, outcome = fold.tick(absent=absent)
        timed.append(took_s)
        unhealthy.append(sum(camera.health.value != "ok" for camera in outcome.health))
    calm_ms = 1e3 * statistics.median(calm)
    p50, p95, most = (1e3 * float(each) for each in np.percentile(timed, (50, 95, 100)))
    name = f"a tick of {size.cameras} cameras, {size.zones} zones, {size.people:,} people: fold alone"
    found.add("calm_tick_ms", calm_ms, f"{name}, median", f"{calm_ms:.0f} ms")
    figures = {"p50_ms": p50, "p95_ms": p95, "most_ms": most, "away": statistics.mean(unhealthy)}
    what = f"the same while all flap, {figures['away']:.0f} of them silent in the mean: median / p95 / most"
    found.add("flapping_tick_ms", figures, what, f"{p50:.0f} / {p95:.0f} / {most:.0f} ms", "as the fold's figures")


def outages(ids: list[str], ticks: int) -> Iterator[frozenset[str]]:
    """The cameras that are away at each tick, of one second."""
    rng = np.random.default_rng(SEED)
    away = rng.random(len(ids)) < AWAY_S / (WELL_S + AWAY_S)
    for _ in range(ticks):
        away ^= rng.random(len(ids)) < np.where(away, 1 / AWAY_S, 1 / WELL_S)
        yield frozenset(np.array(ids)[away].tolist())
