"""What the benchmark of live runs says of alarms, of flapping cameras and of 1080p25 is what it was given."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scenes import T0, S, every_second, fold, ladder, square, started

from crowdwatch import config
from crowdwatch.ground import to_image
from crowdwatch.sources.synthetic import lattice
from pipelines.benchmarks import live_hd
from pipelines.benchmarks.drawn_site import SiteSize
from pipelines.benchmarks.live_alerts import beyond_delays
from pipelines.benchmarks.live_figures import Measured
from pipelines.benchmarks.live_flaps import measure_flaps, outages
from pipelines.benchmarks.live_hd import HD
from pipelines.benchmarks.live_site import HW, row_of_cameras, write_event
from pipelines.benchmarks.live_watch import SeenTick


def test_what_an_alarm_takes_beyond_its_delay_is_what_the_way_of_its_picture_takes():
    """From the tenth second on a crowd stands there. Each picture is 0.2 s old at its tick, which is seen 0.3 s later.
    The reading is a mean, so the limit is crossed later: that is no delay of the way."""
    site = replace(square(limits=ladder(1.0, on_s=4)), window_s=5.0)
    crowd = lattice(3.0, -4, 0, 4, 6)
    _, outcomes = fold(started(site), every_second(lambda s: crowd if s >= 10 else crowd[:1], 30))
    ticks, exposed = [], {}
    for outcome in outcomes:
        readings = {reading.zone_id: reading for reading in outcome.readings}
        ticks.append(SeenTick(outcome.t_ns, outcome.t_ns + 300_000_000, 0.0, readings))
        exposed[outcome.t_ns] = {"c": outcome.t_ns - 200_000_000}
    alerts = [alert for outcome in outcomes for alert in outcome.alerts]
    assert len(alerts) == 1
    assert (alerts[0].t_ns - T0) // S > 14, "averaging and delay"
    assert beyond_delays(site, ticks, alerts, exposed, {"z": "c"}) == pytest.approx([0.5])
    later = [replace(tick, seen_ns=tick.seen_ns + S) for tick in ticks]
    assert beyond_delays(site, later, alerts, exposed, {"z": "c"}) == pytest.approx([1.5])
    assert beyond_delays(site, ticks[-3:], alerts, exposed, {"z": "c"}) == [], "it rose before"


def test_cameras_flap_all_the_time_and_not_all_at_once():
    ids = [f"c{number}" for number in range(32)]
    away = list(outages(ids, 400))
    share = np.mean([len(each) for each in away]) / len(ids)
    assert 0.3 < share < 0.5
    changes = [len(before ^ after) for before, after in itertools.pairwise(away)]
    assert 1 < np.mean(changes) < 6
    assert {camera_id for each in away for camera_id in each} == set(ids)


def test_ticks_while_cameras_flap_are_timed_and_some_are_silent():
    found = Measured({}, [])
    measure_flaps(found, SiteSize(4, 60.0, 4, 40), ticks=20)
    assert found.values["calm_tick_ms"] > 0
    assert 0 < found.values["flapping_tick_ms"]["away"] < 4
    assert found.values["flapping_tick_ms"]["most_ms"] >= found.values["flapping_tick_ms"]["p50_ms"]


def test_a_stretched_camera_shows_the_same_ground(tmp_path):
    ground = np.array([[-10.0, -5.0], [0.0, 0.0], [5.0, 10.0]])
    urls = ["rtsp://127.0.0.1/a"]
    events = [row_of_cameras(urls, sample_hz=2.0), row_of_cameras(urls, sample_hz=2.0, hw=HD)]
    small, large = (
        config.to_site(config.load(write_event(event, tmp_path / "event.yaml"))).cameras[0].plane for event in events
    )
    assert large.image_hw == HD
    times = np.array([HD[1] / HW[1], HD[0] / HW[0]])
    assert np.allclose(to_image(large, ground), to_image(small, ground) * times, atol=0.5)


@pytest.mark.parametrize(("most", "tried"), [(6, [4, 5, 6, 7]), (2, [4, 3, 2]), (0, [4, 3, 2, 1]), (4, [4, 5])])
def test_the_most_cameras_are_searched_for_from_what_bare_work_allows(monkeypatch, most, tried):
    monkeypatch.setattr(live_hd, "_try", lambda clip, cameras: {"cameras": cameras, "carried": cameras <= most})
    assert [each["cameras"] for each in live_hd._search(None, 4)] == tried


@pytest.mark.parametrize(
    ("roles", "others", "said"),
    [
        ({"reader": 1.2, "station": 0.6}, 0.0, "the processor, most of it for decoding"),
        ({"reader": 0.4, "station": 1.4}, 0.0, "the processor, most of it for analysing"),
        ({"reader": 0.1, "station": 1.0}, 0.0, "not the processor"),
        ({"reader": 0.4, "station": 1.0}, 0.5, "other programs took 0.50 cores"),
    ],
)
def test_what_limits_is_said(monkeypatch, roles, others, said):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    values = {"cores_by_role": roles, "cores": sum(roles.values()), "server_cores": 0.1, "other_cores": others}
    assert live_hd._limit(values).startswith(said)
