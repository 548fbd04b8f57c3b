"""The matrix of faults: a few of its cells on drawn crowds, and that it can fail."""

import itertools

import numpy as np
import pytest

from crowdwatch.analytics import engine
from crowdwatch.analytics.memory import Lost
from crowdwatch.analytics.sudden_fall import Falls
from pipelines.evaluation import fault_footage, fault_matrix

NAMES = ("cover, half", "silence", "freeze behind it")
KINDS = [fault for fault in fault_matrix.KINDS if fault.name in NAMES]


@pytest.fixture(scope="module")
def drawn():
    return {footage.name: footage for footage in itertools.islice(fault_footage.drawn(), 2)}


def test_no_loss_of_sight_reads_as_calm(drawn):
    cells = fault_matrix.matrix(drawn["one camera"], ("long",), KINDS)
    assert {cell.fault for cell in cells} == set(NAMES)
    summary = fault_matrix.summary(cells)
    assert (summary["false_calm"], summary["levels_lowered"]) == (0, 0)
    for cell in cells:
        assert cell.hidden > 200, "the crowd was hidden"
        assert cell.said_s is not None
        assert cell.said_s <= 8
        assert cell.blind_s is not None
        assert cell.blind_s <= 10


def test_where_a_second_camera_sees_the_ground_nothing_is_lost(drawn):
    (cell,) = fault_matrix.matrix(drawn["two cameras over all"], ("long",), KINDS[-1:])
    assert not cell.false_calm
    assert cell.blind_s is None
    assert cell.hidden < 0.1 * 292


def test_a_product_that_forgets_who_was_seen_is_caught(drawn, monkeypatch):
    def forgotten(view, *_):
        nothing = np.zeros(len(view.zones))
        return Lost(nothing, nothing, nothing, nothing, nothing)

    monkeypatch.setattr(engine, "lost_of", forgotten)
    monkeypatch.setattr(engine, "falls_of", lambda *_: Falls({}, {}, {}))
    (cell,) = fault_matrix.matrix(drawn["one camera"], ("long",), KINDS[:1])
    assert KINDS[0].name == "cover, half"
    assert cell.false_calm
    assert cell.why
