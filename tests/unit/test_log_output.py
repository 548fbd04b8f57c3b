"""Log messages go to stderr, for people or as JSON, in this process and in the workers of a batch."""

import json
import logging
import subprocess
import sys

import pytest
from batches import event_of
from films import film

from crowdwatch.assets.examples import example
from crowdwatch.commands import cli
from crowdwatch.telemetry import log_output
from crowdwatch.telemetry.log_output import FORMAT_VARIABLE, LEVEL_VARIABLE, Format, Level

SYNTHETIC = str(example("synthetic"))
LOG = logging.getLogger("crowdwatch.somewhere")


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Leave logging and the environment as they were."""
    root = logging.getLogger()
    names = ("crowdwatch", "pipelines")
    handlers, levels = list(root.handlers), [logging.getLogger(name).level for name in names]
    monkeypatch.setenv(FORMAT_VARIABLE, "human")
    monkeypatch.setenv(LEVEL_VARIABLE, "warning")
    yield
    root.handlers[:] = handlers
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


def failed():
    try:
        raise ValueError("rtsp://guard:hunter2@10.0.0.7/live")
    except ValueError:
        LOG.exception("camera %s", "north")


def test_for_people(capsys):
    log_output.configure()
    LOG.info("not said")
    LOG.warning("camera %s: %s", "north\x1b[2J\nerror: forged", "rtsp://guard:hunter2@10.0.0.7/live")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "warning: camera north\\x1b[2J\\nerror: forged: rtsp://***@10.0.0.7/live\n"


def test_for_programs(capsys):
    log_output.configure(Format.JSON, Level.INFO)
    LOG.info("a\nb")
    failed()
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "crowdwatch.somewhere", "a\nb")
    assert first["t_utc"].endswith("+00:00")
    assert (second["level"], second["message"]) == ("error", "camera north")
    assert "ValueError: rtsp://***@10.0.0.7/live" in second["traceback"]


def test_a_traceback_for_people(capsys):
    log_output.configure()
    failed()
    said = capsys.readouterr().err
    assert said.startswith("error: camera north\nTraceback")
    assert "hunter2" not in said


def test_configured_twice_says_once(capsys):
    log_output.configure()
    log_output.configure(Format.JSON)
    LOG.warning("once")
    assert json.loads(capsys.readouterr().err)["message"] == "once"


def test_packages_that_set_their_own_level_are_quiet(capsys):
    """Dask's scheduler says at the level info whom it connects and disconnects."""
    log_output.configure(level=Level.INFO)
    theirs = logging.getLogger("distributed.scheduler")
    before = theirs.level
    theirs.setLevel(logging.INFO)
    try:
        theirs.info("Close client connection")
        theirs.warning("a worker is gone")
        LOG.info("said")
    finally:
        theirs.setLevel(before)
    assert capsys.readouterr().err.splitlines() == ["warning: a worker is gone", "info: said"]


@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_command_line_chooses(by, capsys, monkeypatch):
    words = ["--log-format", "json"] if by == "option" else []
    monkeypatch.setenv(FORMAT_VARIABLE, "human" if by == "option" else "json")
    monkeypatch.setattr(sys, "argv", ["crowdwatch", *words, "check", SYNTHETIC])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    capsys.readouterr()
    LOG.warning("said")
    assert json.loads(capsys.readouterr().err)["message"] == "said"


def test_the_workers_of_a_batch_follow_their_command(tmp_path):
    """Two processes of this machine load their networks, and say so, as the command was told to."""
    film(tmp_path / "a.mp4")
    event_of(tmp_path, "file: a.mp4")
    words = ["--log-format", "json", "--log-level", "info", "batch", str(tmp_path / "event.yaml"), "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "crowdwatch", *words, "--runs", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert len([each for each in said if each["message"].startswith("detector ")]) == 2, done.stderr


def test_a_message_bears_its_run_and_its_camera(capsys: pytest.CaptureFixture[str]) -> None:
    log_output.configure(Format.JSON)
    log = logging.getLogger("crowdwatch.test")
    log.warning("camera %s: is gone", "north")
    with log_output.of_run("night-1"):
        log.warning("is gone", extra={"camera": "south"})
        log.warning("the store is gone")
    log.warning("the night is over")
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each.get("run"), each.get("camera")) for each in said] == [
        (None, "north"), ("night-1", "south"), ("night-1", None), (None, None),
    ]  # fmt: skip
