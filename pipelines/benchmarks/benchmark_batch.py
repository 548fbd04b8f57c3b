"""Batch jobs, measured side by side in one run: ``python -m pipelines.benchmark --batch``.

Every piece of work runs in a process of its own; repeats are interleaved and medians reported, so that a machine that
slows down slows everything down alike.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from crowdwatch import config
from crowdwatch.drivers.batch import GPU_FRAMES, JobSettings
from crowdwatch.errors import ConfigError
from pipelines.batch.cluster import for_gpus
from pipelines.benchmarks import benchmark_runs as runs
from pipelines.benchmarks.benchmark_footage import (
    MADE_RATE,
    footage_of,
    loop_recording,
    made_event,
    make_1080p25,
    of_file,
)
from pipelines.benchmarks.benchmark_precision import precision
from pipelines.benchmarks.benchmark_runs import Measured
from pipelines.benchmarks.child_process import alone
from pipelines.command_line import err, print_json

__all__ = ["PARTS", "measure_batch"]

PARTS = ("every-frame", "sampling", "memory", "resume", "precision")
GPU_PARTS = ("every-frame", "sampling", "precision")
"""Those that ``--gpus`` changes."""

NEAR_NS = 10_000_000_000
"""Two alerts of one zone, alarm and level are the same when they are no further apart than a reading's window."""

HOUR_S = 3600
ULTRALYTICS, OURS = "Ultralytics predict(stream=True), torch", "this pipeline, no Dask"
Work = Callable[[str], Measured]


