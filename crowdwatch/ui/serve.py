"""Serves the page with Streamlit, wherever CrowdWatch is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["OPTIONS", "command", "page"]

OPTIONS: dict[str, str] = {
    "browser.gatherUsageStats": "false",
    "server.headless": "true",
    "server.showEmailPrompt": "false",
    "server.fileWatcherType": "none",
    # a whole collection after every panel took four fifths of the server's time
    "runner.postScriptGC": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "theme.base": "dark",
    "theme.primaryColor": "#56b4e9",
    "theme.backgroundColor": "#0f141a",
    "theme.secondaryBackgroundColor": "#1b232d",
    "theme.textColor": "#f2f5f7",
    "theme.font": "'Noto Sans', 'Noto Sans CJK SC', 'Source Sans', 'Microsoft YaHei', 'PingFang SC', sans-serif",
}
"""Those of ``.streamlit/config.toml``, which Streamlit finds only from the source folder."""


def command(address: str, port: int) -> list[str]:
    """The command line that serves the page."""
    script = Path(__file__).with_name("app.py")
    options = {**OPTIONS, "server.address": address, "server.port": str(port)}
    flags = [part for key, value in options.items() for part in (f"--{key}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(script), *flags]


def page(store_url: str, *, address: str = "127.0.0.1", port: int = 8501, pictures: str = "") -> None:
    """Serve the page until it is interrupted; this process becomes the server.

    Args:
        store_url: the store that the page reads.
        address: 127.0.0.1 unless a proxy with TLS and a login stands before the page.
        port: where it listens.
        pictures: address of the picture server, as browsers reach it; empty without one.
    """
    print(f"The page: http://{address}:{port}  (Ctrl-C ends it)", flush=True)
    sys.stdout.flush()
    arguments = command(address, port)
    os.execve(arguments[0], arguments, {**os.environ, "CROWDWATCH_STORE": store_url, "CROWDWATCH_PICTURES": pictures})
