"""What joining the boxes of tiles costs as the crowd grows: ``python -m pipelines.benchmark_tiles``.

People stand at a constant density on a picture that grows with them, cut into tiles as a detector would; every tile
tells whom it sees, whole or in part, each box moved by up to a pixel. Near-linear cost shows as a time per thousand
people that stays the same: the last column, against the smallest crowd.
"""

from __future__ import annotations

import statistics
import time
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from crowdwatch.core.records import Anchor, Detections, Stamp
from crowdwatch.detectors.tiled import Tile, Tiling, join, tiles
from pipelines.command_line import print_json, run

app = typer.Typer(help="Measure what joining the boxes of tiles costs.", add_completion=False)

SPACE_PX2 = 480.0
TILING = Tiling(overview=False)
COUNTS = (4_125, 8_250, 16_500, 33_000, 66_000)


def crowd(people: int, rng: np.random.Generator) -> tuple[tuple[int, int], NDArray[np.float64]]:
    """Size of the picture, and boxes (N, 4) of 10 to 20 px within it."""
    side = round((people * SPACE_PX2) ** 0.5)
    half = rng.uniform(5, 10, (people, 1))
    middle = rng.uniform(half, side - half, (people, 2))
    return (side, side), np.hstack([middle - half, middle + half])


def told(boxes: NDArray[np.float64], tile: Tile, rng: np.random.Generator) -> Detections:
    """What a tile sees of the crowd, in its own pixels: those of whom at least three pixels show."""
    left, top, right, bottom = tile.box_px
    size = np.array([right - left, bottom - top] * 2, dtype=float)
    moved = boxes + rng.uniform(-1, 1, boxes.shape) - np.array([left, top, left, top])
    seen = np.clip(moved, 0, size)
    seen = seen[((seen[:, 2:] - seen[:, :2]) >= 3).all(axis=1)]
    n = len(seen)
    hw = (bottom - top, right - left)
    return Detections(Stamp("c", 0, 0), seen, rng.uniform(0.3, 0.9, n), np.zeros(n, int), Anchor.HEAD, hw, "benchmark")


def seconds(people: int, repeats: int) -> tuple[float, int, int]:
    """Median time to join, how many boxes the tiles tell, how many people stay."""
    rng = np.random.default_rng(people)
    image_hw, boxes = crowd(people, rng)
    cut = tiles(image_hw, TILING)
    answers = [told(boxes, tile, rng) for tile in cut]
    times, kept = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        kept = len(join(answers, cut, image_hw, TILING).score)
        times.append(time.perf_counter() - began)
    return statistics.median(times), sum(len(one) for one in answers), kept


@app.command()
def main_command(
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each size.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time the joining of 4,125 to 66,000 people."""
    rows = [(people, *seconds(people, repeats)) for people in COUNTS]
    if as_json:
        print_json([{"people": n, "seconds": s, "boxes": b, "kept": k} for n, s, b, k in rows])
        return
    least = rows[0][1] / rows[0][0]
    table = Table("people", "boxes told", "kept", "s", "time, times the smallest", "time per person, likewise")
    for people, spent, boxes, kept in rows:
        times = f"{spent / rows[0][1]:.1f}", f"{spent / people / least:.2f}"
        table.add_row(f"{people:,}", f"{boxes:,}", f"{kept:,}", f"{spent:.3f}", *times)
    Console().print(table)


def main() -> None:
    """Run the command line."""
    run(app)
