"""The commander's wall in a real browser: how late, how heavy, how soon it says that it is dead.

``python -m pipelines.benchmark --page``. Times are of this machine with the browser on it; the share of the server is
processor time, which another program's work hardly moves.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.table import Table

from crowdwatch.errors import ConfigError
from pipelines.benchmarks.page_engine import PageEngine
from pipelines.benchmarks.page_server import CHROMIUM, FLAGS, PATIENCE_S, served
from pipelines.command_line import print_json, progress_bar

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["ALARMS", "measure_page"]

ZONES, MANY_ZONES, ALARMS, VIEWERS, WATCH_S = 36, 200, 20, 10, 20.0

PAINTED = """() => {
  const host = document.querySelector('[data-testid=stBidiComponentIsolated]');
  const wall = host && host.shadowRoot && host.shadowRoot.querySelector('#cw-wall');
  const shown = name => wall.querySelector(name) && wall.querySelector(name).textContent;
  return Boolean(wall && shown('.clock') && shown('#cw-slot-1 .name'));
}"""
SHOWS = """name => document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot
  .querySelector('#cw-slot-1 .name').textContent.endsWith(name) && Date.now()"""
LONG = """() => { window.longMs = 0; new PerformanceObserver(list => {
  for (const each of list.getEntries()) window.longMs += each.duration; }).observe({ type: 'longtask' }); }"""
DEAD = "() => Boolean(document.querySelector('#cw-dead-man')) && Date.now()"


def _open(browser: Browser, address: str) -> tuple[Page, float, int]:
    """A fresh client: its page, seconds until strip and alarms are there, bytes beyond the files of Streamlit."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    own = [0]
    session = context.new_cdp_session(page)
    urls: dict[str, str] = {}
    session.on("Network.responseReceived", lambda event: urls.__setitem__(event["requestId"], event["response"]["url"]))

    def loaded(event: dict[str, Any]) -> None:
        if "/static/" not in urls.get(event["requestId"], "/static/"):
            own[0] += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", loaded)
    session.on(
        "Network.webSocketFrameReceived",
        lambda event: own.__setitem__(0, own[0] + len(event["response"]["payloadData"]) * 3 // 4),  # base64 of bytes
    )
    session.send("Network.enable")
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(PAINTED)
    return page, time.perf_counter() - began, own[0]


def _share(server: subprocess.Popen[bytes]) -> float:
    """Share of a core that the server takes while nothing is done but watching."""
    process = psutil.Process(server.pid)
    before, began = process.cpu_times(), time.perf_counter()
    time.sleep(WATCH_S)
    after, passed_s = process.cpu_times(), time.perf_counter() - began
    return (after.user + after.system - before.user - before.system) / passed_s


def _late(page: Page, engine: PageEngine) -> list[float]:
    """Seconds from an alarm in the store to the alarm on the screen."""
    found = []
    for number in range(1, ALARMS + 1):
        time.sleep(0.3 + 0.137 * number % 1.0)  # anywhere between two beats of the page
        raised_s = engine.tick(raised=number)
        name = engine.site.zones[number % len(engine.site.zones)].name["en"]
        seen_ms = page.wait_for_function(SHOWS, arg=" " + name, polling=20).json_value()
        found.append(float(seen_ms) / 1000 - raised_s)
    return found


def _dead_s(page: Page, server: subprocess.Popen[bytes], how: signal.Signals) -> float:
    """Seconds until the overlay, after a signal to the server."""
    page.wait_for_function("() => !document.querySelector('#cw-dead-man')")
    began_s = time.time()
    server.send_signal(how)
    return float(page.wait_for_function(DEAD, polling=50).json_value()) / 1000 - began_s


def _one_event(browser: Browser, folder: Path, show: Any) -> dict[str, float]:
    engine = PageEngine(folder, ZONES)
    engine.tick(raised=0)
    try:
        with served(engine.url, folder) as (address, server):
            _open(browser, address)[0].context.close()  # the first client of a server waits for its modules
            fresh = [_open(browser, address) for _ in range(3)]
            for page, _, _ in fresh[1:]:
                page.context.close()
            page = fresh[0][0]
            show(1, "alarms")
            late = sorted(_late(page, engine))
            show(2, "one viewer")
            one = _share(server)
            others = [_open(browser, address)[0] for _ in range(VIEWERS - 1)]
            show(3, f"{VIEWERS} viewers")
            many = _share(server)
            for other in others:
                other.context.close()
            show(4, "dead-man")
            hang_s = _dead_s(page, server, signal.SIGSTOP)
            server.send_signal(signal.SIGCONT)
            kill_s = _dead_s(page, server, signal.SIGKILL)
            page.context.close()
        if engine.fault is not None:
            raise ConfigError(f"benchmark --page: the drawn engine ended: {engine.fault}")
    finally:
        engine.close()
    return {
        "alarm_visible_p95_s": late[min(len(late) - 1, round(0.95 * len(late)) - 1)],
        "first_paint_s": statistics.median(seconds for _, seconds, _ in fresh),
        "fresh_client_bytes": statistics.median(size for _, _, size in fresh),
        "server_share_1": one, f"server_share_{VIEWERS}": many, "dead_man_hang_s": hang_s, "dead_man_kill_s": kill_s,
    }  # fmt: skip


def _many_zones(browser: Browser, folder: Path) -> float:
    """Milliseconds of long tasks a second, with 200 zones."""
    engine = PageEngine(folder, MANY_ZONES)
    engine.tick(raised=0)
    try:
        with served(engine.url, folder) as (address, _):
            page, _, _ = _open(browser, address)
            page.wait_for_timeout(3000)
            page.evaluate(LONG)
            page.wait_for_timeout(WATCH_S * 1000)
            long_ms = float(page.evaluate("() => window.longMs"))
            page.context.close()
    finally:
        engine.close()
    return long_ms / WATCH_S


ROWS = (
    ("alarm raised to visible, p95", "alarm_visible_p95_s", "{:.2f} s", "1.5 s"),
    ("first paint of strip and alarms, fresh client", "first_paint_s", "{:.2f} s", "2.0 s"),
    ("bytes of a fresh client beyond Streamlit's own", "fresh_client_bytes", "{:,.0f}", "300,000"),
    ("server, share of a core, 1 viewer, 36 zones", "server_share_1", "{:.1%}", "8 %"),
    (f"server, share of a core, {VIEWERS} viewers", f"server_share_{VIEWERS}", "{:.1%}", "25 %"),
    ("long tasks, 200 zones", "long_tasks_ms_s", "{:.1f} ms/s", "50 ms/s"),
    ("dead-man after the server hangs", "dead_man_hang_s", "{:.1f} s", "6 s"),
    ("dead-man after the server is killed", "dead_man_kill_s", "{:.1f} s", "6 s"),
)


def measure_page(*, as_json: bool) -> None:
    """Measure the wall and print the figures.

    Args:
        as_json: print JSON instead of a table.

    Raises:
        ConfigError: no browser, the server does not start, or something did not appear in time.
    """
    if not Path(CHROMIUM).exists():
        raise ConfigError(f"benchmark --page: {CHROMIUM} is not there. Install Debian's chromium.")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise ConfigError("benchmark --page: playwright is not installed: pip install 'crowdwatch[dev]'.") from error
    try:
        with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright, progress_bar("page", 6) as show:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            show(0, "first paint")
            found = _one_event(browser, Path(name), show)
            show(5, "200 zones")
            found["long_tasks_ms_s"] = _many_zones(browser, Path(name))
            browser.close()
            show(6, "done")
    except Error as error:
        raise ConfigError(f"benchmark --page: in the browser: {str(error).splitlines()[0]}") from error
    if as_json:
        print_json(found)
        return
    table = Table("what", "measured", "must")
    for title, key, shape, most in ROWS:
        table.add_row(title, shape.format(found[key]), most)
    Console().print(table)
