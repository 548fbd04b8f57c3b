"""Scores of counts against numbers worked out by hand."""

import math

import numpy as np
import pytest

from crowdwatch.core.records import HeadMass, Stamp
from crowdwatch.errors import ConfigError
from pipelines.evaluation.counting_score import PhotoCount, eighths_of_mass, eighths_of_points, game, summarise


def photo(true, found):
    """Everybody in the top left part."""
    grids = np.zeros((2, 8, 8))
    grids[:, 0, 0] = true, found
    return PhotoCount(*grids)


def test_every_figure_of_a_small_set():
    figures = summarise([photo(10, 8), photo(20, 26), photo(40, 40), photo(100, 90), photo(200, 220)])
    assert (figures["photographs"], figures["heads"]) == (5, 370)
    assert figures["mae"] == pytest.approx((2 + 6 + 0 + 10 + 20) / 5)
    assert figures["rmse"] == pytest.approx(math.sqrt((4 + 36 + 0 + 100 + 400) / 5))
    assert figures["nae"] == pytest.approx((0.2 + 0.3 + 0 + 0.1 + 0.1) / 5)
    assert figures["total_ratio"] == pytest.approx(384 / 370)
    assert figures["bias_by_fifth"] == pytest.approx([-0.2, 0.3, 0, -0.1, 0.1])
    assert figures["game1"] == figures["game3"] == figures["mae"]  # all errors lie in one part
    low, high = figures["mae_interval_95"]
    assert 0 < low < figures["mae"] < high < 20


def test_game_sees_errors_that_cancel_in_the_total():
    found = np.zeros((8, 8))
    found[0, 7] = 5
    one = PhotoCount(np.fliplr(found), found)
    assert game(one, 0) == 0
    assert game(one, 1) == 10
    assert game(one, 3) == 10


def test_photographs_without_people_have_no_relative_error():
    figures = summarise([photo(0, 1), photo(0, 3)])
    assert figures["mae"] == 2
    assert math.isnan(figures["nae"])
    assert math.isnan(figures["total_ratio"])
    with pytest.raises(ConfigError, match="no photographs"):
        summarise([])


@pytest.mark.parametrize(("hw", "block_px"), [((768, 1024), 8.0), ((590, 870), 8.0), ((33, 17), 16 / 3), ((8, 8), 8.0)])
def test_mass_on_eighths_stays_the_sum(hw, block_px):
    shape = tuple(math.ceil(side / block_px - 1e-9) for side in hw)
    mass = np.random.default_rng(1).random(shape)
    parts = eighths_of_mass(HeadMass(Stamp("c", 0, 0), mass, block_px, hw, "x"))
    assert parts.shape == (8, 8)
    assert parts.sum() == pytest.approx(mass.sum())


def test_a_block_on_a_border_is_shared_by_area():
    mass = np.zeros((2, 2))
    mass[0, 0] = 1.0  # covers 0..8 of 12 px: eighths of 1.5 px
    parts = eighths_of_mass(HeadMass(Stamp("c", 0, 0), mass, 8.0, (12, 12), "x"))
    assert parts[0, 0] == pytest.approx((1.5 / 8) ** 2)
    assert parts[5, 5] == pytest.approx((0.5 / 8) ** 2)  # 7.5..9 px, of which 0.5 lie in the block
    assert parts[6:].sum() == parts[:, 6:].sum() == 0


def test_points_on_the_edge_belong_to_the_picture():
    parts = eighths_of_points(np.array([[0.0, 0.0], [80.0, 40.0]]), (40, 80))
    assert parts[0, 0] == parts[7, 7] == 1
