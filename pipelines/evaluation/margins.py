"""How far a counter may be off for the state of a picture, and what its intervals hold then.

``python -m pipelines.margins fit DIR --model NAME`` counts the photographs that a training learns from, each under one
condition that trainings draw from at any strength, every third also as it is, and writes ``margins.yaml`` beside the
weights. Umbrellas are left out: they hide people and change no statistic of the picture.

``python -m pipelines.margins judge DIR --model NAME`` counts photographs kept aside under every condition at three
strengths, those that no training sees too, and prints how many intervals hold the truth.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from crowdwatch import config, counters
from crowdwatch.analytics.readings import UNLIKE_FRAC
from crowdwatch.config import IntervalsSettings
from crowdwatch.core.intervals import IntervalTable
from crowdwatch.core.ports import Counter
from crowdwatch.core.records import FloatArray, Frame, HeadMass, Stamp
from crowdwatch.counters import margins
from crowdwatch.counters.margins import Margins
from crowdwatch.counters.picture_state import NAMES, state_of
from crowdwatch.detectors import weights
from crowdwatch.detectors.weights import WeightsFile, read_yaml
from crowdwatch.errors import ConfigError
from pipelines.command_line import err, print_json, progress, run
from pipelines.evaluation import condition_counts, margin_fit, photograph_counts
from pipelines.evaluation.conditions import KEPT_OUT, LEARNED, STRENGTHS, Condition, spoil
from pipelines.evaluation.counting_score import PhotoCount, eighths_of_mass, eighths_of_points
from pipelines.evaluation.interval_cases import Counted, cases, ends_of
from pipelines.evaluation.margin_fit import States
from pipelines.evaluation.shanghaitech import PARTS, Photograph, apart, read_image, read_list

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True)

SEED = 15
KINDS = tuple(kind for kind in LEARNED if kind is not Condition.UMBRELLAS)
PLAIN_EVERY = 3

Model = Annotated[str | None, typer.Option(help="A counter by name or path; default: the shipped one.")]
Root = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Of the runtime; default: one a core.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def _opened(model: str | None, threads: int | None) -> tuple[Counter, WeightsFile]:
    name = model or weights.default_model(task=weights.COUNT)
    found = weights.find(name, download=False)
    if not counters.is_counter(found):
        raise ConfigError(f"--model: {name} is no counter. Name one, or leave it out.")
    return counters.load(name, threads=threads), found


def _log_ratio(true: float, found: float) -> float:
    return float(np.log((true + 1) / (found + 1)))


def states_of(counter: Counter, photos: Sequence[Photograph]) -> States:
    """Count photographs under conditions that trainings draw from, and note the state of every picture."""
    jobs = [(number, photo, spoiled) for number, photo in enumerate(photos) for spoiled in (False, True)]
    jobs = [job for job in jobs if job[2] or job[0] % PLAIN_EVERY == 0]
    states, errors, kinds, numbers = [], [], [], []
    for number, photo, spoiled in progress(jobs, "photographs and their states", len(jobs)):
        image, kind = read_image(photo.path), ""
        if spoiled:
            rng = np.random.default_rng([SEED, zlib.crc32(photo.name.encode())])
            kind = KINDS[number % len(KINDS)]
            image = spoil(image, Condition(kind), float(rng.uniform(0, STRENGTHS[-1])), rng, photo.heads_px)
        (found,) = counter.count([Frame(Stamp(photo.name, number, 0), image)])
        state = state_of(image, found.mass, found.block_px)
        if state is None:
            continue
        states.append(state)
        errors.append(_log_ratio(len(photo.heads_px), found.total))
        kinds.append(str(kind))
        numbers.append(number)
    return States(np.array(states), np.array(errors), np.array(kinds), np.array(numbers))


def text_of(fitted: Margins, model_id: str, seen: States) -> str:
    """``margins.yaml``."""
    plain = int((seen.kind == "").sum())
    lines = [
        "# python -m pipelines.margins fit DIR --model NAME; see crowdwatch/counters/margins.py",
        f"model: {model_id}",
        f"pictures: {{as they are: {plain}, spoiled: {len(seen.error) - plain}}}",
        *(
            f"{name}: {{fewer: {fewer:.4g}, more: {more:.4g}}}"
            for name, (fewer, more) in (("offsets", fitted.offsets), ("stretch", fitted.stretch))
        ),
        "statistics:",
    ]
    rows = zip(NAMES, fitted.middle, fitted.spread, *fitted.weights, strict=True)
    lines += [
        f"  {name}: {{middle: {middle:.4g}, spread: {spread:.4g}, fewer: {fewer:.4g}, more: {more:.4g}}}"
        for name, middle, spread, fewer, more in rows
    ]
    return "\n".join(lines) + "\n"


@app.command("fit")
def fit_command(
    folder: Root,
    model: Model = None,
    out: Annotated[Path | None, typer.Option(help="The file; default: margins.yaml beside the weights.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th photograph.")] = 1,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Fit how far a counter may be off for the state of a picture, and write it."""
    counter, found = _opened(model, threads)
    target = out or found.path.parent / margins.FILE
    if not target.parent.is_dir():
        raise ConfigError(f"--out {target}: its folder is not there.")
    learn, _ = apart(folder, read_list(_validation()))
    seen = states_of(counter, [photo for photos in learn for photo in photos][::every])
    if len(np.unique(seen.photo[seen.kind == ""])) < 2 * margin_fit.FOLDS:
        raise ConfigError(f"{folder}: {len(seen.error)} pictures are too few. Take more photographs.")
    fitted, outside = margin_fit.fit(seen)
    target.write_text(text_of(fitted, counter.counter_id, seen), encoding="utf-8")
    by_kind = {
        kind or condition_counts.CLEAN: {
            "pictures": int((seen.kind == kind).sum()), "more": round(more, 3), "fewer": round(fewer, 3),
        }
        for kind, (more, fewer) in outside.items()
    }  # fmt: skip
    if as_json:
        rows = zip(NAMES, fitted.middle, fitted.spread, *fitted.weights, strict=True)
        statistics = {name: dict(zip(("middle", "spread", "fewer", "more"), row, strict=True)) for name, *row in rows}
        offsets, stretch = (
            dict(zip(("fewer", "more"), side.tolist(), strict=True)) for side in (fitted.offsets, fitted.stretch)
        )
        answer = {"model": counter.counter_id, "file": str(target), "offsets": offsets, "stretch": stretch}
        answer["statistics"] = statistics
        print_json(answer | {"outside_of_unseen": by_kind})
        return
    err.print("shares of unseen photographs outside, meant 0.05:", markup=False)
    for kind, each in by_kind.items():
        err.print(f"  {kind}: {each['more']:.3f} more, {each['fewer']:.3f} fewer, of {each['pictures']}", markup=False)
    typer.echo(target.read_text(encoding="utf-8"), nl=False)


