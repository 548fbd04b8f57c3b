"""The demonstration in a real browser: a scripted night plays, and who watches acknowledges, sends a unit, and changes
the language. The night is a small one whose cameras stay lost, and nobody but the page answers: nothing is raced."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError, expect, sync_playwright

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.drivers.night_show import play_night
from crowdwatch.drivers.replay import Options
from crowdwatch.sources.night import Incident, IncidentKind, NightPlan

from .test_replay_watch import CHROMIUM, FLAGS, is_here, page_server

WITHIN_MS = 120_000
LOST = Incident("lost", IncidentKind.CAMERAS_LOST, 30.0, 17_000.0, cameras=("pier-west", "roof-west", "street-west"))


def test_a_night_is_watched_answered_and_read_in_both_languages(tmp_path: Path) -> None:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is not there: apt-get install chromium")
    store, stop, failed = f"sqlite:///{tmp_path / 'crowdwatch.sqlite'}", threading.Event(), []
    options = Options(tmp_path, store, 12.0, stop=stop)

    def play() -> None:
        try:
            play_night(config.load(example("new_year")), options, NightPlan(5, 300, (LOST,)), from_s=0.0, leaves_s=1e6)
        except Exception as error:  # noqa: BLE001  said by the test
            failed.append(error)

    night = threading.Thread(target=play)
    night.start()
    try:
        with page_server(tmp_path, store) as (address, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.set_default_timeout(WITHIN_MS)
            expect.set_options(timeout=WITHIN_MS)
            elsewhere: list[str] = []
            page.on("request", lambda request: None if is_here(request.url) else elsewhere.append(request.url))
            page.goto(f"{address}/?view=wall&lang=en")
            first = page.locator("#cw-slot-1")
            expect(first).to_contain_text("Blind zone")
            expect(page.locator(".camera.bad").first).to_contain_text("SILENT")
            expect(page.locator("#cw-zone-0")).to_be_visible()
            expect(page.locator(".cameras img").first).to_be_visible()

            # a place that has just changed takes nothing: the button is pressed until it has been taken
            ack = first.locator("button.ack")
            deadline = time.monotonic() + WITHIN_MS / 1000
            while ack.is_enabled():
                assert time.monotonic() < deadline, first.inner_text()
                with suppress(TimeoutError):  # an earlier press took effect meanwhile, and it is grey
                    ack.click(timeout=2000)
                page.wait_for_timeout(300)
            expect(first).to_contain_text("acknowledged")
            first.locator("button.dispatch").click()
            page.locator(".veil option").first.wait_for(state="attached")
            page.locator(".veil button[type=submit]").click()
            expect(first).to_contain_text(re.compile("on its way|on site"))

            page.locator(".tools button", has_text="中文").click()
            expect(page.locator(".strip")).to_contain_text("滨水广场跨年夜")
            expect(page.locator(".strip")).to_contain_text("演练")
            expect(page.locator("#cw-slot-1")).to_contain_text("已确认")
            assert elsewhere == []
            browser.close()
    finally:
        stop.set()
        night.join(timeout=60)
    assert not failed, failed
