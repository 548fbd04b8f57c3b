"""The commander's wall in a real browser: one load, four screens, keys, and a server and an engine that fall silent."""

from __future__ import annotations

import math
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, TimeoutError, expect, sync_playwright

from crowdwatch import config
from crowdwatch.config.schema import Text
from crowdwatch.core.outcomes import (
    Alarm,
    AlarmState,
    CameraHealth,
    Health,
    Level,
    Outcome,
    Quality,
    ZoneReading,
)
from crowdwatch.core.runs import CommandKind, Mode, Run, RunState
from crowdwatch.store.sql import SqlStore

from .test_replay_watch import CHROMIUM, FLAGS, PATIENCE_MS, is_here, page_server, said_after

NS = 1_000_000_000
SCREENS = ((1366, 768), (1920, 1080), (3840, 2160), (390, 844))
LONG, RIGHT_TO_LEFT = ("A name that does not end " * 9)[:200], "بوابة الشمال الكبيرة"
MARKUP = "<img src=x onerror='window.hacked=1'> & <b>gate</b>"


class Engine:
    """Writes ticks and beats as a live engine does, until it is told to be silent."""

    def __init__(self, url: str, store: SqlStore) -> None:
        self.url = url
        event = config.load(Path(__file__).parents[2] / "examples" / "synthetic" / "event.yaml")
        names = (MARKUP, RIGHT_TO_LEFT, LONG)
        zones = [
            zone.model_copy(update={"name": Text(en=name, zh=name)} if name else {})
            for zone, name in zip_longest(event.zones, names[: len(event.zones)])
        ]
        many = [event.cameras[0].model_copy(update={"id": f"c{n}", "name": Text(en=LONG, zh=LONG)}) for n in range(62)]
        event = event.model_copy(update={"zones": zones, "cameras": [*event.cameras, *many]})
        self.store, self.site = store, config.to_site(event)
        self.t_ns, self.acknowledged, self.silent = self.site.phases[0].start_ns + 60 * NS, False, threading.Event()
        self.zone_id = self.site.zones[0].zone_id
        store.begin(
            Run("wall", "wall", Mode.LIVE, event.model_dump_json(), "none", self.t_ns, self.t_ns, time.time_ns())
        )
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.wait(0.4):
            if not self.silent.is_set():
                self.tick()

    def tick(self) -> None:
        self.t_ns += NS // 2
        state = AlarmState.ACKNOWLEDGED if self.acknowledged else AlarmState.UNACKNOWLEDGED
        alarm = Alarm(
            "crowding", self.zone_id, state, Level.CRITICAL, self.t_ns - 5 * NS, (), first_raised_ns=self.t_ns - 5 * NS,
            quantity="density", value=5.4, limit=5.0, unit="p/m2", worst_value=5.6,
        )  # fmt: skip
        readings = tuple(self.reading(zone.zone_id) for zone in self.site.zones)
        health = tuple(CameraHealth(each.camera_id, self.t_ns, Health.FROZEN, 3.0, False) for each in self.site.cameras)
        self.store.write("wall", [Outcome(self.t_ns, readings, None, (), (alarm,), health)])
        self.store.beat("wall", state=RunState.RUNNING, t_ns=self.t_ns, wall_ns=time.time_ns(), speed=1.0)

    def reading(self, zone_id: str) -> ZoneReading:
        one = ZoneReading(
            zone_id, self.t_ns, 10.0, 40.0, 36.0, 45.0, 1.2, 1.0, 1.4, 2.0, 1.0, 1.0, 0.2, Quality.GOOD, Level.NORMAL,
            math.nan,
        )  # fmt: skip
        return replace(one, density_p_m2=5.4, level=Level.CRITICAL) if zone_id == self.zone_id else one


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path_factory.mktemp('wall') / 'crowdwatch.sqlite'}"
    store = SqlStore(url)
    running = Engine(url, store)
    yield running
    running.over.set()
    running.thread.join(timeout=10)
    store.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[tuple[str, Any]]:
    with page_server(tmp_path_factory.mktemp("page"), engine.url) as found:
        yield found


