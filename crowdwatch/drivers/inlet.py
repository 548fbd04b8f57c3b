"""What operators ask of a running engine, taken in between two ticks: judged, written down, then carried out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from crowdwatch.core.commands import judge
from crowdwatch.core.ports import Store
from crowdwatch.core.reasons import Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import STEERING, Command, CommandKind
from crowdwatch.core.text import plain
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import Clock
from crowdwatch.drivers.outbox import WHAT as STORE
from crowdwatch.errors import StoreError

__all__ = ["CommandInlet", "Journaled"]

WHAT = "commands"

AGAIN_S = 2.0
"""How long a store that could not be asked for commands is left alone."""


@dataclass(frozen=True, slots=True)
class Journaled:
    """What a run that goes on has to do with the actions of before.

    Args:
        record: writes an action to the disk, before anything follows from it.
        actions: those of before that no tick of the log has folded yet, in their order.
        not_before_ns: commands that nobody had sequenced when the run was killed were given when it had come so far:
            an action among them waits for that tick.
    """

    record: Callable[[OperatorAction], None] = lambda action: None
    actions: Sequence[OperatorAction] = ()
    not_before_ns: int = 0


@dataclass(slots=True)
class CommandInlet:
    """Takes commands from the store: actions go to ``advance``, the others steer the loop.

    A command that cannot be carried out is marked as refused, with the reason, whatever its row holds. A store that
    cannot be asked is said and asked again; no command is carried out twice.

    Args:
        store: where operators leave them.
        run_id: the run.
        clock: whose pace they may change.
        stop: is set when they ask for the end.
        board: where it is said that the store cannot be asked.
        zone_ids: the zones of the event; None leaves zones unjudged.
        journaled: actions of before, and where new ones are written down.
        live: whether the run follows live cameras.
        gate_ids: the gates of the event; None leaves gates unjudged.
    """

    store: Store
    run_id: str
    clock: Clock
    stop: threading.Event
    board: Board = field(default_factory=Board)
    zone_ids: Collection[str] | None = None
    journaled: Journaled = field(default_factory=Journaled)
    live: bool = False
    paused: bool = False
    gate_ids: Collection[str] | None = None
    _unmarked: dict[int, tuple[int, Reason | None]] = field(default_factory=dict)
    _ask_at: float = 0.0
    _before: list[OperatorAction] = field(init=False)
    _known: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._before = list(self.journaled.actions)
        self._known = {action.command_id for action in self._before}
        self._unmarked = {action.command_id: (action.t_ns, None) for action in self._before}

    def take(self, t_ns: int) -> list[OperatorAction]:
        """What operators did since the last time, sequenced for the tick at ``t_ns``.

        Raises:
            StoreUnavailable: an action cannot be written down.
        """
        actions = [action for action in self._before if action.t_ns <= t_ns]
        self._before = self._before[len(actions) :]
        for command in self._pending():
            if command.command_id in self._unmarked or command.command_id in self._known:
                continue
            acts = command.kind not in STEERING
            if acts and t_ns < self.journaled.not_before_ns:
                continue
            refused = judge(command, self.zone_ids, live=self.live, gate_ids=self.gate_ids)
            if refused is None and acts:
                action = _action(command, t_ns)
                self.journaled.record(action)
                actions.append(action)
            elif refused is None:
                self._steer(command)
            self._unmarked[command.command_id] = t_ns, refused
        self._mark()
        return actions

    def _pending(self) -> list[Command]:
        if time.monotonic() < self._ask_at or self.board.ailing(STORE):
            return []
        try:
            found = self.store.pending(self.run_id)
        except StoreError as error:
            self._failed(error)
            return []
        if not self._unmarked:
            self.board.well(WHAT, "commands of operators are taken again.")
        return found

    def _mark(self) -> None:
        """Say in the store what became of the commands; what cannot be said now is said the next time."""
        if not self._unmarked or time.monotonic() < self._ask_at or self.board.ailing(STORE):
            return
        try:
            for command_id, (t_ns, refused) in list(self._unmarked.items()):
                self.store.sequenced(command_id, t_ns, refused)
                self._known.add(command_id)
                del self._unmarked[command_id]
        except StoreError as error:
            self._failed(error)

    def _failed(self, error: StoreError) -> None:
        self._ask_at = time.monotonic() + AGAIN_S
        self.board.ails(WHAT, f"commands of operators cannot be taken or answered for the moment: {error}")

    def _steer(self, command: Command) -> None:
        if command.kind is CommandKind.STOP:
            self.stop.set()
        elif command.kind is CommandKind.SPEED:
            self.clock.set_speed(command.value)
        else:
            self.paused = command.kind is CommandKind.PAUSE
            self.clock.restart()


def _action(command: Command, t_ns: int) -> OperatorAction:
    return OperatorAction(
        command.command_id, t_ns, command.kind.value, plain(command.zone_id), command.alarm, plain(command.actor),
        round(command.value), plain(command.role), plain(command.subject), plain(command.text), command.value,
        command.duration_s,
    )  # fmt: skip
