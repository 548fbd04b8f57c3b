"""What operators ask of a running engine, taken in between two ticks."""

from __future__ import annotations

import threading

from crowdwatch.core.ports import Store
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.drivers.clock import Clock

__all__ = ["CommandInlet"]


class CommandInlet:
    """Takes commands from the store: actions go to ``advance``, the others steer the loop.

    Args:
        store: where operators leave them.
        run_id: the run.
        clock: whose pace they may change.
        stop: is set when they ask for the end.
    """

    def __init__(self, store: Store, run_id: str, clock: Clock, stop: threading.Event) -> None:
        self._store, self._run_id = store, run_id
        self._clock, self._stop = clock, stop
        self.paused = False

    def take(self, t_ns: int) -> list[OperatorAction]:
        """What operators did since the last time, sequenced for the tick at ``t_ns``. Raises StoreUnavailable."""
        actions = []
        for command in self._store.pending(self._run_id):
            if command.kind is CommandKind.ACKNOWLEDGE:
                actions.append(
                    OperatorAction(
                        command.command_id, t_ns, command.kind.value, command.zone_id, command.alarm, command.actor,
                        seen_level=round(command.value),
                    )
                )  # fmt: skip
            else:
                self._steer(command)
            self._store.sequenced(command.command_id, t_ns)
        return actions

    def _steer(self, command: Command) -> None:
        if command.kind is CommandKind.STOP:
            self._stop.set()
        elif command.kind is CommandKind.SPEED:
            self._clock.set_speed(command.value)
        else:
            self.paused = command.kind is CommandKind.PAUSE
            self._clock.restart()
