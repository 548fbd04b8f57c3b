"""Accuracy against annotated truth: ``python -m pipelines.evaluate pets2009 DIR --json``, and ``shanghaitech DIR``."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.drivers import build, recordings
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_ground
from crowdwatch.observation.observe import locate
from pipelines.command_line import EventOption, print_json, progress, progress_bar, run
from pipelines.evaluation import (
    alert_commands,
    condition_counts,
    drone_commands,
    fault_commands,
    footage_kinds,
    footage_score,
    health_score,
    kills,
    movement,
    pets_conditions,
    photograph_commands,
    schedule_effect,
    whole_path,
)
from pipelines.evaluation.data_folders import PetsFolder
from pipelines.evaluation.interval_boxes import CHOICES
from pipelines.evaluation.scoring import FrameScore, Score, read_boxes, score, summarise

GATE_M = 1.0

app = typer.Typer(help="Measure accuracy against annotated footage.", no_args_is_help=True, add_completion=False)
app.command("shanghaitech")(photograph_commands.shanghaitech)
app.command("ucf_cc_50")(photograph_commands.ucf_cc_50_command)
app.command("empty")(photograph_commands.empty)
app.command("alerts")(alert_commands.alerts_command)
app.command("drone")(drone_commands.drone_command)
app.command("faults")(fault_commands.faults_command)
app.command("kills")(kills.kills_command)
app.command("movement")(movement.movement_command)


def pets2009(folder: Path, event: EventFile) -> tuple[list[FrameScore], str]:
    """Score every frame of PETS2009 S2.L1 view 1 through the event file's detector, calibration and score limit.

    A frame's count is everyone detected with at least the camera's ``score_min``; truth is every annotated box, its
    feet (bottom centre) put on the ground through the same calibration.
    """
    site = config.to_site(event)
    camera = site.cameras[0]
    source = recordings.open_source(event, site, camera)
    boxes = read_boxes(folder / "annotations_s2l1.xml")
    detector = build.open_detector(event)
    frames = []
    for pair in progress(source.pairs(), "frames", len(boxes)):
        (detections,) = detector.detect([pair.current])
        keep = detections.score >= camera.score_min
        found_m = locate(detections, camera.fixed_plane).xy_m[keep]
        seq = pair.current.stamp.seq
        if seq >= len(boxes):
            raise ConfigError(f"annotations in {folder}: end before frame {seq} of the recording.")
        truth = boxes[seq]
        feet_px = (truth[:, [0, 3]] + truth[:, [2, 3]]) / 2
        frames.append(score(to_ground(camera.fixed_plane, feet_px), found_m, GATE_M))
    return frames, detector.detector_id


@app.callback()
def _root() -> None:
    """Measure accuracy against annotated footage."""


@app.command("pets2009")
def pets2009_command(
    folder: PetsFolder,
    event_file: EventOption = None,
    detector: Annotated[str | None, typer.Option(help="Another detector than the event file's.")] = None,
    counter: Annotated[str | None, typer.Option(help="Another counter than the event file's; none for none.")] = None,
    band: Annotated[str | None, typer.Option(help="Another hand-over band than the event file's, as 0.4,0.8.")] = None,
    precision: Annotated[str | None, typer.Option(help="Another precision of the detector: f32 or bf16.")] = None,
    hand_counts: Annotated[
        int, typer.Option(min=0, max=200, help="So many of the first 200 frames were counted by hand.")
    ] = 0,
    spoiled: Annotated[
        str, typer.Option("--conditions", help="Night, rain ...: all, or some with commas; frames 200 to 794 alone.")
    ] = "",
    every: Annotated[int, typer.Option(min=1, help="With --conditions: one frame in so many.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count and position error on PETS2009 S2.L1 view 1 (vtest.avi): all frames, and frames 200 to 794 apart.

    Boxes as they are, and the count of people on the walkable ground through the whole path, hand-over included.
    """
    event = _with_models(config.load(event_file or example("pets2009")), detector, counter, band, precision)
    camera = event.cameras[0]
    here = camera.source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    event = event.model_copy(update={"cameras": [camera.model_copy(update={"source": here})]})
    if spoiled:
        held_out_frames = range(CHOICES, len(read_boxes(folder / "annotations_s2l1.xml")), every)
        under = pets_conditions.figures(folder, event, condition_counts.kinds_of(spoiled), held_out_frames)
        if as_json:
            print_json(under)
        else:
            Console().print(pets_conditions.table(under))
        return
    frames, detector_id = pets2009(folder, event)
    parts = {
        "all frames": summarise(frames),
        f"frames 0 to {CHOICES - 1} (choices)": summarise(frames[:CHOICES]),
        f"frames {CHOICES} to {len(frames) - 1} (held out)": summarise(frames[CHOICES:]),
    }
    whole, choices, held_out = (part.to_dict() for part in parts.values())
    counts = whole_path.pets_counts(folder, event, hand_counts)
    spans = {"all": slice(None), "choices": slice(CHOICES), "held_out": slice(CHOICES, None)}
    by_path = {name: whole_path.count_errors(counts, span) for name, span in spans.items()}
    if as_json:
        result = {
            **whole, "gate_m": GATE_M, "score_min": camera.score_min, "detector": detector_id,
            "choices": choices, "held_out": held_out, "whole_path": {"counter": counts.counter, **by_path},
        }  # fmt: skip
        print_json(result)
        return
    console = Console()
    console.print(_table(parts, detector_id, camera.score_min))
    table = Table("", *by_path, title=f"People on the walkable ground through the whole path; counter {counts.counter}")
    for key in by_path["all"]:
        table.add_row(key, *(f"{figures[key]:g}" for figures in by_path.values()))
    console.print(table)


