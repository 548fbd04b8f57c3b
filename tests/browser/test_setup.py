"""From a video to a calibrated, checked event in a real browser, as docs/setup.md says it.

The video is drawn: a plan of ours, seen by a camera whose pose is known, so that what is clicked has a true place.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.commands.cli import app
from crowdwatch.ground import plane_from_pose, to_image

ROOT = Path(__file__).parents[2]
CHROMIUM = Path(os.environ.get("CROWDWATCH_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE_MS = 60_000

HW = (480, 640)
CAMERA_M = (20.0, -4.0, 8.0)
TILT_RAD = np.radians(30)
K = np.array([[520.0, 0, 320], [0, 520.0, 240], [0, 0, 1]])
R = np.array([[1, 0, 0], [0, -np.sin(TILT_RAD), -np.cos(TILT_RAD)], [0, np.cos(TILT_RAD), -np.sin(TILT_RAD)]])
PLANE = plane_from_pose(K, R, -R @ np.array(CAMERA_M), image_hw=HW)
PX_M = 20.0
"""The plan shows 40 m x 30 m, twenty pixels a metre."""

POINTS_M = [(13.0, 6.0), (27.0, 6.0), (30.0, 18.0), (10.0, 18.0), (20.0, 11.0), (24.0, 24.0)]
SQUARE_M = [(12.0, 5.0), (28.0, 5.0), (30.0, 20.0), (10.0, 20.0)]
ZONE_M = [(14.0, 8.0), (26.0, 8.0), (26.0, 16.0), (14.0, 16.0)]


def plan_picture() -> np.ndarray:
    picture = np.full((600, 800, 3), 150, np.uint8)
    picture[::40], picture[:, ::40] = 110, 110
    for east, north in POINTS_M:
        cv2.circle(picture, (round(east * PX_M), round(600 - north * PX_M)), 8, (40, 40, 200), -1)
    return picture


def video(path: Path) -> Path:
    """Two seconds of the plan as the camera sees it."""
    plan_from_ground = np.array([[PX_M, 0, 0], [0, -PX_M, 600], [0, 0, 1]])
    seen = cv2.warpPerspective(plan_picture(), np.linalg.inv(plan_from_ground @ PLANE.image_to_ground), HW[::-1])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = HW[1], HW[0], "yuv420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(seen, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = (tmp_path / "page.log").open("wb")
    script = str(ROOT / "app.py")
    served = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)], cwd=ROOT, stdout=said,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env={**os.environ, "CROWDWATCH_EVENTS": str(tmp_path / "events"), "PYTHONPATH": str(ROOT),
             "CROWDWATCH_STORE": f"sqlite:///{tmp_path / 'none.sqlite'}"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                    break
            except OSError:
                assert served.poll() is None, (tmp_path / "page.log").read_text()
                assert time.monotonic() < deadline, "the page did not start within 60 s"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        served.terminate()
        try:
            served.wait(timeout=20)
        except subprocess.TimeoutExpired:
            served.kill()
            served.wait()
        said.close()


@pytest.fixture
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        tab = chromium.new_page(viewport={"width": 1600, "height": 1100})
        tab.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        elsewhere: list[str] = []
        here = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
        tab.on("request", lambda request: None if request.url.startswith(here) else elsewhere.append(request.url))
        yield tab
        chromium.close()
    assert elsewhere == []


def board(page: Page, label: str) -> Locator:
    return page.locator(f'svg[role="application"][aria-label^="{label}"]')


def click(page: Page, svg: Locator, u: float, v: float) -> None:
    """Click a pixel of a board, and wait until Python has answered."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    at = svg.evaluate(
        "(s, p) => { const m = s.getScreenCTM(), b = s.getBoundingClientRect();"
        " return [m.a * p[0] + m.e - b.left - s.clientLeft, m.d * p[1] + m.f - b.top - s.clientTop]; }",
        [u, v],
    )
    done = int(svg.get_attribute("data-done") or 0)
    svg.click(position={"x": at[0], "y": at[1]})
    expect(svg).to_have_attribute("data-done", str(done + 1))


def on_plan(xy: tuple[float, float]) -> tuple[float, float]:
    return xy[0] * PX_M, 600 - xy[1] * PX_M


def on_frame(xy: tuple[float, float]) -> tuple[float, float]:
    u, v = to_image(PLANE, np.array([xy]))[0]
    return float(u), float(v)


def field(page: Page, label: str) -> Locator:
    """The field as the newest run of the script drew it: for a moment the one before stands beside it."""
    return page.locator(f'[data-testid="stElementContainer"][data-stale="false"] input[aria-label^="{label}"]')


def fill(page: Page, label: str, value: str) -> None:
    field(page, label).fill(value)
    field(page, label).press("Tab")


def step(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).click()


