"""How far cameras agree over the ground that both see, out of a run's log: it is folded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.analytics.overlap import MOMENT_S, Pair, note
from crowdwatch.analytics.overlap_pairs import PairReport, report_of
from crowdwatch.core.records import Observation
from crowdwatch.errors import LogCorrupt
from crowdwatch.store.log import LogReader

__all__ = ["overlaps_of"]


def overlaps_of(folder: Path, reached: Callable[[int], None] = lambda t_ns: None) -> list[PairReport]:
    """Fold a run's log and compare every pair of cameras that share ground; those that contradict come first.

    Args:
        folder: of the run, or of its log.
        reached: called with the time of every tick.

    Raises:
        LogCorrupt: the log cannot be read, or holds no tick.
    """
    reader = LogReader(folder)
    state = start(view_site(config.to_site(config.from_json(reader.config_json))))
    pairs: dict[tuple[str, str], Pair] = {}
    clocks: dict[str, float] = {}
    newest_ns: int | None = None
    for event in reader.events():
        if isinstance(event, Observation):
            clocks[event.stamp.camera_id] = event.stamp.t_sigma_s
        state, outcome = advance(state, event)
        if outcome is None:
            continue
        reached(outcome.t_ns)
        if newest_ns is None or outcome.t_ns - newest_ns >= MOMENT_S * 1e9:
            newest_ns = outcome.t_ns
            note(pairs, state, outcome.t_ns, clocks)
    if newest_ns is None:
        raise LogCorrupt(f"log {folder}: holds no tick, so nothing was seen. Replay the recording.")
    found = [report_of(pair, state.view.grid.cell_m) for pair in pairs.values()]
    return sorted(found, key=lambda each: (not each.doubts, each.cameras))
