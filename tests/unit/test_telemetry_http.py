"""Metrics, signs of health and pictures over real HTTP: what is unsigned, expired, foreign or changed gets 403."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from crowdwatch.errors import ConfigError
from crowdwatch.store.pictures import PictureFolder, newest_picture
from crowdwatch.telemetry import picture_routes as routes
from crowdwatch.telemetry.live_metrics import LiveMetrics
from crowdwatch.telemetry.picture_routes import OLD_S, draw_age, picture_routes
from crowdwatch.telemetry.serving import Serving, metrics_routes
from crowdwatch.telemetry.signing import KEY_NAME, LONGEST_LIFE_S, PictureKey

NS = 1_000_000_000
NOW_S = 1_700_000_000


class Now:
    """UTC that the test moves."""

    def __init__(self) -> None:
        self.s = float(NOW_S)

    def __call__(self) -> int:
        return round(self.s * NS)


def jpeg(grey: int = 100) -> bytes:
    return cv2.imencode(".jpg", np.full((300, 400, 3), grey, np.uint8))[1].tobytes()


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    PictureFolder(tmp_path / "night-1" / "pictures").write("north", (NOW_S - 2) * NS, jpeg())
    return tmp_path


@pytest.fixture
def served(runs: Path, now: Now) -> Iterator[tuple[str, PictureKey]]:
    key = PictureKey.of(runs / KEY_NAME)

    def newest(run_id: str, camera_id: str) -> tuple[bytes, int] | None:
        return newest_picture(str(runs / run_id), camera_id, now())

    with Serving(picture_routes(key, newest, now), "127.0.0.1", 0, "pictures") as serving:
        yield f"http://127.0.0.1:{serving.port}", key


def test_a_signed_address_gets_the_picture_with_its_age(served: tuple[str, PictureKey], now: Now) -> None:
    base, key = served
    status, headers, body = get(key.address(base, "night-1", "north", "jpg", now_s=now.s))
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert float(headers["x-picture-age-seconds"]) == 2.0
    assert headers["cache-control"] == "no-store"
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (300, 400, 3)
    assert shown[:20].max() > 200, "the age is written across the top"
    assert abs(int(shown[200, 200, 0]) - 100) < 5


def test_what_is_unsigned_expired_foreign_or_changed_gets_403(
    served: tuple[str, PictureKey], now: Now, tmp_path: Path
) -> None:
    base, key = served
    address = key.address(base, "night-1", "north", "jpg", now_s=now.s)
    query = address.partition("?")[2]
    until, sig = (part.partition("=")[2] for part in query.split("&"))
    later = str(int(until) + 1)
    foreign = PictureKey.of(tmp_path / "other" / KEY_NAME)
    far = PictureKey(key._secret)
    refused = {
        "unsigned": f"{base}/pictures/night-1/north.jpg",
        "empty": f"{base}/pictures/night-1/north.jpg?until=&sig=",
        "half": f"{base}/pictures/night-1/north.jpg?sig={sig}",
        "of another camera": f"{base}/pictures/night-1/south.jpg?{query}",
        "of another run": f"{base}/pictures/night-2/north.jpg?{query}",
        "of another form": f"{base}/pictures/night-1/north.mjpeg?{query}",
        "by another key": foreign.address(base, "night-1", "north", "jpg", now_s=now.s),
        "longer": f"{base}/pictures/night-1/north.jpg?until={later}&sig={sig}",
        "changed": f"{base}/pictures/night-1/north.jpg?until={until}&sig={'0' * 64}",
        "not ascii": f"{base}/pictures/night-1/north.jpg?until=%C2%B2&sig=%C3%A9",
        "twice": f"{address}&until={later}",
        "beyond the longest life": far.address(
            base, "night-1", "north", "jpg", now_s=now.s + LONGEST_LIFE_S + 5
        ),
        "no such picture, unsigned": f"{base}/pictures/night-9/nobody.jpg",
    }  # fmt: skip
    for what, url in refused.items():
        status, _, body = get(url)
        assert status == 403, what
        assert b"not signed" in body
    assert get(address)[0] == 200
    now.s += 61
    assert get(address)[0] == 403, "expired"


@pytest.mark.parametrize("camera", ["..", "../../etc/passwd", "%2e%2e", "nobody"])
def test_a_signed_address_leads_nowhere_else(served: tuple[str, PictureKey], now: Now, camera: str) -> None:
    base, key = served
    assert get(key.address(base, "night-1", camera, "jpg", now_s=now.s))[0] in (403, 404)


def test_a_stream_shows_new_pictures_and_ends_with_its_address(
    served: tuple[str, PictureKey], now: Now, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "FRAME_S", 0.02)
    base, key = served
    with urllib.request.urlopen(key.address(base, "night-1", "north", "mjpeg", now_s=now.s), timeout=5) as stream:
        assert stream.headers["content-type"].startswith("multipart/x-mixed-replace")

        def part() -> dict[str, str]:
            head = {}
            while (line := stream.readline().strip()) != b"" or not head:
                name, _, value = line.decode().partition(": ")
                head[name] = value
            assert stream.read(int(head["Content-Length"])).startswith(b"\xff\xd8")
            stream.readline()
            return head

        assert float(part()["X-Picture-Age-Seconds"]) == 2.0
        now.s += 10
        assert float(part()["X-Picture-Age-Seconds"]) == 12.0, "the same picture, older"
        PictureFolder(runs / "night-1" / "pictures").write("north", round((now.s - 1) * NS), jpeg(150))
        assert float(part()["X-Picture-Age-Seconds"]) == 1.0
        now.s += 60
        assert stream.read().endswith(b"--picture--\r\n")


def red(image: bytes) -> float:
    shown = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    return float((shown[:, :, 2].astype(int) - shown[:, :, 0] > 100).mean())


def test_an_old_picture_has_a_red_frame_and_a_broken_one_says_its_age_all_the_same() -> None:
    assert red(draw_age(jpeg(), NOW_S * NS, OLD_S - 1)) == 0
    assert red(draw_age(jpeg(), NOW_S * NS, OLD_S + 1)) > 0.05
    assert red(draw_age(jpeg(), NOW_S * NS, -30.0)) > 0.05, "clocks that disagree prove nothing"
    assert red(draw_age(b"no picture", NOW_S * NS, 600.0)) > 0.05


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs" / KEY_NAME
    keys: list[PictureKey] = []
    threads = [Thread(target=lambda: keys.append(PictureKey.of(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({key._secret for key in keys}) == 1, "who begins at once signs alike"
    assert sorted(each.name for each in path.parent.iterdir()) == [KEY_NAME]
    os.chmod(path, 0o644)
    with pytest.raises(ConfigError, match="others than its owner can read it"):
        PictureKey.of(path)
    for text in ("", "00", "not hexadecimal"):
        path.write_text(text)
        os.chmod(path, 0o600)
        with pytest.raises(ConfigError, match="new one is made"):
            PictureKey.of(path)


def test_metrics_and_signs_of_health(caplog: pytest.LogCaptureFixture) -> None:
    metrics = LiveMetrics("night-1", ["north"], lambda: 0)
    with caplog.at_level(logging.DEBUG), Serving(metrics_routes(metrics), "127.0.0.1", 0) as serving:
        base = f"http://127.0.0.1:{serving.port}"
        status, headers, body = get(f"{base}/metrics?token=SECRET")
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
        assert b'crowdwatch_run_info{run="night-1"' in body
        assert get(f"{base}/healthz")[0::2] == (200, b"ok\n")
        assert get(f"{base}/readyz")[0::2] == (503, b"no tick yet\n")
        metrics._moved -= 61
        status, _, body = get(f"{base}/healthz")
        assert (status, body) == (503, b"no tick for 61 s\n")
        assert get(f"{base}/elsewhere")[0] == 404
        again = Serving([], "127.0.0.1", serving.port)
        with pytest.raises(ConfigError, match=r"port \d+: Address already in use\. Stop what listens"), again:
            pass
    assert "SECRET" not in caplog.text


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"metrics: cannot listen on 203\.0\.113\.1"), Serving([], "203.0.113.1", 0):
        pass


def test_the_page_signs_addresses_of_live_runs_that_the_server_takes(
    served: tuple[str, PictureKey], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crowdwatch.core.runs import Mode, Run, RunState
    from crowdwatch.ui.camera import PICTURES_VARIABLE, stream_address

    base, key = served
    run = Run("night-1", "night", Mode.LIVE, "{}", str(runs / "night-1"), 0, 0, 0, t_ns=100 * NS)

    def shown(run: Run, at_s: int = 100) -> str | None:
        return stream_address(run, "north", at_s * NS, NOW_S + 29.0)

    assert shown(run) is None, "no picture server is named"
    monkeypatch.setenv(PICTURES_VARIABLE, base)
    address = shown(run)
    assert address is not None
    until, sig = (part.partition("=")[2] for part in address.partition("?")[2].split("&"))
    assert key.admits("night-1", "north", "mjpeg", until, sig, now_s=NOW_S + 29.0)
    assert shown(run, 90) is None, "the present never stands beside the numbers of an earlier time"
    assert shown(replace(run, mode=Mode.REPLAY)) is None
    assert shown(replace(run, state=RunState.STOPPED)) is None
    (runs / KEY_NAME).chmod(0o644)
    assert shown(run) is None, "a key that others can read signs nothing"


def test_a_live_run_serves_its_metrics_where_it_is_asked_to() -> None:
    from crowdwatch.commands.live_command import _serving

    metrics = LiveMetrics("night-1", [], lambda: 0)
    with _serving("127.0.0.1", 0)(metrics) as serving:
        assert isinstance(serving, Serving)
        assert get(f"http://127.0.0.1:{serving.port}/metrics")[0] == 200
    with _serving("127.0.0.1", None)(metrics) as nothing:
        assert nothing is metrics, "without a port nothing listens"
