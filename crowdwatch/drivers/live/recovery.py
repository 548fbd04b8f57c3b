"""A live run that was interrupted goes on: its state as it was, from a snapshot and the ticks since."""

from __future__ import annotations

import json
from dataclasses import dataclass

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Run
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.lifecycle import REFOLD_BATCH, StoreSink
from crowdwatch.drivers.live.memory import program, read_state, state_bytes
from crowdwatch.drivers.loop import Pictures, Sink
from crowdwatch.drivers.patience import patiently
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import LogCorrupt, StoreError
from crowdwatch.store.live_journal import Snapshot
from crowdwatch.store.live_log import LiveLog

__all__ = ["SNAPSHOT_TICKS", "Keeper", "Recovered", "go_on"]

SNAPSHOT_TICKS = 10
"""A restart folds at most about twice as many ticks again: at 30 ms each that is less than a second."""

WHAT = "snapshots"


@dataclass(frozen=True, slots=True)
class Recovered:
    """An interrupted run after the last tick of its log.

    Args:
        state: of the fold.
        totals: what was counted.
        alerts: how many alerts there were up to the snapshot that was used.
        ids: of the alerts since.
    """

    state: State
    totals: RunTotals
    alerts: int = 0
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Keeper:
    """Keeps a snapshot of what the fold remembers every :data:`SNAPSHOT_TICKS` ticks.

    While the store does not take what was found there is no new one: a restart would not write again what came before
    it.

    Args:
        log: where it is kept.
        totals: counted up to the newest tick.
        into: hands outcomes over to the store.
        sink: takes outcomes in its place, and hands them on to it.
        board: where it is said that none can be kept.
        alerts: how many alerts the run had up to the newest snapshot.
        ids: of the alerts since.
    """

    log: LiveLog
    totals: RunTotals
    into: StoreSink
    sink: Sink
    board: Board
    alerts: int = 0
    ids: tuple[str, ...] = ()
    _ticks: int = 0
    _kept_ns: int | None = None

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome: as of :class:`~crowdwatch.drivers.loop.Sink`."""
        self.ids += tuple(alert.event_id for alert in outcome.alerts)
        self.sink(outcome, pictures)

    def folded(self, state: State) -> None:
        """Called with the state after every tick."""
        self._ticks += 1
        written_ns = self.into.outbox.written_ns
        behind = self._kept_ns is not None and (written_ns is None or written_ns < self._kept_ns)
        if self._ticks >= SNAPSHOT_TICKS and not behind:
            self.keep(state)

    def keep(self, state: State) -> None:
        """Keep one now. What cannot be kept is said: the run goes on, and a restart takes longer."""
        t_ns = self.totals.last_tick_ns
        if t_ns is None:
            return
        self._ticks, self._kept_ns = 0, t_ns
        facts = json.dumps({"alerts": self.alerts + len(self.ids), "totals": self.totals.facts()})
        try:
            self.log.keep(t_ns, program(), facts, state_bytes(state), self.ids)
        except StoreError as error:
            self.board.ails(WHAT, f"what the engine remembers cannot be kept: {error} A restart would take longer.")
            return
        self.alerts += len(self.ids)
        self.ids = ()
        self.board.well(WHAT, "what the engine remembers is kept again.")


def go_on(
    store: Store, run: Run, log: LiveLog, view: SiteView, totals: RunTotals, into: StoreSink, board: Board
) -> Recovered:
    """The state of an interrupted run after the last tick of its log; what the store lacks of it is written.

    Args:
        store: where the run is.
        run: the run.
        log: opened to go on.
        view: the prepared site.
        totals: of a run that begins.
        into: takes what is folded again.
        board: where it is said that no snapshot could be used.

    Raises:
        LogCorrupt, StoreError: the log cannot be read, the store not be written.
    """
    last_ns = log.last_tick_ns
    if last_ns is None:
        patiently(lambda: store.rewind(run.run_id, 0))
        return Recovered(start(view), totals)
    patiently(lambda: store.rewind(run.run_id, last_ns))
    health = patiently(lambda: store.health(run.run_id, last_ns))
    written_ns = max((camera.t_ns for camera in health), default=0)
    state, snapshot = _remembered(log, view, written_ns, board)
    alerts = 0
    if snapshot is not None:
        facts = json.loads(snapshot.facts)
        totals, alerts = RunTotals.of_facts(facts["totals"]), facts["alerts"]
    for event_id in log.alert_ids(alerts):
        into.alerts.update(event_id.encode())
    batch: list[Outcome] = []
    ids: list[str] = []
    for event in log.events(0 if snapshot is None else snapshot.next):
        state, outcome = advance(state, event)
        totals.add(event, outcome)
        if outcome is not None:
            batch.append(outcome)
            ids += [alert.event_id for alert in outcome.alerts]
        if len(batch) >= REFOLD_BATCH:
            into.write(batch)
            batch = []
    into.write(batch)
    into.outbox.flush()
    return Recovered(state, totals, alerts, tuple(ids))


def _remembered(log: LiveLog, view: SiteView, written_ns: int, board: Board) -> tuple[State, Snapshot | None]:
    """The newest snapshot of which the store has all outcomes, or the beginning."""
    wrong = ""
    for snapshot in log.snapshots():
        if snapshot.t_ns > written_ns:
            continue
        if snapshot.program != program():
            wrong = wrong or "another version of CrowdWatch made it."
            continue
        try:
            return read_state(snapshot.state, view), snapshot
        except LogCorrupt as error:
            wrong = wrong or str(error)
    if wrong:
        board.ails(WHAT, f"what the engine remembered cannot be used: {wrong} The whole log was folded again.")
    return start(view), None