def _validation() -> Path:
    lists = [path for folder in weights.shipped_dirs() if (path := folder / "validation.txt").is_file()]
    if not lists:
        raise ConfigError("models/validation.txt is not there: what may be learned from is not known. Restore it.")
    return lists[0]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the intervals of one condition at one strength hold.

    Args:
        regions: share of the regions of photographs, weighted as :mod:`pipelines.evaluation.interval_cases` says.
        photographs: share of whole photographs.
        parts: that of the regions in each part.
        without: share of regions that the intervals of photographs as they are would hold.
        too_many: share of regions with more people than the upper end.
        more_frac: median of the photographs.
        said: share of photographs of which a reading would say that the counter cannot be relied on.
        held_or_said: share of photographs whose interval holds the truth, or of which that is said.
        width: mean width of the regions' intervals over that without margins.
    """

    regions: float
    photographs: float
    parts: dict[str, float]
    without: float
    too_many: float
    more_frac: float
    said: float
    held_or_said: float
    width: float


def coverage(table: IntervalTable, found: Sequence[HeadMass], photos: Sequence[Photograph]) -> Coverage:
    """What the intervals hold of photographs that were counted under one condition."""
    counted = [
        Counted(PhotoCount(eighths_of_points(photo.heads_px, photo.image_hw), eighths_of_mass(mass)), photo.image_hw,
                photo.name.split("/")[0], index)
        for index, (mass, photo) in enumerate(zip(found, photos, strict=True))
    ]  # fmt: skip
    some = cases(counted)
    shares = np.nan_to_num([(mass.fewer_frac, mass.more_frac) for mass in found])
    low, high = ends_of(table, some.found, some.crowding)
    fewer, more = shares[some.picture].T
    down, up = np.maximum(0.0, low - fewer * some.found), high + more * some.found
    inside: NDArray[np.bool_] = (down <= some.true) & (some.true <= up)
    whole = np.unique(some.picture, return_index=True)[1]
    said = shares.max(axis=1) >= UNLIKE_FRAC

    def share(which: NDArray[np.bool_] | FloatArray) -> float:
        return float(np.average(which, weights=some.weight))

    parts = {
        str(part): float(np.average(inside[some.part == part], weights=some.weight[some.part == part]))
        for part in np.unique(some.part)
    }
    return Coverage(
        share(inside), float(inside[whole].mean()), parts, share((low <= some.true) & (some.true <= high)),
        share(some.true > up), float(np.median(shares[:, 1])), float(said.mean()),
        float((inside[whole] | said).mean()), share((up - down) / (high - low)),
    )  # fmt: skip


def _table(path: Path) -> IntervalTable:
    """The intervals of photographs as they are."""
    if not path.is_file():
        raise ConfigError(f"--intervals {path}: it is not there. Fit it first: python -m pipelines.intervals.")
    content = read_yaml(path)
    keys = ("spread", "between", "bands")
    try:
        return IntervalsSettings.model_validate({key: content[key] for key in keys if key in content}).table()
    except ValidationError as error:
        raise ConfigError(f"--intervals {path}: is no table of intervals ({config.plainly(error)}).") from error


@app.command("judge")
def judge_command(
    folder: Root,
    model: Model = None,
    conditions: Annotated[str, typer.Option(help="all, or kinds with commas between.")] = "all",
    every: Annotated[int, typer.Option(min=1, help="Take every n-th photograph kept aside.")] = 1,
    intervals: Annotated[
        Path | None, typer.Option(help="Those of photographs as they are; default: intervals.yaml beside the weights.")
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure how many intervals hold the truth of photographs kept aside, under every condition."""
    counter, found = _opened(model, threads)
    if margins.read(found.path.parent / margins.FILE) is None:
        raise ConfigError(f"{found.path.parent / margins.FILE}: it is not there. Fit it first: pipelines.margins fit.")
    table = _table(intervals or found.path.parent / "intervals.yaml")
    kinds = condition_counts.kinds_of(conditions)
    photos = [photo for part in PARTS for photo in photograph_counts.of_split(folder, part, "validation")[::every]]
    held = {case: coverage(table, masses, photos) for case, masses in _counted(counter, photos, kinds).items()}
    if as_json:
        plain = asdict(held[None, 0])
        of_kinds = {
            str(kind): {"kept_out": kind in KEPT_OUT, **{str(each): asdict(held[kind, each]) for each in STRENGTHS}}
            for kind in kinds
        }
        answer = {"model": counter.counter_id, "photographs": len(photos), "said_from": UNLIKE_FRAC}
        print_json({**answer, condition_counts.CLEAN: plain, "conditions": of_kinds})
        return
    Console().print(_shown(held, counter.counter_id, len(photos)))


