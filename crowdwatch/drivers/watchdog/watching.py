"""The watch itself: reads the store in a thread of its own, judges four times a second, tells.

The store is read apart from the judgement, because a read of a server that is gone can hang for a minute: a store that
does not answer is then told after five seconds all the same.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from crowdwatch import config
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run
from crowdwatch.drivers.watchdog.dead_man import DeadMan, Kind, Notice
from crowdwatch.drivers.watchdog.telling import Letter, Teller, Telling
from crowdwatch.errors import ConfigError, CrowdWatchError, redact

__all__ = ["Memory", "watch"]

_log = logging.getLogger(__name__)

JUDGE_S, READ_S = 0.25, 0.5

LONGEST_TICK_S = 60.0
"""What the event file allows; taken where a run's configuration cannot be read."""


@dataclass(slots=True)
class Memory:
    """What was told of the present outage, in a file, so that a watchdog that is started again does not tell it twice.

    Args:
        path: the file.
        event_id: what is told of another event does not count.
    """

    path: Path
    event_id: str
    since_wall_ns: int = 0

    def read(self) -> tuple[Kind, ...]:
        """What was told; nothing where there is no such file."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["event_id"] != self.event_id:
                return ()
            told = tuple(Kind(each) for each in found["told"])
            self.since_wall_ns = int(found["since_wall_ns"])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s: cannot be read (%s): what was told before may be told again.", self.path, error)
            return ()
        return told

    def write(self, told: tuple[Kind, ...]) -> None:
        """Keep what was told; a disk that cannot be written is said."""
        text = json.dumps({"event_id": self.event_id, "told": told, "since_wall_ns": self.since_wall_ns})
        part = self.path.with_name(f".{self.path.name}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            _log.warning("%s: cannot be written (%s): what is told now may be told again.", self.path, error)


@dataclass(slots=True)
class _Look:
    """The newest answer of the store."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    runs: list[Run] | None = None
    fault: str = ""

    def put(self, runs: list[Run] | None, fault: str) -> None:
        with self.lock:
            self.runs, self.fault = runs, fault

    def take(self) -> tuple[list[Run] | None, str]:
        """The runs that were read since the last call, or None with what went wrong."""
        with self.lock:
            runs, self.runs = self.runs, None
            return runs, self.fault


def watch(
    open_store: Callable[[], Store],
    event_id: str,
    tellers: list[Teller],
    memory: Memory,
    stop: threading.Event,
    say: Callable[[Notice], None] = lambda notice: None,
) -> None:
    """Watch one event until ``stop`` is set.

    Args:
        open_store: opens the store; called again after every read that failed.
        event_id: the event.
        tellers: the ways to tell.
        memory: what was told before.
        stop: ends the watch.
        say: hears every notice too, in this thread.
    """
    look = _Look()
    reader = threading.Thread(target=_read, args=(open_store, event_id, look, stop), name="store", daemon=True)
    man = DeadMan(event_id, time.monotonic(), memory.read(), _tick_s)
    with Telling(tellers) as telling:
        reader.start()
        while not stop.wait(JUDGE_S):
            runs, fault = look.take()
            if runs is not None:
                man.saw(time.monotonic(), runs)
            elif fault:
                man.missed(fault)
            was = man.told
            notice = man.judge(time.monotonic())
            if notice is None:
                continue
            now_ns = time.time_ns()
            memory.since_wall_ns = memory.since_wall_ns if was else now_ns
            telling.tell(Letter(notice, uuid.uuid4().hex, now_ns, memory.since_wall_ns))
            say(notice)
            memory.write(man.told)


def _read(open_store: Callable[[], Store], event_id: str, look: _Look, stop: threading.Event) -> None:
    store: Store | None = None
    while not stop.is_set():
        try:
            store = store or open_store()
            live = [run for run in store.runs() if run.event_id == event_id and run.mode is Mode.LIVE]
            look.put(live, "")
        except Exception as error:  # noqa: BLE001  whatever the store meets, it is one that cannot be read
            look.put(None, redact(str(error)) if isinstance(error, CrowdWatchError) else f"{type(error).__name__}.")
            _left(store)
            store = None
        stop.wait(READ_S)
    _left(store)


def _left(store: Store | None) -> None:
    if store is not None:
        with suppress(Exception):
            store.close()


def _tick_s(run: Run) -> float:
    return _tick_of(run.config_json)


@lru_cache(maxsize=8)
def _tick_of(config_json: str) -> float:
    try:
        return config.from_json(config_json).tick_s
    except ConfigError:
        return LONGEST_TICK_S
