"""How far the counts of a model may be off: ``python -m pipelines.intervals DIR --model NAME``.

Fits the table of :mod:`crowdwatch.core.intervals` on the photographs kept aside for choices and writes
``intervals.yaml`` into the model's folder. Coverage is measured by part on photographs of places that neither the table
nor the choice of its bands and spread had seen (:mod:`pipelines.evaluation.interval_cases`).

A detector's is fitted on PETS2009's first 200 frames (``--pets DIR``), one camera, and what is known of the factor
between cameras is added. How much of the photographs it holds, where boxes count, is written beside it: there boxes
find less than half of the people, and no interval of a use would hold that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from crowdwatch import counters, detectors
from crowdwatch.core.intervals import BETWEEN_CAMERAS, IntervalTable
from crowdwatch.detectors import weights
from crowdwatch.errors import ConfigError
from pipelines.command_line import err, run
from pipelines.evaluation import interval_boxes, photograph_counts, split
from pipelines.evaluation.interval_cases import FOLDS, Counted, Held, cases, choose, cross_fitted, held
from pipelines.evaluation.shanghaitech import Photograph

app = typer.Typer(add_completion=False)


def placed(photos: Sequence[Photograph], part: str) -> list[int]:
    """The number of each photograph's place."""
    of = [0] * len(photos)
    for number, members in enumerate(split.places(photos, f"part {part}")):
        for member in members:
            of[member] = number
    return of


def of_counter(folder: Path, name: str) -> tuple[list[Counted], str]:
    """Every photograph kept aside, counted whole; and the counter's id."""
    opened = photograph_counts.open_model(name, photograph_counts.Settings())
    counted = []
    for part in ("A", "B"):
        photos = photograph_counts.of_split(folder, part, "validation")
        counts = photograph_counts.count_all([opened], photos, f"part {part}")[0]
        rows = zip(counts, photos, placed(photos, part), strict=True)
        counted += [Counted(one.count, photo.image_hw, part, place) for one, photo, place in rows]
    return counted, opened.model_id


def of_detector(folder: Path, name: str, counter: str, pets: Path) -> tuple[list[Counted], list[Counted], str]:
    """PETS2009's first frames, which the table is fitted on; photographs kept aside whose perspective can be fitted,
    where boxes count, which it is only tried on; and the detector's id."""
    detector, beside = detectors.load(name), counters.load(counter)
    others: list[Counted] = []
    for part in ("A", "B"):
        photos = photograph_counts.of_split(folder, part, "validation")
        others += interval_boxes.of_photographs(photos, part, detector, beside)
    return interval_boxes.of_pets(pets, detector), others, detector.detector_id


def text_of(
    table: IntervalTable, model_id: str, seen: Held, counted: Sequence[Counted], more: Sequence[str] = ()
) -> str:
    """``intervals.yaml``."""
    parts = sorted(seen.by_part)
    worth = {part: sum(one.weight for one in counted if one.part == part) for part in parts}
    shares = ", ".join(f"{part}: {seen.by_part[part]:.3f}" for part in parts)
    lines = [
        f"# python -m pipelines.intervals DIR --model NAME{' --pets DIR' if more else ''}; "
        "see crowdwatch/core/intervals.py",
        f"model: {model_id}",
        f"pictures: {{{', '.join(f'{part}: {worth[part]:.0f}' for part in parts)}}}",
        f"coverage_unseen: {seen.coverage:.3f}",
        f"coverage_unseen_by_part: {{{shares}}}",
        *more,
        f"spread: {table.spread:g}",
        *([f"between: {table.between:g}"] if table.between else []),
        "bands:",
    ]
    for band in table.bands:
        below = "" if math.isinf(band.below) else f"below: {band.below:.4g}, "
        lines.append(f"  - {{{below}low: {band.low:.4g}, high: {band.high:.4g}}}")
    return "\n".join(lines) + "\n"


@app.command()
def main_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")],
    model: Annotated[str | None, typer.Option(help="A counter or a detector; default: the shipped counter.")] = None,
    counter: Annotated[
        str | None, typer.Option(help="Beside a detector: says where boxes count; default: the shipped one.")
    ] = None,
    pets: Annotated[
        Path | None, typer.Option(help="For a detector: folder with vtest.avi and annotations_s2l1.xml.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file; default: intervals.yaml beside the weights.")] = None,
) -> None:
    """Fit the intervals of a counter or a detector, measure what they hold, write them."""
    name = model or weights.default_model(task=weights.COUNT)
    found = weights.find(name, download=False)
    target = out or found.path.parent / "intervals.yaml"
    if not target.parent.is_dir():
        raise ConfigError(f"--out {target}: its folder is not there.")
    others: list[Counted] = []
    if counters.is_counter(found):
        if counter or pets:
            raise ConfigError(f"--counter, --pets: {name} is a counter itself. Leave them out.")
        counted, model_id = of_counter(folder, name)
    elif pets is None:
        raise ConfigError(f"--pets: {name} is a detector, whose intervals are fitted on PETS2009. Name its folder.")
    else:
        beside = counter or weights.default_model(task=weights.COUNT)
        counted, others, model_id = of_detector(folder, name, beside, pets)
    some = cases(counted)
    if len(np.unique(some.fold)) < FOLDS:
        raise ConfigError(f"{len(counted)} pictures are too few: need {FOLDS} places in some part to be judged apart.")
    seen = cross_fitted(some)
    every = np.ones(len(some.found), dtype=bool)
    bands, spread = choose(some, every)
    shares = ", ".join(f"{part} {share:.3f}" for part, share in sorted(seen.by_part.items()))
    err.print(f"holds {seen.coverage:.3f} of unseen cases ({shares}), {seen.width:.1f} persons wide", markup=False)
    table, more = some.fit(every, bands, spread), []
    if others:
        table = replace(table, between=BETWEEN_CAMERAS)
        tried = cases(others)
        by_part = held(tried, np.ones(len(tried.found), dtype=bool), table).by_part
        shares = ", ".join(f"{part}: {share:.3f}" for part, share in sorted(by_part.items()))
        more = [f"coverage_of_photographs: {{{shares}}} # where boxes count; not fitted on them"]
    target.write_text(text_of(table, model_id, seen, counted, more), encoding="utf-8")
    typer.echo(target.read_text(encoding="utf-8"), nl=False)


def main() -> None:
    """Run the command line."""
    run(app)
