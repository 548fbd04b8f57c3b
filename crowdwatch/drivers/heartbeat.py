"""The sign of life of a run, in a thread of its own: a slow tick must not look like a dead engine.

Nor may an engine that hangs look alive: once nothing has moved for :data:`HUNG_S` there are no more beats, and the page
takes the engine for dead five seconds later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import RunState
from crowdwatch.errors import StoreError

__all__ = ["HUNG_S", "Heartbeat"]

BEAT_S = 1.0

SLOW_S = 3.0
"""A tick or a picture that takes longer is said in the message of the beat."""

HUNG_S = 60.0
"""Nothing that is known takes longer for one event: the first tick of 64 cameras takes 2 s, a network on one slow core
10 s."""


class Heartbeat:
    """Beats while it is entered, about once a second.

    Args:
        store: where the run is.
        run_id: the run.
        t_ns: event time before the first event.
        state: whether the run is paused, and its speed.
        beat_s, hung_s: see :data:`BEAT_S` and :data:`HUNG_S`.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        t_ns: int,
        state: Callable[[], tuple[RunState, float]],
        *,
        beat_s: float = BEAT_S,
        hung_s: float = HUNG_S,
    ) -> None:
        self._store, self._run_id, self._state = store, run_id, state
        self._beat_s, self._hung_s = beat_s, hung_s
        self._t_ns, self._moved = t_ns, time.monotonic()
        self._ended = threading.Event()
        self._fault: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def moved(self, t_ns: int) -> None:
        """The loop is at an event of this time.

        Raises:
            StoreError: a beat could not be written.
        """
        self._t_ns, self._moved = t_ns, time.monotonic()
        if self._fault is not None:
            raise self._fault

    def now(self) -> None:
        """Beat at once: something has changed that the page should see. Raises StoreError."""
        self._beat("")

    def __enter__(self) -> Heartbeat:
        self._beat("")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._beat_s):
            still_s = time.monotonic() - self._moved
            if still_s > self._hung_s:
                continue
            try:
                self._beat(f"the present step has been running for {still_s:.0f} s" if still_s > SLOW_S else "")
            except StoreError as error:
                self._fault = error
                return

    def _beat(self, message: str) -> None:
        state, speed = self._state()
        self._store.beat(
            self._run_id, state=state, t_ns=self._t_ns, wall_ns=time.time_ns(), speed=speed, message=message
        )
