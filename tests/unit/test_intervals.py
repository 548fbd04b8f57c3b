"""Intervals: quantiles that hold what they promise on counts they have not seen, and what a zone makes of them."""

import math

import numpy as np
import pytest
from photographs import write_both
from typer.testing import CliRunner

from crowdwatch import build, config, intervals
from crowdwatch.detectors import weights
from crowdwatch.errors import ModelError, RecordError
from crowdwatch.examples import example
from crowdwatch.intervals import IntervalBand, IntervalTable
from pipelines import intervals as fitting
from pipelines.counting_score import PhotoCount


def simulated(rng, count):
    """Counts whose error grows with crowding; and the crowding."""
    true = np.round(np.exp(rng.uniform(1, 7, count)))
    crowded = rng.uniform(0, 20, count)
    found = np.maximum(true * (1 + rng.normal(0, 0.02 + 0.02 * crowded, count)), 0)
    return found, true, crowded


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_unseen_counts_are_held_nine_times_in_ten(spread):
    rng = np.random.default_rng(1)
    found, true, crowded = simulated(rng, 2000)
    table = intervals.fit(found, true, crowded, bands=5, spread=spread, weight=np.ones(len(found)))
    found, true, crowded = simulated(rng, 4000)
    ends = np.array([table.bounds(m, c) for m, c in zip(found, crowded, strict=True)])
    held = (ends[:, 0] <= true) & (true <= ends[:, 1])
    assert 0.87 < held.mean() < 0.93
    for low in range(0, 20, 4):  # and not only on average: in every band
        here = (crowded >= low) & (crowded < low + 4)
        assert 0.84 < held[here].mean() < 0.96


def test_few_cases_make_wide_intervals():
    found, true, crowded = simulated(np.random.default_rng(2), 10)
    table = intervals.fit(found, true, crowded, bands=1, spread=0.1, weight=np.ones(10))
    worst = np.abs((true - found) / intervals.scale(found, 0.1)).max()
    assert max(-table.bands[0].low, table.bands[0].high) == pytest.approx(worst)


@pytest.mark.parametrize(
    ("spread", "bands"),
    [
        (0.1, ()),
        (-0.1, (IntervalBand(math.inf, -1, 1),)),
        (0.1, (IntervalBand(5.0, -1, 1),)),
        (0.1, (IntervalBand(5.0, -1, 1), IntervalBand(2.0, -1, 1), IntervalBand(math.inf, -1, 1))),
        (0.1, (IntervalBand(math.inf, 1, -1),)),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(spread, bands):
    with pytest.raises(RecordError):
        IntervalTable(spread, bands)


@pytest.mark.parametrize("limit", [0.5, 2.0, 3.9, 4.0, 4.1, 6.0])
def test_the_chance_of_exceeding_and_its_inverse(limit):
    chance = intervals.above(4.0, 3.0, 6.0, limit)
    assert 0 <= chance <= 1
    if 0.001 < chance < 0.999:
        assert intervals.exceeded(4.0, 3.0, 6.0, chance) == pytest.approx(limit)
    assert math.isnan(intervals.above(math.nan, 1, 2, limit))


def test_cross_fitting_never_judges_by_what_it_saw():
    rng = np.random.default_rng(3)
    photos = []
    for _ in range(100):
        true = rng.poisson(3.0, (8, 8)).astype(float)
        photos.append((PhotoCount(true, np.maximum(true + rng.normal(0, 1.0, (8, 8)), 0)), (600, 800)))
    some = fitting.cases(photos)
    assert len(some.found) == 100 * 21
    assert set(some.fold) == set(range(fitting.FOLDS))
    coverage, width = fitting.cross_fitted(some, 0.1)
    assert 0.85 < coverage < 0.95
    assert width > 0
    # a fold unlike all the others is not held: its own cases were not used
    odd = [(PhotoCount(p.true, p.found * (3.0 if i < 20 else 1.0)), hw) for i, (p, hw) in enumerate(photos)]
    assert fitting.cross_fitted(fitting.cases(odd), 0.1)[0] < 0.85


def test_the_command_writes_what_the_program_reads(tmp_path, monkeypatch):
    data = write_both(tmp_path / "data", counts=(12, 30, 7, 21))
    shipped = weights.shipped_dirs()[0] / "counter-n"
    card, models = tmp_path / "models" / "counter-n", tmp_path / "models"
    card.mkdir(parents=True)
    for path in shipped.iterdir():
        if path.name in ("model.yaml", "counter-n_openvino_model", "counter-n.pt"):
            (card / path.name).symlink_to(path)
    (models / "validation.txt").write_text((data / "validation.txt").read_text())
    monkeypatch.setattr(weights, "shipped_dirs", lambda: [models])
    result = CliRunner().invoke(fitting.app, [str(data), "--out", str(card / "intervals.yaml")])
    assert result.exit_code == 0, result.output
    event = build.measured(config.load(example("pets2009")))
    assert event.counter.intervals is not None
    assert event.counter.intervals.table().bands[-1].below == math.inf
    (card / "intervals.yaml").write_text("spread: -1\nbands: []\n")
    with pytest.raises(ModelError, match="no table of intervals"):
        build.measured(config.load(example("pets2009")))


def test_the_shipped_table_is_the_shipped_counter_s():
    folder = weights.shipped_dirs()[0] / "counter-n"
    known = weights.read_yaml(folder / "intervals.yaml")
    digest = weights.read_yaml(folder / "model.yaml")["sha256"]["counter-n_openvino_model"]
    assert known["model"].endswith(digest[:12])
    assert 0.87 <= known["coverage_unseen"] <= 0.93
