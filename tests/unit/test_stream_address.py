"""Where a live camera is found, and that its password is shown to nobody."""

from pathlib import Path

import pytest

from crowdwatch.core.stream_url import secret_in, url_fault
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.live.address import StreamAddress

SECRET = "p@ss:w/rd?#%"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("rtsp://10.0.0.7/live", None),
        ("rtsps://guard:${GATE}@camera.example:322/h264?channel=1", None),
        ("HTTP://[fe80::1]:8080/video", None),
        ("https://camera.example/video.mjpg?token=${TOKEN}", None),
        ("https://camera.example/stream.m3u8?token=${TOKEN}", "comes in pieces of several seconds"),
        ("file:///etc/passwd", "begins with rtsp://"),
        ("/dev/video0", "begins with rtsp://"),
        ("concat:a|b", "begins with rtsp://"),
        ("rtsp:///live", "names no host"),
        ("rtsp://camera:0/live", "names no host"),
        ("rtsp://camera:99999/live", "port is no number"),
        ("rtsp://camera:port/live", "port is no number"),
        ("rtsp://[::1/live", "cannot be read"),
        ("rtsp://camera/a b", "a space"),
        ("rtsp://camera/a\u202eb", "a control character"),
        ("rtsp://guard:$GATE@camera/live", "no ${NAME}"),
        ("rtsp://guard:${my gate}@camera/live", "a space"),
        ("rtsp://guard:${9}@camera/live", "no ${NAME}"),
    ],
)
def test_what_is_no_url_of_a_camera_is_said_without_it(url: str, fault: str | None) -> None:
    said = url_fault(url)
    assert (said is None) == (fault is None)
    assert fault is None or (fault in str(said) and url not in str(said))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("rtsp://guard@camera/live", False),
        ("rtsp://guard:${GATE}@camera/live", False),
        ("rtsp://guard:hunter2@camera/live", True),
        ("rtsp://guard:${GATE}x@camera/live", True),
        ("rtsp://guard:a@b@camera/live", True),
        ("http://camera/video?user=guard&password=hunter2", True),
        ("http://camera/video?PWD=hunter2", True),
        ("http://camera/video?token=${TOKEN}&x=1", False),
        ("http://camera/video?at=user:name@here", False),
    ],
)
def test_a_password_in_the_file_is_found(url: str, secret: bool) -> None:
    assert secret_in(url) is secret


def test_secrets_are_put_in_encoded_and_never_shown(tmp_path: Path) -> None:
    address = StreamAddress(url="rtsp://guard:${GATE}@10.0.0.7:8554/live?token=${TOKEN}")
    assert address.resolved({"GATE": SECRET, "TOKEN": "t"}) == (
        "rtsp://guard:p%40ss%3Aw%2Frd%3F%23%25@10.0.0.7:8554/live?token=t"
    )
    assert address.host_port == ("10.0.0.7", 8554)
    for shown in (str(address), repr(address), f"{address}"):
        assert shown.count("rtsp://***@10.0.0.7:8554/live?token=***") == 1
        assert "guard" not in shown


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SourceUnavailable, match="environment variable GATE is not set"):
        StreamAddress(url="rtsp://guard:${GATE}@10.0.0.7/live").resolved({"GATE": ""})


def test_the_password_file_is_read_when_it_is_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "gate.password"
    path.write_text(f"{SECRET}\nnotes\n")
    address = StreamAddress(url="rtsp://guard@10.0.0.7/live", password_file=str(path))
    path.chmod(0o640)
    with pytest.raises(SourceUnavailable, match=r"has mode 640, others may read it. Run: chmod 600") as caught:
        address.resolved({})
    assert SECRET not in str(caught.value)
    path.chmod(0o600)
    assert address.resolved({}) == "rtsp://guard:p%40ss%3Aw%2Frd%3F%23%25@10.0.0.7/live"
    path.write_text("\n")
    with pytest.raises(SourceUnavailable, match="first line is empty"):
        address.resolved({})
    path.unlink()
    with pytest.raises(SourceUnavailable, match="No such file"):
        address.resolved({})


def test_a_device_has_no_secret() -> None:
    address = StreamAddress(device="/dev/video0")
    assert (address.resolved({}), str(address)) == ("/dev/video0", "/dev/video0")
