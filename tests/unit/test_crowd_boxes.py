"""Head boxes from head points: the picture's perspective where it can be told, the spacing elsewhere."""

import numpy as np
import pytest

from pipelines.evaluation.crowd_boxes import HEAD_OF_STATURE, LEAST_PX, MOST_PX, head_boxes, head_sizes, stature_line


def street(rng, people=30, a=-20.0, b=0.4):
    """Whole people whose stature is a + b * row of the head, and their heads."""
    rows = rng.uniform(150, 600, people)
    stature = a + b * rows
    x = rng.uniform(50, 950, people)
    # the head's middle lies at 7 % of the stature below the top of the box
    boxes = np.stack([x - stature / 5, rows - 0.07 * stature, x + stature / 5, rows + 0.93 * stature], axis=1)
    return boxes, np.stack([x, rows], axis=1)


def apart(rng):
    """A street where nobody's box holds another's head: one person every 30 columns."""
    boxes, heads = street(rng)
    shift = np.arange(len(heads)) * 400.0 - heads[:, 0]
    boxes[:, [0, 2]] += shift[:, None]
    heads[:, 0] += shift
    return boxes, heads


def test_the_line_is_found_in_spite_of_wrong_boxes():
    boxes, heads = apart(np.random.default_rng(1))
    boxes[::6, 3] += 200  # a sixth of the boxes are far too tall, but still upright
    a, b = stature_line(boxes, heads)
    assert b == pytest.approx(0.4, rel=0.1)
    assert a + b * 400 == pytest.approx(140, rel=0.05)


@pytest.mark.parametrize("what", ["few", "nobody", "flat", "upside down", "one row"])
def test_without_evidence_there_is_no_line(what):
    boxes, heads = apart(np.random.default_rng(2))
    if what == "few":
        boxes = boxes[:7]
    elif what == "nobody":
        heads = np.empty((0, 2))
    elif what == "flat":  # nobody's box is upright
        boxes[:, 3] = boxes[:, 1] + (boxes[:, 2] - boxes[:, 0])
    elif what == "upside down":
        boxes, heads = apart_with(np.random.default_rng(2), a=400.0, b=-0.4)
    else:
        boxes[:, [1, 3]] += (300 - heads[:, 1])[:, None]
        heads[:, 1] = 300
    assert stature_line(boxes, heads) is None


def apart_with(rng, a, b):
    boxes, heads = street(rng, a=a, b=b)
    shift = np.arange(len(heads)) * 400.0 - heads[:, 0]
    boxes[:, [0, 2]] += shift[:, None]
    heads[:, 0] += shift
    return boxes, heads


def test_a_head_is_a_seventh_of_the_stature_where_people_stand_apart():
    heads = np.array([[x, y] for x in range(0, 1200, 300) for y in (200.0, 500.0)])
    size = head_sizes(heads, (0.0, 0.3))
    assert size == pytest.approx(HEAD_OF_STATURE * 0.3 * heads[:, 1])


def test_the_spacing_decides_in_a_crowd():
    grid = np.array([[x, y] for x in range(0, 300, 12) for y in range(0, 300, 12)], float)
    size = head_sizes(grid)
    # three nearest of an inner point of a square grid stand 12 px away: half of it
    assert np.median(size) == pytest.approx(6.0)
    assert (head_sizes(grid, (1000.0, 0.0)) <= 1.5 * 8.5).all()  # and caps what a wrong perspective says


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_heads(count):
    boxes = head_boxes(np.arange(2 * count, dtype=float).reshape(count, 2) * 100)
    assert boxes.shape == (count, 4)
    assert (boxes[:, 2] - boxes[:, 0] <= MOST_PX).all()


def test_two_points_on_one_spot_keep_a_size():
    boxes = head_boxes(np.zeros((6, 2)))
    assert boxes[:, 2] - boxes[:, 0] == pytest.approx(LEAST_PX)
