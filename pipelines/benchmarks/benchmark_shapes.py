"""The detector's input as a square and in the picture's own shape, at equal sight, side by side; see ``benchmark
--shapes``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from crowdwatch import config
from crowdwatch.core.records import Detections, Frame, Stamp
from crowdwatch.detectors.boxes import BoxLimits, ModelShape
from crowdwatch.detectors.letterbox import Letterbox, blob
from crowdwatch.drivers import build
from crowdwatch.errors import ConfigError
from crowdwatch.observation.prefetch import prefetch
from pipelines.benchmarks.benchmark_footage import footage_of
from pipelines.benchmarks.benchmark_precision import compare
from pipelines.benchmarks.benchmark_runs import Network
from pipelines.command_line import print_json

__all__ = ["measure_shapes"]

SHAPES = {"16:9": (1080, 1920), "4:3": (1080, 1440)}
"""Of the footage: the middle of the recording's pictures, enlarged."""

PICTURES, EVERY = 24, 8
"""Pictures that lie ready, and how far apart they are in the recording."""

IMAGE_PX = 640
NAMES = ("person", "head")


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to fit pictures into the network."""

    detector: Any
    fit: Callable[[tuple[int, int]], Letterbox]
    shape: ModelShape

    def look(self, frame: Frame) -> Detections:
        """All that a detector does with a picture."""
        fit = self.fit(frame.image_hw)
        answer = self.detector.forward(blob([frame.image_bgr], [fit]))[0]
        return self.shape.detections(frame, answer, fit, BoxLimits(), self.detector.detector_id)


def measure_shapes(event: config.EventFile, frames: int, repeats: int, *, as_json: bool) -> None:
    """Print frames a second of either input, their ratio, and how far boxes differ, for footage of each shape.

    The ratio of CPU seconds a frame stands beside it: on a machine that has other work to do it is the steadier one.

    Args:
        event: names the recording and the detector, which takes any size.
        frames: of one repeat.
        repeats: interleaved; the ratio is the median of each repeat's own.
        as_json: for programs.

    Raises:
        ConfigError: the detector has one size alone.
    """
    site = config.to_site(event)
    models = build.Models(event, site)
    detector = models.detector(site.cameras[0])
    if not isinstance(detector, Network) or not detector.detector_id.split("/")[0].endswith("fit"):
        raise ConfigError("--shapes: needs a network that takes any size. Leave out tiles, and name the shipped model.")
    gives = ModelShape.of(detector.detector_id, NAMES)
    square = _Way(detector, lambda hw: Letterbox.fit(hw, (IMAGE_PX, IMAGE_PX)), gives)
    own = _Way(detector, lambda hw: Letterbox.follow(hw, (IMAGE_PX, IMAGE_PX)), gives)
    images = [pair.current.image_bgr for pair in islice(footage_of(event).pairs(), 0, PICTURES * EVERY, EVERY)]
    rows = {}
    for name, hw in SHAPES.items():
        shown = [Frame(Stamp("c", number, number), _cut(image, hw)) for number, image in enumerate(images)]
        found = [[way.look(frame) for frame in shown] for way in (square, own)]  # compiles both sizes
        rows[name] = {
            "input_hw": list(own.fit(hw).input_hw),
            **_rates((square, own), shown, frames, repeats, models.streams + 1),
            **compare(found[0], found[1], site.cameras[0].score_min),
        }
    models.close()
    if as_json:
        print_json({"detector": detector.detector_id, "square_px": IMAGE_PX, "rows": rows})
        return
    _print(rows, detector.detector_id, repeats)


def _rates(ways: Sequence[_Way], shown: list[Frame], frames: int, repeats: int, threads: int) -> dict[str, float]:
    rates: list[list[float]] = [[] for _ in ways]
    works: list[list[float]] = [[] for _ in ways]
    for _ in range(repeats):
        for way, into, worked in zip(ways, rates, works, strict=True):
            pictures = (shown[number % len(shown)] for number in range(frames))
            began, busy = time.perf_counter(), time.process_time()
            done = sum(1 for _ in prefetch(pictures, way.look, threads))
            into.append(done / (time.perf_counter() - began))
            worked.append((time.process_time() - busy) / done)
    square, own = rates
    return {
        "square_hz": statistics.median(square),
        "own_shape_hz": statistics.median(own),
        "ratio": statistics.median(two / one for one, two in zip(square, own, strict=True)),
        "cpu_ratio": statistics.median(one / two for one, two in zip(*works, strict=True)),
    }


def _cut(image_bgr: NDArray[np.uint8], hw: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture in another shape, enlarged to a size."""
    height, width = image_bgr.shape[:2]
    scale = min(height / hw[0], width / hw[1])
    tall, wide = round(hw[0] * scale), round(hw[1] * scale)
    top, left = (height - tall) // 2, (width - wide) // 2
    part = image_bgr[top : top + tall, left : left + wide]
    return np.asarray(cv2.resize(part, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _print(rows: dict[str, dict[str, Any]], detector_id: str, repeats: int) -> None:
    names = (
        "footage",
        "input",
        "square, frames/s",
        "own shape, frames/s",
        "ratio",
        "of CPU time",
        "boxes",
        "missing, added",
    )
    table = Table(*names, title=f"{detector_id}, {IMAGE_PX} px, median of {repeats} interleaved repeats")
    for name, row in rows.items():
        height, width = row["input_hw"]
        table.add_row(
            name, f"{width}x{height}", f"{row['square_hz']:.1f}", f"{row['own_shape_hz']:.1f}", f"{row['ratio']:.2f}",
            f"{row['cpu_ratio']:.2f}", f"{row['boxes']}", f"{row['missing']}, {row['added']}",
        )  # fmt: skip
    Console().print(table)
