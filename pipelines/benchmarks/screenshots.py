"""Pictures of the demonstration for the documents, taken in a real browser: ``make screenshots``.

The scripted night alone is shown: everything in the pictures is drawn, and nobody was filmed.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = os.environ.get("CROWDWATCH_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MOST_BYTES, QUALITIES = 300_000, (90, 80, 70, 60)
STARTS_S, STANDS_MS = 60.0, 180_000


def take(folder: Path) -> list[Path]:
    """Play the night, and take a picture of the wall in English, and one in Chinese with the density field.

    Args:
        folder: where they are written.

    Raises:
        RuntimeError: the page did not start, or a picture cannot be made small enough.
        playwright.sync_api.Error: the browser is missing, or what was awaited did not come.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as runs:
        own = {key: value for key, value in os.environ.items() if not key.startswith("CROWDWATCH_STORE")}
        command = [sys.executable, "-m", "crowdwatch"]
        page = subprocess.Popen([*command, "ui", "--demo", "--runs", runs, "--port", str(port)], env=own)
        night = subprocess.Popen([*command, "demo", "--part", "night", "--runs", runs], env=own)
        try:
            address = f"http://127.0.0.1:{port}"
            _await(address, page)
            return _pictures(address, folder)
        finally:
            for process in (night, page):
                process.terminate()
            for process in (night, page):
                process.wait(30)


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("screenshots: the page did not start. Run `crowdwatch ui --demo`.") from error
            time.sleep(0.2)


def _pictures(address: str, folder: Path) -> list[Path]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(STANDS_MS)
        page.goto(f"{address}/?view=wall&lang=en")
        # an alarm that somebody has and a unit goes to, cameras that are lost, and pictures of those that see
        page.locator(".camera.bad", has_text="SILENT").first.wait_for()
        page.locator("#cw-slot-3 .line", has_text="acknowledged").wait_for()
        page.locator(".cameras img").first.wait_for()
        found = [_save(page, folder / "wall_en.jpg")]
        page.locator(".tools button", has_text="中文").click()
        page.locator(".layers button", has_text="密度").click()
        page.locator("#cw-map image[href^=data]").wait_for()
        page.locator(".cameras img").first.wait_for()
        found.append(_save(page, folder / "wall_zh.jpg"))
        browser.close()
    return found


def _save(page: Page, path: Path) -> Path:
    """As good as it may be large."""
    for quality in QUALITIES:
        if len(page.screenshot(path=path, type="jpeg", quality=quality)) < MOST_BYTES:
            return path
    raise RuntimeError(f"{path}: {path.stat().st_size} bytes, must be below {MOST_BYTES}.")


def main() -> None:
    """Take the pictures and say where they lie."""
    parser = argparse.ArgumentParser(description="Pictures of the demonstration for the documents.")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="Where they are written.")
    for path in take(parser.parse_args().folder):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