def measure_batch(
    event: config.EventFile,
    seconds: int,
    repeats: int,
    torch_model: str,
    parts: list[str],
    *,
    gpus: bool,
    as_json: bool,
) -> None:
    """Measure some of :data:`PARTS` and print them.

    Args:
        event: the event file.
        seconds: event time of the looped footage.
        repeats: interleaved repeats.
        torch_model: weights for Ultralytics' own predict.
        parts: of :data:`PARTS`.
        gpus: as ``crowdwatch batch --gpus``: networks on the GPU, as many frames together as it takes by default.
        as_json: print JSON.

    Raises:
        ConfigError: an unknown part, one that has no GPU in it, or a piece of work that failed.
        MissingPackage, ClusterUnavailable: as of :func:`pipelines.batch.cluster.for_gpus`.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ConfigError(f"--part {unknown[0]!r}: need one of {', '.join(PARTS)}.")
    if gpus:
        if left := sorted(set(parts) - set(GPU_PARTS)):
            raise ConfigError(f"--part {left[0]!r} --gpus: need one of {', '.join(GPU_PARTS)}.")
        event = for_gpus(event, None)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "every-frame" in parts:
            found["every-frame"] = every_frame(event, seconds, repeats, torch_model, folder, gpus)
        if "sampling" in parts:
            found["sampling"] = sampling(event, repeats, folder, gpus)
        if "memory" in parts:
            found["memory"] = memory(event, folder)
        if "resume" in parts:
            found["resume"] = {"seconds": statistics.median(runs.resumed_s(folder / "resume", repeats))}
        if "precision" in parts:
            found["precision"] = precision(event, seconds, folder, gpus)
    if as_json:
        print_json(found)
        return
    for part, each in found.items():
        _PRINT[part](each)


def interleaved(works: Mapping[str, Work], repeats: int, folder: Path) -> dict[str, list[Measured]]:
    """Do every piece of work once, then all again."""
    done: dict[str, list[Measured]] = {name: [] for name in works}
    for repeat in range(repeats):
        for number, (name, work) in enumerate(works.items()):
            err.print(f"{repeat + 1}/{repeats} {name}")
            part = folder / f"{repeat}-{number}"
            part.mkdir(parents=True)
            done[name].append(work(str(part)))
    return done


def _medians(done: list[Measured], event_s: float) -> dict[str, Any]:
    wall_s = statistics.median(each.cost.wall_s for each in done)
    return {
        "frames": done[0].frames,
        "wall_s": wall_s,
        "frames_per_s": done[0].frames / wall_s,
        "times_real_time": event_s / wall_s,
        "cpu_s": statistics.median(each.cost.cpu_s for each in done),
        "cpu_share": statistics.median(each.cost.cpu_share for each in done),
        "peaks_mb": [round(mb) for mb in done[-1].cost.peaks_mb],
        "start_s": statistics.median(each.start_s for each in done),
        "fold_s": statistics.median(each.fold_s for each in done),
    }


def without_counter(event: config.EventFile) -> config.EventFile:
    """The event with boxes alone."""
    return event.model_copy(update={"counter": event.counter.model_copy(update={"model": "none"})})


def every_frame(
    event: config.EventFile, seconds: int, repeats: int, torch_model: str, folder: Path, gpus: bool
) -> dict[str, Any]:
    """Every frame, detector alone: this pipeline against its parts, against Ultralytics, and on several processes (on
    a GPU on one, and with the counter too)."""
    source = footage_of(event)
    rate = event.cameras[0].source.capture_rate_hz or source.frames / (source.span_ns[1] - source.span_ns[0])
    frames = round(seconds * rate)
    path = loop_recording(source.path, frames, folder / "looped.avi")
    text = without_counter(of_file(event, path)).model_dump_json()
    image_px = event.detector.image_px or 640
    together = GPU_FRAMES if gpus else 1
    whole, quarter = (partial(_settings, chunk_s=chunk_s, batch_frames=together) for chunk_s in (300.0, seconds / 4))
    device = "cuda" if gpus else "cpu"
    works: dict[str, Work] = {
        ULTRALYTICS: lambda _: alone(runs.ultralytics, torch_model, str(path), image_px, device),
        "bare inference": lambda _: alone(runs.bare, text, str(path), frames, together),
        "decoding": lambda _: alone(runs.decode, str(path), False),
        "decoding to BGR pictures": lambda _: alone(runs.decode, str(path), True),
        OURS: lambda at: alone(runs.plain, text, at, whole(at)),
        "Dask, 1 worker": lambda at: alone(runs.dask, text, at, quarter(at), 1, gpus),
    }
    if gpus:
        counted = of_file(event, path).model_dump_json()
        works["the same with the counter"] = lambda at: alone(runs.dask, counted, at, quarter(at), 1, gpus)
    else:
        works["Dask, 2 workers"] = lambda at: alone(runs.dask, text, at, quarter(at), 2)
        works["two processes, no Dask"] = lambda at: alone(runs.two_processes, text, at, quarter(at))
    done = interleaved(works, repeats, folder / "every-frame")
    rows = {name: _medians(each, seconds) for name, each in done.items()}

    def ratio(over: str, *under: str) -> float:
        """Median over the repeats of one time over the sum of others, each of the same repeat."""
        times = {name: [each.cost.wall_s for each in done[name]] for name in (over, *under)}
        return statistics.median(times[over][n] / sum(times[name][n] for name in under) for n in range(repeats))

    ratios = {
        "pipeline over decoding to pictures + bare inference": ratio(
            OURS, "decoding to BGR pictures", "bare inference"
        ),
        "pipeline over decoding + bare inference": ratio(OURS, "decoding", "bare inference"),
        "Ultralytics over pipeline": ratio(ULTRALYTICS, OURS),
        "Dask with 1 worker over pipeline": ratio("Dask, 1 worker", OURS),
    }
    if not gpus:
        ratios |= {
            "Dask with 2 workers over decoding to pictures + bare inference": ratio(
                "Dask, 2 workers", "decoding to BGR pictures", "bare inference"
            ),
            "Ultralytics over Dask with 2 workers": ratio(ULTRALYTICS, "Dask, 2 workers"),
            "rate of Dask with 2 workers over two processes": ratio("two processes, no Dask", "Dask, 2 workers"),
        }
    return {"seconds": seconds, "repeats": repeats, "rows": rows, "ratios": ratios}


def _settings(folder: str, **more: Any) -> JobSettings:
    return JobSettings(Path(folder) / "runs", **more)


def sampling(event: config.EventFile, repeats: int, folder: Path, gpus: bool) -> dict[str, Any]:
    """Four ways to choose frames of 1080p25, without and with the counter: what they cost and what they lose."""
    path = make_1080p25(folder / "made.mp4")
    made = made_event(event, path)
    seconds = footage_of(made).frames / MADE_RATE
    works: dict[str, Work] = {
        "decoding alone": lambda _: alone(runs.decode, str(path), False),
        "decoding to BGR pictures": lambda _: alone(runs.decode, str(path), True),
    }
    for program, programmed in (("detector", without_counter(made)), ("detector + counter", made)):
        for way, (hz, more) in WAYS.items():
            cameras = [programmed.cameras[0].model_copy(update={"sample_hz": hz})]
            text = programmed.model_copy(update={"cameras": cameras}).model_dump_json()
            works[f"{program}: {way}"] = partial(_way, text, more | {"batch_frames": GPU_FRAMES if gpus else 1})
    done = interleaved(works, repeats, folder / "sampling")
    rows = {name: _medians(each, seconds) for name, each in done.items()}
    for name, each in done.items():
        if ":" in name:
            reference = done[name.partition(":")[0] + ": every frame"][0]
            rows[name] |= lost(reference, each[0])
    return {"seconds": seconds, "repeats": repeats, "rows": rows}


WAYS: dict[str, tuple[float | None, dict[str, Any]]] = {
    "every frame": (None, {}),
    "exactly 2 Hz": (2.0, {}),
    "keyframes, every 2 s": (None, {"keyframes": True}),
    "adaptive, 0.5 Hz then 5 Hz": (None, {"coarse_hz": 0.5, "fine_hz": 5.0}),
}


def _way(text: str, more: dict[str, Any], at: str) -> Measured:
    return alone(runs.plain, text, at, _settings(at, **more))


def lost(reference: Measured, found: Measured) -> dict[str, Any]:
    """What a way of sampling loses against every frame.

    Returns:
        ``count_difference``: mean absolute difference of a zone's people at a tick, in persons; ``mean_count``: of the
        reference; ``unknown_frac``: share of the reference's known readings that are unknown; ``alerts`` and
        ``alerts_missed``: rises of alarms in the reference, and how many of them have none of their zone, alarm and
        level within a reading's window; ``alerts_added``: the other way round.
    """
    known = [key for key, count in reference.counts.items() if count == count]
    both = [key for key in known if found.counts.get(key, float("nan")) == found.counts.get(key)]
    return {
        "count_difference": sum(abs(reference.counts[k] - found.counts[k]) for k in both) / max(len(both), 1),
        "mean_count": sum(reference.counts[key] for key in known) / max(len(known), 1),
        "unknown_frac": 1 - len(both) / max(len(known), 1),
        "alerts": len(reference.alerts),
        "alerts_missed": _without_match(reference.alerts, found.alerts),
        "alerts_added": _without_match(found.alerts, reference.alerts),
    }


def _without_match(ours: list[tuple[str, str, int, int]], theirs: list[tuple[str, str, int, int]]) -> int:
    left, missed = list(theirs), 0
    for zone, alarm, level, t_ns in sorted(ours, key=lambda each: each[3]):
        near = [each for each in left if each[:3] == (zone, alarm, level) and abs(each[3] - t_ns) <= NEAR_NS]
        if near:
            left.remove(min(near, key=lambda each: abs(each[3] - t_ns)))
        else:
            missed += 1
    return missed


def memory(event: config.EventFile, folder: Path) -> dict[str, Any]:
    """Peak memory of one Dask worker: over an hour of footage, every second looked at, counted every 30 s; and at
    1080p25, 2 Hz looked at, counted every second."""
    source = footage_of(event)
    rate = event.cameras[0].source.capture_rate_hz or 25.0
    path = loop_recording(source.path, round(HOUR_S * rate), folder / "hour.avi")
    long = of_file(event, path)
    cameras = [long.cameras[0].model_copy(update={"sample_hz": 1.0})]
    counter = long.counter.model_copy(update={"every_s": 30.0})
    text = long.model_copy(update={"cameras": cameras, "counter": counter}).model_dump_json()
    at = folder / "memory"
    at.mkdir()
    found = alone(runs.dask, text, str(at), _settings(str(at)), 1)
    made = made_event(event, make_1080p25(folder / "memory.mp4"))
    cameras = [made.cameras[0].model_copy(update={"sample_hz": 2.0})]
    at = folder / "memory-1080p25"
    at.mkdir()
    large = alone(
        runs.dask, made.model_copy(update={"cameras": cameras}).model_dump_json(), str(at), _settings(str(at)), 1
    )
    peaks = {m: max((mb for s, mb in found.resident_mb.items() if s <= 60 * m), default=0.0) for m in (15, 30, 60)}
    return {
        "frames": found.frames,
        "wall_s": found.cost.wall_s,
        "fold_s": found.fold_s,
        "log_mb": found.log_mb,
        "worker_peak_mb_by_minutes": peaks,
        "worker_peak_mb_1080p25": large.cost.peaks_mb[-1],
    }


def _print_rows(title: str, rows: dict[str, dict[str, Any]], more: dict[str, Callable[[dict[str, Any]], str]]) -> None:
    table = Table("", "frames/s", "x real time", "CPU share", "peak MB, by process", *more, title=title)
    for name, row in rows.items():
        cells = [f"{row['frames_per_s']:.1f}", f"{row['times_real_time']:.1f}", f"{row['cpu_share']:.0%}"]
        cells.append(", ".join(map(str, row["peaks_mb"])))
        table.add_row(name, *cells, *(cell(row) for cell in more.values()))
    Console(width=180).print(table)


def _print_every_frame(found: dict[str, Any]) -> None:
    title = f"every frame of {found['seconds']} s, detector alone, medians of {found['repeats']} interleaved repeats"
    more = {"start s": lambda row: f"{row['start_s']:.1f}", "fold s": lambda row: f"{row['fold_s']:.1f}"}
    _print_rows(title, found["rows"], more)
    for name, ratio in found["ratios"].items():
        Console(width=180).print(f"{name}: {ratio:.2f}")


def _print_sampling(found: dict[str, Any]) -> None:
    title = (
        f"1080p25, {found['seconds']:.1f} s, H.264 at 6 Mbit/s, a keyframe every 2 s, made by enlarging PETS2009; "
        f"medians of {found['repeats']} interleaved repeats"
    )
    more = {
        "frames": lambda row: str(row["frames"]),
        "CPU s an hour": lambda row: f"{row['cpu_s'] / found['seconds'] * HOUR_S:.0f}",
        "count off, of": lambda row: (
            f"{row['count_difference']:.2f} of {row['mean_count']:.2f}" if "alerts" in row else ""
        ),
        "unknown": lambda row: f"{row['unknown_frac']:.0%}" if "alerts" in row else "",
        "alerts missed, added, of": lambda row: (
            f"{row['alerts_missed']}, {row['alerts_added']}, {row['alerts']}" if "alerts" in row else ""
        ),
    }
    _print_rows(title, found["rows"], more)


def _print_memory(found: dict[str, Any]) -> None:
    for minutes, mb in found["worker_peak_mb_by_minutes"].items():
        Console().print(f"peak memory of one Dask worker after {minutes} minutes of footage: {mb:.0f} MB")
    Console().print(f"at 1080p25, 2 Hz, with the counter: {found['worker_peak_mb_1080p25']:.0f} MB")
    Console().print(
        f"the hour: {found['frames']} frames in {found['wall_s']:.0f} s, the fold {found['fold_s']:.1f} s, kept "
        f"{found['log_mb']:.1f} MB"
    )


def _print_resume(found: dict[str, Any]) -> None:
    Console().print(f"a finished job, asked for again: {found['seconds']:.1f} s, the start of Python included")


def _print_precision(found: dict[str, Any]) -> None:
    columns = "boxes", "missing", "added", "edge moved by, px: median", "99 %", "most", "zone counts off"
    table = Table("", *columns, title=f"against f32, batch 1, on the CPU, over {found['seconds']} s")
    for name, row in found["rows"].items():
        edges = [f"{row['edge_px'][key]:.3f}" for key in ("median", "p99", "max")]
        off = f"{row['zone_counts_off']:.2%}" if "zone_counts_off" in row else ""
        table.add_row(name, *(str(row[key]) for key in ("boxes", "missing", "added")), *edges, off)
    Console(width=180).print(table)


_PRINT = {
    "every-frame": _print_every_frame,
    "sampling": _print_sampling,
    "memory": _print_memory,
    "resume": _print_resume,
    "precision": _print_precision,
}
