"""A live run as it is on the night, measured from outside: ``python -m pipelines.benchmark --live``.

A real RTSP server on loopback sends the sample ``pets2009`` (768 x 576, 10 pictures/s, H.264 over TCP, a keyframe every
2 s) in loops; ``crowdwatch live`` watches every camera twice a second with the density estimator on. What is measured
is what a page would see: the store is looked at every 5 ms. Whatever does not happen in its time ends the benchmark
with an error, and nothing that was started is left behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from crowdwatch import config
from crowdwatch.core.site import Site
from crowdwatch.drivers import build
from crowdwatch.errors import ConfigError
from pipelines.benchmarks.live_alerts import beyond_delays
from pipelines.benchmarks.live_figures import Measured, kinds, print_table
from pipelines.benchmarks.live_flaps import measure_flaps
from pipelines.benchmarks.live_hd import measure_hd
from pipelines.benchmarks.live_process import Engine
from pipelines.benchmarks.live_site import RATE_HZ, row_of_cameras, sample_clip, write_event
from pipelines.benchmarks.live_steady import (
    SETTLE_S,
    START_S,
    STOP_S,
    rates_of,
    start,
    steady_part,
    ways_to_store,
)
from pipelines.benchmarks.live_watch import SeenTick, StoreWatch, known
from pipelines.benchmarks.live_ways import Ways
from pipelines.benchmarks.rtsp_server import RtspServer
from pipelines.command_line import err, print_json

__all__ = ["LIVE_PARTS", "measure_live"]

LIVE_PARTS = ("run", "1080p25", "flaps")
"""A run with faults, how many cameras of 1080p25 this machine carries, and ticks while many cameras flap."""

NS = 1_000_000_000
SAMPLE_HZ = 2.0
FAULT_S = 45.0
"""How long the effect of a fault may take before the benchmark gives up."""

HELD_S = 6.0
"""How long a stalled server stays so once every zone shows it."""


def measure_live(cameras: int, seconds: int, parts: Sequence[str] = LIVE_PARTS, *, as_json: bool) -> None:
    """Measure a live run and print it.

    Args:
        cameras: on the site of the run.
        seconds: of steady running.
        parts: of :data:`LIVE_PARTS`.
        as_json: print JSON.

    Raises:
        ConfigError: something ended, or did not happen in its time.
        SampleUnavailable: the recording can be had from nowhere.
    """
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    found = Measured({"load_before": load, "machine_cores": cores, "parts": list(parts)}, [])
    if "run" in parts:
        found.values |= {"cameras": cameras, "seconds": seconds}
        _run(cameras, seconds, found)
    if "1080p25" in parts:
        measure_hd(found)
    if "flaps" in parts:
        measure_flaps(found)
    if as_json:
        print_json(found.values)
        return
    title = f"{cameras} cameras, {seconds} s, " if "run" in parts else ""
    print_table(found, f"{title}{cores} cores, load before {load:.1f}")


def _run(cameras: int, seconds: int, found: Measured) -> None:
    """A live run from its start to its end, with faults."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        err.print("encoding the recording")
        clip = sample_clip(folder / "sample.clip")
        mounts = {f"/cam-{number + 1}": clip for number in range(cameras)}
        server = stack.enter_context(RtspServer(mounts))
        event = row_of_cameras([server.url(mount) for mount in mounts], sample_hz=SAMPLE_HZ)
        zone_ids = [zone["id"] for zone in event["zones"]]
        path = write_event(event, folder / "event.yaml")
        site = config.to_site(config.load(path))
        engine = stack.enter_context(Engine(path, folder / "live"))
        watch = stack.enter_context(StoreWatch(engine))
        start(engine, watch, zone_ids, found)
        steady = steady_part(engine, watch, server, seconds, cameras, site.tick_s, found)
        begun = {mount.removeprefix("/"): began_s for mount, began_s in server.begun().items()}
        _faults(server, watch, zone_ids, found)
        _restart(engine, watch, zone_ids, found)
        found.add("stop_s", stop_s := engine.stop(STOP_S), "SIGTERM to a clean end", f"{stop_s:.1f} s")
        if len(watch.run_ids) != 1:
            raise ConfigError(f"--live: the run was not gone on with after SIGKILL: {', '.join(watch.run_ids)}.")
        ways = ways_to_store(engine, watch, steady, begun, 1 / RATE_HZ, found)
        _alerts(engine, watch, steady, site, ways, found)
        rates_of(ways, cameras, SAMPLE_HZ, found)
        found.values["messages"] = kinds(watch.messages)


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


def _alerts(
    engine: Engine, watch: StoreWatch, steady: tuple[int, int], site: Site, ways: Ways, found: Measured
) -> None:
    """How long alarms took beyond their averaging and delay."""
    camera_of = {
        zone.zone_id: next(c.camera_id for c in site.cameras if zone.zone_id.startswith(f"{c.camera_id}-"))
        for zone in site.zones
    }
    with closing(build.open_store(engine.store_url, create=False)) as store:
        alerts = store.alerts(watch.run_ids[-1])
    seconds = beyond_delays(site, watch.ticks[slice(*steady)], alerts, ways.first_ns, camera_of)
    if not seconds:
        raise ConfigError("benchmark --live: no alarm rose in the steady part. Let it run longer (--seconds).")
    what = f"a limit crossed to its alarm in the store, less its own delay, of {len(seconds)} alarms"
    found.percentiles("alert_beyond_delay", seconds, what, "p95 1.0 s", "0.5 s")
