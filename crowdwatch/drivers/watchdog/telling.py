"""How a watchdog tells: a command, a webhook. Each teller has a thread of its own, so that a slow one holds up neither
the watch nor the other.

A notice that could not be delivered is tried again with growing pauses until it is, or until a newer one waits: then
the newer one matters. Its id is the same at every try, so that a receiver can tell a repetition.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol

import tenacity

from crowdwatch.drivers.watchdog.dead_man import Notice
from crowdwatch.errors import ConfigError, NotTold
from crowdwatch.notify.addresses import shown_url
from crowdwatch.notify.posting import is_address, post

__all__ = ["Command", "Letter", "Teller", "Telling", "Webhook", "shown_url"]

_log = logging.getLogger(__name__)

COMMAND_S = 30.0
"""How long a command may take; then it and what it started are ended."""

ANSWER_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

LEAVE_S = 5.0
"""How long a watchdog that is being stopped waits for notices that are under way."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice with what a receiver needs to file it.

    Args:
        notice: what is told.
        letter_id: of its own; the same at every try.
        wall_ns: when it was noticed.
        since_wall_ns: when the outage was noticed that it is about.
    """

    notice: Notice
    letter_id: str
    wall_ns: int
    since_wall_ns: int

    def as_json(self) -> str:
        """One object; ``text`` and ``content`` say the same, as Slack, Mattermost and Discord read them."""
        notice = self.notice
        line = f"CrowdWatch {notice.event_id}: {notice.kind.upper()}. {notice.text}"
        said = {
            "id": self.letter_id,
            "kind": notice.kind.value,
            "event_id": notice.event_id,
            "run_id": notice.run_id,
            "t_utc": _utc(self.wall_ns),
            "since_utc": _utc(self.since_wall_ns),
            "host": socket.gethostname(),
            "text": line,
            "content": line,
        }
        return json.dumps(said, ensure_ascii=False)


def _utc(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).isoformat(timespec="milliseconds")


class Teller(Protocol):
    """One way to tell."""

    @property
    def name(self) -> str:
        """What it is, without secrets."""

    def tell(self, letter: Letter) -> None:
        """Deliver one notice. Raises NotTold."""


class Command:
    """Runs a command, the letter as JSON on its stdin and its parts in ``CROWDWATCH_KIND``, ``_EVENT``, ``_TEXT``.

    Args:
        line: the command with its arguments, split as a shell does; no shell runs it.

    Raises:
        ConfigError: it cannot be split, or is empty.
    """

    def __init__(self, line: str) -> None:
        try:
            self.words = shlex.split(line)
        except ValueError as error:
            raise ConfigError(f"--command: {error}. Check its quotes.") from error
        if not self.words:
            raise ConfigError("--command: is empty. Name a program, with its arguments.")
        self.name = f"command {os.path.basename(self.words[0])}"

    def tell(self, letter: Letter) -> None:
        """As of :class:`Teller`; an exit status other than 0 is a failure."""
        notice = letter.notice
        own = {"CROWDWATCH_KIND": notice.kind, "CROWDWATCH_EVENT": notice.event_id, "CROWDWATCH_TEXT": notice.text}
        try:
            process = subprocess.Popen(
                self.words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**os.environ, **own}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotTold(f"{self.name}: {error.strerror or error}. Check its path and that it may be run.") from error
        with process:
            try:
                _, said = process.communicate(letter.as_json().encode(), timeout=COMMAND_S)
            except subprocess.TimeoutExpired as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise NotTold(f"{self.name}: took longer than {COMMAND_S:.0f} s and was ended.") from error
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise NotTold(f"{self.name}: ended with status {process.returncode}. {' '.join(last)[:200]}".strip())


class Webhook:
    """Posts the letter as JSON. A redirection is a failure: a secret follows nobody's pointer.

    Args:
        url: http or https; it may hold a secret, and is shown by its host alone.

    Raises:
        ConfigError: not such an address.
    """

    def __init__(self, url: str) -> None:
        if not is_address(url):
            raise ConfigError("--webhook: not an address. Give https://HOST/PATH.")
        self._url, self.name = url, f"webhook {shown_url(url)}"

    def tell(self, letter: Letter) -> None:
        """As of :class:`Teller`; an answer other than 2xx is a failure."""
        media_type = "application/json; charset=utf-8"
        post(self._url, letter.as_json().encode(), letter.letter_id, media_type, name=self.name, answer_s=ANSWER_S)


class Telling:
    """Hands every letter to every teller. Enter it to start their threads.

    Args:
        tellers: the ways to tell.
        wait_s: the first pause before another try, and the longest.
    """

    def __init__(self, tellers: list[Teller], wait_s: tuple[float, float] = (FIRST_WAIT_S, LONGEST_WAIT_S)) -> None:
        self._wait_s = wait_s
        self._ended = threading.Event()
        self._queues: list[queue.SimpleQueue[Letter | None]] = [queue.SimpleQueue() for _ in tellers]
        self._threads = [
            threading.Thread(target=self._run, args=(teller, letters), name=teller.name, daemon=True)
            for teller, letters in zip(tellers, self._queues, strict=True)
        ]

    def tell(self, letter: Letter) -> None:
        """Hand one letter over; returns at once."""
        for letters in self._queues:
            letters.put(letter)

    def __enter__(self) -> Telling:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for letters in self._queues:
            letters.put(None)
        leave_at = time.monotonic() + LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, leave_at - time.monotonic()))
        self._ended.set()

    def _run(self, teller: Teller, letters: queue.SimpleQueue[Letter | None]) -> None:
        while (letter := letters.get()) is not None:
            superseded = _superseded(letters, self._ended)
            try:
                self._retrying(teller, superseded)(teller.tell, letter)
            except NotTold as error:
                _log.error("%s The notice %s was not delivered.", error, letter.notice.kind)
            except Exception as error:  # noqa: BLE001  its text may show a secret; the watch goes on
                _log.error(
                    "%s: %s. The notice %s was not delivered.", teller.name, type(error).__name__, letter.notice.kind
                )

    def _retrying(self, teller: Teller, superseded: Callable[[], bool]) -> tenacity.Retrying:
        def said(state: tenacity.RetryCallState) -> None:
            error = None if state.outcome is None else state.outcome.exception()
            _log.warning("%s It is tried again.", error)

        def pause(seconds: float) -> None:
            self._ended.wait(seconds)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(NotTold),
            wait=tenacity.wait_exponential(multiplier=self._wait_s[0], max=self._wait_s[1]),
            stop=lambda state: superseded(), before_sleep=said, sleep=pause, reraise=True,
        )  # fmt: skip


def _superseded(letters: queue.SimpleQueue[Letter | None], ended: threading.Event) -> Callable[[], bool]:
    return lambda: ended.is_set() or not letters.empty()
