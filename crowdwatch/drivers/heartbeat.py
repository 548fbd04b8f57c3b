"""The sign of life of a run, in a thread of its own: a slow tick must not look like a dead engine.

Nor may an engine that hangs look alive: once nothing has moved for :data:`HUNG_S` there are no more beats, and the page
takes the engine for dead five seconds later.

A beat that cannot be written ends nothing: it is said, and the next one is tried as usual. The page takes the engine
for dead meanwhile, which is right, since nobody can know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import RunState
from crowdwatch.drivers.board import Board

__all__ = ["HUNG_S", "Heartbeat"]

BEAT_S = 1.0

SLOW_S = 3.0
"""A tick or a picture that takes longer is said in the message of the beat."""

WHAT = "heartbeat"

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
        board: what ails the run; its message goes with every beat.
        beat_s, hung_s: see :data:`BEAT_S` and :data:`HUNG_S`.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        t_ns: int,
        state: Callable[[], tuple[RunState, float]],
        board: Board | None = None,
        *,
        beat_s: float = BEAT_S,
        hung_s: float = HUNG_S,
    ) -> None:
        self._store, self._run_id, self._state = store, run_id, state
        self._board = board or Board()
        self._beat_s, self._hung_s = beat_s, hung_s
        self._t_ns, self._moved = t_ns, time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def moved(self, t_ns: int) -> None:
        """The loop moves on, and the readings up to this event time can be read."""
        self._t_ns, self._moved = t_ns, time.monotonic()

    def now(self) -> None:
        """Beat at once: something has changed that the page should see."""
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
            self._beat(f"the present step has been running for {still_s:.0f} s" if still_s > SLOW_S else "")

    def _beat(self, slow: str) -> None:
        state, speed = self._state()
        message = " ".join(filter(None, (slow, self._board.message)))
        try:
            self._store.beat(
                self._run_id, state=state, t_ns=self._t_ns, wall_ns=time.time_ns(), speed=speed, message=message
            )
        except Exception as error:  # noqa: BLE001  a sign of life that cannot be given must not end the life
            self._board.ails(WHAT, f"the heartbeat cannot be written, so that the page takes the run for dead: {error}")
        else:
            self._board.well(WHAT, "the heartbeat is written again.")
