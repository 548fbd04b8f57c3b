"""What the engine tells its metrics after every tick."""

from __future__ import annotations

import time
from dataclasses import dataclass

from crowdwatch.core.outcomes import Outcome
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.live.live_stream import LiveStream
from crowdwatch.drivers.loop import Pictures, Sink
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.telemetry.live_metrics import LiveMetrics

__all__ = ["Telling"]


@dataclass(slots=True)
class Telling:
    """Tells of every outcome, and hands it on.

    Args:
        metrics: are told.
        stream: whose tick it is.
        outbox: on whose way it is to the store.
        board: what ails the run.
        sink: takes it.
    """

    metrics: LiveMetrics
    stream: LiveStream
    outbox: Outbox
    board: Board
    sink: Sink

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome: as of :class:`~crowdwatch.drivers.loop.Sink`."""
        tick = self.stream.newest
        if tick is not None:
            self.metrics.ticked(outcome, tick.exposed_ns, time.monotonic() - tick.given_s, late=tick.waited_out)
        self.sink(outcome, pictures)
        self.metrics.queue("store", len(self.outbox))
        self.metrics.ails(len(self.board))
