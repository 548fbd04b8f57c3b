"""What merging the boxes of tiles costs as the crowd grows: ``python -m pipelines.benchmark_tiles``.

People stand at a constant density on a picture that grows with them; four in ten are told by two tiles. Near-linear
cost shows as a constant time per thousand people.
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

from crowdwatch.detectors.tiled import merge
from pipelines.command_line import print_json

SPACE_PX2 = 480.0
TOLD_TWICE = 0.4
COUNTS = (4_125, 8_250, 16_500, 33_000, 66_000)


def crowd(people: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Boxes (N, 4) and the tile that tells each."""
    middle = rng.uniform(0, (people * SPACE_PX2) ** 0.5, (people, 2))
    half = rng.uniform(5, 10, (people, 1))
    boxes = np.hstack([middle - half, middle + half])
    again = boxes[rng.random(people) < TOLD_TWICE]
    again = again + rng.uniform(-1, 1, again.shape)
    return np.vstack([boxes, again]), np.repeat([0, 1], [people, len(again)])


def seconds(people: int, repeats: int) -> tuple[float, int]:
    """Median time of a merge, and how many boxes stay."""
    rng = np.random.default_rng(people)
    boxes, maker = crowd(people, rng)
    score, same, whole = rng.random(len(boxes)), np.zeros(len(boxes), int), np.zeros(len(boxes), bool)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        kept = merge(boxes, score, same, maker, whole)
        times.append(time.perf_counter() - began)
    return statistics.median(times), len(kept)


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each size.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time the merge at 4,125 to 66,000 people."""
    rows = [(people, *seconds(people, repeats)) for people in COUNTS]
    if as_json:
        print_json([{"people": n, "seconds": s, "kept": k} for n, s, k in rows])
        return
    table = Table("people", "kept", "s", "ms per 1000 people")
    for people, spent, kept in rows:
        table.add_row(f"{people:,}", f"{kept:,}", f"{spent:.3f}", f"{spent / people * 1e6:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
