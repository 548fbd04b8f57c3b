"""Commands that evaluate models on photographs, with people in them and without."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from crowdwatch.errors import ConfigError
from pipelines.command_line import print_json
from pipelines.evaluation import condition_counts, empty_pictures, flat_path, photograph_counts, ucf_cc_50
from pipelines.evaluation.data_folders import PetsFolder, ShanghaiTechFolder, UcfFolder

__all__ = ["Split", "empty", "numbers", "shanghaitech", "ucf_cc_50_command"]

ModelOption = Annotated[
    str | None, typer.Option(help="A counter or a detector, several with commas; default: the shipped counter.")
]
PrecisionOption = Annotated[str, typer.Option(help="auto, f32, bf16 or int8; several with commas take turns.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Split(StrEnum):
    """Which photographs."""

    TEST = "test"
    TRAIN = "train"
    VALIDATION = "validation"


def shanghaitech(
    folder: ShanghaiTechFolder,
    part: Annotated[str | None, typer.Option(help="A or B; default: one after the other.")] = None,
    split: Annotated[Split, typer.Option(help="validation: of the training photographs, those not learned from.")] = (
        Split.TEST
    ),
    model: ModelOption = None,
    scales: Annotated[
        str, typer.Option(help="Sizes at which a counter sees each picture, such as 1.0,1.5; the mean counts.")
    ] = "",
    score_min: Annotated[
        float, typer.Option("--score", min=0, max=1, help="Boxes of a detector below are not counted.")
    ] = 0.25,
    tile_px: Annotated[int, typer.Option(min=0, help="Side of a detector's tiles; 0: whole pictures.")] = 0,
    overlap_px: Annotated[int, typer.Option(help="Overlap of the tiles.")] = 160,
    runtime: Annotated[str, typer.Option(help="auto, torch or openvino.")] = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    path_too: Annotated[
        bool, typer.Option("--whole-path", help="The counter alone beside the whole path, heads boxed by the detector.")
    ] = False,
    crops: Annotated[
        bool, typer.Option("--nested", help="Growing crops through the whole path: how often the count falls.")
    ] = False,
    spoiled: Annotated[
        str, typer.Option("--conditions", help="Night, rain ...: all, or some with commas; see the README.")
    ] = "",
    every: Annotated[
        int, typer.Option(min=1, help="With --whole-path, --nested or --conditions: one photograph in so many.")
    ] = 1,
    picture: Annotated[
        Path | None,
        typer.Option(help="With --conditions: write the first photograph under each, with its count; count no more."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Counts of the ShanghaiTech photographs: error, where in the picture, bias by crowd size, speed."""
    if part not in (None, "A", "B"):
        raise ConfigError(f"--part: got {part!r}, need A or B.")
    parts = (part,) if part else ("A", "B")
    photos = {one: photograph_counts.of_split(folder, one, split) for one in parts}
    if path_too or crops:
        shown = {one: flat_path.figures(photos[one][::every], model, score_min, crops=crops) for one in parts}
        if as_json:
            print_json({"split": split, **shown})
        else:
            Console().print(_results_table(shown, f"ShanghaiTech, split {split}, through the whole path"))
        return
    given = photograph_counts.Settings(
        runtime, "auto", numbers(scales, "--scales"), score_min, tile_px, overlap_px, threads
    )
    opened = _opened(model, precision, given)
    if spoiled:
        some = {one: photos[one][::every] for one in parts}
        kinds = condition_counts.kinds_of(spoiled)
        if picture is not None:
            _write_picture(picture, condition_counts.sheet(opened[0], some[parts[-1]][0], kinds))
            return
        under = [{"split": split, **condition_counts.figures(one, some, kinds)} for one in opened]
        if as_json:
            print_json(under[0] if len(under) == 1 else under)
        else:
            for each in under:
                Console().print(condition_counts.table(each))
                Console().print(each["summary"])
        return
    results = {one: photograph_counts.score(opened, photos[one], f"part {one}") for one in parts}
    if as_json:
        whole = [{one: found[index] for one, found in results.items()} for index in range(len(opened))]
        answers = [{"split": split, **({"part": part, **one[part]} if part else one)} for one in whole]
        print_json(answers[0] if len(answers) == 1 else answers)
        return
    for index, one in enumerate(opened):
        shown = {name: found[index] for name, found in results.items()}
        Console().print(_results_table(shown, f"ShanghaiTech, split {split}, {one.model_id}"))


def _write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    if path.suffix.lower() not in (".png", ".jpg"):
        raise ConfigError(f"--picture: got {path}, need a name that ends with .png or .jpg.")
    if not path.parent.is_dir() or not cv2.imwrite(str(path), image):
        raise ConfigError(f"--picture: {path} cannot be written. Name a folder that is there.")


def ucf_cc_50_command(
    folder: UcfFolder,
    model: ModelOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Counts of the very dense photographs of UCF_CC_50."""
    photos = ucf_cc_50.photographs(folder)
    opened = _opened(model, precision, photograph_counts.Settings(threads=threads))
    results = photograph_counts.score(opened, photos, "UCF_CC_50")
    if as_json:
        print_json(results[0] if len(results) == 1 else results)
        return
    shown = {str(result["model"]): result for result in results}
    Console().print(_results_table(shown, f"UCF_CC_50, {len(photos)} photographs", ""))


def empty(
    folder: PetsFolder,
    model: ModelOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a model reads in pictures without people: cut out of a recording, and drawn walls, water, leaves ...

    Exit code 1 where it reads more than 2 people in the mean.
    """
    results: dict[str, dict[str, dict[str, float]]] = {}
    for one in _opened(model, precision, photograph_counts.Settings(threads=threads)):
        results[one.model_id] = empty_pictures.counts(one, folder)
    if as_json:
        print_json(results)
    else:
        for name, kinds in results.items():
            table = Table("", "pictures", "mean", "most", title=f"People in pictures without people, {name}")
            for kind, figures in kinds.items():
                table.add_row(kind, *(f"{value:g}" for value in figures.values()))
            Console().print(table)
    if any(kinds["all"]["mean"] > empty_pictures.MOST_PEOPLE for kinds in results.values()):
        raise typer.Exit(1)


def _opened(model: str | None, precision: str, settings: photograph_counts.Settings) -> list[photograph_counts.Model]:
    """Every model at every precision."""
    return [
        photograph_counts.open_model(name, replace(settings, precision=one.strip()))
        for name in (model.split(",") if model else (None,))
        for one in precision.split(",")
    ]


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Numbers in a text with commas between. Raises ConfigError."""
    try:
        return tuple(float(one) for one in text.split(",")) if text else ()
    except ValueError as err:
        raise ConfigError(f"{option}: got {text!r}, need numbers with commas between, such as 1.0,1.5.") from err


def _results_table(results: dict[str, dict[str, Any]], title: str, of: str = "part ") -> Table:
    table = Table("", *(f"{of}{name}" for name in results), title=title)
    for key in next(iter(results.values())):
        if key not in ("model", "gflops_of"):
            values = (result[key] for result in results.values())
            table.add_row(key, *(_cell(value) for value in values))
    return table


def _cell(value: Any) -> str:
    """A text as it is, numbers shortened.

    >>> _cell("counter-n"), _cell([0.25, 3])
    ('counter-n', '0.25 3')
    """
    return value if isinstance(value, str) else " ".join(f"{each:g}" for each in np.atleast_1d(value))
