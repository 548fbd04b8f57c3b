"""The benchmark of live runs measures what it says: its site, its waiting, its refusals."""

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.assets.examples import example
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_image
from pipelines.benchmarks.benchmark import app
from pipelines.benchmarks.live_process import Engine
from pipelines.benchmarks.live_site import SPACING_M, row_of_cameras, write_event
from pipelines.benchmarks.live_watch import StoreWatch


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    urls = ["rtsp://127.0.0.1/a", "rtsp://127.0.0.1/b"]
    path = tmp_path_factory.mktemp("row") / "event.yaml"
    return config.to_site(config.load(write_event(row_of_cameras(urls, sample_hz=2.0), path)))


def test_every_camera_sees_ground_of_its_own_as_the_example_does(site):
    (camera,) = config.to_site(config.load(example("pets2009"))).cameras
    ground = np.array([[-10.0, -5.0], [0.0, 0.0], [5.0, 10.0]])
    for number, each in enumerate(site.cameras):
        moved = ground + np.array([0.0, number * SPACING_M])
        assert np.allclose(to_image(each.plane, moved), to_image(camera.plane, ground), atol=1e-2)


def test_no_camera_sees_the_zones_of_another(site):
    view = view_site(site)
    names = [zone.zone_id for zone in site.zones]
    assert names[::3] == ["cam-1-junction", "cam-2-junction"]
    for camera_id, each in view.cameras.items():
        assert [name.startswith(camera_id) for name in names] == each.zones_in_sight.tolist()


class Ended(Engine):
    """One that ended at once, or is never anything but there."""

    def start(self):
        words = "import sys; print('no such event', file=sys.stderr); sys.exit(3)"
        with self.words.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, "-c", words], stderr=file)


def test_an_engine_that_ends_is_an_error_with_its_words(tmp_path):
    with Ended(tmp_path / "event.yaml", tmp_path) as engine, StoreWatch(engine) as watch:
        engine.start()
        with pytest.raises(ConfigError, match=r"exit code 3. It said: no such event"):
            watch.each_zone(["a"], lambda reading: True, 0, 60.0, "a reading")


def test_what_does_not_come_is_an_error_and_no_wait_without_end(tmp_path):
    with Engine(tmp_path / "event.yaml", tmp_path) as engine, StoreWatch(engine) as watch:
        engine.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with pytest.raises(ConfigError, match="a reading: had not come after 0 s for 2 of 2 zones"):
            watch.each_zone(["a", "b"], lambda reading: True, 0, 0.3, "a reading")
    assert engine.process.wait(10) < 0, "nothing is left behind"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--live", "--fold"], "one at a time"),
        (["--live", "--cameras", "2", "--cameras", "3"], "--cameras once"),
        (["--live", "--cameras", "0"], "--cameras once"),
        (["--live", "--zones", "3"], "--cameras once"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, said):
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, ConfigError)
    assert said in str(found.exception)
