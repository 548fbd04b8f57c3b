"""A real MQTT broker on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["free_port", "mosquitto"]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Its port, until the context is left."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        reason = "mosquitto is not installed. Run: apt-get install mosquitto"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    port = free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n", encoding="utf-8")
    with subprocess.Popen([program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        line = b""
        while b"running" not in line:
            line = process.stderr.readline()
            assert line, "the broker did not start"
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            yield port
        finally:
            process.terminate()
            drain.join()
