"""Starts a replay of a run's log as a process of its own: the page itself never runs an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdwatch.core.runs import Run
from crowdwatch.errors import ConfigError, redact

__all__ = ["Started", "Trial", "replay_command", "start_backtest", "start_replay"]


@dataclass(slots=True)
class Started:
    """A replay that was started here, and where what it says goes."""

    process: subprocess.Popen[bytes]
    said: Path
    after_wall_ns: int

    def fault(self) -> str:
        """Its last line when it ended with a fault; empty while it runs and when it ended well."""
        if self.process.poll() in (None, 0):
            return ""
        text = self.said.read_text(encoding="utf-8", errors="replace").strip()
        return redact(text.splitlines()[-1][:500]) if text else f"exit status {self.process.returncode}"


def replay_command(run: Run, speed: float) -> list[str]:
    """The command line that replays a run's log. The store goes by the environment: it may hold a password.

    >>> run = Run("r1", "e", "replay", "{}", "/data/r1", 0, 1, 0)  # type: ignore[arg-type]
    >>> replay_command(run, 8.0)[1:]
    ['-m', 'crowdwatch', 'replay', '--log', '/data/r1', '--speed', '8', '--runs', '/data']
    """
    runs = str(Path(run.folder).parent)
    return [sys.executable, "-m", "crowdwatch", "replay", "--log", run.folder, "--speed", f"{speed:g}", "--runs", runs]


def start_replay(run: Run, speed: float, store_url: str, now_ns: int) -> Started:
    """Start it in a session of its own, so that it outlives the page.

    Raises:
        OSError: the process cannot be started.
    """
    with tempfile.NamedTemporaryFile(prefix="crowdwatch-replay-", suffix=".log", delete=False) as said:
        process = subprocess.Popen(
            replay_command(run, speed),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CROWDWATCH_STORE": store_url},
            start_new_session=True,
        )
        return Started(process, Path(said.name), now_ns)


@dataclass(slots=True)
class Trial:
    """A back-test in a process of its own, in a folder that goes with it."""

    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]

    def end(self) -> None:
        """Stop it if it still runs, and remove what it wrote."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()

    def result(self) -> dict[str, Any]:
        """What ``crowdwatch backtest --json`` printed.

        Raises:
            ConfigError: it ended with a fault, which is what the error says.
        """
        said, faults = (
            (Path(self.folder.name) / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")
        )
        try:
            if self.process.wait(timeout=1) == 0:
                found: dict[str, Any] = json.loads(said)
                return found
        except (ValueError, subprocess.TimeoutExpired):
            pass
        rows = [row for row in faults.splitlines() if row.strip()]
        raise ConfigError(
            redact("\n".join(rows)[-1500:]) or "the back-test said nothing. Try it: crowdwatch backtest LOG"
        )


def start_backtest(log: str, rules: str) -> Trial:
    """Fold a run's log under other limits, beside the page.

    Args:
        log: folder of the run.
        rules: text of a file of limits, as :func:`crowdwatch.config.load_rules` reads it.

    Raises:
        OSError: it cannot be started.
    """
    folder = tempfile.TemporaryDirectory(prefix="crowdwatch-backtest-")
    home = Path(folder.name)
    (home / "rules.yaml").write_text(rules, encoding="utf-8")
    arguments = [sys.executable, "-m", "crowdwatch", "backtest", log, "--rules", str(home / "rules.yaml"), "--json"]
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        return Trial(subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err), folder)
