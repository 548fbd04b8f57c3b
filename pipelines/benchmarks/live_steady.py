"""The steady part of a live run that is measured: its start, what it costs, and how long pictures take to the store."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np
import psutil

from pipelines.benchmarks.live_cost import CostWatch
from pipelines.benchmarks.live_figures import Measured
from pipelines.benchmarks.live_process import Engine
from pipelines.benchmarks.live_watch import StoreWatch, known
from pipelines.benchmarks.live_ways import Ways, ways_of
from pipelines.benchmarks.process_watch import cpu_s
from pipelines.benchmarks.rtsp_server import RtspServer
from pipelines.command_line import err

__all__ = ["SETTLE_S", "START_S", "STOP_S", "rates_of", "start", "steady_part", "ways_to_store"]

START_S, STOP_S = 120.0, 30.0
"""How long the start and the end may take before the benchmark gives up."""

SETTLE_S = 12.0
"""After the first reading: the window of a reading is full, and what is loaded once has been."""


def start(engine: Engine, watch: StoreWatch, zone_ids: Sequence[str], found: Measured) -> None:
    """Start an engine, wait for readings of every zone, and let it settle."""
    err.print("starting")
    began_s = time.monotonic()
    engine.start()
    first = watch.each_zone(zone_ids, known, 0, START_S, "the first readings")
    soonest, last = (pick(tick.seen_s for tick in first.values()) - began_s for pick in (min, max))
    found.add("first_reading_s", soonest, "start to first reading, of any zone", f"{soonest:.1f} s")
    found.add("every_reading_s", last, "start to first reading, of every zone", f"{last:.1f} s", "10 s", "5 s")
    time.sleep(SETTLE_S)


def steady_part(
    engine: Engine, watch: StoreWatch, server: RtspServer, seconds: int, cameras: int, tick_s: float, found: Measured
) -> tuple[int, int]:
    """Nothing happens; returns the indexes of the ticks."""
    err.print(f"running for {seconds} s")
    assert server.process is not None
    since, server_cpu_s, began_s = watch.mark(), cpu_s(server.process.pid), time.monotonic()
    own_cpu_s, busy_s = cpu_s(os.getpid()), _busy_s()
    with CostWatch(engine) as cost:
        while (left_s := began_s + seconds - time.monotonic()) > 0:
            engine.check()
            time.sleep(min(left_s, 0.5))
    span_s = time.monotonic() - began_s
    server_cores = (cpu_s(server.process.pid) - server_cpu_s) / span_s
    own_cores = (cpu_s(os.getpid()) - own_cpu_s) / span_s
    all_cores = (_busy_s() - busy_s) / span_s
    until = watch.mark()
    unknown = sum(not known(r) for tick in watch.ticks[since:until] for r in tick.readings.values())
    readings = sum(len(tick.readings) for tick in watch.ticks[since:until])
    found.add("unknown_frac", unknown / max(readings, 1), "readings that were UNKNOWN", f"{unknown} of {readings}")
    due = int(seconds / tick_s)
    missed = max(0, due - (until - since))
    found.add("ticks_missed", missed, "ticks that did not come", f"{missed} of {due}")
    by_role = cost.cores_by_role
    found.values["cores_by_role"] = by_role
    cores = sum(by_role.values())
    shares = ", ".join(f"{role} {each:.2f}" for role, each in sorted(by_role.items()))
    found.add("cores", cores, "processor cores, all processes", f"{cores:.2f} ({shares})")
    found.add("cores_per_camera", cores / cameras, "processor cores per camera", f"{cores / cameras:.3f}")
    beside = f"{server_cores:.2f} cores, {own_cores:.2f} cores"
    found.add("server_cores", server_cores, "beside it, the RTSP server, and this benchmark", beside)
    others = max(0.0, all_cores - cores - server_cores - own_cores)
    found.add("other_cores", others, "other programs on this machine", f"{others:.2f} cores")
    found.add("memory_mb", cost.memory_mb, "memory, all processes", f"{cost.memory_mb:.0f} MB")
    curve = [[round(at_s), {role: round(each, 1) for role, each in mb.items()}] for at_s, mb in cost.memory]
    found.values["memory_mb_by_s"] = curve
    growth_mb = cost.growth_mb()
    growth = f"{growth_mb:+.1f} MB in {seconds} s"
    found.add("memory_growth_mb", growth_mb, "growth of memory", growth, "+10 MB, min 10 to 120", "+2 MB")
    return since, until


def _busy_s() -> float:
    """Seconds that all processors together have worked since the machine started."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq)


def ways_to_store(
    engine: Engine, watch: StoreWatch, steady: tuple[int, int], begun: Mapping[str, float], interval_s: float,
    found: Measured,
) -> Ways:  # fmt: skip
    """How long pictures took to the store."""
    (run_folder,) = (engine.folder / "runs").glob("*/")
    seen_ns = {tick.t_ns: tick.seen_ns for tick in watch.ticks[slice(*steady)]}
    ways = ways_of(run_folder, seen_ns, begun, interval_s)
    what = "every picture: exposure to the commit of the first tick that includes it"
    found.percentiles("capture_to_store", ways.every_s, what, "1.0 / 2.0 s", "0.6 / 1.0 s")
    found.percentiles("newest_age", ways.newest_s, "newest picture of each camera in a tick: its age at the commit")
    found.percentiles("tick_to_store", ways.ticks_s, "a tick: its time to its commit")
    low, mid, high = (float(each) for each in np.percentile(ways.stamped_after_s, (5, 50, 95)))
    what = f"its stamp, after it was handed to the server (of {1000 * interval_s:.0f} ms), p5 / p50 / p95"
    spread = f"{1e3 * low:.0f} / {1e3 * mid:.0f} / {1e3 * high:.0f} ms"
    found.add("stamped_after_s", {"p5_s": low, "p50_s": mid, "p95_s": high}, what, spread)
    return ways


def rates_of(ways: Ways, cameras: int, wanted_hz: float, found: Measured) -> float:
    """How often cameras were looked at; returns the least of them, pictures per second."""
    rates = [ways.analysed.get(f"cam-{number + 1}", 0) / ways.span_s for number in range(cameras)]
    left = [max(0.0, 1 - rate / wanted_hz) for rate in rates]
    figure = f"{min(rates):.2f} / {statistics.mean(rates):.2f} of {wanted_hz:g}"
    found.add("analysed_hz", rates, "pictures analysed per second and camera, least / mean", figure)
    figure = f"{max(left):.1%} / {statistics.mean(left):.1%}"
    found.add("left_out_frac", left, "pictures that were due and replaced by newer ones, most / mean", figure)
    return min(rates)
