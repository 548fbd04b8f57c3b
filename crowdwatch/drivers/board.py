"""What ails a run that goes on all the same: said once when it begins and once when it is over, never at every tick."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

__all__ = ["Board"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Board:
    """Ailments by what they concern. Several threads may write on it."""

    _standing: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ails(self, what: str, text: str) -> None:
        """Note an ailment, and say it if it is new.

        Args:
            what: whatever is concerned, such as ``pictures``.
            text: for people: what, the evidence, the remedy.
        """
        with self._lock:
            known = what in self._standing
            self._standing[what] = text
        if not known:
            _log.warning("%s", text)

    def well(self, what: str, text: str) -> None:
        """Say that an ailment is over, if there was one."""
        with self._lock:
            known = self._standing.pop(what, None) is not None
        if known:
            _log.warning("%s", text)

    def ailing(self, what: str) -> bool:
        """Whether something ails now."""
        with self._lock:
            return what in self._standing

    def __len__(self) -> int:
        """How many things ail now."""
        return len(self._standing)

    def __bool__(self) -> bool:
        """A board is a board, also an empty one."""
        return True

    @property
    def message(self) -> str:
        """Everything that ails now, for the heartbeat; empty when all is well."""
        with self._lock:
            return " ".join(self._standing.values())
