"""The day before: what is said of cameras over a real RTSP server, and of figures made by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from crowdwatch.commands.cli import app
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Anchor, Detections, Frame
from crowdwatch.drivers.live import trial as trials
from crowdwatch.drivers.live.trial import CameraTrial, Stages, Trial
from crowdwatch.drivers.live.verdict import findings

from ..scenes import camera
from .test_config import plain, write

if TYPE_CHECKING:
    from rtsp_server import RtspServer


class OnePerson:
    """Finds one person in every picture."""

    detector_id, anchor = "one person", Anchor.FEET

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        box, score, kind = np.array([[60.0, 20.0, 70.0, 50.0]]), np.array([0.9]), np.zeros(1, int)
        return [Detections(each.stamp, box, score, kind, Anchor.FEET, each.image_hw, "one") for each in frames]

    def close(self) -> None:
        pass


def cameras(**sources: dict[str, Any]) -> dict[str, Any]:
    event = plain()
    event["cameras"] = [
        plain()["cameras"][0] | {"id": name, "image_size_px": [160, 96]} | keys for name, keys in sources.items()
    ]
    return event


@pytest.fixture(autouse=True)
def one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "open_live", lambda *_: (OnePerson(), None))
    monkeypatch.setattr(trials, "OPEN_S", 5.0)


def test_every_camera_is_tried_and_each_fault_has_its_remedy(
    rtsp: RtspServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "hunter2")
    event = cameras(
        good={"source": {"url": rtsp.url("/a")}, "sample_hz": 2.0},
        size={"source": {"url": rtsp.url("/b")}, "image_size_px": [320, 192]},
        gone={"source": {"url": "rtsp://guard:${GATE_PASSWORD}@127.0.0.1:1/a"}},
    )
    result = CliRunner().invoke(app, ["check", str(write(tmp_path, event)), "--live", "--for", "3", "--json"])
    said = json.loads(result.stdout)
    assert said["sound"], said
    found = said["live"]
    assert "hunter2" not in result.output
    assert result.exit_code == 1
    assert not found["ready"]
    good, size, gone = found["cameras"]
    assert (good["reachable"], good["codec"], good["image_hw"], good["health"]) == (True, "h264", [96, 160], "ok")
    assert good["rate_hz"] == pytest.approx(10, rel=0.25)
    assert good["analysed_hz"] == pytest.approx(2, abs=0.7)
    assert good["people"] == 1.0
    assert 20 < good["brightness"] < 240
    assert good["latency_p95_s"] < 5
    assert (size["reachable"], gone["reachable"]) == (False, False)
    faults = {each["camera"]: each["text"] for each in found["findings"] if each["fault"]}
    assert set(faults) == {"size", "gone"}
    assert "160x96" in faults["size"]
    assert "refuses the connection" in faults["gone"]
    assert found["machine"]["stages_s"]["detect"]["p50"] < 0.1
    assert found["machine"]["stages_s"]["count"]["p50"] is None, "what never ran is not zero"


def test_a_sound_event_is_ready(rtsp: RtspServer, tmp_path: Path) -> None:
    path = write(tmp_path, cameras(good={"source": {"url": rtsp.url("/a")}, "sample_hz": 2.0}))
    result = CliRunner().invoke(app, ["check", str(path), "--live", "--for", "2"])
    assert result.exit_code == 0, result.output
    assert "READY" in result.stdout
    assert "NOT READY" not in result.stdout
    assert "h264 160x96" in result.stdout


# the verdict, on figures made by hand


def tried(seconds: float = 10.0, busy_frac: float = 0.3, **more: Any) -> Trial:
    status = StreamStatus(
        "c", StreamPhase.STREAMING, 0, received=100, rate_hz=10.0, newest_ns=1, codec="h264", image_hw=(96, 160)
    )
    said = {key: more.pop(key) for key in list(more) if key in StreamStatus.__slots__ and key != "analysed"}
    one = CameraTrial(camera(), True, 2.0, replace(status, **said), status, analysed=20)
    one.people, one.luma, one.arrival_s, one.latency_s = [3] * 20, [120.0] * 20, [0.1] * 20, [0.2] * 20
    for key, value in more.items():
        setattr(one, key, value)
    return Trial([one], Stages(), seconds, 2, busy_frac)


def faults(trial: Trial) -> list[str]:
    return [each.text for each in findings(trial) if each.fault]


def notes(trial: Trial) -> list[str]:
    return [each.text for each in findings(trial) if not each.fault]


def test_a_camera_that_does_all_is_no_fault() -> None:
    assert faults(tried()) == []
    assert notes(tried()) == []


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"phase": StreamPhase.WAITING, "message": "it refuses. Mend it."}, "it refuses. Mend it."),
        ({"newest_ns": None}, "it has sent no picture"),
        ({"rate_hz": 1.0}, "it sends 1.0 pictures a second, 2 are to be analysed"),
        ({"rate_hz": float("nan")}, "it sends nan pictures a second"),
        ({"reconnects": 2}, "its stream broke off"),
        ({"sigma_s": 3.0}, "known to 3.0 s only"),
        ({"analysed": 0, "error": "model: damaged."}, "none of its pictures could be analysed. model: damaged."),
        ({"analysed": 10}, "the machine analyses 1.0 of 2.0 pictures a second that are due (c)"),
    ],
)
def test_what_keeps_a_camera_from_being_ready(figures: dict[str, Any], said: str) -> None:
    assert any(said in each for each in faults(tried(**figures))), faults(tried(**figures))


@pytest.mark.parametrize("health", [each for each in Health if each is not Health.OK])
def test_every_state_of_health_but_ok_is_a_fault_with_a_remedy(health: Health) -> None:
    trial = tried()
    trial.cameras[0].watch = replace(trial.cameras[0].watch, last_ns=1, picture=health)
    (text,) = faults(trial)
    assert text.count(".") >= 2, "what, and the remedy"


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"offset_s": -3600.0}, "off by -3600.0 s"),
        ({"luma": [20.0]}, "it is dim: brightness 20"),
        ({"people": [0] * 20}, "nobody was found"),
        ({"arrival_s": [3.0] * 20}, "3.0 s old"),
        ({"live": False}, "played as if live"),
        ({"busy_frac": 0.95}, "95 % busy"),
    ],
)
def test_what_is_worth_knowing_keeps_nobody_from_being_ready(figures: dict[str, Any], said: str) -> None:
    trial = tried(**figures)
    trial.cameras[0].watch = replace(trial.cameras[0].watch, last_ns=1)
    assert faults(trial) == []
    assert any(said in each for each in notes(trial)), notes(trial)


def test_a_trial_can_be_stopped(tmp_path: Path) -> None:
    from crowdwatch import config

    stop = Event()
    stop.set()
    began = time.monotonic()
    trial = trials.try_cameras(config.load(write(tmp_path, plain())), 600.0, stop)
    assert time.monotonic() - began < 30
    assert faults(trial), "what was not tried is not ready"


def test_stages_are_percentiles_of_what_was_measured() -> None:
    stages = Stages()
    for each in range(101):
        stages.add("detect", each / 100)
    assert (stages.percentile("detect", 50), stages.percentile("detect", 95)) == pytest.approx((0.5, 0.95))
    assert np.isnan(stages.percentile("count", 50))
    stages.clear()
    assert np.isnan(stages.percentile("detect", 50))
