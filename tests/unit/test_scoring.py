"""Scores against numbers that can be worked out by hand."""

import math

import numpy as np
import pytest

from crowdwatch.errors import ConfigError
from pipelines.evaluation.scoring import FrameScore, match, read_boxes, score, summarise

EXACT = 1e-12  # sums of a few float64


def at(*rows):
    return np.array(rows, dtype=float).reshape(-1, 2)


def test_the_best_matching_is_not_the_greedy_one():
    # greedy pairs 0.9 with 1.0 (0.1 apart) and leaves 0 with 1.5; the best sum pairs 0-0.9 and 1.0-1.5
    assert sorted(match(at((0, 0), (1, 0)), at((0.9, 0), (1.5, 0)), 1.0)) == pytest.approx([0.5, 0.9], abs=EXACT)


def test_the_number_of_pairs_comes_before_their_distance():
    # one pair at 0.0 would leave the others 1.8 apart; two pairs at 0.9 each are more pairs
    assert match(at((0, 0), (0.9, 0)), at((0.9, 0), (1.8, 0)), 1.0) == pytest.approx([0.9, 0.9], abs=EXACT)


@pytest.mark.parametrize(("distance", "pairs"), [(0.999, 1), (1.0, 1), (1.001, 0)])
def test_the_gate_is_inclusive(distance, pairs):
    assert len(match(at((0, 0)), at((distance, 0)), 1.0)) == pairs


def test_nobody_and_unknown_positions():
    assert len(match(at(), at((0, 0)), 1.0)) == 0
    assert len(match(at((0, 0)), at(), 1.0)) == 0
    # counted, but not placed: a false alarm for precision, a miss for recall
    assert score(at((0, 0)), at((math.nan, 0)), 1.0) == FrameScore(1, 1, ())


def test_the_order_of_people_changes_nothing():
    rng = np.random.default_rng(3)
    truth, found = rng.uniform(0, 5, (12, 2)), rng.uniform(0, 5, (10, 2))
    turned = match(rng.permutation(truth), rng.permutation(found), 1.0)
    assert sorted(turned) == pytest.approx(sorted(match(truth, found, 1.0)), abs=EXACT)


def test_a_summary_by_hand():
    total = summarise([FrameScore(4, 2, (0.1, 0.3)), FrameScore(1, 4, (0.2,)), FrameScore(0, 0, ())])
    assert (total.frames, total.people) == (3, 5)
    assert total.count_mae == pytest.approx((2 + 3 + 0) / 3, abs=EXACT)
    assert total.count_bias == pytest.approx((-2 + 3 + 0) / 3, abs=EXACT)
    assert total.precision == pytest.approx(3 / 6, abs=EXACT)
    assert total.recall == pytest.approx(3 / 5, abs=EXACT)
    assert total.position_median_m == pytest.approx(0.2, abs=EXACT)
    assert total.position_p90_m == pytest.approx(0.28, abs=EXACT)  # 0.2 + 0.8 * (0.3 - 0.2)


def test_what_cannot_be_known_is_nan():
    total = summarise([FrameScore(0, 0, ())])
    assert all(math.isnan(x) for x in (total.precision, total.recall, total.position_median_m, total.position_p90_m))


def test_annotations(tmp_path):
    path = tmp_path / "truth.xml"
    box = (
        '<frame number="{}"><objectlist><object id="1"><box h="4" w="2" xc="10" yc="20"/></object></objectlist></frame>'
    )
    path.write_text(f"<dataset>{box.format(0)}<frame number='1'/></dataset>")
    boxes = read_boxes(path)
    assert [each.tolist() for each in boxes] == [[[9.0, 18.0, 11.0, 22.0]], []]
    for text in (f"<dataset>{box.format(3)}</dataset>", "no xml", "<dataset><frame/></dataset>"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="annotations"):
            read_boxes(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_boxes(tmp_path / "none.xml")
