"""How far counts by boxes are off where boxes count: cases for :mod:`pipelines.evaluation.intervals`.

Boxes count where the counter's density on the ground is low (:mod:`crowdwatch.analytics.handover`), so every box and
every true head weighs 1 - w of where it stands. Photographs whose perspective can be fitted
(:mod:`pipelines.evaluation.perspective`) give many cameras with small people; frames 0 to 199 of PETS2009 give a
calibrated one with large people. Neighbouring frames show the same errors: all of them together weigh what so many
independent ones would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely

from crowdwatch import config
from crowdwatch.analytics.density import smooth_mass
from crowdwatch.analytics.handover import on_grid, weight_of
from crowdwatch.assets.examples import example
from crowdwatch.core.ports import Counter, Detector
from crowdwatch.core.records import FloatArray, Frame, GroundPlane, HeadMass, Stamp
from crowdwatch.core.site import BAND_P_M2
from crowdwatch.drivers import recordings
from crowdwatch.ground import to_ground, valid_px, walkable_ground
from crowdwatch.observation.projection import project_to_ground
from pipelines.command_line import progress
from pipelines.evaluation.counting_score import PhotoCount, eighths_of_points
from pipelines.evaluation.interval_cases import FOLDS, Counted
from pipelines.evaluation.perspective import HEAD_M, ground_of
from pipelines.evaluation.scoring import read_boxes
from pipelines.evaluation.shanghaitech import Photograph, read_image

__all__ = ["CHOICES", "SCORE_MIN", "independent", "of_pets", "of_photographs"]

CHOICES = 200
"""Frames of PETS2009 that every choice is made on; figures are reported on the rest."""

SCORE_MIN = 0.25
"""The event file's default."""

CELL_M, BANDWIDTH_M, AROUND_M = 0.5, 1.0, 3.0
"""The event file's defaults, and how far beyond the outermost people the ground goes on: three bandwidths."""

LAGS = 50
"""Frames over which errors of one recording may resemble each other: 7 s, in which a walker crosses a quarter of it."""


def of_photographs(photos: Sequence[Photograph], part: str, detector: Detector, counter: Counter) -> Iterator[Counted]:
    """Those photographs whose perspective can be fitted."""
    for number, photo in enumerate(progress(photos, f"part {part}", len(photos))):
        frame = Frame(Stamp(photo.name, 0, 0), read_image(photo.path))
        (found,) = detector.detect([frame])
        xyxy_px = found.xyxy_px[found.score >= SCORE_MIN]
        plane = ground_of(photo.image_hw, xyxy_px, photo.heads_px)
        if plane is not None:
            seen = _where_boxes_count(photo, xyxy_px, plane, counter.count([frame])[0])
            yield Counted(seen, photo.image_hw, part, number)


def _where_boxes_count(photo: Photograph, xyxy_px: FloatArray, plane: GroundPlane, mass: HeadMass) -> PhotoCount:
    """Boxes and true heads in 64 parts of a photograph, each by 1 - w of where it stands on the ground."""
    feet_px, tops_px = ((xyxy_px[:, [0, row]] + xyxy_px[:, [2, row]]) / 2 for row in (3, 1))
    on_ground = valid_px(plane, feet_px, 0.0), valid_px(plane, photo.heads_px, HEAD_M)
    feet_m = to_ground(plane, feet_px)[on_ground[0]]
    heads_m = to_ground(plane, photo.heads_px, HEAD_M)[on_ground[1]]
    everybody = np.concatenate([feet_m, heads_m])
    if not len(everybody):
        return PhotoCount(*np.zeros((2, 8, 8)))
    ground = walkable_ground(shapely.MultiPoint(everybody).envelope.buffer(AROUND_M).envelope, CELL_M)
    grid = ground.grid
    rho = smooth_mass(grid, on_grid(project_to_ground(mass, plane, ground), grid), np.ones(grid.shape), BANDWIDTH_M)
    weight = 1 - weight_of(rho, *BAND_P_M2)

    def at(xy_m: FloatArray) -> FloatArray:
        col, row = np.floor((xy_m - grid.origin_m) / grid.cell_m).astype(np.int64).T
        of_cells: FloatArray = weight[row, col]
        return of_cells

    hw = photo.image_hw
    return PhotoCount(
        true=eighths_of_points(photo.heads_px[on_ground[1]], hw, at(heads_m)),
        found=eighths_of_points(tops_px[on_ground[0]], hw, at(feet_m)),
    )


def of_pets(folder: Path, detector: Detector) -> list[Counted]:
    """Frames 0 to 199 of PETS2009 S2.L1 view 1, where nobody stands close; five stretches of time are its places.

    Raises:
        SourceUnavailable, ConfigError: the recording or its annotations cannot be read.
    """
    event = config.load(example("pets2009"))
    source = event.cameras[0].source.model_copy(update={"sample": None, "file": str(folder / "vtest.avi")})
    event = event.model_copy(update={"cameras": [event.cameras[0].model_copy(update={"source": source})]})
    site = config.to_site(event)
    truth = read_boxes(folder / "annotations_s2l1.xml")
    counts, image_hw = [], site.cameras[0].fixed_plane.image_hw
    for pair in progress(recordings.open_source(event, site, site.cameras[0]).pairs(), "PETS2009", CHOICES):
        seq = pair.current.stamp.seq
        if seq >= CHOICES:
            break
        (found,) = detector.detect([pair.current])
        boxes = found.xyxy_px[found.score >= SCORE_MIN]
        tops = ((each[:, [0, 1]] + each[:, [2, 1]]) / 2 for each in (truth[seq], boxes))
        counts.append(PhotoCount(*(eighths_of_points(each, image_hw) for each in tops)))
    errors = np.array([one.found.sum() - one.true.sum() for one in counts])
    weight = independent(errors) / len(errors)
    return [Counted(one, image_hw, "PETS", k * FOLDS // len(counts), weight) for k, one in enumerate(counts)]


def independent(series: FloatArray) -> float:
    """How many independent values a series is worth: N / (1 + 2 sum r_k), r_k its autocorrelations up to the first that
    is not positive.

    Source: Bartlett 1946; initial positive sequence, Geyer 1992, "Practical Markov Chain Monte Carlo".

    >>> independent(np.array([1.0, -1.0] * 50))
    100.0
    >>> round(independent(np.repeat([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0], 10)), 1)
    13.0
    """
    off = series - series.mean()
    whole = float(off @ off)
    total = 0.0
    for lag in range(1, min(LAGS, len(series) - 1) + 1):
        r = float(off[lag:] @ off[:-lag]) / whole if whole > 0 else 0.0
        if r <= 0:
            break
        total += r
    return len(series) / (1 + 2 * total)
