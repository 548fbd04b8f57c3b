"""Cameras on a Dask cluster: shared out by threads, moved when a worker dies, and refused in plain words."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import light_station
import psutil
import pytest
from distributed import Client, LocalCluster
from drawn import drawn_square

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.records import CameraFault
from crowdwatch.drivers.live.cluster_stations import ClusterStations, run_station, share
from crowdwatch.errors import ClusterUnavailable
from crowdwatch.sources.live.event_clock import EventClock

PATIENCE_S = 180.0
CAMERAS = ["north", "east", "south", "west"]


@pytest.fixture
def event(tmp_path: Path) -> EventFile:
    values = config.load(drawn_square(tmp_path)).model_dump()
    values["cameras"] = [values["cameras"][0] | {"id": each} for each in CAMERAS]
    return EventFile.model_validate(values)


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**settings, silence_logs=50) as made:
        yield made


def until(stations: ClusterStations, enough: Callable[[list[LiveMessage]], bool]) -> list[LiveMessage]:
    found: list[LiveMessage] = []
    ends_s = time.monotonic() + PATIENCE_S
    while not enough(found):
        assert time.monotonic() < ends_s, f"{stations.places}, {found[-3:]}"
        found += stations.receive(0.1)
    return found


def streaming(found: list[LiveMessage]) -> set[str]:
    """Cameras whose newest status is that they stream."""
    phases = {each.camera_id: each.phase for each in found if isinstance(each, StreamStatus)}
    return {key for key, phase in phases.items() if phase is StreamPhase.STREAMING}


def test_cameras_are_shared_out_and_go_to_the_other_worker_when_one_hangs_or_dies(
    event: EventFile, cluster: LocalCluster
) -> None:
    with ClusterStations(
        event, EventClock.start(), cluster.scheduler_address, program=light_station.PROGRAM
    ) as stations:
        until(stations, lambda found: streaming(found) == set(CAMERAS))
        before = stations.places
        assert sorted(list(before.values()).count(each) for each in set(before.values())) == [2, 2]
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            pids = client.run(os.getpid)
        stopped = before[CAMERAS[0]]
        (hanging,) = psutil.Process(pids[stopped]).children(recursive=True)
        hanging.suspend()
        until(stations, lambda found: any(isinstance(each, CameraFault) for each in found))
        until(stations, lambda found: streaming(found) == set(CAMERAS))
        before = stations.places
        assert stopped not in before.values(), "it hung there"
        hanging.wait(60)

        (victim,) = set(before.values())
        children = psutil.Process(pids[victim]).children(recursive=True)
        os.kill(pids[victim], signal.SIGKILL)
        gone = {key for key, worker in before.items() if worker == victim}
        found = until(
            stations, lambda found: {each.camera_id for each in found if isinstance(each, CameraFault)} >= gone
        )
        said = [each for each in found if isinstance(each, StreamStatus) and each.message]
        assert {each.camera_id for each in said} == gone
        assert "placed anew" in said[0].message
        until(stations, lambda found: streaming(found) == set(CAMERAS))
        after = stations.places
        assert set(after) == set(CAMERAS)
        assert victim not in after.values()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        assert not alive, "a station lives on without its worker"


def test_a_scheduler_without_workers_or_none_at_all_is_refused(event: EventFile) -> None:
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None, silence_logs=50) as empty:
        stations = ClusterStations(event, EventClock.start(), empty.scheduler_address)
        with pytest.raises(ClusterUnavailable, match="has no worker"):
            stations.__enter__()


def test_a_worker_of_another_version_is_said() -> None:
    with pytest.raises(ClusterUnavailable, match="Install the same version"):
        run_station(None, [sys.executable], "0.0.0")  # type: ignore[arg-type]


def test_what_a_worker_has_already_counts() -> None:
    assert share(["a", "b"], {"x": 1, "y": 1}, {"x": 2}) == {"y": ["a", "b"]}
