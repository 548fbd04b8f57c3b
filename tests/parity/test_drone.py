"""A drone that comes, hovers and leaves beside a fixed camera: replayed, resumed, from its log and in a batch it is one
and the same run.

Perfect models: the scene is drawn, and ``TruthDetector`` and ``TruthCounter`` see everybody in it.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import shapely

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands.patrol_command import patrol
from crowdwatch.commands.report_commands import overlap
from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Observation
from crowdwatch.drivers import build
from crowdwatch.drivers.batch import JobSettings
from crowdwatch.drivers.replay import Options, replay_log, replay_recording
from crowdwatch.drivers.scenes import drawn_scene
from crowdwatch.errors import ConfigError
from crowdwatch.store.columns import observation_table, write_parquet
from crowdwatch.store.log import LogReader
from pipelines.batch.observe_batch import BatchOptions, run_batch

NS = 1_000_000_000
SECONDS = 100
"""The drone has left at 95 s."""
RATE_HZ = 1


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The example with one small picture a second."""
    text = example("drone").read_text(encoding="utf-8")
    text = text.replace("capture_rate_hz: 5", f"capture_rate_hz: {RATE_HZ}")
    text = text.replace("    moves: true\n", "    moves: true\n    image_size_px: [480, 270]\n")
    path = tmp_path_factory.mktemp("event") / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def event(path):
    return config.load(path)


def url(folder):
    return f"sqlite:///{folder}/store.sqlite"


def options(folder, event, **more):
    return Options(folder, url(folder), to_ns=event.start_ns + SECONDS * NS, pictures=False, **more)


