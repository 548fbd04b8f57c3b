"""Outcomes on their way to the store: kept in memory until they are written, in order, however long the store is held.

A thread writes what waits, many ticks in one transaction where many wait. A store that cannot be used for the moment is
tried again with growing pauses (:mod:`crowdwatch.drivers.patience`) while the run goes on. Writing a tick twice is
writing it once, so that a try whose answer was lost does no harm. An error that does not pass by itself (full disk,
read-only, damaged file) ends the run with its message: numbers are not lost silently.

The memory is bounded. When it is full the run waits, and when that has not helped for :data:`PATIENCE_S` it ends with a
message. Its log has every event, so that ``--resume`` writes what is missing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.patience import PATIENCE_S, patiently
from crowdwatch.errors import CrowdWatchError, StoreBusy, StoreError, StoreUnavailable

__all__ = ["Outbox"]

WAITING_TICKS = 32
"""Ticks that wait while the store answers: then the run waits for it, so that memory stays flat."""

MOST_TICKS = 7200
"""Ticks that wait while the store does not answer: two hours at one a second, one at two."""

MOST_BYTES = 512 * 1024**2
"""The same in memory, most of it density fields."""

TICK_BYTES = 8192
"""What a tick takes beside its density field."""

ONCE_TICKS = 200
"""Ticks in one transaction."""

LEAVE_S = 10.0
"""How long a run that is being ended, by an error or by a person, waits for a store that does not answer."""

WHAT = "store"


class Outbox:
    """What waits to be written of one run. Enter it to start its thread.

    Args:
        store: where it goes.
        run_id: the run.
        board: where it is said that the store does not answer.
        stop: once it is set a store that does not answer is waited for only :data:`LEAVE_S`.
        most_ticks: bound of the memory; see :data:`MOST_TICKS`.
        patience_s: see :data:`~crowdwatch.drivers.patience.PATIENCE_S`.
        written: called in the thread that writes, with the newest tick that the store has, when it has it.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        board: Board | None = None,
        stop: threading.Event | None = None,
        *,
        most_ticks: int = MOST_TICKS,
        patience_s: float = PATIENCE_S,
        written: Callable[[int], None] = lambda t_ns: None,
    ) -> None:
        self._store, self._run_id = store, run_id
        self._board, self._stop = board or Board(), stop or threading.Event()
        self._most_ticks, self._patience_s, self._tell_written = most_ticks, patience_s, written
        self._waiting: deque[Outcome] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._quit = threading.Event()
        self._lost_at: float | None = None
        self._missed = ""
        self._fault: StoreError | None = None
        self._written_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def written_ns(self) -> int | None:
        """The newest tick that the store has; None before the first."""
        return self._written_ns

    def __len__(self) -> int:
        """How many outcomes wait."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        """An outbox is one, also when it is empty."""
        return True

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Hand outcomes over, in their order. Waits where too many wait already.

        Raises:
            StoreError: earlier ones could not be written, or the store has not answered for too long.
        """
        with self._changed:
            self._until(lambda: not self._waiting or self._has_room(len(outcomes)))
            self._waiting.extend(outcomes)
            self._bytes += sum(map(_bytes, outcomes))
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written. Raises StoreError: it could not be."""
        with self._changed:
            self._until(lambda: not self._waiting)

    def __enter__(self) -> Outbox:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):  # what is known is written, whatever went wrong
            self._patience_s = min(self._patience_s, LEAVE_S)
            with suppress(CrowdWatchError):
                self.flush()
        self._quit.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def _has_room(self, more: int) -> bool:
        most = WAITING_TICKS if self._lost_at is None else self._most_ticks
        return len(self._waiting) + more <= most and self._bytes <= MOST_BYTES

    def _until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition, holding the lock. Raises StoreError when it cannot come true."""
        began = time.monotonic()
        while True:
            if self._fault is not None:
                raise self._fault
            if true():
                return
            patience_s = min(self._patience_s, LEAVE_S) if self._stop.is_set() else self._patience_s
            if self._lost_at is not None and time.monotonic() - max(began, self._lost_at) > patience_s:
                raise StoreUnavailable(
                    f"{self._missed} It has not answered for {time.monotonic() - self._lost_at:.0f} s, and "
                    f"{len(self._waiting)} ticks wait in memory. The observation log has them: free the store, then "
                    f"resume the run, which writes what is missing."
                )
            self._changed.wait(0.2)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._quit.is_set():
                    self._changed.wait()
                if self._quit.is_set():
                    return
                batch = [self._waiting[index] for index in range(min(ONCE_TICKS, len(self._waiting)))]
            try:
                self._write(batch)
            except StoreBusy:
                return  # it was being ended
            except Exception as error:  # noqa: BLE001  raised where outcomes are handed over
                self._fail(error)
                return
            self._done(batch)

    def _write(self, batch: list[Outcome]) -> None:
        def lost(error: StoreBusy) -> None:
            with self._changed:
                self._lost_at = self._lost_at or time.monotonic()
                self._missed = str(error)
                self._changed.notify_all()
            self._board.ails(WHAT, f"{error} The run goes on; what it finds waits in memory and is written later.")

        patiently(
            lambda: self._store.write(self._run_id, batch),
            seconds=None, said=lost, sleep=self._quit.wait, ended=self._quit.is_set,
        )  # fmt: skip

    def _done(self, batch: list[Outcome]) -> None:
        with self._changed:
            for outcome in batch:
                self._waiting.popleft()
                self._bytes -= _bytes(outcome)
            self._written_ns = batch[-1].t_ns
            self._lost_at = None
            self._changed.notify_all()
        self._tell_written(batch[-1].t_ns)
        self._board.well(WHAT, "the store answers again: everything that waited is being written, in its order.")

    def _fail(self, error: Exception) -> None:
        known = error if isinstance(error, StoreError) else StoreUnavailable(f"store: cannot be written: {error!r}.")
        known.__cause__ = None if known is error else error
        with self._changed:
            self._fault = known
            self._changed.notify_all()


def _bytes(outcome: Outcome) -> int:
    return TICK_BYTES + (0 if outcome.grid is None else outcome.grid.rho_p_m2.nbytes)
