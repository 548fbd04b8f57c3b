"""A counter, or a detector by itself, over annotated photographs: what ``pipelines.evaluate shanghaitech`` runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdwatch import counters, detectors
from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.records import Anchor, FloatArray, Frame, Stamp
from crowdwatch.counters.exporting import exported as exported_counter
from crowdwatch.counters.openvino_counter import stride_of
from crowdwatch.detectors import TiledDetector, Tiling, weights
from crowdwatch.detectors.openvino_export import exported as exported_detector
from crowdwatch.detectors.tiled import tiles
from crowdwatch.detectors.weights import OPENVINO, WeightsFile, read_yaml
from crowdwatch.errors import ConfigError
from pipelines.command_line import progress
from pipelines.evaluation.counting_score import PhotoCount, eighths_of_mass, eighths_of_points, summarise
from pipelines.evaluation.network_size import network_size
from pipelines.evaluation.shanghaitech import Photograph, kept_aside, photographs, read_image, read_list

__all__ = ["CountedPhotograph", "Model", "Settings", "count_all", "of_split", "open_model", "score"]

PICTURE_HW = (768, 1024)
"""The size for which operations are stated: that of part B's photographs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is run.

    Args:
        runtime: ``auto``, ``torch`` or ``openvino``.
        precision: see ``counters.load``; a detector takes ``auto`` as f32.
        scales: of a counter's pictures; several are averaged; empty is the model's own.
        score_min: boxes of a detector below are not counted.
        tile_px: side of a detector's tiles; 0 shows it whole pictures.
        overlap_px: of the tiles.
        threads: of the runtime.
    """

    runtime: str = "auto"
    precision: str = "auto"
    scales: tuple[float, ...] = ()
    score_min: float = 0.25
    tile_px: int = 0
    overlap_px: int = 160
    threads: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Something that counts photographs.

    Args:
        model_id: what it is, exactly.
        count: frame -> (8, 8) people in each of 64 equal parts of the picture.
        parameters: of the network.
        gflops: 1e9 operations for a picture of 1024x768 pixels.
    """

    model_id: str
    count: Callable[[Frame], FloatArray]
    parameters: int
    gflops: float


def of_split(root: Path, part: str, split: str) -> list[Photograph]:
    """Photographs of a part in ``train``, ``test``, or ``validation``: those of the training split that no training
    learns from. Raises ConfigError."""
    if split != "validation":
        return photographs(root, part, split)
    lists = [path for folder in weights.shipped_dirs() if (path := folder / "validation.txt").is_file()]
    if not lists:
        raise ConfigError("split validation: models/validation.txt is not there. Restore it, or choose train or test.")
    return kept_aside(root, part, read_list(lists[0]))


def open_model(name: str | None, settings: Settings) -> Model:
    """A counter or a detector by name or path; None is the shipped counter.

    Raises:
        ConfigError, ModelError: see ``counters.load`` and ``detectors.load``.
    """
    name = weights.default_model(task="count") if name is None else name
    found = weights.find(name)
    return _counter(name, found, settings) if counters.is_counter(found) else _detector(name, found, settings)


@dataclass(frozen=True, slots=True, eq=False)
class CountedPhotograph:
    """One photograph's count, and the seconds that it took."""

    count: PhotoCount
    seconds: float


def count_all(models: Sequence[Model], photos: Sequence[Photograph], label: str) -> list[list[CountedPhotograph]]:
    """Every model over every photograph. The models take turns photograph by photograph, so that their speeds can be
    compared; reading the files is left out."""
    counted: list[list[CountedPhotograph]] = [[] for _ in models]
    for index, photo in enumerate(progress(photos, label, len(photos))):
        frame = Frame(Stamp(photo.name, index, 0), read_image(photo.path))
        true = eighths_of_points(photo.heads_px, photo.image_hw)
        for model, counts in zip(models, counted, strict=True):
            began = time.perf_counter()
            found = model.count(frame)
            counts.append(CountedPhotograph(PhotoCount(true, found), time.perf_counter() - began))
    return counted


def score(models: Sequence[Model], photos: Sequence[Photograph], label: str) -> list[dict[str, object]]:
    """Every figure of each model over one set; images_per_s leaves out the first photograph."""
    return [_figures(*one) for one in zip(models, count_all(models, photos, label), strict=True)]


def _figures(model: Model, counted: Sequence[CountedPhotograph]) -> dict[str, object]:
    spent = [one.seconds for one in counted[1:] or counted]
    return {
        **{key: np.round(value, 4).tolist() for key, value in summarise([one.count for one in counted]).items()},
        "images_per_s": round(len(spent) / sum(spent), 2),
        "parameters": model.parameters,
        "gflops": round(model.gflops, 2),
        "gflops_of": "one 1024x768 picture; 2 per multiply-add of convolutions and matrix products",
        "model": model.model_id,
    }


def _counter(name: str, found: WeightsFile, settings: Settings) -> Model:
    scales = settings.scales or (None,)
    opened: list[Counter] = [
        counters.load(name, settings.runtime, precision=settings.precision, scale=scale, threads=settings.threads)
        for scale in scales
    ]

    def count(frame: Frame) -> FloatArray:
        parts = [eighths_of_mass(counter.count([frame])[0]) for counter in opened]
        return np.asarray(np.mean(parts, axis=0))

    folder = found.path if found.kind == OPENVINO else exported_counter(found)
    gflops, parameters = 0.0, 0
    for counter in opened:
        (seen,) = counter.count([Frame(Stamp("size", 0, 0), np.full((*PICTURE_HW, 3), 128, np.uint8))])
        scale = stride_of(folder) / seen.block_px
        hw = tuple(32 * int(np.ceil(side * scale / 32 - 1e-9)) for side in PICTURE_HW)
        parameters, more = network_size(folder, (hw[0], hw[1]))
        gflops += more
    return Model(" + ".join(counter.counter_id for counter in opened), count, parameters, gflops)


def _detector(name: str, found: WeightsFile, settings: Settings) -> Model:
    if settings.scales:
        raise ConfigError(f"--scales: {name} is a detector, which takes none. Give a counter.")
    precision = "f32" if settings.precision == "auto" else settings.precision
    folder = found.path if found.kind == OPENVINO else exported_detector(found, image_px=640, max_det=3000)
    # a model that knows heads is there to count heads: a person behind others shows no more
    names = read_yaml(folder / "metadata.yaml").get("names")
    anchor = Anchor.HEAD if isinstance(names, dict) and "head" in names.values() else Anchor.FEET
    detector: Detector = detectors.load(
        name, settings.runtime, precision=precision, score_floor=min(0.05, settings.score_min),
        threads=settings.threads, anchor=anchor,
    )  # fmt: skip
    passes = 1
    if settings.tile_px:
        tiling = Tiling(settings.tile_px, settings.overlap_px)
        detector = TiledDetector(detector, tiling)
        cut = len(tiles(PICTURE_HW, tiling))
        passes = cut + 1 if tiling.overview and cut > 1 else cut

    def count(frame: Frame) -> FloatArray:
        (boxes,) = detector.detect([frame])
        xyxy = boxes.xyxy_px[boxes.score >= settings.score_min]
        return eighths_of_points((xyxy[:, :2] + xyxy[:, 2:]) / 2, frame.image_hw)

    height, width = read_yaml(folder / "metadata.yaml")["imgsz"]  # two numbers, or the detector had refused it
    parameters, gflops = network_size(folder, (int(height), int(width)))
    counted = "head" if anchor is Anchor.HEAD else "person"
    return Model(f"{detector.detector_id}, {counted} >= {settings.score_min:g}", count, parameters, gflops * passes)
