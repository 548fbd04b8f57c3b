"""Coarse pictures around alarms are kept, and removed when their time is over."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from crowdwatch.core.outcomes import Outcome
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.loop import Pictures, Sink
from crowdwatch.errors import StoreUnavailable
from crowdwatch.store.kept_pictures import KeptPictures, expire

__all__ = ["KeepingSink"]

EXPIRE_S = 300.0


@dataclass(slots=True)
class KeepingSink:
    """Hands outcomes on, and keeps the pictures that were written of them around alarms.

    Args:
        sink: takes the outcomes and writes their pictures.
        kept: keeps them.
        runs: folder of the runs, whose kept pictures are removed in time.
        board: where it is said that they cannot be kept. The numbers go on.
    """

    sink: Sink
    kept: KeptPictures
    runs: Path
    board: Board
    _expired_s: float = field(default=float("-inf"))

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome: as of :class:`~crowdwatch.drivers.loop.Sink`."""
        self.sink(outcome, pictures)
        try:
            self.kept.take(outcome)
            if time.monotonic() - self._expired_s > EXPIRE_S:
                self._expired_s = time.monotonic()
                expire(self.runs, time.time_ns())
        except StoreUnavailable as error:
            self.board.ails("kept pictures", f"{error} The numbers go on.")
        else:
            self.board.well("kept pictures", "pictures around alarms are kept again.")
