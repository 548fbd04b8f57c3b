"""Starts what takes long as a process of its own: replays of a log, back-tests, checks of the machine. The page itself
never runs an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdwatch.core.runs import Run
from crowdwatch.errors import redact

__all__ = [
    "BackTest",
    "Started",
    "backtest_command",
    "begin_backtest",
    "replay_command",
    "start_check",
    "start_replay",
]  # fmt: skip

MOST_SAID = 4_000_000
"""Characters of an answer that are read."""


@dataclass(slots=True)
class Started:
    """A process that was started here, and where what it says goes: all of it, or its answer and the rest apart."""

    process: subprocess.Popen[bytes]
    said: Path
    after_wall_ns: int
    answer: Path | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def fault(self) -> str:
        """Its last line when it ended with a fault; empty while it runs and when it ended well."""
        if self.process.poll() in (None, 0):
            return ""
        text = self.text(self.said)
        return redact(text.splitlines()[-1][:500]) if text else f"exit status {self.process.returncode}"

    def text(self, path: Path | None = None) -> str:
        """What it has said, or what stands in another of its files."""
        try:
            return (path or self.said).read_text(encoding="utf-8", errors="replace")[:MOST_SAID].strip()
        except OSError:
            return ""

    def end(self) -> None:
        """Stop it and remove its files."""
        if self.runs:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for path in (self.said, self.answer):
            if path is not None:
                path.unlink(missing_ok=True)


@dataclass(slots=True)
class BackTest:
    """A back-test that was started here.

    Args:
        started: its process.
        folder: of its files: the rules, the picture.
        run_id: whose log it folds.
    """

    started: Started
    folder: Path
    run_id: str

    @property
    def picture(self) -> Path:
        """The levels of the zones under both sets of rules, once it has ended well."""
        return self.folder / "levels.png"

    def facts(self) -> dict[str, Any] | None:
        """What came out, as ``crowdwatch backtest --json`` prints it; None while it runs, and where it failed."""
        if self.started.process.poll() != 0 or self.started.answer is None:
            return None
        try:
            found = json.loads(self.started.text(self.started.answer))
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def end(self) -> None:
        """Stop it and remove its files."""
        self.started.end()
        for path in self.folder.glob("*"):
            path.unlink(missing_ok=True)
        self.folder.rmdir()


def replay_command(run: Run, speed: float) -> list[str]:
    """The command line that replays a run's log. The store goes by the environment: it may hold a password.

    >>> run = Run("r1", "e", "replay", "{}", "/data/r1", 0, 1, 0)  # type: ignore[arg-type]
    >>> replay_command(run, 8.0)[1:]
    ['-m', 'crowdwatch', 'replay', '--log', '/data/r1', '--speed', '8', '--runs', '/data']
    """
    runs = str(Path(run.folder).parent)
    return [sys.executable, "-m", "crowdwatch", "replay", "--log", run.folder, "--speed", f"{speed:g}", "--runs", runs]


def backtest_command(run: Run, rules: Path, picture: Path) -> list[str]:
    """The command line that folds a run's log under other limits.

    >>> run = Run("r1", "e", "replay", "{}", "/data/r1", 0, 1, 0)  # type: ignore[arg-type]
    >>> backtest_command(run, Path("/tmp/rules.yaml"), Path("/tmp/levels.png"))[3:]
    ['backtest', '/data/r1', '--rules', '/tmp/rules.yaml', '--picture', '/tmp/levels.png', '--json']
    """
    command = [sys.executable, "-m", "crowdwatch", "backtest", run.folder, "--rules", str(rules)]
    return [*command, "--picture", str(picture), "--json"]


def start_replay(run: Run, speed: float, store_url: str, now_ns: int) -> Started:
    """Start it in a session of its own, so that it outlives the page.

    Raises:
        OSError: the process cannot be started.
    """
    return _start(replay_command(run, speed), now_ns, {"CROWDWATCH_STORE": store_url})


def begin_backtest(run: Run, rules: str, now_ns: int) -> BackTest:
    """Fold the log of a run under other limits. It writes nothing into the store.

    Args:
        run: whose log.
        rules: text of an event file, or of one that holds limits alone.
        now_ns: the wall clock.

    Raises:
        OSError: the process cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="crowdwatch-backtest-"))
    file = folder / "rules.yaml"
    file.write_text(rules, encoding="utf-8")
    command = backtest_command(run, file, folder / "levels.png")
    return BackTest(_start(command, now_ns, {}, apart=True), folder, run.run_id)


def start_check(now_ns: int) -> Started:
    """Look at what this machine lacks (``crowdwatch doctor``). Raises OSError."""
    return _start([sys.executable, "-m", "crowdwatch", "doctor"], now_ns, {"COLUMNS": "200", "NO_COLOR": "1"})


def _start(command: Sequence[str], now_ns: int, more: dict[str, str], *, apart: bool = False) -> Started:
    with (
        tempfile.NamedTemporaryFile(prefix="crowdwatch-said-", suffix=".log", delete=False) as said,
        tempfile.NamedTemporaryFile(prefix="crowdwatch-answer-", suffix=".json", delete=False) as answer,
    ):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=answer if apart else said,
            stderr=said if apart else subprocess.STDOUT,
            env={**os.environ, **more},
            start_new_session=True,
        )
    if not apart:
        Path(answer.name).unlink()
    return Started(process, Path(said.name), now_ns, Path(answer.name) if apart else None)