@pytest.fixture(scope="module")
def whole(event, tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    summary = replay_recording(event, options(folder, event))
    assert summary.totals.alerts  # equal because nothing happened would be no evidence
    assert summary.totals.observations == 2 * RATE_HZ * SECONDS
    return folder, summary


def stored(folder, run_id):
    """Readings, alerts and health of a run, as text: NaN equals NaN there."""
    store = build.open_store(url(folder))
    found = repr(store.readings(run_id)), repr(store.alerts(run_id)), repr(store.health(run_id, 2**62))
    store.close()
    return found


def log_bytes(folder):
    """Every file of a log, byte for byte."""
    parts = [*Path(folder, "timeline").rglob("*.parquet"), *Path(folder, "observations").rglob("*.parquet")]
    assert parts
    return {part.relative_to(folder): part.read_bytes() for part in parts}


def observed(folder):
    """All observations of a log, as bytes, whatever its parts."""
    table = io.BytesIO()
    write_parquet(observation_table(list(enumerate(LogReader(Path(folder)).observations()))), table, {})
    return table.getvalue()


def test_the_log_alone_gives_the_same(whole, tmp_path, event):
    folder, summary = whole
    again = replay_log(Path(summary.run.folder), options(tmp_path, event), event)
    assert again.digest == summary.digest
    assert stored(tmp_path, again.run.run_id) == stored(folder, summary.run.run_id)


def test_every_picture_of_the_drone_has_a_plane_and_none_of_the_mast(whole):
    _, summary = whole
    planes = {"drone": [], "mast": []}
    for event in LogReader(Path(summary.run.folder)).events():
        if isinstance(event, Observation):
            planes[event.stamp.camera_id].append(event.plane)
            if event.plane is not None:
                assert event.plane.plane_id == event.plane_id
                assert event.mass is not None  # density maps are not held over to another pose
    assert set(planes["mast"]) == {None}
    assert len({plane.plane_id for plane in planes["drone"]}) == RATE_HZ * SECONDS  # it never hovers quite still


def test_a_killed_run_resumes_to_the_same_result(whole, event, path, tmp_path):
    """SIGKILL in the middle: what was logged is kept, what was not is analysed again."""
    folder, summary = whole
    command = [
        sys.executable, "-m", "crowdwatch", "replay", str(path), "--runs", str(tmp_path), "--store", url(tmp_path),
        "--to", str(SECONDS), "--no-pictures",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(tmp_path.rglob("timeline/*.parquet")):  # the first closed piece of the log
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no piece of the log was closed within ten minutes"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    second = replay_recording(event, options(tmp_path, event, resume=True))
    assert second.digest == summary.digest
    assert stored(tmp_path, second.run.run_id) == stored(folder, summary.run.run_id)
    assert observed(second.run.folder) == observed(summary.run.folder)


def test_a_batch_equals_the_replay(whole, event, tmp_path):
    """Two workers, chunks that end in the middle of a flight."""
    folder, summary = whole
    settings = JobSettings(tmp_path, chunk_s=7.0, to_ns=event.start_ns + SECONDS * NS)
    result = run_batch(event, BatchOptions(settings, url(tmp_path), workers=2))
    assert result.facts["alerts_digest"] == summary.digest
    assert log_bytes(result.summary.run.folder) == log_bytes(summary.run.folder)
    assert stored(tmp_path, result.run_id) == stored(folder, summary.run.run_id)


def readings_of(whole, zone_id):
    folder, summary = whole
    store = build.open_store(url(folder))
    found = {
        round((each.t_ns - summary.run.from_ns) / NS): each
        for each in store.readings(summary.run.run_id, zone_id=zone_id)
    }
    store.close()
    return found


def test_its_zone_is_unknown_but_while_it_is_there(whole):
    """Only the drone sees the east side. The age of the last sight counts from the last picture that showed it."""
    readings = readings_of(whole, "east-side")
    assert {readings[t].quality for t in range(26, 80)} == {Quality.GOOD}
    assert {readings[t].quality for t in [*range(15), *range(88, 101)]} == {Quality.BLIND}
    assert {readings[t].level for t in [*range(15), *range(88, 101)]} == {Level.UNKNOWN}
    assert all(np.isnan(readings[t].density_p_m2) for t in range(88, 101))
    assert readings[10].age_s == np.inf
    assert {readings[t].reasons[0].code for t in range(88, 101)} == {Code.NO_CAMERA}
    last_s = 100 - readings[100].age_s
    assert 80 < last_s < 95
    assert [readings[t].age_s for t in range(88, 101)] == pytest.approx([t - last_s for t in range(88, 101)])
    assert last_s * RATE_HZ == pytest.approx(round(last_s * RATE_HZ))  # the time of a picture


def test_zones_read_the_crowd_that_stands_there(whole, event):
    """From 66 to 71 s nobody walks: every zone then has as many people in each picture as on average.

    The middle is seen by both cameras, a third of the west side by the drone alone or better by it: nobody is counted
    twice and nobody is lost between them. A tenth is what is asked; they read within a person and a half.
    """
    site = config.to_site(event)
    scene = drawn_scene("plaza", event, site, site.cameras[0], None)
    for zone in site.zones:
        area = shapely.Polygon(zone.polygon_m)
        readings = readings_of(whole, zone.zone_id)
        for second in range(66, 72):
            true = shapely.contains_xy(area, *scene.people(float(second)).T).sum()
            assert true > 0
            assert abs(readings[second].count - true) <= max(0.1 * true, 1.5)
            assert readings[second].visible_frac > 0.99


def test_a_log_is_not_read_with_planes_of_another_head_height(whole, event, tmp_path):
    """Its poses went through the planes that stand in the log."""
    _, summary = whole
    cameras = [camera.model_copy(update={"head_plane_m": 1.4}) if camera.moves else camera for camera in event.cameras]
    with pytest.raises(ConfigError, match="camera 'drone' moves"):
        replay_log(Path(summary.run.folder), options(tmp_path, event), event.model_copy(update={"cameras": cameras}))
    fixed = [event.cameras[0], event.cameras[0].model_copy(update={"id": "drone"})]
    with pytest.raises(ConfigError, match="camera 'drone' has another calibration"):
        replay_log(Path(summary.run.folder), options(tmp_path, event), event.model_copy(update={"cameras": fixed}))


def test_a_patrol_is_proposed_from_the_log(whole, tmp_path, capsys):
    """The drone has left, and only it saw the east side: there the risk is, and there the next one should look."""
    _, summary = whole
    path = tmp_path / "drones.yaml"
    path.write_text(
        "drones:\n  - {id: dock-1, at_m: [0, -30], flight_s: 900, height_m: 30, model: mavic-3}\n", encoding="utf-8"
    )
    patrol(Path(summary.run.folder), path, 10.0, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert 0.3 < found["fresh_frac"] < 0.95
    assert found["oldest_s"] > 5  # it turned away before it had left
    (proposal,) = found["proposals"]
    assert proposal["drone"] == "dock-1"
    assert proposal["risk_frac"] > 0.5
    assert 13 < found["worst_m"][0] < 23


def test_the_mast_and_the_drone_agree_over_the_ground_that_both_see(whole, capsys):
    """Both are right in this scene, by boxes and by density maps, so the report doubts neither."""
    _, summary = whole
    overlap(summary.run.folder, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["pairs"]
    assert found["cameras"] == ["drone", "mast"]
    assert found["doubts"] == []
    assert found["ratio"] == pytest.approx(1.0, abs=0.1)
    assert np.hypot(found["shift_east_m"], found["shift_north_m"]) < 0.5
    assert 30 < found["seconds"] < 90
    assert found["cells"] > 50
    overlap(summary.run.folder)
    assert "they agree" in " ".join(capsys.readouterr().out.split())
