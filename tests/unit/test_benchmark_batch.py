"""The benchmark of batch jobs measures what it says: its footage, its comparisons, its arithmetic."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from films import film
from scenes import T0, S, see
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.errors import ConfigError
from crowdwatch.ground import to_image
from crowdwatch.sources.recording import Recording
from pipelines.benchmarks.benchmark import app
from pipelines.benchmarks.benchmark_batch import lost
from pipelines.benchmarks.benchmark_footage import loop_recording, made_event
from pipelines.benchmarks.benchmark_precision import compare
from pipelines.benchmarks.benchmark_runs import Measured
from pipelines.benchmarks.benchmark_scheduler import cameras, simulate
from pipelines.benchmarks.process_watch import Cost, Watch, cpu_s, peak_mb, tree

FREE = Cost(1.0, 1.0, (100.0,))


def test_a_looped_recording_has_every_frame_in_order(tmp_path):
    path = film(tmp_path / "a.avi")
    looped = Recording(loop_recording(path, 47, tmp_path / "b.avi"), camera_id="c", start_ns=T0)
    once = [pair.current.image_bgr for pair in Recording(path, camera_id="c", start_ns=T0).pairs()]
    pairs = list(looped.pairs())
    assert [pair.current.stamp.seq for pair in pairs] == list(range(47))
    assert all(np.array_equal(pair.current.image_bgr, once[n % 20]) for n, pair in enumerate(pairs))


def test_the_camera_of_the_enlarged_recording_sees_the_same_ground(data_dir, tmp_path):
    """1.875 times as large, 240 px of grey at the left."""
    event = config.load(example("pets2009"))
    made = made_event(event, data_dir / "pets2009" / "vtest.avi")
    small, large = (config.to_site(each).cameras[0].plane for each in (event, made))
    assert large.image_hw == (1080, 1920)
    ground = np.array([[-10.0, -5.0], [0.0, 0.0], [5.0, 10.0]])
    expected = to_image(small, ground) * 1.875 + [240, 0]
    # Tsai's lens is undone by iteration, to a thousandth of a pixel
    assert np.allclose(to_image(large, ground), expected, atol=1e-2)


def test_what_sampling_loses_is_counted():
    counts = {("z", 1): 4.0, ("z", 2): 6.0}, {("z", 1): 5.0, ("z", 2): float("nan")}
    one = Measured(9, FREE, counts=counts[0], alerts=[("z", "crowding", 1, 0), ("z", "crowding", 2, S)])
    other = Measured(3, FREE, counts=counts[1], alerts=[("z", "crowding", 1, 9 * S), ("z", "blindness", 1, 0)])
    found = lost(one, other)
    assert (found["count_difference"], found["mean_count"], found["unknown_frac"]) == (1.0, 5.0, 0.5)
    assert (found["alerts"], found["alerts_missed"], found["alerts_added"]) == (2, 1, 1)


def boxes(*corners):
    found = see(T0, np.zeros((len(corners), 2))).detections
    return type(found)(
        found.stamp, np.array(corners, float), found.score, found.class_id, found.anchor, found.image_hw, "test"
    )


def test_boxes_are_compared_one_with_one():
    one = boxes([0, 0, 10, 20], [100, 0, 110, 20], [200, 0, 210, 20])
    other = boxes([100.5, 0, 110, 20.25], [0, 0, 10, 20], [300, 0, 310, 20])
    found = compare([one], [other], 0.25)
    assert (found["boxes"], found["missing"], found["added"]) == (3, 1, 1)
    assert found["edge_px"]["max"] == 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpus"], "Add --batch"),
        (["--part", "resume"], "Add --batch"),
        (["--batch", "--part", "memroy"], "'memroy': need one of every-frame"),
        (["--batch", "--gpus", "--part", "memory"], "'memory' --gpus: need one of every-frame, sampling, precision"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, words, catch_exceptions=False)


def test_a_watch_counts_the_work_of_its_children():
    watch = Watch()
    work = "import time\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        assert child.pid in tree()
        cost = watch.stop()
        child.communicate("\n")
    assert cost.cpu_s >= 0.45  # the kernel counts in ticks of 10 ms
    assert len(cost.peaks_mb) >= 2
    assert os.getpid() == tree()[0]


def test_a_process_that_has_ended_is_left_out():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        watch = Watch()
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet waited for
        assert child.pid in tree()
        assert math.isnan(peak_mb(child.pid))
        assert len(watch.stop().peaks_mb) == len(tree()) - 1
    assert tree(child.pid) == [child.pid]
    assert math.isnan(peak_mb(child.pid))
    assert cpu_s(child.pid) == 0


def test_a_scheduler_is_simulated_and_worked_out():
    found = simulate(tasks=20, task_s=0.0, workers=2, hosts=1)
    assert found.tasks == 20
    assert found.peak_mb >= found.idle_mb > 0
    row = cameras(found, 300.0, cost_s=360.0, log_mb=10.24, mbit_s=8.0)[0]
    assert row["camera_hours"] == 50 * 24
    assert row["chunks"] == 50 * 24 * 12
    assert row["workers_for_8_h"] == pytest.approx(50 * 24 * 360 / (8 * 3600))
    assert row["read_gb_s"] == pytest.approx(50 * 24 * 3.6 / (8 * 3600))
    assert row["log_gb"] == pytest.approx(12.0)