Case: TypeAlias = tuple[Condition | None, int]


def _counted(counter: Counter, photos: Sequence[Photograph], kinds: Sequence[Condition]) -> dict[Case, list[HeadMass]]:
    """Every photograph as it is and under every kind at three strengths, counted."""
    cases_of: list[Case] = [(None, 0), *((kind, each) for kind in kinds for each in STRENGTHS)]
    jobs = [(case, photo) for case in cases_of for photo in photos]
    found: dict[Case, list[HeadMass]] = {}
    for case, photo in progress(jobs, "photographs under conditions", len(jobs)):
        found.setdefault(case, []).extend(counter.count([condition_counts.picture(photo, *case)]))
    return found


def _shown(held: Mapping[Case, Coverage], model_id: str, photographs: int) -> Table:
    heads = (
        "strength",
        "held",
        "photos",
        "before",
        "too few",
        "more",
        "said",
        "held or said",
        "width",
    )
    title = f"What intervals hold of {photographs} photographs, {model_id}"
    shown = Table("condition", *heads, title=title, caption="* kept out of training")
    for (kind, strength), each in held.items():
        name = condition_counts.CLEAN if kind is None else f"{kind} *" if kind in KEPT_OUT else str(kind)
        numbers = (
            each.regions, each.photographs, each.without, each.too_many, each.more_frac, each.said, each.held_or_said,
            each.width,
        )  # fmt: skip
        shown.add_row(name, str(strength or ""), *(f"{number:.2f}" for number in numbers))
    return shown


def main() -> None:
    """Run the command line."""
    run(app)
