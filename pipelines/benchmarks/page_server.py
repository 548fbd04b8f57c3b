"""The page in a process of its own, and the browser that looks at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crowdwatch.errors import ConfigError

__all__ = ["CHROMIUM", "FLAGS", "PATIENCE_S", "served"]

CHROMIUM = os.environ.get("CROWDWATCH_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

PATIENCE_S = 60.0
"""For the server's first answer."""


@contextmanager
def served(store_url: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the page of a store on a free port of this machine.

    Args:
        store_url: whose runs it shows.
        folder: for what the server prints.

    Yields:
        The address, and the server's process.

    Raises:
        ConfigError: the server does not start; with the end of what it printed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    said = folder / f"page-{port}.log"
    with said.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "crowdwatch", "ui", "--demo", "--port", str(port)], stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "CROWDWATCH_STORE": store_url},
        )  # fmt: skip
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    last = said.read_text(errors="replace")[-500:]
                    raise ConfigError(f"the page's server did not start: {last}") from None
                time.sleep(0.1)
        yield address, server
    finally:
        server.kill()  # it may be stopped
        server.wait(timeout=20)
