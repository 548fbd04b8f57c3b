"""Work ahead of who asks gives what ``map`` gives, and truly runs at once."""

import threading
import time
from itertools import islice

import pytest

from crowdwatch.errors import ModelError, SourceTruncated
from crowdwatch.observation.prefetch import prefetch


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_order_is_that_of_the_items(threads):
    def slow_first(number):
        time.sleep(0.01 * (number % 3 == 0))
        return number * number

    assert list(prefetch(range(20), slow_first, threads)) == [n * n for n in range(20)]
    assert list(prefetch([], slow_first, threads)) == []


def test_so_many_are_at_work_at_once():
    """Each waits for two others: with fewer at work the barrier would break."""
    meet = threading.Barrier(3, timeout=20)
    assert list(prefetch(range(6), lambda n: (meet.wait(), n)[1], 3)) == list(range(6))


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_are_taken_than_there_is_work_for(threads):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    made = prefetch(items(), lambda n: n, threads)
    assert taken == []
    assert next(made) == 0
    assert len(taken) <= threads + 1
    made.close()
    assert len(taken) <= threads + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_of_the_items_comes_after_what_was_before_it(threads):
    def items():
        yield from range(5)
        raise SourceTruncated("recording x: ends early.")

    made = prefetch(items(), lambda n: n, threads)
    assert list(islice(made, 5)) == list(range(5))
    with pytest.raises(SourceTruncated, match="ends early"):
        next(made)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_of_the_work_comes_in_its_place(threads):
    def work(number):
        if number == 3:
            raise ModelError("detector x: failed.")
        return number

    made = prefetch(range(9), work, threads)
    assert list(islice(made, 3)) == [0, 1, 2]
    with pytest.raises(ModelError, match="failed"):
        next(made)


def test_no_thread_is_left_behind():
    before = threading.active_count()
    made = prefetch(range(50), lambda n: time.sleep(0.001), 4)
    next(made)
    made.close()
    assert threading.active_count() == before
