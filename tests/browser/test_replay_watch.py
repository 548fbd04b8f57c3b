"""A real browser watches a real replay: an alert appears, is acknowledged by keyboard, and a killed engine is loud.

Perfect models: the replays are of the synthetic example, where ``TruthDetector`` and ``TruthCounter`` see everybody.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from crowdwatch import config
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Command, CommandKind
from crowdwatch.drivers.build import open_store
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import StoreUnavailable

ROOT = Path(__file__).parents[2]
CHROMIUM = Path(os.environ.get("CROWDWATCH_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE_MS = 60_000
"""The slowest thing waited for is the engine's start on a busy machine, about 10 s here."""
expect.set_options(timeout=PATIENCE_MS)


def start(arguments: list[str], folder: Path, store: str, name: str) -> subprocess.Popen[bytes]:
    """Start a Python module whose words go to a file."""
    with open(folder / f"{name}.log", "wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, "CROWDWATCH_STORE": store},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pace(store: str, speed: float, *, when: Callable[[Store, str], Any] = lambda store, run_id: True) -> None:
    """Set the speed of the newest run, as soon as the store says that it is so far: slow while the page is used, so
    that no run ends under the operator's hands however busy the machine is, and then to the end."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not _paced(store, speed, when):
        assert time.monotonic() < deadline, "the run did not come so far within a minute"
        time.sleep(0.05)


def _paced(store: str, speed: float, when: Callable[[Store, str], Any]) -> bool:
    try:
        handle = open_store(store, create=False)
    except StoreUnavailable:  # the engine has not made it yet
        return False
    try:
        runs = handle.runs()
        if not runs or not when(handle, runs[0].run_id):
            return False
        handle.submit(Command(runs[0].run_id, CommandKind.SPEED, "test", time.time_ns(), value=speed))
        return True
    finally:
        handle.close()


def runs_of(store: str) -> list[str]:
    """The runs that it holds."""
    handle = open_store(store)
    try:
        return [run.run_id for run in handle.runs()]
    finally:
        handle.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all runs: the page shows the newest."""
    return f"sqlite:///{tmp_path_factory.mktemp('runs') / 'crowdwatch.sqlite'}"


@contextmanager
def page_server(folder: Path, store: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The page, served on a free port: its address, and its server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(["streamlit", "run", "app.py", "--server.port", str(port)], folder, store, "page")
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_MS / 1000
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (folder / "page.log").read_text()
                assert time.monotonic() < deadline, "the page did not start within a minute"
                time.sleep(0.1)
        yield address, process
    finally:
        end(process)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, store: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with page_server(tmp_path_factory.mktemp("page"), store) as found:
        yield found


@pytest.fixture(scope="module")
def server(served: tuple[str, subprocess.Popen[bytes]]) -> str:
    return served[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def new_tab(browser: Any) -> Iterator[Page]:
    """A tab that fails the test when the page asks anything of another machine."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    elsewhere: list[str] = []
    tab.on("request", lambda request: None if is_here(request.url) else elsewhere.append(request.url))
    tab.set_default_timeout(PATIENCE_MS)
    yield tab
    tab.close()
    assert elsewhere == []


@pytest.fixture(scope="module")
def early(server: str, browser: Any) -> Iterator[Page]:
    """A tab in which the page was opened before anything was recorded, whichever test comes first."""
    with new_tab(browser) as tab:
        tab.goto(server)
        expect(tab.get_by_text("Nothing has been recorded yet")).to_be_visible()
        yield tab


@pytest.fixture(scope="module")
def address(server: str, early: Page) -> str:
    return server


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    with new_tab(browser) as tab:
        yield tab


def is_here(url: str) -> bool:
    return bool(re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url))


def focused_button(page: Page) -> str:
    """The text of the button that has the focus; empty when something else has it."""
    return str(page.evaluate("document.activeElement.tagName === 'BUTTON' ? document.activeElement.innerText : ''"))


def focus_with_tab(page: Page, part: str, unless: Locator | None = None) -> bool:
    """Press Tab until the element with this text has the focus, as one without a mouse does.

    ``unless`` is what a press of it brings: where that comes meanwhile, because an earlier press took effect, the
    element may be gone. Returns whether it has the focus.
    """
    for _ in range(60):
        page.keyboard.press("Tab")
        if part in focused_button(page):
            return True
        if unless is not None and unless.is_visible():
            return False
    missed = f"{part!r} cannot be reached with Tab"
    if unless is None:
        raise AssertionError(missed)
    expect(unless, f"{missed}, and what it brings has not come").to_be_visible()
    return False


def press(page: Page, part: str, brings: Locator) -> None:
    """Press a button by keyboard until what it brings is there: on a busy machine a press that comes while the page is
    exchanged may be lost, and people press again."""
    for _ in range(4):
        if focus_with_tab(page, part, brings):
            page.keyboard.press("Enter")
        with suppress(AssertionError):
            expect(brings).to_be_visible(timeout=20_000)
            return
    expect(brings).to_be_visible()


WATCH_DEAD_MAN = """() => { window.deadManAge = new Promise(found => {
  const watch = new MutationObserver(() => {
    const age = document.querySelector("#cw-dead-man div:last-child")?.textContent;
    if (age) { watch.disconnect(); found(parseInt(age)); }
  });
  watch.observe(document.body, { childList: true, subtree: true, characterData: true });
}); }"""


@contextmanager
def said_after(page: Page, text: str, limit_s: int) -> Iterator[None]:
    """What the block does makes the overlay say ``text``, and when it came the last drawing was less than so many
    seconds old by the browser's own clock: how fast this machine brings the news to the test is not what is promised.
    """
    page.evaluate(WATCH_DEAD_MAN)
    yield
    expect(page.locator("#cw-dead-man")).to_contain_text(text, timeout=PATIENCE_MS)
    assert page.evaluate("window.deadManAge") < limit_s


def replay(store: str, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """An engine that replays the drawn scene into the store that the page shows."""
    runs = str(Path(store.removeprefix("sqlite:///")).parent)
    return start(
        ["crowdwatch", "replay", "examples/synthetic/event.yaml", "--runs", runs, *words], folder, store, "engine"
    )


def test_an_alert_appears_and_is_acknowledged_by_keyboard(early: Page, store: str, tmp_path: Path) -> None:
    page = early
    engine = replay(store, tmp_path, "--speed", "1", "--from", "0:00:45")
    try:
        # the alarm is CRITICAL in its third second and stays for 35 s of the event: from here on three minutes
        pace(store, 0.2, when=lambda handle, run_id: handle.alerts(run_id))

        # the page fills by itself, and says what it is
        expect(page.get_by_text("SYNTHETIC SCENE")).to_be_visible()
        expect(page.locator(".js-plotly-plot").first).to_be_visible()

        # the alert
        button = page.get_by_role("button", name=re.compile("Acknowledge In front of the stage"))
        expect(button).to_be_visible()
        expect(page.get_by_text("NOT ACKNOWLEDGED").first).to_be_visible()
        page.screenshot(path=tmp_path / "alert.png")

        # the focus must outlive the redrawing once a second, or no one can press anything with a keyboard
        focus_with_tab(page, "Acknowledge In front of the stage")
        page.wait_for_timeout(2500)
        assert "Acknowledge In front" in focused_button(page)
        # the journal's line stays, the button goes: either may come first
        done = page.get_by_role("row").filter(has_text="Crowding acknowledged (operator)").first
        page.keyboard.press("Enter")
        with suppress(AssertionError):
            expect(done).to_be_visible(timeout=20_000)
        if not done.is_visible():  # the press was lost, or the alarm rose before it
            press(page, "Acknowledge In front of the stage", done)
        page.screenshot(path=tmp_path / "acknowledged.png")

        # a picture of the camera is there
        expect(page.locator('[data-testid="stImage"] img')).to_have_count(1)

        # an engine that dies is loud within a few seconds, and nothing keeps looking normal
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        loud = page.get_by_role("alert").filter(has_text="THE ENGINE IS SILENT: EVERYTHING IS UNKNOWN")
        expect(loud).to_be_visible(timeout=15_000)
        expect(page.get_by_text("? UNKNOWN").first).to_be_visible()
        expect(page.locator('[data-testid="stImage"] img')).to_have_count(0)
        page.screenshot(path=tmp_path / "dead.png")
    finally:
        end(engine)
        page.goto("about:blank")  # nothing is drawn in it any more


def test_a_finished_run_can_be_watched_again_in_chinese(page: Page, address: str, store: str, tmp_path: Path) -> None:
    event = config.load(ROOT / "examples" / "synthetic" / "event.yaml")
    runs = Path(store.removeprefix("sqlite:///")).parent
    replay_recording(event, Options(runs, store, to_ns=event.start_ns + 20 * 1_000_000_000))
    page.goto(f"{address}/analyst?lang=zh")
    expect(page.get_by_text("已结束")).to_be_visible()
    speed = page.get_by_role("combobox", name="速度")
    for _ in range(3):  # the list of runs may be a second old, and the page does not leave a run by itself
        with suppress(AssertionError):
            expect(speed).to_be_visible(timeout=20_000)
            break
        page.goto(f"{address}/analyst?lang=zh")
    speed.click()
    page.get_by_role("option", name="×0.5").click()
    before = len(runs_of(store))
    page.get_by_role("button", name="再看一次").click()
    pace(store, 0.1, when=lambda handle, run_id: len(handle.runs()) > before and handle.readings(run_id))
    expect(page.get_by_text("运行中")).to_be_visible()
    page.screenshot(path=tmp_path / "again.png")
    page.get_by_role("button", name=re.compile("暂停")).click()
    page.get_by_role("button", name="确定为所有人暂停吗？").click()  # others watch it too
    expect(page.get_by_text("以下内容均为")).to_be_visible()
    page.get_by_role("button", name=re.compile("继续")).click()
    expect(page.get_by_role("button", name=re.compile("暂停"))).to_be_visible()
    pace(store, 0)
    expect(page.get_by_text("已结束")).to_be_visible()


def _hangs(page: Page, server: subprocess.Popen[bytes], *, said: bool) -> None:
    """The page's server hangs: the browser itself says so within 6 s, where the page would change, and until it
    answers again."""
    overlay = page.locator("#cw-dead-man")
    expect(overlay).to_have_count(0)
    try:
        if said:
            with said_after(page, "THIS PAGE IS NOT UPDATED ANY MORE", 6):
                server.send_signal(signal.SIGSTOP)
            expect(overlay).to_be_visible()
        else:
            server.send_signal(signal.SIGSTOP)
            page.wait_for_timeout(6000)
            expect(overlay).to_have_count(0)
    finally:
        server.send_signal(signal.SIGCONT)
    expect(overlay).to_have_count(0)


def test_a_picture_is_counted_by_keyboard_while_the_run_goes_on(
    page: Page, address: str, served: tuple[str, subprocess.Popen[bytes]], store: str, tmp_path: Path
) -> None:
    """What is typed outlives the redrawing once a second; what the log does not hold yet is not lost."""
    before = len(runs_of(store))
    engine = replay(store, tmp_path, "--speed", "0.5", "--to", "0:00:20")
    try:
        pace(store, 0.1, when=lambda handle, run_id: len(handle.runs()) > before and handle.readings(run_id))
        page.goto(address)
        expect(page.get_by_text("running", exact=True)).to_be_visible()  # until then it shows the run before
        expect(page.locator('[data-testid="stImage"] img')).to_have_count(1)
        held = page.get_by_text("PICTURE HELD FOR COUNTING")
        press(page, "Count the people in this picture", held)
        people = page.get_by_role("spinbutton", name=re.compile("People in the picture of"))
        people.focus()
        page.keyboard.type("13")
        page.keyboard.press("Tab")
        for _ in range(60):
            if page.get_by_role("textbox", name="Counted by").evaluate("it => it === document.activeElement"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Control+a")
        page.keyboard.type("PAula")
        page.wait_for_timeout(2500)
        expect(people).to_have_value("13")
        page.keyboard.press("Enter")
        waits = page.get_by_role("alert").filter(has_text=re.compile("the run goes on, and its log is (not )?written"))
        saved = page.get_by_role("status").filter(has_text="Saved as entry 1: 13 by hand")
        expect(waits.or_(saved)).to_be_visible()  # saved at once where who types was slower than the log
        early = saved.is_visible()
        if not early:
            expect(people).to_have_value("13")
        page.screenshot(path=tmp_path / "counting.png")
        _hangs(page, served[1], said=True)
        page.screenshot(path=tmp_path / "alive-again.png")
        pace(store, 0)
        assert engine.wait(timeout=600) == 0, (tmp_path / "engine.log").read_text()
        expect(page.get_by_text("finished", exact=True)).to_be_visible()
        if not early:
            press(page, "Save the count", saved)
        page.screenshot(path=tmp_path / "counted.png")
        _hangs(page, served[1], said=False)  # nothing of a run that is over grows old
    finally:
        end(engine)
    page.goto(f"{address}/hand-counts")
    expect(page.get_by_role("heading", name="Cameras of this event")).to_be_visible()
    expect(page.get_by_role("table").get_by_text("Mast")).to_be_visible()
    page.screenshot(path=tmp_path / "hand-counts.png")
