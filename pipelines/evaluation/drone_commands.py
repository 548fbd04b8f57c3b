"""``python -m pipelines.evaluate drone``: telemetry, places, and one ground out of many views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crowdwatch.errors import ConfigError, SourceUnavailable
from crowdwatch.sources.flight.gps_order import decided
from crowdwatch.sources.flight.klv import read_klv
from crowdwatch.sources.flight.log import FlightLog, Order
from crowdwatch.sources.flight.srt import read_srt
from pipelines.command_line import print_json, progress, progress_bar
from pipelines.evaluation import drone_ground, drone_positions

__all__ = ["drone_command", "telemetry_rows"]

MUST: dict[str, tuple[str, float]] = {
    "position_median_m": ("of people by telemetry alone, median", 2.0),
    "position_p90_m": ("90th percentile", 4.0),
    "refined_median_m": ("laid on a reference, median", 0.7),
    "refined_p90_m": ("90th percentile", 1.5),
    "patrol_p90_frac": ("zones of 100 m2 under a patrol, laid on a reference, 90th percentile", 0.1),
    "patrol_most_frac": ("the worst of them", 0.1),
    "wildtrack_net_frac": ("WILDTRACK, counted twice less lost, of the union", 0.05),
    "madras_rmse_p_m2": ("MADRAS, density, laid on a reference, RMSE p/m2", 0.3),
    "coverage_wrong_age": ("cells whose age is wrong after a patrol", 0.0),
}
"""What is asked for: the words, and the most that it may be."""


def drone_command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder with dji_srt, klv, wildtrack and madras: those that are there."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drones on the map: telemetry that is read, where people come to lie, and one ground out of many views.

    Exit code 1 where a figure is worse than it must be.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder. Name the data folder.")
    rows = telemetry_rows(folder)
    flights = list(progress(drone_positions.measure(), "flights", drone_positions.FLIGHTS))
    result: dict[str, Any] = {
        "telemetry": rows,
        "telemetry_read": sum(not row["refused"] for row in rows),
        "telemetry_files": len(rows),
        **drone_positions.figures(flights),
        **_ground(folder),
    }
    missed = [name for name, (_, most) in MUST.items() if name in result and not abs(result[name]) <= most]
    result["missed"] = missed
    if as_json:
        print_json(result)
    else:
        _show(result)
    if missed:
        raise typer.Exit(1)


def telemetry_rows(folder: Path) -> list[dict[str, Any]]:
    """What is read of every file of telemetry in a folder."""
    readers: list[tuple[Path, Callable[[Path], FlightLog]]] = [
        (path, read_srt) for path in sorted((folder / "dji_srt").glob("*")) if path.suffix.lower() == ".srt"
    ]
    readers += [(path, read_klv) for path in sorted((folder / "klv").glob("*.bin"))]
    rows = []
    for path, read in readers:
        row: dict[str, Any] = {"file": path.name, "layout": "", "entries": 0, "order": "", "said": "", "refused": False}
        try:
            log = decided(read(path))
        except SourceUnavailable as fault:
            row |= {"said": str(fault), "refused": True}
        else:
            order = "the site decides" if log.order is Order.UNDECIDED else log.order.value
            row |= {"layout": log.layout, "entries": len(log), "order": order, "said": " ".join(log.notes)}
        rows.append(row)
    return rows


def _ground(folder: Path) -> dict[str, Any]:
    """Figures of the fold: drawn patrols, and the real data that the folder has."""
    wild, tracks = folder / "wildtrack", folder / "madras"
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "patrol_telemetry": lambda: drone_ground.patrol(drone_ground.TELEMETRY),
        "patrol": lambda: drone_ground.patrol(drone_ground.LAID),
        "coverage": drone_ground.coverage_ages,
    }
    if wild.is_dir():
        steps["wildtrack"] = lambda: drone_ground.wildtrack(wild)
    if tracks.is_dir():
        steps["madras_telemetry"] = lambda: drone_ground.madras(tracks, drone_ground.TELEMETRY)
        steps["madras"] = lambda: drone_ground.madras(tracks, drone_ground.LAID)
    found: dict[str, Any] = {}
    with progress_bar("one ground", len(steps)) as show:
        for number, (name, step) in enumerate(steps.items()):
            show(number, name)
            found[name] = step()
        show(len(steps), "done")
    found["patrol_p90_frac"] = found["patrol"]["error_p90_frac"]
    found["patrol_most_frac"] = found["patrol"]["error_most_frac"]
    found["coverage_wrong_age"] = found["coverage"]["wrong_age"]
    if "wildtrack" in found:
        found["wildtrack_net_frac"] = found["wildtrack"]["net_frac"]
    if "madras" in found:
        found["madras_rmse_p_m2"] = found["madras"]["density_rmse_p_m2"]
    return found


def _show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table("file", "layout", "entries", "order", "said", title="Telemetry")
    for row in result["telemetry"]:
        table.add_row(row["file"], row["layout"], str(row["entries"]), row["order"], row["said"])
    console.print(table)
    console.print(f"read: {result['telemetry_read']} of {result['telemetry_files']}")
    table = Table("what", "found", "must be at most", title="Drones on the map")
    for name, (what, most) in MUST.items():
        if name in result:
            table.add_row(what, f"{result[name]:.3g}", f"{most:g}")
    console.print(table)
    for name in ("patrol_telemetry", "patrol", "wildtrack", "madras_telemetry", "madras", "coverage"):
        if name in result:
            console.print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in result[name].items()))
    keys = ("flights", "told_sigma_median_m", "within_two_sigma_frac", "refined_pictures", "refined_failed")
    console.print(", ".join(f"{key} {result[key]:.3g}" for key in keys))