def pick(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def walk(page: Page, address: str, footage: Path, plan: Path, shot: Callable[[str], None] = lambda name: None) -> None:
    page.goto(f"{address}/set-up")
    fill(page, "Video file or camera address", str(footage.with_name("none.mp4")))
    fill(page, "Name for people", "New Year <img src=x> ![p](http://x.y/p.png)")
    fill(page, "Short name", "eve")
    page.get_by_role("button", name="Begin an event").click()
    expect(page.get_by_text("no such file")).to_be_visible()
    expect(field(page, "Short name")).to_have_value("eve")
    fill(page, "Video file or camera address", str(footage))
    fill(page, "Time of the first frame", "2026-12-31T13:30:00Z")
    page.get_by_role("button", name="Begin an event").click()
    expect(page.get_by_text("Begun: eve")).to_be_visible()
    shot("1-event")

    step(page, "2 Camera")
    page.locator('input[type="file"]').set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"none"})
    expect(page.get_by_text("Received: x.png")).to_be_visible()
    fill(page, "Metres a pixel", "0.05")
    page.get_by_role("button", name="Take this plan").click()
    expect(page.get_by_text("is no picture that can be read")).to_be_visible()
    page.locator('input[type="file"]').set_input_files(str(plan))
    expect(page.get_by_text("Received: plan.png")).to_be_visible()
    page.get_by_role("button", name="Take this plan").click()
    expect(page.get_by_text("The plan shows 40 m x 30 m")).to_be_visible()
    frame, map_ = board(page, "Frame of the camera"), board(page, "Plan of the site")
    expect(page.get_by_role("button", name="Take this plan")).not_to_be_visible()
    expect(frame).to_be_visible()
    for xy in POINTS_M:
        click(page, frame, *on_frame(xy))
        click(page, map_, *on_plan(xy))
    expect(page.get_by_text("6 points.")).to_be_visible()
    shot("2-points")
    page.get_by_role("button", name="From the points").click()
    expect(field(page, "Camera height")).to_have_value("8.00")
    page.get_by_role("button", name="Use this calibration").click()
    expect(page.get_by_text("Camera camera has these points now")).to_be_visible()
    shot("3-calibrated")

    step(page, "3 Ground")
    map_ = board(page, "Plan of the site")
    page.get_by_role("button", name="Remove this shape").click()
    expect(page.get_by_text("got 0 different corners")).to_be_visible()
    for xy in SQUARE_M:
        click(page, map_, *on_plan(xy))
    expect(page.get_by_text("Usable area 270.0 m²")).to_be_visible()
    pick(page, "Shape", "The ground in view")
    expect(page.locator(".cw-h", has_text="The ground in view")).to_be_visible()
    page.get_by_role("button", name="Remove this shape").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Stage front")
    page.get_by_role("textbox", name="Name", exact=True).press("Tab")
    page.get_by_role("button", name="Add", exact=True).click()
    pick(page, "Draw on", "camera")
    frame = board(page, "Frame of the camera")
    for xy in ZONE_M:
        click(page, frame, *on_frame(xy))
    done = int(frame.get_attribute("data-done") or 0)
    frame.press("ArrowRight")
    frame.press("Control+z")
    expect(frame).to_have_attribute("data-done", str(done + 2))
    expect(page.get_by_text("Usable area 96.")).to_be_visible()
    page.get_by_role("button", name="Use as capacity of the zone").click()
    expect(page.get_by_text("In the file: 19")).to_be_visible()
    shot("4-ground")

    step(page, "4 Limits")
    fill(page, "WATCH", "9")
    shot("5-limits")
    step(page, "5 Check and save")
    expect(page.get_by_text("1 FAULTS: CANNOT BE SAVED")).to_be_visible()
    shot("6-faults")
    step(page, "4 Limits")
    fill(page, "WATCH", "2.2")
    step(page, "5 Check and save")
    expect(page.get_by_text("SOUND", exact=True)).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved: eve")).to_be_visible()
    shot("7-saved")


def test_from_a_video_to_a_sound_event(address: str, page: Page, tmp_path: Path) -> None:
    plan = tmp_path / "plan.png"
    cv2.imwrite(str(plan), plan_picture())
    walk(page, address, video(tmp_path / "square.mp4"), plan)
    path = tmp_path / "events" / "eve" / "event.yaml"
    said = CliRunner().invoke(app, ["check", str(path)])
    assert said.exit_code == 0, said.output
    assert "is sound" in said.output
    event = config.load(path)
    zone, camera = event.zones[0], config.to_site(event).cameras[0]
    assert (zone.id, zone.limits.density_p_m2) == ("stage-front", {"watch": 2.2})
    assert zone.usable_area_m2 == pytest.approx(96, rel=0.02), "clicks on a frame, half a pixel each"
    assert camera.fixed_plane.rmse_m < 0.05
    assert np.allclose(camera.fixed_plane.camera_centre_m, CAMERA_M, atol=0.5)
    assert event.labels == []
    assert "<img src=x>" in event.name.en
    assert len(list((path.parent / "versions").glob("*-operator-*.yaml"))) == 1
    assert not list(tmp_path.rglob("frame*")), "a clear frame is written nowhere"
