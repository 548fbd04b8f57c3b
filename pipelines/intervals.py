"""How far a counter's counts may be off: ``python -m pipelines.intervals DIR --model NAME``.

Fits the table of :mod:`crowdwatch.intervals` on the photographs kept aside for choices and writes ``intervals.yaml``
into the model's folder. Whole pictures, their quarters and sixteenths are its cases, since a zone may be any part of a
view. Coverage is measured on photographs that the table was not fitted on: five folds of neighbouring numbers, which
keeps most photographs of one place together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from crowdwatch import intervals
from crowdwatch.detectors import weights
from crowdwatch.errors import ConfigError
from crowdwatch.intervals import IntervalTable
from crowdwatch.records import FloatArray
from pipelines import photograph_counts
from pipelines.command_line import err, run
from pipelines.counting_score import SIDE, PhotoCount

FOLDS = 5
LEVELS = (1, 2, 4)
"""Parts along a side: the whole picture, quarters, sixteenths."""
BANDS = 5
SPREADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Counted regions; (N,) each: persons found and true, crowding, weight, and the fold of their photograph."""

    found: FloatArray
    true: FloatArray
    crowding: FloatArray
    weight: FloatArray
    fold: NDArray[np.int64]

    def fit(self, which: NDArray[np.bool_], spread: float) -> IntervalTable:
        """A table from some of the cases."""
        return intervals.fit(
            self.found[which], self.true[which], self.crowding[which],
            bands=BANDS, spread=spread, weight=self.weight[which],
        )  # fmt: skip


def cases(counted: Sequence[tuple[PhotoCount, tuple[int, int]]]) -> Cases:
    """Regions of photographs, in their order, each with its (height, width); every photograph weighs 1 a level.

    >>> one = PhotoCount(np.full((8, 8), 1.0), np.full((8, 8), 2.0))
    >>> cut = cases([(one, (800, 800))])
    >>> len(cut.found), cut.found[:2].tolist(), cut.true[:2].tolist()
    (21, [128.0, 32.0], [64.0, 16.0])
    >>> round(float(cut.crowding[0]), 6), round(float(cut.weight.sum()), 6)
    (2.0, 3.0)
    """
    rows = []
    for index, (photo, (height, width)) in enumerate(counted):
        patch_px2 = height * width / SIDE**2
        for parts in LEVELS:
            side = SIDE // parts
            found, true = (
                grid.reshape(parts, side, parts, side).swapaxes(1, 2).reshape(parts**2, -1)
                for grid in (photo.found, photo.true)
            )
            for here, there in zip(found, true, strict=True):
                crowding = intervals.crowding(here, np.full(len(here), patch_px2))
                fold = index * FOLDS // len(counted)
                rows.append((here.sum(), there.sum(), crowding, 1 / parts**2, fold))
    table = np.array(rows, dtype=np.float64)
    return Cases(table[:, 0], table[:, 1], table[:, 2], table[:, 3], table[:, 4].astype(np.int64))


def held(some: Cases, which: NDArray[np.bool_], table: IntervalTable) -> tuple[float, float]:
    """Share of some cases whose truth lies in its interval, and the mean width of the intervals in persons."""
    ends = np.array([table.bounds(m, c) for m, c in zip(some.found[which], some.crowding[which], strict=True)])
    true, weight = some.true[which], some.weight[which]
    inside = (ends[:, 0] <= true) & (true <= ends[:, 1])
    return float(np.average(inside, weights=weight)), float(np.average(ends[:, 1] - ends[:, 0], weights=weight))


def cross_fitted(some: Cases, spread: float) -> tuple[float, float]:
    """Coverage and width on cases that the tables had not seen: each fold judged by a table of the other four."""
    results, sizes = [], []
    for fold in np.unique(some.fold):
        aside = some.fold == fold
        results.append(held(some, aside, some.fit(~aside, spread)))
        sizes.append(float(some.weight[aside].sum()))
    coverage, width = np.average(np.array(results), axis=0, weights=sizes)
    return float(coverage), float(width)


def text_of(table: IntervalTable, model_id: str, coverage: float, photographs: int) -> str:
    """``intervals.yaml``."""
    lines = [
        "# python -m pipelines.intervals DIR --model NAME; see crowdwatch/intervals.py",
        f"model: {model_id}",
        f"photographs: {photographs}",
        f"coverage_unseen: {coverage:.3f}",
        f"spread: {table.spread:g}",
        "bands:",
    ]
    for band in table.bands:
        below = "" if math.isinf(band.below) else f"below: {band.below:.4g}, "
        lines.append(f"  - {{{below}low: {band.low:.4g}, high: {band.high:.4g}}}")
    return "\n".join(lines) + "\n"


@app.command()
def main_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")],
    model: Annotated[str | None, typer.Option(help="A counter; default: the shipped one.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; default: intervals.yaml beside the weights.")] = None,
) -> None:
    """Fit the intervals of a counter, measure what they hold, write them."""
    name = model or weights.default_model(task="count")
    found = weights.find(name, download=False)
    target = out or found.path.parent / "intervals.yaml"
    if not target.parent.is_dir():
        raise ConfigError(f"--out {target}: its folder is not there.")
    opened = photograph_counts.open_model(name, photograph_counts.Settings())
    counted = []
    for part in ("A", "B"):
        photos = photograph_counts.of_split(folder, part, "validation")
        counts = photograph_counts.count_all([opened], photos, f"part {part}")[0]
        counted += [(one.count, photo.image_hw) for one, photo in zip(counts, photos, strict=True)]
    some = cases(counted)
    results = {spread: cross_fitted(some, spread) for spread in SPREADS}
    for spread, (coverage, width) in results.items():
        err.print(f"spread {spread:g}: holds {coverage:.3f} of unseen cases, {width:.1f} persons wide")
    fit = [spread for spread, (coverage, _) in results.items() if coverage >= intervals.COVERAGE - 0.03]
    best = min(fit or SPREADS, key=lambda spread: results[spread][1])
    table = some.fit(np.ones(len(some.found), dtype=bool), best)
    target.write_text(text_of(table, opened.model_id, results[best][0], len(counted)), encoding="utf-8")
    typer.echo(target.read_text(encoding="utf-8"), nl=False)


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
