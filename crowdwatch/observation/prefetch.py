"""Work done ahead of who asks for it, in threads, in order: while a network computes, the next frame is decoded and
prepared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from crowdwatch.errors import CrowdWatchError

__all__ = ["prefetch"]

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetch(items: Iterable[Item], work: Callable[[Item], Made], threads: int) -> Generator[Made]:
    """``map(work, items)``, with up to ``threads`` items at work at once and one more waiting.

    What comes out, and in which order, is that of ``map``: a :class:`CrowdWatchError` of ``items`` is raised after what
    was made of the items before it, an error of ``work`` in its item's place. Items are taken in the thread that asks.

    Args:
        items: taken as far ahead as there is work for.
        work: called in several threads at once.
        threads: 1 works in the thread that asks, without any ahead.

    >>> list(prefetch("abc", str.upper, 2))
    ['A', 'B', 'C']
    """
    if threads == 1:
        yield from map(work, items)
        return
    source, coming = iter(items), deque[Future[Made]]()
    fault: CrowdWatchError | None = None
    with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
        try:
            while True:
                try:
                    item = next(source)
                except StopIteration:
                    break
                except CrowdWatchError as error:
                    fault = error
                    break
                coming.append(pool.submit(work, item))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for each in coming:
                each.cancel()
    if fault is not None:
        raise fault
