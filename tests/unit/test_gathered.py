"""Frames of several callers go through a detector together, and each caller gets their own back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crowdwatch.core.records import Anchor, Detections, Frame, Stamp
from crowdwatch.detectors.gathered import GatheredDetector
from crowdwatch.errors import ModelError

MOST = 4
WAIT_S = 30.0


def frame(number: int) -> Frame:
    return Frame(Stamp("c", number, number), np.zeros((2, 2, 3), np.uint8))


class Slow:
    """A detector that holds its first pass until it is let go, and fails on frame 13."""

    detector_id, anchor = "slow", Anchor.FEET

    def __init__(self) -> None:
        self.passes: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def detect(self, frames) -> list[Detections]:
        self.passes.append([each.stamp.seq for each in frames])
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        if any(each.stamp.seq == 13 for each in frames):
            raise ModelError("unlucky")
        none = np.zeros((0, 4))
        return [Detections(each.stamp, none, none[:, 0], none[:, 0], Anchor.FEET, (2, 2), "slow") for each in frames]

    def close(self) -> None:
        pass


def together(numbers: list[int]) -> tuple[Slow, list[list[int] | str]]:
    """Frame 0 alone, and while it is looked at the others, each by a caller of its own."""
    slow = Slow()
    gathered = GatheredDetector(slow, MOST)

    def call(number: int) -> list[int] | str:
        try:
            return [each.stamp.seq for each in gathered.detect([frame(number)])]
        except ModelError as error:
            return str(error)

    with ThreadPoolExecutor(len(numbers) + 1) as pool:
        first = pool.submit(call, 0)
        assert slow.begun.wait(WAIT_S)
        others = [pool.submit(call, number) for number in numbers]
        while len(gathered._waiting) < len(numbers):
            pass
        slow.go_on.set()
        return slow, [each.result(WAIT_S) for each in (first, *others)]


def test_who_comes_while_it_is_busy_goes_into_the_next_pass() -> None:
    slow, found = together([1, 2, 3, 4, 5, 6])
    assert found == [[0], [1], [2], [3], [4], [5], [6]]
    assert [len(each) for each in slow.passes] == [1, MOST, 2]


def test_the_fault_of_one_is_not_that_of_the_others() -> None:
    _, found = together([1, 13, 3])
    assert found == [[0], [1], "unlucky", [3]]


def test_one_caller_may_bring_more_than_a_pass() -> None:
    slow = Slow()
    slow.go_on.set()
    gathered = GatheredDetector(slow, MOST)
    assert [each.stamp.seq for each in gathered.detect([frame(number) for number in range(9)])] == list(range(9))
    assert gathered.detect([]) == []


@pytest.mark.parametrize("name", ["detector_id", "anchor"])
def test_it_is_the_detector_that_it_asks(name: str) -> None:
    assert getattr(GatheredDetector(Slow(), MOST), name) == getattr(Slow, name)
