"""A first start in a real browser: the code from the terminal, a sign-in that outlives a reload, hostile names that
stay text, and a sign-out that ends in every tab."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from crowdwatch.drivers.build import open_people

CHROMIUM = Path(os.environ.get("CROWDWATCH_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
HOSTILE = "![p](http://x.y/p) <img src=//x.y> $q$ :bomb: :red[b] **c**"
PASSWORD = "four plain words here"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """The page as a site starts it: its address, the code that the terminal shows, and its folder of runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-m", "crowdwatch", "ui", "--runs", str(tmp_path), "--port", str(port)]
    environment = {
        key: value for key, value in os.environ.items() if key not in ("CROWDWATCH_ACCESS", "CROWDWATCH_STORE")
    }
    said = tmp_path / "page.log"
    with said.open("wb") as log:
        server = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                    found = re.search(r"^    ([A-Z2-9-]{23})$", said.read_text(), re.MULTILINE)
            except OSError:
                found = None
            if found:
                break
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        yield address, found[1], tmp_path
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture
def context() -> Iterator[Any]:
    """One browser with its cookies, which asks nothing of another machine."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = chromium.new_context()
        context.set_default_timeout(60_000)
        elsewhere: list[str] = []
        context.on("request", lambda it: elsewhere.append(it.url) if "://127.0.0.1" not in it.url else None)
        yield context
        chromium.close()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []


def fill(page: Page, **texts: str) -> None:
    for label, text in texts.items():
        page.get_by_label(re.compile(label.replace("_", " "))).first.fill(text)


def test_a_first_start_a_reload_and_a_sign_out_in_every_tab(served: tuple[str, str, Path], context: Any) -> None:
    address, code, runs = served
    expect.set_options(timeout=60_000)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text("Nobody has an account yet")).to_be_visible()
    assert page.get_by_text("Watch", exact=True).count() == 0  # nothing but the form
    fill(page, Code="AAAAA-AAAAA-AAAAA-AAAAA", Name=HOSTILE, Password=PASSWORD, same_password=PASSWORD)
    page.get_by_role("button", name="Make the first account").click()
    expect(page.get_by_text("The code is wrong, was used, or is over")).to_be_visible()
    fill(page, Code=code, Name=HOSTILE, Password=PASSWORD, same_password=PASSWORD)
    page.get_by_role("button", name="Make the first account").click()
    expect(page.get_by_text("No run yet")).to_be_visible()
    expect(page.get_by_text(re.compile("administrator · until"))).to_be_visible()

    # the cookie is there, no script can read it, and a reload and a second tab need no form
    deadline = time.monotonic() + 60
    while not (found := [each for each in context.cookies() if each["name"] == "crowdwatch_session"]):
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)
    assert (found[0]["httpOnly"], found[0]["sameSite"]) == (True, "Strict")
    assert "crowdwatch_session" not in page.evaluate("document.cookie")
    other = context.new_page()
    other.goto(f"{address}/accounts")
    expect(other.get_by_role("button", name="Add an account")).to_be_visible()
    assert other.locator("main img").count() == 0
    shown = other.get_by_text(re.compile("administrator · until"))
    expect(shown).to_have_attribute("title", HOSTILE)
    page.reload()
    expect(page.get_by_text("No run yet")).to_be_visible()

    # what the address beside the page gives, it gives to its own page and once
    for origin in (address, "http://x.y"):
        headers = {"Content-Type": "application/json", "Origin": origin}
        answer = context.request.post(f"{address}/crowdwatch/session", headers=headers, data={"ticket": "guess"})
        assert answer.status == 403

    page.get_by_role("button", name="Sign out in all tabs").click()
    expect(page.get_by_text("Signed out", exact=True)).to_be_visible()
    expect(other.get_by_text("Your sign-in has ended")).to_be_visible()
    expect(other.get_by_role("button", name="Add an account")).to_have_count(0)
    other.reload()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()

    url = f"sqlite:///{runs / 'crowdwatch.sqlite'}"
    people = open_people(url)
    kinds = [entry.kind for entry in people.entries()]
    assert kinds == ["sign_in_refused", "account", "sign_in", "sign_out"]
    assert people.fault() is None
    people.close()
    kept = b"".join(path.read_bytes() for path in runs.glob("crowdwatch.sqlite*"))
    assert PASSWORD.encode() not in kept
    assert code.replace("-", "").encode() not in kept
    assert found[0]["value"].encode() not in kept