def _with_models(
    event: EventFile,
    detector: str | None,
    counter: str | None,
    band: str | None = None,
    precision: str | None = None,
) -> EventFile:
    """The event with other models, another band and another precision of the detector where they are given."""
    wanted = {key: value for key, value in (("model", detector), ("precision", precision)) if value is not None}
    event = event.model_copy(update={"detector": event.detector.model_copy(update=wanted)})
    if counter is not None:
        event = event.model_copy(update={"counter": event.counter.model_copy(update={"model": counter})})
    if band is not None:
        low_high = list(photograph_commands.numbers(band, "--band"))
        event = event.model_copy(update={"counter": event.counter.model_copy(update={"band_p_m2": low_high})})
    return event


def _table(parts: dict[str, Score], detector_id: str, score_min: float) -> Table:
    table = Table("", *parts, title=f"PETS2009 S2.L1 view 1, {detector_id}, score >= {score_min}, gate {GATE_M} m")
    for key in next(iter(parts.values())).to_dict():
        table.add_row(key, *(f"{part.to_dict()[key]:g}" for part in parts.values()))
    return table


@app.command("schedule")
def schedule_command(
    folder: PetsFolder,
    event_file: EventOption = None,
    counter: Annotated[str | None, typer.Option(help="Another counter than the event file's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What the counter's schedule saves, and how far readings are from those with a count of every frame: on PETS2009,
    and on a drawn crowd that gathers and leaves within a minute."""
    event = _with_models(config.load(event_file or example("pets2009")), None, counter)
    results: dict[str, dict[str, Any]] = {
        "pets2009": schedule_effect.effect(schedule_effect.recording(event, folder), "PETS2009"),
        "drawn": schedule_effect.effect(schedule_effect.dense_scene(), "drawn crowd"),
    }
    if as_json:
        print_json(results)
        return
    table = Table("", *results, title="The counter by its schedule against every frame")
    for key in results["drawn"]:
        table.add_row(key, *(f"{figures[key]:g}" for figures in results.values()))
    Console().print(table)


@app.command("health")
def health_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with recordings (.avi, .mp4), at any depth.")],
    hours: Annotated[float, typer.Option(min=0, help="Hours of unspoiled pictures for each recording.")] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Faults of cameras, put into recordings: which are found, after how long, and what is said where nothing is wrong.

    It needs no detector.
    """
    found, false = [], []
    recordings = health_score.recordings(folder)
    total, steps = len(recordings) * health_score.JUDGEMENTS, itertools.count()
    with progress_bar("faults put in", total) as show:
        for recording in recordings:
            found += health_score.find_faults(recording, shown=lambda text: show(next(steps), text))
            false += health_score.false_alarms(recording, hours)
        show(total, "done")
    result = health_score.summary(found, false)
    if as_json:
        print_json(result)
        return
    table = Table("fault", "found", "of", "said after, s, at most", "counted from, s, at most", title="Faults put in")
    for name, figures in result["faults"].items():
        said = "never" if figures["said_s"] is None else f"{figures['said_s']:g}"
        table.add_row(name, str(figures["hits"]), str(figures["of"]), said, f"{figures['counted_s']:g}")
    calm = Table(
        "recording", "coding", *("hours", "blind", "partly", "left out", "untold, s"), title="Nothing is wrong"
    )
    for each in false:
        shown = (each.hours, each.blind, each.partly, each.left_out, each.untold_s)
        calm.add_row(each.recording, each.coding, *(f"{value:g}" for value in shown))
    console = Console()
    console.print(table)
    console.print(calm)
    console.print(
        f"found: {result['hits']} of {result['of']}; falsely blind {result['false_blind_per_h']} times an hour, partly "
        f"{result['false_partly_per_h']} times, in {result['hours']} hours of cameras that stand still. "
        f"Held by hand: {', '.join(result['held_by_hand']) or 'none'}."
    )


@app.command("footage")
def footage_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Keep the films here; default: they are removed.")
    ] = None,
    only: Annotated[str, typer.Option("--only", help="Kinds whose name holds this text.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Is every frame of every kind of film read, at its own time, however it is cut: drawn films whose frames show
    their number, of every codec, container and clock, whole and in parts.

    Exit code 1 where a frame is missing, a time is off by more than a tick, or a part is not one of the whole.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder. Make it, or leave it out.")
    chosen = [kind for kind in footage_kinds.kinds() if only in kind.name]
    if not chosen:
        raise ConfigError(f"--only: got {only!r}, which no kind's name holds. Leave it out to see their names.")
    rows = list(progress(footage_score.score(chosen, folder), "kinds of film", len(chosen)))
    result = footage_score.summary(rows)
    if as_json:
        print_json(result)
    else:
        _show_footage(rows, result)
    if result["missed"]:
        raise typer.Exit(1)


def _show_footage(rows: list[footage_score.Row], result: dict[str, Any]) -> None:
    table = Table("kind", "frames", "of", "time off, ticks", "parts", "differ", "lost", "said")
    for row in rows:
        said = row.traceback or row.refused or row.not_made or " ".join(each.split(": ", 1)[-1] for each in row.said)
        off = row.time_error_s / row.tick_s if row.tick_s else 0.0
        mark = "MISSED: " if row.missed else "silent: " if row.silent else ""
        numbers = (row.found, row.there, f"{off:.2f}", row.parts, row.parts_differ, row.lost)
        table.add_row(row.kind, *map(str, numbers), escape(f"{mark}{said}"))
    console = Console()
    console.print(table)
    keys = ("kinds", "frames_found", "frames_there", "parts", "parts_differ", "silent_losses", "refused", "tracebacks")
    console.print(", ".join(f"{key}: {result[key]}" for key in keys))


def main() -> None:
    """Run the command line."""
    run(app)
