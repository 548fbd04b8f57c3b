"""Which run a page shows when nobody has chosen one: what is live before what runs, what runs before what is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crowdwatch.core.runs import Mode, Run, RunState

__all__ = ["Choice", "choose"]

GONE_S = 12 * 3600.0
"""A live engine that was silent for longer is over: its night has passed. Until then its silence must be seen."""

DEAD_S = 10.0
"""A replay that was silent for longer has been killed, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The run to show, and one that has begun since and is not shown by itself; None where there is none."""

    shown: Run
    newer: Run | None


def _rank(run: Run, now_ns: int) -> int:
    """2 for a live run, 1 for another one that goes on, 0 for one that is over."""
    if run.state not in (RunState.RUNNING, RunState.PAUSED):
        return 0
    silent_s = (now_ns - max(run.beat_wall_ns, run.started_wall_ns)) / 1e9
    if run.mode is Mode.LIVE:
        return 2 if silent_s < GONE_S else 0
    return 1 if silent_s < DEAD_S else 0


def choose(runs: Sequence[Run], kept_id: str | None, now_ns: int) -> Choice:
    """Choose from all runs of a store.

    A page leaves the run that it shows for one that matters more, and, once it is over, for a newer one. It never
    leaves a run that goes on for another one of the same kind: an analyst's replay does not take the page away. A page
    that is opened shows a replay that somebody can follow before one that goes as fast as the machine can; of runs
    that are over the newest, whatever its speed was.

    Args:
        runs: newest start first; at least one.
        kept_id: the run that is shown now; None for a page that is opened.
        now_ns: the wall clock.
    """

    def order(run: Run) -> tuple[int, bool, int]:
        rank = _rank(run, now_ns)
        return rank, rank > 0 and run.speed > 0, run.started_wall_ns

    best = max(runs, key=order)
    kept = next((run for run in runs if run.run_id == kept_id), best)
    stays = _rank(kept, now_ns) >= max(1, _rank(best, now_ns))
    shown = kept if stays else best
    newer = [run for run in runs if run.started_wall_ns > shown.started_wall_ns and run.run_id != shown.run_id]
    return Choice(shown, newer[0] if newer else None)
