"""A live run of a real RTSP server, in real time: its log gives what it said; a lost camera is said and comes back."""

import math
import threading
import time
from pathlib import Path

from drawn import drawn_square

from crowdwatch import config
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.core.runs import Mode, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.live.live import LiveOptions, live
from crowdwatch.drivers.replay import Options, replay_log

DRAWN = 'source: {synthetic: plaza, start_time: "2026-01-01T12:00:00Z", capture_rate_hz: 2}'
SMALLER = [
    ("focal_px: [260, 260]", "focal_px: [108, 108]"),
    ("centre_px: [192, 144]", "centre_px: [80, 48]"),
    ("image_size_px: [384, 288]", "image_size_px: [160, 96]"),
]


def served(folder: Path, url: str):
    """The synthetic example with a camera that streams; nobody is in its pictures."""
    path = drawn_square(folder)
    text = path.read_text(encoding="utf-8")
    for old, new in [(DRAWN, f'source: {{url: "{url}"}}\n    sample_hz: 2'), *SMALLER]:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text + "\ncounter: {model: none}\n", encoding="utf-8")
    return config.load(path)


def test_a_live_run_of_a_real_stream(rtsp, tmp_path):
    """The server is killed and comes back meanwhile. What is awaited has a long deadline: machines are slow."""
    event, stop = served(tmp_path, rtsp.url("/a")), threading.Event()
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = build.open_store(url)
    found = []
    engine = threading.Thread(target=lambda: found.append(live(event, LiveOptions(tmp_path, url, stop=stop))))
    engine.start()

    def health():
        found = (camera for run in store.runs() for camera in store.health(run.run_id, 2**62))
        return next((camera.health for camera in found if camera.age_s < math.inf), None)

    def until(wanted, seconds=60):
        deadline = time.monotonic() + seconds
        while health() is not wanted:
            assert engine.is_alive()
            assert time.monotonic() < deadline, (health(), wanted)
            time.sleep(0.1)

    try:
        until(Health.OK)
        rtsp.kill()
        until(Health.SILENT)
        rtsp.start()
        until(Health.OK)
    finally:
        stop.set()
        engine.join(30)
    summary = found[0].summary
    run = store.run(summary.run.run_id)
    assert (run.mode, run.state) == (Mode.LIVE, RunState.STOPPED)
    events = list(build.open_log(Path(run.folder)).events())
    assert sum(isinstance(each, Observation) for each in events) == summary.totals.observations >= 2
    assert any(isinstance(each, CameraFault) for each in events)
    assert list((Path(run.folder) / "pictures" / "mast").glob("*.jpg"))
    again = replay_log(Path(run.folder), Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    other = build.open_store(f"sqlite:///{tmp_path}/again.sqlite")
    assert again.digest == summary.digest
    assert repr(other.readings(again.run.run_id)) == repr(store.readings(run.run_id))
    other.close()
    store.close()
