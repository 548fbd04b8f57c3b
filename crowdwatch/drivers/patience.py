"""A call to the store that is made again while the store cannot be used for the moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from crowdwatch.errors import StoreBusy

__all__ = ["PATIENCE_S", "patiently"]

PATIENCE_S = 120.0
"""How long a run waits for a store where it cannot go on without it: at its begin, at its end, when its memory is
full. A server is restarted in less, and a copy of a file of some GB is made in less."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0

Answer = TypeVar("Answer")


def patiently(
    call: Callable[[], Answer],
    *,
    seconds: float | None = PATIENCE_S,
    said: Callable[[StoreBusy], None] = lambda error: None,
    sleep: Callable[[float], object] = time.sleep,
    ended: Callable[[], bool] = lambda: False,
) -> Answer:
    """Make a call until it does not raise :class:`StoreBusy`, with growing pauses. Other errors end it at once.

    Args:
        call: may be made again, also after it was done without the caller hearing of it.
        seconds: how long; None is until ``ended``.
        said: called with the error of every try that failed.
        sleep: waits between two tries.
        ended: no further try is made once it is true.

    Raises:
        StoreBusy: the error of the last try.

    >>> tries = iter([StoreBusy("held"), 7])
    >>> def call():
    ...     got = next(tries)
    ...     if isinstance(got, StoreBusy):
    ...         raise got
    ...     return got
    >>> patiently(call)
    7
    """

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        if isinstance(error, StoreBusy):
            said(error)

    def stop(state: tenacity.RetryCallState) -> bool:
        waited_s = state.seconds_since_start or 0.0
        return ended() or (seconds is not None and waited_s >= seconds)

    def pause(wait_s: float) -> None:
        sleep(wait_s)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StoreBusy),
        wait=tenacity.wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        stop=stop,
        before_sleep=before_sleep,
        sleep=pause,
        reraise=True,
    )
    return retrying(call)
