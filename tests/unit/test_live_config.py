"""Live cameras in the event file: what belongs together, what is said, and that no password is kept or shown."""

import copy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.commands.cli import app
from crowdwatch.drivers import recordings
from crowdwatch.errors import SourceUnavailable

from .test_config import plain, refused, write

URL = "rtsp://guard:${GATE_PASSWORD}@10.0.0.7:8554/live"


def live(**source: Any) -> dict:
    event = plain()
    event["cameras"][0]["source"] = source
    return event


def test_a_live_camera_needs_no_time_and_the_event_has_always_begun(tmp_path: Path) -> None:
    event = config.load(write(tmp_path, live(url=URL, transport="udp")))
    source = event.cameras[0].source
    assert source.live
    assert (source.url, source.transport, event.start_time) == (URL, "udp", None)
    assert config.to_site(event).phases[0].start_ns == 0
    assert config.from_json(event.model_dump_json()) == event
    rows = {key: (value, origin) for key, value, origin in config.explain(event)}
    assert rows["cameras[mast].source.url"][0] == URL
    assert "default" in rows["cameras[mast].source.password_file"][1]


def test_a_usb_camera_is_a_device(tmp_path: Path) -> None:
    event = config.load(write(tmp_path, live(device="/dev/video0")))
    assert event.cameras[0].source.live


def test_the_password_file_counts_from_the_event_file(tmp_path: Path) -> None:
    event = config.load(write(tmp_path, live(url="rtsp://guard@10.0.0.7/live", password_file="gate.password")))
    assert event.cameras[0].source.password_file == str(tmp_path / "gate.password")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"url": URL, "device": "/dev/video0"}, "got url and device, need exactly one of"),
        ({"url": URL, "synthetic": "plaza"}, "got synthetic and url, need exactly one of"),
        ({"synthetic": "plaza"}, "cameras[mast].source.start_time: is missing. Add it."),
        ({"url": URL, "start_time": "2026-12-31T22:00:00Z"}, "source.start_time: means nothing for a live camera"),
        ({"url": URL, "capture_rate_hz": 25.0}, "source.capture_rate_hz: means nothing for a live camera"),
        ({"url": "file:///etc/passwd"}, "need a URL that begins with rtsp://"),
        ({"url": "rtsp://guard:$GATE@10.0.0.7/live"}, "no ${NAME}"),
        ({"url": "http://10.0.0.7/video", "transport": "quic"}, "need 'tcp' or 'udp'"),
        ({"device": "video0"}, "need the path of a device, as /dev/video0"),
        ({"device": "/dev/video0", "password_file": "x"}, "source.password_file: belongs to url"),
        ({"url": URL, "password_file": "x"}, "need a url with a user and no password"),
        ({"url": "rtsp://10.0.0.7/live", "password_file": "x"}, "need a url with a user and no password"),
    ],
)
def test_what_does_not_belong_together_is_listed(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    assert said in refused(write(tmp_path, live(**source)))


def test_keyframes_alone_are_of_recordings(tmp_path: Path) -> None:
    event = live(url=URL)
    event["cameras"][0]["keyframe_interval_s"] = 2.0
    assert "keyframe_interval_s: means nothing for a live camera" in refused(write(tmp_path, event))


def test_one_stream_is_not_two_cameras(tmp_path: Path) -> None:
    event = live(url=URL)
    event["cameras"].append(copy.deepcopy(event["cameras"][0]) | {"id": "gate"})
    assert "cameras[gate].source.url: is the stream of camera mast too" in refused(write(tmp_path, event))


@pytest.mark.parametrize(
    "source",
    [
        {"url": "rtsp://guard:hunter2@10.0.0.7/live"},
        {"url": "http://10.0.0.7/video?user=guard&password=hunter2"},
        {"url": "rtsp://guard:hunter2@10.0.0.7/a b"},
        {"url": "rtsp://guard:hunter2@10.0.0.7/" + "x" * 600},
        {"url": ["rtsp://guard:hunter2@10.0.0.7/live"]},
        {"url": "rtsp://guard:hunter2@10.0.0.7/live", "device": "/dev/video0", "file": "rtsp://guard:hunter2@h/"},
        {"file": "rtsp://guard:hunter2@10.0.0.7/live", "start_time": "2026-12-31T22:00:00Z"},
        {"sample": "rtsp://guard:hunter2@10.0.0.7/live", "start_time": "rtsp://guard:hunter2@10.0.0.7/live"},
    ],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path, source: dict[str, Any]) -> None:
    said = refused(write(tmp_path, live(**source)))
    assert "hunter2" not in said
    assert "event.yaml:" in said


def test_check_and_replay_name_the_command_that_is_meant(tmp_path: Path) -> None:
    path = write(tmp_path, live(url=URL))
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert checked.exit_code == 0, checked.output
    assert "crowdwatch check --live tries them" in checked.output
    assert "guard" not in checked.output
    event = config.load(path)
    site = config.to_site(event)
    with pytest.raises(SourceUnavailable, match=r"camera 'mast' is live: .* Run crowdwatch live"):
        recordings.open_source(event, site, site.cameras[0])
    replayed = CliRunner().invoke(app, ["replay", str(path), "--runs", str(tmp_path / "runs")])
    assert replayed.exit_code != 0
    assert "is live" in f"{replayed.output}{replayed.exception}"
