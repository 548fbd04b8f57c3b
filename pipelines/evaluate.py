"""Accuracy against annotated truth: ``python -m pipelines.evaluate pets2009 DIR --json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from crowdwatch import build, config, geometry
from crowdwatch.config import EventFile
from crowdwatch.errors import ConfigError, CrowdWatchError
from crowdwatch.examples import example
from crowdwatch.observe import locate
from crowdwatch.scoring import FrameScore, Score, read_boxes, score, summarise

GATE_M = 1.0
CHOICES = 200
"""Every setting is chosen on frames 0 to 199 and reported on the rest."""

app = typer.Typer(help="Measure accuracy against annotated footage.", no_args_is_help=True, add_completion=False)
err = Console(stderr=True)


def pets2009(folder: Path, event: EventFile) -> tuple[list[FrameScore], str]:
    """Score every frame of PETS2009 S2.L1 view 1 through the event file's detector, calibration and score limit.

    A frame's count is everyone detected with at least the camera's ``score_min``; truth is every annotated box, its
    feet (bottom centre) put on the ground through the same calibration.
    """
    site = config.to_site(event)
    camera = site.cameras[0]
    source = build.open_source(event, site, camera)
    boxes = read_boxes(folder / "annotations_s2l1.xml")
    detector = build.open_detector(event)
    frames = []
    for pair in track(source.pairs(), description="frames", total=len(boxes), console=err):
        (detections,) = detector.detect([pair.current])
        keep = detections.score >= camera.score_min
        found_m = locate(detections, camera.plane).xy_m[keep]
        seq = pair.current.stamp.seq
        if seq >= len(boxes):
            raise ConfigError(f"annotations in {folder}: end before frame {seq} of the recording.")
        truth = boxes[seq]
        feet_px = (truth[:, [0, 3]] + truth[:, [2, 3]]) / 2
        frames.append(score(geometry.to_ground(camera.plane, feet_px), found_m, GATE_M))
    return frames, detector.detector_id


@app.callback()
def _root() -> None:
    """Measure accuracy against annotated footage."""


@app.command("pets2009")
def pets2009_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with vtest.avi and annotations_s2l1.xml.")],
    event_file: Annotated[
        Path | None, typer.Option("--event", help="Event file; default: the shipped example.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count and position error on PETS2009 S2.L1 view 1 (vtest.avi): all frames, and frames 200 to 794 apart."""
    event = config.load(event_file or example("pets2009"))
    camera = event.cameras[0]
    here = camera.source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    event = event.model_copy(update={"cameras": [camera.model_copy(update={"source": here})]})
    frames, detector_id = pets2009(folder, event)
    parts = {
        "all frames": summarise(frames),
        f"frames 0 to {CHOICES - 1} (choices)": summarise(frames[:CHOICES]),
        f"frames {CHOICES} to {len(frames) - 1} (held out)": summarise(frames[CHOICES:]),
    }
    whole, choices, held_out = (part.to_dict() for part in parts.values())
    if as_json:
        result = {
            **whole, "gate_m": GATE_M, "score_min": camera.score_min, "detector": detector_id,
            "choices": choices, "held_out": held_out,
        }  # fmt: skip
        typer.echo(json.dumps(result, indent=2))
        return
    Console().print(_table(parts, detector_id, camera.score_min))


def _table(parts: dict[str, Score], detector_id: str, score_min: float) -> Table:
    table = Table("", *parts, title=f"PETS2009 S2.L1 view 1, {detector_id}, score >= {score_min}, gate {GATE_M} m")
    for key in next(iter(parts.values())).to_dict():
        table.add_row(key, *(f"{part.to_dict()[key]:g}" for part in parts.values()))
    return table


def main() -> None:
    """Run the command line."""
    try:
        app()
    except CrowdWatchError as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
