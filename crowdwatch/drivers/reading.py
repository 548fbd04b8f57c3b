"""One thread for each camera that takes its pictures in, so that no camera's ``next()`` holds up another's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

__all__ = ["read_in_thread"]

Item = TypeVar("Item")

LOOK_S = 0.1
"""How long a thread waits at most before it looks whether it is still wanted."""


class _Reader(Generic[Item]):
    """A thread that takes items in, and the queue in which they wait."""

    def __init__(self, items: Iterator[Item], waiting: int, name: str) -> None:
        self._items = items
        self.queue: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(waiting)
        self.unwanted = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"reader {name}", daemon=True)

    def _run(self) -> None:
        fault: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item, None):
                    return
        except BaseException as error:  # noqa: BLE001  raised again where the items are asked for
            fault = error
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(None, fault)

    def _put(self, item: Item | None, fault: BaseException | None) -> bool:
        while not self.unwanted.is_set():
            try:
                self.queue.put((item, fault), timeout=LOOK_S)
            except queue.Full:
                continue
            return True
        return False


def read_in_thread(items: Iterator[Item], *, waiting: int = 1, name: str = "") -> Generator[Item]:
    """The same items in the same order, taken in a thread that is ahead by ``waiting`` and the one in its hand.

    The thread begins with the first item that is asked for, and ends with the items, with their error, or when nobody
    asks any more. It is waited for.

    Args:
        items: none of them is None.
        waiting: items in the queue: pictures of 4K take 25 MB each.
        name: of the camera, for the thread's name.

    >>> list(read_in_thread(iter("abc")))
    ['a', 'b', 'c']
    """
    reader = _Reader(items, waiting, name)
    reader.thread.start()
    try:
        while True:
            item, fault = reader.queue.get()
            if fault is not None:
                raise fault
            if item is None:
                return
            yield item
    finally:
        reader.unwanted.set()
        reader.thread.join()
