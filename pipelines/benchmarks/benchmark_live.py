"""A live run as it is on the night, measured from outside: ``python -m pipelines.benchmark --live``.

A real RTSP server on loopback sends the sample ``pets2009`` (768 x 576, 10 pictures/s, H.264 over TCP, a keyframe every
2 s) in loops; ``crowdwatch live`` watches every camera twice a second with the density estimator on. What is measured
is what a page would see: the store is looked at every 5 ms. Whatever does not happen in its time ends the benchmark
with an error, and nothing that was started is left behind.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from crowdwatch.errors import ConfigError
from pipelines.benchmarks.live_cost import CostWatch
from pipelines.benchmarks.live_process import Engine
from pipelines.benchmarks.live_site import RATE_HZ, row_of_cameras, sample_clip, write_event
from pipelines.benchmarks.live_watch import SeenTick, StoreWatch, known
from pipelines.benchmarks.live_ways import ways_of
from pipelines.benchmarks.process_watch import cpu_s
from pipelines.benchmarks.rtsp_server import RtspServer
from pipelines.command_line import err, print_json

__all__ = ["measure_live"]

NS = 1_000_000_000
SAMPLE_HZ = 2.0
START_S, FAULT_S, STOP_S = 120.0, 45.0, 30.0
"""How long the start, the effect of a fault, and the end may take before the benchmark gives up."""

SETTLE_S = 12.0
"""After the first reading: the window of a reading is full, and what is loaded once has been."""

MESSAGES = 10
"""Of what was said, the most frequent."""

WIDE = 170
"""Columns of the table in a file."""

HELD_S = 6.0
"""How long a stalled server stays so once every zone shows it."""


@dataclass(slots=True)
class Measured:
    """What is found, in the order of the table.

    Args:
        values: by name, for programs.
        rows: (what, figure, must, aim) for people.
    """

    values: dict[str, Any]
    rows: list[tuple[str, str, str, str]]

    def add(self, name: str, value: Any, what: str, figure: str, must: str = "", aim: str = "") -> None:
        """One figure."""
        self.values[name] = value
        self.rows.append((what, figure, must, aim))


def measure_live(cameras: int, seconds: int, *, as_json: bool) -> None:
    """Measure a live run and print it.

    Args:
        cameras: on the site.
        seconds: of steady running.
        as_json: print JSON.

    Raises:
        ConfigError: something ended, or did not happen in its time.
        SampleUnavailable: the recording can be had from nowhere.
    """
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    found = Measured({"load_before": load, "cameras": cameras, "seconds": seconds, "machine_cores": cores}, [])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        err.print("encoding the recording")
        clip = sample_clip(folder / "sample.clip")
        mounts = {f"/cam-{number + 1}": clip for number in range(cameras)}
        server = stack.enter_context(RtspServer(mounts))
        event = row_of_cameras([server.url(mount) for mount in mounts], sample_hz=SAMPLE_HZ)
        zone_ids = [zone["id"] for zone in event["zones"]]
        engine = stack.enter_context(Engine(write_event(event, folder / "event.yaml"), folder / "live"))
        watch = stack.enter_context(StoreWatch(engine))
        _start(engine, watch, zone_ids, found)
        steady = _steady(engine, watch, server, seconds, cameras, found)
        begun = {mount.removeprefix("/"): began_s for mount, began_s in server.begun().items()}
        _faults(server, watch, zone_ids, found)
        _restart(engine, watch, zone_ids, found)
        found.add("stop_s", stop_s := engine.stop(STOP_S), "SIGTERM to a clean end", f"{stop_s:.1f} s")
        if len(watch.run_ids) != 1:
            raise ConfigError(f"--live: the run was not gone on with after SIGKILL: {', '.join(watch.run_ids)}.")
        _latency(engine, watch, steady, begun, cameras, found)
        found.values["messages"] = _kinds(watch.messages)
    if as_json:
        print_json(found.values)
    else:
        _print(found)


def _start(engine: Engine, watch: StoreWatch, zone_ids: Sequence[str], found: Measured) -> None:
    err.print("starting")
    began_s = time.monotonic()
    engine.start()
    first = watch.each_zone(zone_ids, known, 0, START_S, "the first readings")
    soonest, last = (pick(tick.seen_s for tick in first.values()) - began_s for pick in (min, max))
    found.add("first_reading_s", soonest, "start to first reading, of any zone", f"{soonest:.1f} s")
    found.add("every_reading_s", last, "start to first reading, of every zone", f"{last:.1f} s", "10 s", "5 s")
    time.sleep(SETTLE_S)


def _steady(
    engine: Engine, watch: StoreWatch, server: RtspServer, seconds: int, cameras: int, found: Measured
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
    missed = seconds - (until - since)
    found.add("ticks_missed", missed, "ticks that did not come", f"{max(0, missed)} of {seconds}")
    by_role = cost.cores_by_role
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


def _faults(server: RtspServer, watch: StoreWatch, zone_ids: Sequence[str], found: Measured) -> None:
    """The server stalls, and is killed: all cameras at once, which is the worst case."""

    def unknown_s(of: Mapping[str, SeenTick], at_s: float) -> list[float]:
        return [tick.seen_s - at_s for tick in of.values()]

    stalls: list[float] = []
    returns: dict[str, list[float]] = {}
    for what, begin, end in (
        ("stall", server.stall, server.go_on),
        ("kill", server.kill, server.start),
    ):
        err.print(f"the server: {what}")
        since, at_s = watch.mark(), time.monotonic()
        begin()
        lost = watch.each_zone(zone_ids, lambda r: not known(r), since, FAULT_S, f"UNKNOWN after the server's {what}")
        stalls += unknown_s(lost, at_s)
        time.sleep(HELD_S)
        since, at_s = watch.mark(), time.monotonic()
        end()
        again = watch.each_zone(zone_ids, known, since, FAULT_S, f"readings after the server's return from {what}")
        returns[what] = unknown_s(again, at_s)
        time.sleep(SETTLE_S)
    found.add(
        "unknown_s",
        max(stalls),
        "UNKNOWN after the server stalls or dies, last zone",
        f"{max(stalls):.1f} s",
        "5 s",
        "3 s",
    )
    for what, name in (("stall", "a stall"), ("kill", "a restart")):
        last = max(returns[what])
        found.add(
            f"recovery_{what}_s",
            last,
            f"readings after the server's return from {name}, last zone",
            f"{last:.1f} s",
            "5 s",
            "2 s",
        )


def _restart(engine: Engine, watch: StoreWatch, zone_ids: Sequence[str], found: Measured) -> None:
    err.print("SIGKILL of the engine")
    at_s = time.monotonic()
    engine.kill()
    since = watch.mark()
    engine.start()
    first = watch.each_zone(zone_ids, lambda r: True, since, START_S, "a tick after SIGKILL")
    tick_s = max(tick.seen_s for tick in first.values()) - at_s
    again = watch.each_zone(zone_ids, known, since, START_S, "readings after SIGKILL")
    last_s = max(tick.seen_s for tick in again.values()) - at_s
    engine.must_be_alone()
    found.add(
        "restart_tick_s", tick_s, "SIGKILL to the next tick, alarms as they were", f"{tick_s:.1f} s", "5 s", "3 s"
    )
    found.add("restart_readings_s", last_s, "SIGKILL to readings of every zone", f"{last_s:.1f} s")


def _latency(
    engine: Engine,
    watch: StoreWatch,
    steady: tuple[int, int],
    begun: Mapping[str, float],
    cameras: int,
    found: Measured,
) -> None:
    (run_folder,) = (engine.folder / "runs").glob("*/")
    seen_ns = {tick.t_ns: tick.seen_ns for tick in watch.ticks[slice(*steady)]}
    ways = ways_of(run_folder, seen_ns, begun, 1 / RATE_HZ)
    for name, what, values, must, aim in (
        (
            "capture_to_store",
            "every picture: exposure to the commit of the first tick that includes it",
            ways.every_s,
            "1.0 / 2.0 s",
            "0.6 / 1.0 s",
        ),
        ("newest_age", "newest picture of each camera in a tick: its age at the commit", ways.newest_s, "", ""),
        ("tick_to_store", "a tick: its time to its commit", ways.ticks_s, "", ""),
    ):
        p50, p95, p99 = (float(each) for each in np.percentile(values, (50, 95, 99)))
        figures = {"p50_s": p50, "p95_s": p95, "p99_s": p99, "n": len(values)}
        found.add(name, figures, f"{what}, p95 / p99", f"{p95:.2f} / {p99:.2f} s (median {p50:.2f})", must, aim)
    low, mid, high = (float(each) for each in np.percentile(ways.stamped_after_s, (5, 50, 95)))
    what = f"its stamp, after it was handed to the server (of {1000 // RATE_HZ} ms), p5 / p50 / p95"
    spread = f"{1e3 * low:.0f} / {1e3 * mid:.0f} / {1e3 * high:.0f} ms"
    found.add("stamped_after_s", {"p5_s": low, "p50_s": mid, "p95_s": high}, what, spread)
    span_s = (max(seen_ns) - min(seen_ns)) / NS + 1
    rates = [ways.analysed.get(f"cam-{number + 1}", 0) / span_s for number in range(cameras)]
    left = [max(0.0, 1 - rate / SAMPLE_HZ) for rate in rates]
    figure = f"{min(rates):.2f} / {statistics.mean(rates):.2f} of {SAMPLE_HZ:g}"
    found.add("analysed_hz", rates, "pictures analysed per second and camera, least / mean", figure)
    figure = f"{max(left):.1%} / {statistics.mean(left):.1%}"
    found.add("left_out_frac", left, "pictures that were due and replaced by newer ones, most / mean", figure)


def _kinds(messages: Mapping[str, int]) -> dict[str, int]:
    """What was said, each sentence once whatever camera, number and time stood in it.

    >>> _kinds({"camera a: 2 of 9 were lost. camera b: 1 of 8 were lost.": 2, "camera a: 3 of 9 were lost.": 1})
    {'camera X: N of N were lost.': 3}
    """
    found: dict[str, int] = {}
    for message, times in messages.items():
        pieces = re.split(r"(?<=\.) (?=camera [\w-]+: |stream \S+: )", message)
        named = (re.sub(r"^camera [\w-]+:", "camera X:", piece) for piece in pieces)
        for kind in {re.sub(r"(?<![\w-])\d[\d.:TZ-]*\b", "N", piece) for piece in named}:
            found[kind] = found.get(kind, 0) + times
    return dict(sorted(found.items(), key=lambda each: -each[1])[:MESSAGES])


def _print(found: Measured) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    values = found.values
    title = f"{values['cameras']} cameras, {values['seconds']} s, {values['machine_cores']} cores"
    title += f", load before {values['load_before']:.1f}"
    table = Table("", "measured", "must", "aim", title=title)
    for row in found.rows:
        table.add_row(*row)
    console.print(table)
    for message, times in found.values["messages"].items():
        console.print(f"said {times} times: {message}", markup=False)
