"""Live drones of a real RTSP server, whose telemetry comes beside it: in a file that grows, and from a real broker.

A picture lies where telemetry of its own time says. Where telemetry stops there is a fault and the ground is unknown:
the last pose is never taken for a new one.
"""

import json
import math
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from broker import mosquitto
from paho.mqtt.enums import CallbackAPIVersion

from crowdwatch import config
from crowdwatch.core.outcomes import Health, Level
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers import build
from crowdwatch.drivers.live.live import LiveOptions, live
from crowdwatch.drivers.replay import Options, replay_log
from crowdwatch.sources.flight.place import SitePlace

PLACE = SitePlace("EPSG:32650", (447500.0, 4418500.0))

EVENT = """
version: 1
id: live-drones
name: {{en: Live drones}}
site:
  crs: EPSG:32650
  origin_m: [447500, 4418500]
  walkable_area_m: [[-40, -10], [40, -10], [40, 50], [-40, 50]]
zones:
  - {{id: square, kind: standing, polygon_m: [[-4, 16], [4, 16], [4, 24], [-4, 24]]}}
detector: {{image_px: 320}}
counter: {{model: none}}
cameras:
  - id: filed
    moves: true
    image_size_px: [160, 96]
    sample_hz: 2
    max_position_error_m: 9
    source:
      url: "{a}"
      telemetry: {{file: grows.srt, model: mavic-3, takeoff_height_m: 0}}
  - id: told
    moves: true
    image_size_px: [160, 96]
    sample_hz: 2
    max_position_error_m: 9
    source:
      url: "{b}"
      telemetry: {{mqtt: "mqtt://127.0.0.1:{port}/drones/told", model: mavic-3, takeoff_height_m: 0}}
"""


class Drones:
    """Two drones that hover 30 m above (0, 0), look north and 60 degrees down, and turn slowly."""

    def __init__(self, folder, port):
        self.path, self.over = folder / "grows.srt", threading.Event()
        self.silent = threading.Event()
        self.silent_ns = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.thread = threading.Thread(target=self._write)
        self.thread.start()

    def _write(self):
        (lat,), (lon,) = PLACE.to_wgs84([[0.0, 0.0]])
        began, number = time.monotonic(), 0
        while not self.over.wait(0.1):
            t_s, yaw = time.monotonic() - began, 0.2 * (time.monotonic() - began)
            said = {
                "latitude": lat,
                "longitude": lon,
                "rel_alt": 30.0,
                "gb_yaw": yaw,
                "gb_pitch": -60.0,
                "gb_roll": 0.0,
            }
            self.client.publish("drones/told", json.dumps(said | {"t_s": t_s}))
            if self.silent.is_set():
                self.silent_ns = self.silent_ns or time.time_ns()
                continue
            number += 1
            times = [f"00:00:{at:06.3f}".replace(".", ",") for at in (t_s, t_s + 0.1)]
            words = " ".join(f"[{name}: {value:.7f}]" for name, value in said.items())
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{number}\n{times[0]} --> {times[1]}\n{words}\n\n")

    def end(self):
        self.over.set()
        self.thread.join()
        self.client.disconnect()
        self.client.loop_stop()


def test_live_drones_are_placed_by_telemetry_of_their_pictures_time_and_by_no_older_one(rtsp, tmp_path):
    """What is awaited has a long deadline: machines are slow."""
    with mosquitto(tmp_path) as port:
        path = tmp_path / "event.yaml"
        path.write_text(EVENT.format(a=rtsp.url("/a"), b=rtsp.url("/b"), port=port), encoding="utf-8")
        event, stop, drones = config.load(path), threading.Event(), Drones(tmp_path, port)
        url = f"sqlite:///{tmp_path}/store.sqlite"
        store, found = build.open_store(url), []
        engine = threading.Thread(target=lambda: found.append(live(event, LiveOptions(tmp_path, url, stop=stop))))
        engine.start()

        def until(asked, seconds=90):
            deadline = time.monotonic() + seconds
            while not asked():
                assert engine.is_alive()
                assert time.monotonic() < deadline, (health(), reasons())
                time.sleep(0.1)

        def health():
            found = (each for run in store.runs() for each in store.health(run.run_id, 2**62))
            return {each.camera_id: each.health for each in found if each.age_s < math.inf}

        def reasons():
            newest = [each for run in store.runs() for each in store.readings(run.run_id)][-1:]
            return {(why.camera_id, why.code) for each in newest for why in each.reasons}

        try:
            until(lambda: health() == {"filed": Health.OK, "told": Health.OK})
            drones.silent.set()
            until(lambda: ("filed", Code.NO_TELEMETRY) in reasons())
            until(lambda: health().get("filed") is Health.SILENT)
            assert health()["told"] is Health.OK
            drones.over.set()
            until(lambda: health().get("told") is Health.SILENT)
        finally:
            stop.set()
            engine.join(30)
            drones.end()
        summary = found[0].summary
        last = store.readings(summary.run.run_id)[-1]
        assert last.level is Level.UNKNOWN
    events = list(build.open_log(Path(summary.run.folder)).events())
    seen = {name: [e for e in events if isinstance(e, Observation) and e.stamp.camera_id == name]
            for name in ("filed", "told")}  # fmt: skip
    for name, each in seen.items():
        assert len(each) >= 2, name
        assert all(one.plane.camera_centre_m == pytest.approx([0, 0, 30], abs=0.2) for one in each), name
        assert 0.5 < each[0].plane.rmse_m < 5
    assert len({one.plane_id for one in seen["told"]}) > 1, "the drone turns"
    # nothing is placed by telemetry older than half a second and what clocks may err
    assert max(one.t_ns for one in seen["filed"]) < drones.silent_ns + 1_000_000_000
    faults = {(e.camera_id, e.code) for e in events if isinstance(e, CameraFault)}
    assert {("filed", Code.NO_TELEMETRY), ("told", Code.NO_TELEMETRY)} <= faults
    again = replay_log(Path(summary.run.folder), Options(tmp_path / "again", f"sqlite:///{tmp_path}/again.sqlite"))
    other = build.open_store(f"sqlite:///{tmp_path}/again.sqlite")
    assert again.digest == summary.digest
    assert repr(other.readings(again.run.run_id)) == repr(store.readings(summary.run.run_id))
    other.close()
    store.close()
