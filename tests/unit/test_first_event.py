"""``init``, ``frame``, ``schema`` and ``docs``: from one video to an event file that is sound."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from films import film
from ruamel.yaml import YAML
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands.cli import app
from crowdwatch.config.describing import event_document, event_schema
from crowdwatch.errors import CrowdWatchError
from crowdwatch.ground.plane import to_ground

ROOT = Path(__file__).resolve().parents[2]


def ran(*words: object, typed: str | None = None) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], input=typed, catch_exceptions=True)
    if isinstance(done.exception, CrowdWatchError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "gate-20261231T213000Z.mp4"
    film(path, spoil=lambda number, picture: np.roll(picture, 9 * number, axis=1))
    return path


def test_an_event_from_one_video_is_sound(video: Path, tmp_path: Path) -> None:
    said = ran("init", video, "--output", tmp_path / "new" / "event.yaml", "--yes")
    assert "crowdwatch check" in said
    event = config.load(tmp_path / "new" / "event.yaml")
    assert event.id == "gate-20261231T213000Z"
    assert event.cameras[0].source.start_time == "2026-12-31T21:30:00Z", "read in the name"
    assert event.labels == ["UNSURVEYED"]
    checked = json.loads(ran("check", tmp_path / "new" / "event.yaml", "--json"))
    assert checked["sound"]
    assert stat.S_IMODE((tmp_path / "new" / "frame.png").stat().st_mode) == 0o600
    ran("calibrate", tmp_path / "new" / "points.yaml", "--picture", tmp_path / "new" / "frame.png", "--save",
        tmp_path / "grid.png")  # fmt: skip


def test_a_time_that_nobody_said_is_no_time(video: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").write_bytes(video.read_bytes())
    assert "is not known" in ran("init", tmp_path / "walk.mp4", "--output", tmp_path / "event.yaml", "--yes")
    assert "correct the time" in (tmp_path / "event.yaml").read_text(encoding="utf-8")
    told = ran("init", video, "--output", tmp_path / "told" / "event.yaml", "--yes")
    assert "is not known" not in told


def test_what_is_asked_is_what_stands_there(video: Path, tmp_path: Path) -> None:
    typed = 'eve\nNew "Year"\n跨年夜\n2026-12-31T13:30:00Z\n12\n35\n60\n'
    ran("init", video, "--output", tmp_path / "event.yaml", typed=typed)
    event = config.load(tmp_path / "event.yaml")
    assert (event.id, event.name.both()) == ("eve", {"en": 'New "Year"', "zh": "跨年夜"})
    camera = config.to_site(event).cameras[0]
    assert camera.fixed_plane.camera_centre_m is not None
    assert camera.fixed_plane.camera_centre_m[2] == pytest.approx(12.0)
    height, width = camera.fixed_plane.image_hw
    across_m = to_ground(camera.fixed_plane, np.array([[width / 2, height / 2]]))
    assert across_m[0, 1] == pytest.approx(12 / np.tan(np.radians(35)), rel=1e-3), "where the axis meets the ground"


def test_nothing_is_written_over(video: Path, tmp_path: Path) -> None:
    (tmp_path / "points.yaml").write_text("mine")
    with pytest.raises(CrowdWatchError, match=r"points\.yaml: is there already"):
        ran("init", video, "--output", tmp_path / "event.yaml", "--yes")
    assert not (tmp_path / "event.yaml").exists()
    ran("init", video, "--output", tmp_path / "event.yaml", "--yes", "--force")
    assert "example-1" in (tmp_path / "points.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--height-m", "-3"), "camera: got -3 m high"),
        (("--tilt-deg", "0.5", "--height-m", "60", "--view-deg", "5"), "shows no ground that is near enough"),
        (("--view-deg", "400"), "400 degrees of view"),
        (("--at", "900"), "is shorter than 900 s"),
        (("--id", "new year"), "id"),
        (("--start", "yesterday"), "start_time"),
    ],
)
def test_what_cannot_be_is_refused(video: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CrowdWatchError, match=re.escape(says)):
        ran("init", video, "--output", tmp_path / "event.yaml", "--yes", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("footage", "says"),
    [
        ("no-such.mp4", "no such file"),
        (__file__, "neither|cannot be|no video"),
        ("rtsp://guard:secret@10.0.0.7/live", "secret|password"),
        ("gopher://10.0.0.7/", "gopher|rtsp"),
        ("rtsp://127.0.0.1:9/none", "stream rtsp"),
    ],
)
def test_footage_that_is_none_is_refused(tmp_path: Path, footage: str, says: str) -> None:
    with pytest.raises(CrowdWatchError, match=says) as caught:
        ran("init", footage, "--output", tmp_path / "event.yaml", "--yes")
    assert ":secret@" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    # else a decoder with threads, closed later in this process, waits for them, and they for the interpreter
    assert av.logging.get_level() is None


def test_a_frame_of_the_time_that_was_asked_for(video: Path, tmp_path: Path) -> None:
    for at_s, name in ((0, "first.png"), (1.5, "later.png")):
        ran("frame", video, "--at", at_s, "--output", tmp_path / name)
    first, later = (cv2.imread(str(tmp_path / name)) for name in ("first.png", "later.png"))
    assert first is not None
    assert later is not None
    assert np.abs(first.astype(int) - later.astype(int)).mean() > 1
    assert stat.S_IMODE((tmp_path / "first.png").stat().st_mode) == 0o600


def _keys(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    parts = {"EventFile": schema, **schema["$defs"]}
    return [(name, key, of) for name, part in parts.items() for key, of in part.get("properties", {}).items()]


def test_every_key_is_explained() -> None:
    missing = [f"{name}.{key}" for name, key, of in _keys(event_schema()) if not of.get("description")]
    assert not missing
    document = (ROOT / "docs" / "event.md").read_text(encoding="utf-8")
    assert document == event_document(), "write it anew: crowdwatch docs --output docs/event.md"
    assert all(f"| `{key}` |" in document for _, key, _ in _keys(event_schema()))


def test_the_schema_takes_the_examples_and_refuses_a_slip() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the page's charts")
    schema = json.loads(ran("schema"))
    check = jsonschema.Draft202012Validator(schema)
    for name in ("synthetic", "pets2009", "drone"):
        raw = json.loads(json.dumps(YAML(typ="safe").load(example(name).read_text(encoding="utf-8"))))
        assert not [error.message for error in check.iter_errors(raw)], name
    assert list(check.iter_errors({**raw, "zone": []}))
