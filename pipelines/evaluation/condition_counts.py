"""How a counter counts photographs under conditions: see :mod:`pipelines.evaluation.conditions`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from crowdwatch.core.records import Frame, Stamp
from crowdwatch.errors import ConfigError
from pipelines.command_line import progress
from pipelines.evaluation.conditions import KEPT_OUT, STRENGTHS, Condition, spoil
from pipelines.evaluation.counting_score import PhotoCount, eighths_of_points, summarise
from pipelines.evaluation.photograph_counts import Model
from pipelines.evaluation.shanghaitech import Photograph, read_image

__all__ = ["figures", "kinds_of", "sheet", "table"]

SEED = 14
MIDDLE = 2
CLEAN = "clean"
SHEET_COLS, SHEET_WH, SHEET_BAR_PX = 3, (480, 360), 28
"""Pictures in a row of a sheet, their size, and the height of the line of text over each."""

SHOWN = ("mae", "nae", "total_ratio")

Figures = dict[str, float]


def kinds_of(text: str) -> tuple[Condition, ...]:
    """The kinds in a text: ``all``, or names with commas between.

    >>> [str(kind) for kind in kinds_of("night,rain")]
    ['night', 'rain']
    """
    if text == "all":
        return tuple(Condition)
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(Condition)]
    if unknown:
        raise ConfigError(
            f"--conditions: {', '.join(map(repr, unknown))}: need all, or some of {', '.join(Condition)}."
        )
    return tuple(Condition(name) for name in names)


def figures(model: Model, parts: Mapping[str, Sequence[Photograph]], kinds: Sequence[Condition]) -> dict[str, Any]:
    """Count every photograph as it is, and under every kind at three strengths.

    Returns:
        ``clean`` and ``conditions`` (kind, strength): for each part MAE, NAE and counted over true; ``summary``: at
        middle strength, over both parts: counted over true furthest from 1, and MAE over that of clean photographs, its
        mean and worst, of the kinds that trainings draw from and of those that they never see.
    """
    cases: list[tuple[Condition | None, int]] = [(None, 0), *((kind, each) for kind in kinds for each in STRENGTHS)]
    jobs = [(case, name, photo) for case in cases for name, photos in parts.items() for photo in photos]
    counts: dict[tuple[Condition | None, int, str], list[PhotoCount]] = {}
    for (kind, strength), name, photo in progress(jobs, "photographs under conditions", len(jobs)):
        counts.setdefault((kind, strength, name), []).append(_count(model, photo, kind, strength))

    def of(kind: Condition | None, strength: int) -> dict[str, Figures]:
        return {name: _figures(counts[kind, strength, name]) for name in parts}

    clean = of(None, 0)
    found = {str(kind): {str(strength): of(kind, strength) for strength in STRENGTHS} for kind in kinds}
    return {
        "model": model.model_id, "photographs": {name: len(photos) for name, photos in parts.items()},
        CLEAN: clean, "conditions": found, "summary": _summary(clean, found),
    }  # fmt: skip


def sheet(model: Model, photo: Photograph, kinds: Sequence[Condition]) -> NDArray[np.uint8]:
    """(H, W, 3) BGR: a photograph as it is and under every kind at middle strength, each with what is counted in it."""
    tiles = []
    for kind in (None, *kinds):
        image = _seen(photo, kind, MIDDLE)
        found = float(model.count(Frame(Stamp(photo.name, 0, 0), image)).sum())
        kept_out = ", never learned from" if kind in KEPT_OUT else ""
        text = f"{kind or CLEAN}{kept_out}: {found:.0f} of {len(photo.heads_px)}"
        small = cv2.resize(image, SHEET_WH, interpolation=cv2.INTER_AREA)
        bar = np.zeros((SHEET_BAR_PX, SHEET_WH[0], 3), np.uint8)
        cv2.putText(bar, text, (8, SHEET_BAR_PX - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(np.vstack([bar, small]))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % SHEET_COLS)
    rows = [np.hstack(tiles[first : first + SHEET_COLS]) for first in range(0, len(tiles), SHEET_COLS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _count(model: Model, photo: Photograph, kind: Condition | None, strength: int) -> PhotoCount:
    found = model.count(Frame(Stamp(photo.name, 0, 0), _seen(photo, kind, strength)))
    return PhotoCount(eighths_of_points(photo.heads_px, photo.image_hw), found)


def _seen(photo: Photograph, kind: Condition | None, strength: int) -> NDArray[np.uint8]:
    """The photograph under a condition; as it is where that is None."""
    image = read_image(photo.path)
    if kind is None:
        return image
    seed = [SEED, zlib.crc32(photo.name.encode()), list(Condition).index(kind), strength]
    return spoil(image, kind, strength, np.random.default_rng(seed), photo.heads_px)


def _figures(counts: Sequence[PhotoCount]) -> Figures:
    scored = summarise(counts)
    return {key: round(float(np.mean(scored[key])), 4) for key in SHOWN}


def _summary(clean: Mapping[str, Figures], found: Mapping[str, Mapping[str, Mapping[str, Figures]]]) -> dict[str, Any]:
    middle = {kind: by_strength[str(MIDDLE)] for kind, by_strength in found.items()}
    ratios = {f"{kind} {part}": each["total_ratio"] for kind, parts in middle.items() for part, each in parts.items()}
    times = {
        kind: float(np.mean([parts[part]["mae"] / clean[part]["mae"] for part in parts]))
        for kind, parts in middle.items()
    }
    answer: dict[str, Any] = {}
    if ratios:
        worst = max(ratios, key=lambda name: abs(ratios[name] - 1))
        answer["worst_ratio"], answer["worst_ratio_of"] = ratios[worst], worst
    for name, kinds in (
        ("learned", [k for k in times if k not in KEPT_OUT]),
        ("kept_out", [*filter(times.get, KEPT_OUT)]),
    ):
        if kinds:
            worst = max(kinds, key=times.__getitem__)
            mean = round(float(np.mean([times[kind] for kind in kinds])), 3)
            answer[name] = {
                "kinds": [str(kind) for kind in kinds], "mae_over_clean_mean": mean,
                "mae_over_clean_worst": round(times[worst], 3), "worst": str(worst),
            }  # fmt: skip
    return answer


def table(result: Mapping[str, Any]) -> Table:
    """All of it for a terminal: MAE and counted over true."""
    parts = list(result[CLEAN])
    heads = [f"{part}: {name}" for part in parts for name in ("MAE", "counted over true")]
    title = f"ShanghaiTech under conditions, {result['model']}"
    shown = Table("condition", "strength", *heads, title=title, caption="* kept out of training")

    def row(name: str, strength: str, by_part: Mapping[str, Figures]) -> None:
        cells = [(f"{by_part[part]['mae']:.1f}", f"{by_part[part]['total_ratio']:.2f}") for part in parts]
        shown.add_row(name, strength, *(cell for pair in cells for cell in pair))

    row(CLEAN, "", result[CLEAN])
    for kind, by_strength in result["conditions"].items():
        mark = " *" if kind in KEPT_OUT else ""
        for strength, by_part in by_strength.items():
            row(kind + mark, strength, by_part)
    return shown


def picture(photo: Photograph, kind: Condition | None, strength: int) -> Frame:
    """A photograph as it is, or under a condition, always the same, to be counted."""
    return Frame(Stamp(photo.name, 0, 0), _seen(photo, kind, strength))
