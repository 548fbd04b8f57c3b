"""Pictures of the demonstration for the documents, taken in a real browser: ``make screenshots``.

The scripted night alone is shown: everything in the pictures is drawn, and nobody was filmed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.errors import ConfigError
from pipelines.benchmarks.page_server import CHROMIUM, FLAGS, served
from pipelines.command_line import run

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["main", "take"]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MOST_BYTES, QUALITIES = 300_000, (90, 80, 70, 60)
STANDS_MS = 180_000
"""The night has what is shown after a minute and a half."""


def take(folder: Path) -> list[Path]:
    """Play the night, and take a picture of the wall in English, and one in Chinese with the density field.

    Args:
        folder: where they are written.

    Raises:
        ConfigError: there is no browser, the page does not start, what is shown does not come, or a picture cannot be
            made small enough.
    """
    if not Path(CHROMIUM).exists():
        raise ConfigError(f"screenshots: {CHROMIUM} is not there. Install Debian's chromium.")
    try:
        from playwright.sync_api import Error
    except ImportError as error:
        raise ConfigError("screenshots: playwright is not installed: pip install 'crowdwatch[dev]'.") from error
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        store = f"sqlite:///{Path(name) / 'crowdwatch.sqlite'}"
        with served(store, Path(name)) as (address, _):
            night = subprocess.Popen(
                [sys.executable, "-m", "crowdwatch", "demo", "--part", "night", "--runs", name],
                stdin=subprocess.DEVNULL, env={**os.environ, "CROWDWATCH_STORE": store},
            )  # fmt: skip
            try:
                return _pictures(address, folder)
            except Error as error:
                raise ConfigError(f"screenshots: in the browser: {str(error).splitlines()[0]}") from error
            finally:
                night.kill()
                night.wait(timeout=20)


def _pictures(address: str, folder: Path) -> list[Path]:
    from playwright.sync_api import sync_playwright

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
    raise ConfigError(f"screenshots: {path} has {path.stat().st_size} bytes, must have fewer than {MOST_BYTES}.")


def _command(folder: Annotated[Path, typer.Option(help="Where they are written.")] = PICTURES) -> None:
    """Pictures of the demonstration for the documents."""
    for path in take(folder):
        typer.echo(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    """Run the command; a fault is a message and exit code 1."""
    app = typer.Typer(add_completion=False)
    app.command()(_command)
    run(app)