@pytest.fixture(scope="module")
def page(served: tuple[str, Any]) -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is not there: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        tab = chromium.new_page(viewport={"width": 1920, "height": 1080})
        elsewhere: list[str] = []
        tab.on("request", lambda request: None if is_here(request.url) else elsewhere.append(request.url))
        tab.goto(f"{served[0]}/?view=wall&event=wall")
        yield tab
        chromium.close()
    assert elsewhere == []


WITHIN = """() => {
  const wall = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.querySelector('#cw-wall');
  const faults = [];
  if (document.scrollingElement.scrollHeight > innerHeight) faults.push('the page scrolls');
  const must = ['.mode', '.clock', '#cw-map svg', '.number .value', '.slot', '.slot .ack', '.camera', '.action'];
  for (const name of must) for (const node of wall.querySelectorAll(name)) {
    const box = node.getBoundingClientRect();
    if (getComputedStyle(node).display === 'none' || !box.width) continue;
    if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1)
      faults.push(name + ' ' + JSON.stringify(box));
  }
  if (innerWidth < innerHeight && wall.querySelector('.side').getBoundingClientRect().top >
      wall.querySelector('.map').getBoundingClientRect().top) faults.push('the map stands before the alarms');
  return faults;
}"""


def test_the_wall(page: Page, engine: Engine, served: tuple[str, Any], tmp_path: Path) -> None:
    first = page.locator("#cw-slot-1")
    expect(first).to_contain_text(MARKUP)
    expect(page.locator(".strip .mode")).to_have_text("LIVE")

    # names are text, wherever they stand
    assert page.evaluate("window.hacked") is None
    assert page.locator("#cw-wall img[src='x']").count() == 0
    assert page.locator("#cw-wall b", has_text="gate").filter(has_not_text="<b>").count() == 0

    # of very many cameras those that are not shown are a number
    expect(page.locator(".rest .more")).to_contain_text(re.compile(r"^\d+ more; unhealthy: \d+$"))

    # everything within four screens, without scrolling
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("size => innerWidth === size[0] && innerHeight === size[1]", arg=[width, height])
        expect(page.locator("#cw-zone-0")).to_be_visible()
        try:
            page.wait_for_function(f"({WITHIN})().length === 0", timeout=20_000)
        except TimeoutError:
            pytest.fail(f"{width} x {height}: {page.evaluate(WITHIN)}")
        page.screenshot(path=tmp_path / f"{width}x{height}.png")
    page.set_viewport_size({"width": 1366, "height": 768})

    # the keyboard chooses a zone, and the key of a place acknowledges its alarm with the level that was seen
    page.locator("#cw-map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    aimed = page.locator("#cw-map").get_attribute("aria-activedescendant")
    page.keyboard.press("Enter")
    expect(page.locator(f"#{aimed}")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#cw-map-text")).to_contain_text("CRITICAL")
    page.keyboard.press("1")
    expect(first.locator("button.ack")).to_be_disabled()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not engine.store.pending("wall"):
        assert time.monotonic() < deadline, "the key 1 acknowledged nothing"
        page.wait_for_timeout(50)
    (command,) = engine.store.pending("wall")
    assert (command.kind, command.zone_id, command.value) == (
        CommandKind.ACKNOWLEDGE,
        engine.zone_id,
        float(Level.CRITICAL),
    )
    engine.acknowledged = True
    engine.store.sequenced(command.command_id, engine.t_ns)
    expect(first).to_contain_text("acknowledged")

    # a dialog keeps what is typed while the wall is drawn anew
    first.locator("button.shelve").click()
    why = page.locator(".veil input").first
    why.fill("1 test")
    drawn = page.locator(".clock").text_content()
    expect(page.locator(".clock")).not_to_have_text(drawn or "")
    expect(why).to_have_value("1 test")
    page.keyboard.press("Escape")
    assert engine.store.pending("wall") == []

    # the page's server hangs, the engine dies: said within 6 s, and gone when they are back
    overlay = page.locator("#cw-dead-man")
    expect(overlay).to_have_count(0)
    try:
        with said_after(page, "THIS SCREEN IS NOT UPDATED", 6):
            served[1].send_signal(signal.SIGSTOP)
    finally:
        served[1].send_signal(signal.SIGCONT)
    expect(overlay).to_have_count(0)
    with said_after(page, "THE ENGINE IS SILENT", 7):
        engine.silent.set()
    engine.silent.clear()
    expect(overlay).to_have_count(0)
