"""Starts a replay of a run's log as a process of its own: the page itself never runs an engine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crowdwatch.core.runs import Run
from crowdwatch.errors import redact

__all__ = ["Started", "replay_command", "start_replay"]


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
