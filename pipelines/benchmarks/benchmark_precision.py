"""How far boxes and zone counts move when frames go through the detector together, or at a lower precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from crowdwatch import config
from crowdwatch.core.records import Detections, FloatArray
from crowdwatch.detectors import weights
from crowdwatch.drivers import build
from crowdwatch.drivers.batch import GPU_FRAMES, JobSettings
from pipelines.benchmarks import benchmark_runs as runs
from pipelines.benchmarks.benchmark_footage import footage_of
from pipelines.benchmarks.benchmark_runs import Measured
from pipelines.benchmarks.child_process import alone

__all__ = ["compare", "precision"]

SAME_IOU = 0.5
"""Two boxes of one frame that overlap less are not the same person's."""

TORCH_FRAMES = 64
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to run the networks.

    Args:
        event: says how.
        frames: that go through the detector together.
        work: what runs it.
    """

    event: config.EventFile
    frames: int = 1
    work: Callable[..., Measured] = runs.plain


def precision(event: config.EventFile, seconds: int, folder: Path, gpus: bool) -> dict[str, Any]:
    """Compare ways of running the same networks with f32, one frame at a time, on the CPU.

    Args:
        event: the event file; with ``gpus`` one whose networks run on torch.
        seconds: event time from its beginning.
        folder: for runs.
        gpus: compare the GPU with the CPU, with and without the counter; else precisions of the detector alone.

    Returns:
        Per way what :func:`compare` says, and ``zone_counts_off``: the largest difference of a zone's people over
        the recording, as a share of their sum.
    """
    name = weights.default_model() if event.detector.model == "auto" else event.detector.model
    least, to_ns = event.cameras[0].score_min, event.cameras[0].source.start_ns + seconds * NS
    rows: dict[str, dict[str, Any]] = {}
    for number, ways in enumerate(_on_gpu(event) if gpus else [_on_cpu(event, name)]):
        found = {way: _run(asked, folder / f"{number}-{n}", to_ns) for n, (way, asked) in enumerate(ways.items())}
        (reference, boxes), *_ = found.values()
        for way, (measured, others) in found.items():
            if measured is not reference:
                rows[way] = compare(boxes, others, least) | {"zone_counts_off": _zones_off(reference, measured)}
    if not gpus:
        rows["torch, 8 in a pass against 1"] = _torch(event, name, least)
    return {"seconds": seconds, "rows": rows}


def _on_cpu(event: config.EventFile, name: str) -> dict[str, _Way]:
    """Precisions of the detector; the first is what the others are compared with."""
    f32 = {"model": f"{name}.pt", "runtime": "openvino", "precision": "f32"}
    boxes = _with(event, "counter", model="none")
    return {
        "f32, batch 1": _Way(_with(boxes, "detector", **f32)),
        "f32, --batch-frames 8": _Way(_with(boxes, "detector", **f32), 8),
        "bf16": _Way(_with(boxes, "detector", **{**f32, "precision": "bf16"})),
        "INT8, as shipped": _Way(_with(boxes, "detector", model=name, runtime="openvino")),
    }


def _on_gpu(event: config.EventFile) -> list[dict[str, _Way]]:
    """The GPU against the CPU, all through torch; the first of each is what the others are compared with."""
    boxes = _with(event, "counter", model="none")
    return [
        {
            "CPU": _Way(boxes, 1, runs.plain_on_cpu),
            "GPU, detector alone, batch 1": _Way(boxes),
            f"GPU, detector alone, --batch-frames {GPU_FRAMES}": _Way(boxes, GPU_FRAMES),
        },
        {
            "CPU": _Way(event, 1, runs.plain_on_cpu),
            f"GPU, with the counter, --batch-frames {GPU_FRAMES}": _Way(event, GPU_FRAMES),
        },
    ]


def _with(event: config.EventFile, key: str, **changes: Any) -> config.EventFile:
    return event.model_copy(update={key: getattr(event, key).model_copy(update=changes)})


def _run(way: _Way, folder: Path, to_ns: int) -> tuple[Measured, list[Detections]]:
    """What a way measured, and the boxes of every frame."""
    folder.mkdir()
    settings = JobSettings(folder / "runs", batch_frames=way.frames, to_ns=to_ns)
    measured = alone(way.work, way.event.model_dump_json(), str(folder), settings)
    log = build.open_log(next((folder / "runs").iterdir()))
    return measured, [each.detections for each in log.observations()]


def _torch(event: config.EventFile, name: str, least: float) -> dict[str, Any]:
    """Torch computes a batch at once, as on a GPU; OpenVINO is given one frame after the other."""
    from crowdwatch.detectors.torch_yolo import TorchYolo

    file = weights.find(f"{name}.pt", kinds=(weights.PT,), download=False)
    frames = [pair.current for pair in islice(footage_of(event).pairs(), TORCH_FRAMES)]
    one, eight = (TorchYolo(file, batch=batch).detect(frames) for batch in (1, 8))
    return compare(one, eight, least)


def compare(reference: list[Detections], found: list[Detections], least: float) -> dict[str, Any]:
    """Boxes of the same frames, frame by frame.

    Args:
        reference, found: boxes of the same frames in the same order.
        least: boxes with a lower score are left out.

    Returns:
        ``boxes`` of the reference; ``missing`` and ``added`` boxes; of those in both the largest difference of an edge
        per box, in pixels: its median, 99th percentile and maximum.
    """
    moved: list[float] = []
    missing = added = 0
    for one, other in zip(reference, found, strict=True):
        if one.stamp != other.stamp:
            raise ValueError(f"frames: got {other.stamp}, need {one.stamp}. Compare logs of the same footage.")
        a, b = (each.xyxy_px[each.score >= least] for each in (one, other))
        pairs = list(_pairs(a, b))
        missing, added = missing + len(a) - len(pairs), added + len(b) - len(pairs)
        moved += [float(np.abs(a[i] - b[j]).max()) for i, j in pairs]
    p50, p99, most = np.percentile(moved, [50, 99, 100]) if moved else (np.nan,) * 3
    return {
        "boxes": len(moved) + missing,
        "missing": missing,
        "added": added,
        "edge_px": {"median": float(p50), "p99": float(p99), "max": float(most)},
    }


def _pairs(a: FloatArray, b: FloatArray) -> Iterator[tuple[int, int]]:
    if not len(a) or not len(b):
        return
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (a, b)]
    iou = shared / (areas[0][:, None] + areas[1][None, :] - shared)
    for i, j in zip(*linear_sum_assignment(-iou), strict=True):
        if iou[i, j] >= SAME_IOU:
            yield int(i), int(j)


def _zones_off(reference: Measured, found: Measured) -> float:
    """The largest difference of a zone's people summed over all ticks, as a share of the reference's sum."""
    known = [key for key, count in reference.counts.items() if count == count]
    sums = [
        (sum(r.counts[key] for key in known if key[0] == zone) for r in (reference, found))
        for zone in sorted({key[0] for key in known})
    ]
    return max(abs(other - one) / one for one, other in sums if one > 0)
