"""For who sets a site up: ``crowdwatch check`` holds an event file against itself and its footage, ``crowdwatch
calibrate`` control points against a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdwatch.commands import live_check
from crowdwatch.commands.stored import clear_picture_seen
from crowdwatch.commands.terminal import EXIT_ERROR, EventPath, cell, complain, literal, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.errors import ConfigError, CrowdWatchError

if TYPE_CHECKING:
    from crowdwatch.config import EventFile
    from crowdwatch.config.heights import ZoneHeights
    from crowdwatch.core.site import Site

__all__ = ["calibrate", "check"]

HEIGHTS = (
    "zone", "camera", "input px", "people, px", "boxed on open ground", "boxed in a crowd", "left to the density map",
)  # fmt: skip
RECORDING = ("camera", "file", "begins (UTC)", "from")


def check(
    event: EventPath,
    explain: Annotated[bool, typer.Option("--explain", help="Print every value and where it came from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found for programs.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Try every camera as a live run does: READY, or what to mend.")
    ] = False,
    seconds: Annotated[float, typer.Option("--for", min=2, max=3600, help="Seconds that --live measures.")] = 15.0,
) -> None:
    """Check an event file and its footage, with --live its cameras: every fault at once, each with a remedy."""
    from crowdwatch import config
    from crowdwatch.drivers.checking import judged

    try:
        loaded = config.load(event)
        found_out = judged(loaded)
    except CrowdWatchError as error:
        if not as_json:
            raise
        head, *faults = str(error).splitlines()
        tell(to_json({"sound": False, "faults": faults or [head]}))
        raise typer.Exit(EXIT_ERROR) from error
    site, faults, notes, heights = found_out.site, found_out.faults, found_out.notes, found_out.heights
    trial = live_check.try_live(loaded, seconds) if live and not faults else None
    ready = True
    if as_json:
        found = _found(loaded, site, faults, notes, heights, explain)
        if trial is not None:
            found["live"] = live_check.as_object(trial)
            ready = bool(found["live"]["ready"])
        tell(to_json(found))
    else:
        if explain:
            _say_values(config.explain(loaded))
        _say_recordings(config.recording_times(loaded))
        _say_heights(heights)
        if not faults:
            out.print(f"[green]{literal(event)} is sound[/]: {_counts(site)}.")
        for text in notes:
            out.print(f"[yellow]{literal(text)}[/]")
        for text in faults:
            complain(text)
        if trial is not None:
            ready = live_check.say(trial)
    if faults or not ready:
        raise typer.Exit(EXIT_ERROR)


def _counts(site: Site) -> str:
    parts = {"camera": site.cameras, "zone": site.zones, "gate": site.gates, "phase": site.phases}
    return ", ".join(f"{len(found)} {name}{'' if len(found) == 1 else 's'}" for name, found in parts.items())


def _say_values(rows: list[tuple[str, str, str]]) -> None:
    """Every value, its key whole: on a terminal it is folded, never cut; elsewhere every value has one line."""
    if out.is_terminal:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for name in ("key", "value", "from"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(cell(value) for value in row))
        out.print(table)
        return
    wide = min(60, max(len(key) for key, _, _ in rows))
    for key, value, origin in [("key", "value", "from"), *rows]:
        tell(f"{key:<{wide}}  {value}  [{origin}]")


def _say_recordings(rows: list[tuple[str, str, str, str]]) -> None:
    """Every recording with the time that was found for it: a wrong one shows here before the night."""
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for name in RECORDING:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    out.print(table)


def _say_heights(rows: list[ZoneHeights]) -> None:
    """How tall people look in each zone: before the night, since a camera can still be moved."""
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for name in HEIGHTS:
        table.add_column(name, overflow="fold")
    for row in rows:
        alone, crowd = row.recall
        told = (row.zone_id, row.camera_id, f"{row.image_px}", f"{row.low_px:.0f} to {row.high_px:.0f}",
                f"{alone:g}", f"{crowd:g}", f"{row.left_frac:.0%}")  # fmt: skip
        table.add_row(*(cell(value) for value in told))
    out.print(table)


def _found(
    event: EventFile, site: Site, faults: list[str], notes: list[str], heights: list[ZoneHeights], explain: bool
) -> dict[str, Any]:
    from crowdwatch import config

    found: dict[str, Any] = {
        "sound": not faults,
        "event_id": event.id,
        "cameras": [camera.camera_id for camera in site.cameras],
        "zones": [zone.zone_id for zone in site.zones],
        "recordings": [
            dict(zip(("camera", "file", "begins", "from"), row, strict=True)) for row in config.recording_times(event)
        ],
        "gates": [gate.gate_id for gate in site.gates],
        "phases": [phase.phase_id for phase in site.phases],
        "heights": [
            {
                "zone": row.zone_id,
                "camera": row.camera_id,
                "image_px": row.image_px,
                "low_px": round(row.low_px, 1),
                "high_px": round(row.high_px, 1),
                "recall_open_ground": row.recall[0],
                "recall_crowd": row.recall[1],
                "left_to_density_map_frac": round(row.left_frac, 3),
            }
            for row in heights
        ],
        "faults": faults,
        "notes": notes,
    }
    if explain:
        values = config.explained(event)
        found["values"] = [{"key": key, "value": value, "from": origin} for key, value, origin in values]
    return found


def calibrate(
    points: Annotated[Path, typer.Argument(help="Points file (YAML or CSV): pixel and surveyed ground position.")],
    picture: Annotated[Path | None, typer.Option(help="Picture or video whose frame the grid is drawn over.")] = None,
    save: Annotated[
        Path, typer.Option("--save", help="Where the picture with the ground grid goes, on this machine alone.")
    ] = Path("ground-grid.png"),
    step_m: Annotated[
        float | None,
        typer.Option("--step-m", min=0.1, help="Distance of the grid's lines in metres. [default: fitting]"),
    ] = None,
) -> None:
    """Calibrate a camera from surveyed points: error in metres, and a picture of the ground grid over the frame.

    The frame is shown clear, because kerbs and markings must be seen to be compared. It is written into the file that
    --save names, readable for you alone, and nowhere else.
    """
    from crowdwatch.calibration import calibrate as calibration
    from crowdwatch.calibration.grid_picture import draw_ground_grid, read_picture, write_picture
    from crowdwatch.config.calibrations import calibrated
    from crowdwatch.config.points_file import read_points

    given = read_points(points)
    frame = None if picture is None else read_picture(picture)
    said = None if given.image_size_px is None else (given.image_size_px[1], given.image_size_px[0])
    shown = None if frame is None else (frame.shape[0], frame.shape[1])
    if said is not None and shown is not None and said != shown:
        raise ConfigError(
            f"picture {picture}: is {shown[1]} x {shown[0]}, but the points were clicked in one of {said[1]} x "
            f"{said[0]} (image_size_px of {points}). Name the picture that was clicked, or one of that size."
        )
    image_hw = said or shown
    if image_hw is None:
        raise ConfigError(f"points file {points}: says no image_size_px. Add it, or name a picture with --picture.")
    made = calibrated(given, image_hw)
    tell(calibration.report(made))
    if frame is None:
        out.print("No ground grid was drawn: name a picture or a video of this camera with --picture.")
        return
    write_picture(save, draw_ground_grid(frame, made.plane, step_m=step_m, points=made.points), private=True)
    clear_picture_seen(str(picture), save)
    out.print(f"Ground grid drawn into {literal(save)}: its lines must lie flat on the ground. Look at it.")
    out.print(
        "The picture is clear, not coarsened: people in it can be recognised. It lies in this file alone, which only "
        "you can read; delete it when the calibration is checked."
    )
