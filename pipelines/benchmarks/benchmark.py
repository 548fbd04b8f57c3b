"""Speed and memory, side by side in one run: ``python -m pipelines.benchmark``, with ``--batch`` of batch jobs, with
``--fold`` of the fold alone on drawn sites, with ``--live`` of a live run, with ``--page`` of the page.

Repeats are interleaved and medians reported, so that a machine that slows down slows everything down alike.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.core.records import Observation, ObservationId, Tick
from crowdwatch.core.runs import Mode, Run
from crowdwatch.drivers import build
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import ConfigError
from crowdwatch.observation.evidence import evidence
from crowdwatch.observation.observe import count_heads, locate
from crowdwatch.rendering.picture import Overlay
from crowdwatch.store.log import LogWriter
from crowdwatch.store.sql import SqlStore
from pipelines.benchmarks import benchmark_runs as runs
from pipelines.benchmarks.benchmark_batch import GPU_PARTS, PARTS, measure_batch
from pipelines.benchmarks.benchmark_fold import OPTIONS, measure_fold, sizes_of
from pipelines.benchmarks.benchmark_footage import footage_of, loop_recording, of_file
from pipelines.benchmarks.benchmark_live import LIVE_PARTS, measure_live
from pipelines.benchmarks.benchmark_poses import measure_poses
from pipelines.benchmarks.benchmark_shapes import measure_shapes
from pipelines.benchmarks.child_process import alone
from pipelines.benchmarks.page import measure_page
from pipelines.benchmarks.process_watch import peak_mb
from pipelines.command_line import EventOption, print_json, run

app = typer.Typer(help="Measure speed and memory.", add_completion=False)

STAGES = (
    "decode", "prepare", "inference", "boxes", "ground", "counter", "evidence", "advance", "log", "store", "picture",
)  # fmt: skip


class Stopwatch:
    """Seconds spent by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def time(self, stage: str, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Run ``call`` on the account of a stage."""
        began = time.perf_counter()
        result = call(*args, **named)
        self.seconds[stage] += time.perf_counter() - began
        return result


def stages(event: config.EventFile, frames: int, folder: Path) -> dict[str, float]:
    """One pass over the recording, one stage after the other on all cores; returns seconds a frame by stage.

    Preparation and inference are timed on their own, on the same picture, right before ``detect``; what ``detect``
    takes beyond them is the work on the boxes.
    """
    site = config.to_site(event)
    view, camera = view_site(site), site.cameras[0]
    (feed,) = build.open_feeds(event, site)
    source, detector = feed.source, build.open_detector(event, camera.anchor)
    if not isinstance(detector, runs.Network):
        raise ConfigError("benchmark: measures one network. Leave tiles out of the event file.")
    overlay = Overlay(camera.fixed_plane, {zone.zone_id: zone.polygon_m for zone in site.zones})
    log = LogWriter(folder / "log", event.model_dump_json())
    store = SqlStore(f"sqlite:///{folder / 'stages.sqlite'}")
    run = _run(event, folder)
    store.begin(run)
    state, watch = start(view), Stopwatch()
    included: list[ObservationId] = []
    pairs = islice(source.pairs(), frames)
    tick_ns = round(site.tick_s * 1e9)
    due_ns = -(-source.span_ns[0] // tick_ns) * tick_ns
    done = 0
    while (pair := watch.time("decode", next, pairs, None)) is not None:
        picture, _ = watch.time("prepare", detector.prepare, [pair.current.image_bgr])
        watch.time("inference", detector.forward, picture)
        (detections,) = watch.time("boxes", detector.detect, [pair.current])
        positions = watch.time("ground", locate, detections, camera.fixed_plane)
        mass, fault = watch.time(
            "counter", count_heads, pair, feed.heads, camera.fixed_plane, positions, detections.saturated
        )
        seen = watch.time("evidence", evidence, pair)
        observation = Observation(detections, positions, seen, camera.fixed_plane.plane_id, mass, fault)
        events: list[Observation | Tick] = [observation]
        if observation.stamp.t_ns > due_ns:
            events.insert(0, Tick(due_ns, tuple(included)))
            included, due_ns = [], due_ns + tick_ns
        included.append(observation.stamp.id)
        for each in events:
            watch.time("log", log.append, each)
            state, outcome = watch.time("advance", advance, state, each)
            if outcome is not None:
                watch.time("store", store.write, run.run_id, [outcome])
                watch.time(
                    "picture", overlay.render, pair.current,
                    grid=outcome.grid, detections=detections, score_min=camera.score_min,
                )  # fmt: skip
        done += 1
    watch.time("log", log.close, complete=True)
    store.close()
    # `detect` prepares and infers once more: what is left of it is the work on the boxes
    watch.seconds["boxes"] = max(0.0, watch.seconds["boxes"] - watch.seconds["prepare"] - watch.seconds["inference"])
    return {stage: seconds / done for stage, seconds in watch.seconds.items()}


def _run(event: config.EventFile, folder: Path) -> Run:
    return Run("benchmark", event.id, Mode.REPLAY, event.model_dump_json(), str(folder), 0, 1, time.time_ns())


def whole(event: config.EventFile, frames: int, folder: Path) -> float:
    """Seconds per frame of the replay as a user runs it, start-up left out."""
    began: list[float] = []
    options = Options(
        folder, f"sqlite:///{folder / 'whole.sqlite'}", started=lambda run: began.append(time.perf_counter()),
        to_ns=_frame_ns(event, frames),
    )  # fmt: skip
    summary = replay_recording(event, options)
    return (time.perf_counter() - began[0]) / summary.totals.observations


def bare(event: config.EventFile, frames: int) -> float:
    """Seconds per frame of the detector's network alone, as many pictures at once as a replay has."""
    done = alone(runs.bare, event.model_dump_json(), str(footage_of(event).path), frames)
    return done.cost.wall_s / frames


def _frame_ns(event: config.EventFile, frames: int) -> int:
    source = event.cameras[0].source
    return source.start_ns + round(frames / (source.capture_rate_hz or 25.0) * 1e9)


def _peak_mb(event_json: str, path: str, folder: str) -> float:
    """In a process of its own: replay a recording whole; the peak resident memory."""
    event = of_file(config.from_json(event_json), Path(path))
    replay_recording(event, Options(Path(folder), f"sqlite:///{folder}/memory.sqlite", pictures=False))
    return peak_mb()


def memory(event: config.EventFile, folder: Path, loops: list[int]) -> dict[int, float]:
    """Peak memory in MB of a replay of the recording repeated 1, 2, 4 ... times."""
    source = footage_of(event)
    peaks = {}
    for times in loops:
        part = folder / f"memory-{times}"
        part.mkdir()
        path = loop_recording(source.path, times * source.frames, part / "looped.avi")
        peaks[times] = alone(_peak_mb, event.model_dump_json(), str(path), str(part))
    return peaks


@app.command()
def main_command(
    event_file: EventOption = None,
    frames: Annotated[int, typer.Option(min=10, help="Frames per repeat.")] = 300,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats; medians are reported.")] = 3,
    with_memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Measure peak memory over 1, 2 and 4 loops too.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    of_batch: Annotated[bool, typer.Option("--batch", help="Measure batch jobs instead.")] = False,
    seconds: Annotated[
        int | None, typer.Option(min=20, help="--batch: event time of the looped footage (80); --live: to run (60).")
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help=f"--batch: some of {', '.join(PARTS)}. --live: some of {', '.join(LIVE_PARTS)}."),
    ] = None,
    torch_model: Annotated[str, typer.Option(help="--batch: weights for Ultralytics' own predict.")] = "yolo11n",
    gpus: Annotated[bool, typer.Option("--gpus", help="--batch: networks on the GPU, 16 frames in a pass.")] = False,
    of_fold: Annotated[bool, typer.Option("--fold", help="Measure the fold alone on drawn sites instead.")] = False,
    of_live: Annotated[
        bool, typer.Option("--live", help="Measure a live run from a real RTSP server instead.")
    ] = False,
    cameras: Annotated[
        list[int] | None, typer.Option(help="--fold: of a site; again for the next site. --live: how many (8).")
    ] = None,
    side_m: Annotated[list[float] | None, typer.Option(help="--fold: side of the square site.")] = None,
    zones: Annotated[list[int] | None, typer.Option(help="--fold: of the site.")] = None,
    people: Annotated[list[int] | None, typer.Option(help="--fold: on the site.")] = None,
    hz: Annotated[int, typer.Option(min=1, max=60, help="--fold: pictures a second of each camera.")] = 1,
    changes: Annotated[int, typer.Option(min=0, help="--fold: changes of health for memory; 0 for none.")] = 1000,
    double: Annotated[bool, typer.Option("--double", help="--fold: a site of twice the last one too.")] = False,
    of_shapes: Annotated[
        bool, typer.Option("--shapes", help="Measure the detector's input as a square and in the picture's own shape.")
    ] = False,
    of_page: Annotated[bool, typer.Option("--page", help="Measure the wall in a real browser instead.")] = False,
    poses: Annotated[int, typer.Option(min=0, help="--fold: measure so many new poses of a drone instead.")] = 0,
) -> None:
    """Time of each stage as a share, the whole against bare inference, and peak memory against length."""
    if of_fold + of_batch + of_live + of_page > 1:
        raise ConfigError("--fold, --batch, --live, --page: are measured one at a time. Leave the others out.")
    if of_page:
        measure_page(as_json=as_json)
        return
    if of_live:
        if side_m or zones or people or double or poses or (cameras and (len(cameras) > 1 or min(cameras) < 1)):
            raise ConfigError("--live: takes --cameras once, from 1, --seconds and --part. Leave out the rest.")
        if unknown := set(parts or ()) - set(LIVE_PARTS):
            raise ConfigError(f"--live: got --part {', '.join(sorted(unknown))}, need some of {', '.join(LIVE_PARTS)}.")
        measure_live(cameras[0] if cameras else 8, seconds or 60, parts or LIVE_PARTS, as_json=as_json)
        return
    if of_fold:
        sizes = sizes_of(cameras, side_m, zones, people, double)
        if poses and (cameras or double):
            raise ConfigError("--poses: is measured on a site of its own. Leave out the sizes, or --poses.")
        if poses:
            measure_poses(poses, as_json=as_json)
        else:
            measure_fold(sizes, hz, changes, as_json=as_json)
        return
    if cameras or side_m or zones or people or double or poses:
        named = ", ".join((*OPTIONS, "--double", "--poses"))
        raise ConfigError(f"{named}: belong to drawn sites. Add --fold, or leave them out.")
    event = config.load(event_file or example("pets2009"))
    if of_shapes:
        if of_batch or gpus or parts:
            raise ConfigError("--shapes: is measured by itself. Leave the other parts out.")
        measure_shapes(event, frames, repeats, as_json=as_json)
        return
    if of_batch:
        parts = parts or list(GPU_PARTS if gpus else PARTS)
        measure_batch(event, seconds or 80, repeats, torch_model, parts, gpus=gpus, as_json=as_json)
        return
    if gpus or parts:
        raise ConfigError("--gpus, --part: belong to batch jobs. Add --batch, or leave them out.")
    passes, bares, wholes = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for repeat in range(repeats):
            part = folder / str(repeat)
            part.mkdir()
            passes.append(stages(event, frames, part))
            bares.append(bare(event, frames))
            wholes.append(whole(event, frames, part))
        peaks = memory(event, folder, [1, 2, 4]) if with_memory else {}
    median = {stage: statistics.median(one[stage] for one in passes) for stage in STAGES}
    result = {
        "stage_share": {stage: seconds / sum(median.values()) for stage, seconds in median.items()},
        "bare_inference_ms": statistics.median(bares) * 1e3,
        "whole_ms": statistics.median(wholes) * 1e3,
        "whole_over_bare": statistics.median(w / b for w, b in zip(wholes, bares, strict=True)),
        "peak_mb_by_loops": peaks,
    }
    if as_json:
        print_json(result)
        return
    _print(result, frames, repeats)


def _print(result: dict[str, Any], frames: int, repeats: int) -> None:
    console = Console()
    table = Table("stage", "share", title=f"{frames} frames, median of {repeats} interleaved repeats")
    for stage, share in result["stage_share"].items():
        table.add_row(stage, f"{share:.1%}")
    console.print(table)
    console.print(
        f"whole replay {result['whole_ms']:.1f} ms a frame, bare inference {result['bare_inference_ms']:.1f} ms: "
        f"{result['whole_over_bare']:.2f} times"
    )
    for times, peak in result["peak_mb_by_loops"].items():
        console.print(f"peak memory, recording looped {times} x: {peak:.0f} MB")


def main() -> None:
    """Run the command line."""
    run(app)
