"""Serves the page with Streamlit, wherever CrowdWatch is installed."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

from crowdwatch.accounts.desk import SHIFT_S
from crowdwatch.errors import ConfigError

__all__ = ["OPTIONS", "command", "is_loopback", "page"]

ACCESS = "CROWDWATCH_ACCESS"
"""Says how the page is served; see :mod:`crowdwatch.ui.session`."""

OPTIONS: dict[str, str] = {
    "browser.gatherUsageStats": "false",
    "server.headless": "true",
    "server.showEmailPrompt": "false",
    "server.fileWatcherType": "none",
    # a whole collection after every panel took four fifths of the server's time
    "runner.postScriptGC": "false",
    # texts that explain a constant are for readers of the code: none is written on the page
    "runner.magicEnabled": "false",
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
    script = Path(__file__).with_name("served.py")
    options = {**OPTIONS, "server.address": address, "server.port": str(port)}
    flags = [part for key, value in options.items() for part in (f"--{key}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(script), *flags]


def page(
    store_url: str,
    *,
    address: str = "127.0.0.1",
    port: int = 8501,
    pictures: str = "",
    demo: bool = False,
    shift_s: float = SHIFT_S,
    rights: str = "",
) -> None:
    """Serve the page until it is interrupted; this process becomes the server.

    Args:
        store_url: the store that the page reads.
        address: 127.0.0.1 unless a proxy with TLS stands before the page.
        port: where it listens.
        pictures: address of the picture server, as browsers reach it; empty without one.
        demo: open without a sign-in, in the role of a demonstration, on this machine alone.
        shift_s: how long a sign-in lasts.
        rights: the file that says which role an identity provider's people have; empty without one.

    Raises:
        ConfigError: a demonstration on an address that others reach.
    """
    if demo and not is_loopback(address):
        raise ConfigError(
            f"--demo --address {address}: a demonstration is open without a sign-in, so it is served on 127.0.0.1 "
            "alone. Leave --demo out: `crowdwatch ui` asks for a sign-in."
        )
    if demo:
        print("DEMONSTRATION: the page is open without a sign-in, on this machine only.", flush=True)
    elif not is_loopback(address):
        print("The page is served without TLS: let only a proxy with TLS reach this address.", flush=True)
    print(f"The page: http://{address}:{port}  (Ctrl-C ends it)", flush=True)
    sys.stdout.flush()
    arguments = command(address, port)
    own = {
        "CROWDWATCH_STORE": store_url, "CROWDWATCH_PICTURES": pictures, ACCESS: "demo" if demo else "required",
        "CROWDWATCH_SHIFT_S": f"{shift_s:g}", "CROWDWATCH_RIGHTS": rights,
    }  # fmt: skip
    os.execve(arguments[0], arguments, {**os.environ, **own})


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("crowd.example")
    (True, True, False, False)
    """
    try:
        return address == "localhost" or ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
