"""Photographs through the whole path: it counts what the counter counts, and growing crops never lower the number."""

import json
from itertools import pairwise

import numpy as np
import pytest
from photographs import write_both
from typer.testing import CliRunner

from crowdwatch.core.records import Anchor, Detections, Frame, HeadMass, Stamp
from crowdwatch.core.site import HandOver
from pipelines.evaluation import evaluate, flat_path, photograph_counts


class _Models:
    """A detector that finds nobody, and a counter that tells a given mass."""

    def __init__(self, mass):
        self.mass = mass

    def detect(self, frames):
        nobody = (np.empty((0, 4)), np.empty(0), np.empty(0, int))
        return [Detections(f.stamp, *nobody, Anchor.HEAD, f.image_hw, "nobody", False) for f in frames]

    def count(self, frames):
        return [HeadMass(f.stamp, self.mass, 8.0, f.image_hw, "told") for f in frames]


@pytest.mark.parametrize(("hw", "off"), [((160, 192), 0.01), ((157, 190), 0.05)])
def test_mass_in_any_block_is_counted(hw, off):
    """One head in every fifth block, those at the right and lower edge included: all is above the band. Where the edge
    cuts blocks, their cells count by the share that is seen, which takes a part of two of the 21 heads."""
    mass = np.zeros(tuple(-(-side // 8) for side in hw))
    mass[::5, ::5] = 1.0
    mass[-1, -1] = 1.0
    models = _Models(mass)
    image = np.random.default_rng(0).integers(0, 255, (*hw, 3)).astype(np.uint8)
    read = flat_path.read_picture(Frame(Stamp("p", 0, 0), image), models, models, HandOver(), 0.25)
    assert read.counter == mass.sum()
    assert read.path == pytest.approx(mass.sum(), rel=off)  # 0.01: of a kernel's skirts
    assert read.low < read.path < read.high


def test_crops_grow_and_hold_each_other(tmp_path):
    write_both(tmp_path, counts=(12, 30))
    (photo, *_) = photograph_counts.of_split(tmp_path, "A", "train")
    crops = [frame.image_bgr for frame in flat_path.nested(photo)]
    assert crops[-1].shape == (160, 192, 3)
    for small, large in pairwise(crops):
        assert small.size < large.size
        views = np.lib.stride_tricks.sliding_window_view(large, small.shape)
        assert any(np.array_equal(small, views[r, c, 0]) for r in range(views.shape[0]) for c in range(views.shape[1]))


def test_growing_crops_of_real_photographs_never_lower_the_count(data_dir):
    """By more than the interval: three photographs of each part, those kept aside, with the shipped models."""
    photos = []
    for part, least in (("A", 33), ("B", 12)):
        some = photograph_counts.of_split(data_dir / "shanghaitech", part, "validation")[::25]
        assert min(len(photo.heads_px) for photo in some) >= least
        assert len(some) >= 3
        photos += some
    found = flat_path.figures(photos, None, 0.25, crops=True)
    assert found["pairs"] == 4 * len(photos)
    assert found["fell_below_interval"] == 0


def test_the_command_prints_both(tmp_path):
    data = write_both(tmp_path, counts=(12, 30))
    for option, key in (("--whole-path", "path_mae"), ("--nested", "fell_below_interval")):
        call = ["shanghaitech", str(data), "--split", "train", "--part", "A", option, "--every", "2", "--json"]
        result = CliRunner().invoke(evaluate.app, call)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["A"]["photographs"] == 1
        assert key in json.loads(result.stdout)["A"]
    table = CliRunner().invoke(evaluate.app, call[:-1])
    assert table.exit_code == 0, table.output
    assert "deepest_fall" in table.output
