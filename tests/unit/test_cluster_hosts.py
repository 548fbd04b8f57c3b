"""Stations on hosts of a network: a link that is cut, a host that dies, and none that is left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import light_station
import pytest
from distributed import Client
from drawn import drawn_square
from network_hosts import Host, Network, why_not

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault
from crowdwatch.drivers.live import cluster_stations
from crowdwatch.drivers.live.cluster_stations import ClusterStations
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.sources.live.event_clock import EventClock

PATIENCE_S = 120.0
CAMERAS = {"north", "east", "south", "west"}


@pytest.fixture
def event(tmp_path: Path) -> EventFile:
    values = config.load(drawn_square(tmp_path)).model_dump()
    values["cameras"] = [values["cameras"][0] | {"id": each} for each in sorted(CAMERAS)]
    return EventFile.model_validate(values)


@pytest.fixture
def network() -> Iterator[Network]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Network(["one", "two"]) as made:
        yield made


class Heard:
    """What a cluster says, until something is true."""

    def __init__(self, stations: ClusterStations) -> None:
        self.stations = stations
        self.phases: dict[str, StreamPhase] = {}
        self.messages: list[LiveMessage] = []

    def until(self, done: Callable[[], bool]) -> float:
        """Seconds that it took."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() < began + PATIENCE_S, (self.stations.places, self.messages[-4:])
            for message in self.stations.receive(0.05):
                self.messages.append(message)
                if isinstance(message, StreamStatus):
                    self.phases[message.camera_id] = message.phase
        return time.monotonic() - began

    def all_stream(self) -> bool:
        return set(self.phases) == CAMERAS and set(self.phases.values()) == {StreamPhase.STREAMING}

    def said(self, words: str) -> set[str]:
        """Cameras of which that was said."""
        return {each.camera_id for each in self.messages if isinstance(each, StreamStatus) and words in each.message}


@contextmanager
def scheduler(network: Network, folder: Path) -> Iterator[str]:
    """The address of a Dask scheduler on this machine, as the network has it."""
    file = folder / "scheduler.json"
    words = ("-m", "distributed.cli.dask_scheduler", "--host", network.address, "--port", "0", "--no-dashboard")
    with subprocess.Popen(
        [sys.executable, *words, "--scheduler-file", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            ends_s = time.monotonic() + PATIENCE_S
            while not file.is_file() or not file.stat().st_size:
                assert time.monotonic() < ends_s
                time.sleep(0.05)
            yield json.loads(file.read_text(encoding="utf-8"))["address"]
        finally:
            process.kill()


def on(host: Host, stations: ClusterStations) -> set[str]:
    return {camera_id for camera_id, worker in stations.places.items() if f"//{host.address}:" in worker}


def test_hosts_die_links_are_cut_and_versions_differ_and_cameras_go_where_they_can_be_seen(
    event: EventFile, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = network.hosts.values()
    with scheduler(network, tmp_path) as address, Client(address, set_as_default=False) as client:
        for host in (one, two):
            host.start_worker(address)
        client.wait_for_workers(2, timeout=PATIENCE_S)
        monkeypatch.setattr(cluster_stations, "__version__", "0.0.0")
        clock = EventClock.start()
        with ClusterStations(event, clock, address, program=light_station.PROGRAM) as stations:
            heard = Heard(stations)
            heard.until(lambda: heard.said("the engine has 0.0.0. Install the same version there.") == CAMERAS)
            monkeypatch.undo()
            stations._avoided_s.clear()
            heard.until(heard.all_stream)
            lost = on(one, stations)
            assert len(lost) == len(on(two, stations)) == 2

            heard.messages.clear()
            one.die()
            moved_s = heard.until(lambda: on(two, stations) == CAMERAS and heard.all_stream())
            assert heard.said("has said nothing for") == lost
            faults = [each for each in heard.messages if isinstance(each, CameraFault)]
            assert {each.camera_id for each in faults} == lost, "the cameras of the other host go on"
            assert {each.code for each in faults} == {Code.CONNECTION_LOST}
            print(f"a host dies: all cameras stream again after {moved_s:.1f} s")

            heard.messages.clear()
            before = stations_of(two)
            two.cut()
            heard.until(lambda: heard.said("The camera is placed anew.") == CAMERAS)
            two.mend()
            back_s = heard.until(lambda: heard.all_stream() and not before & two.pids())
            assert on(two, stations) == CAMERAS
            print(f"a link is mended: all cameras stream again, from new stations alone, after {back_s:.1f} s")


def test_who_gets_cameras_where_workers_lost_stations_or_are_not_heard_of(event: EventFile) -> None:
    stations, now_s = ClusterStations(event, EventClock.start(), "tcp://127.0.0.1:1"), time.monotonic()
    threads = {"a": 1, "b": 2, "c": 4}
    assert stations._trusted(threads) == threads
    stations._quiet = frozenset({"c"})
    assert stations._trusted(threads) == {"a": 1, "b": 2}, "the scheduler has not heard of it"
    stations._avoided_s = {"a": now_s + 50, "b": now_s - 1}
    assert stations._trusted(threads) == {"b": 2}
    stations._avoided_s = {"a": now_s + 50, "b": now_s + 20}
    assert stations._trusted(threads) == {"b": 2}, "it lost its station longest ago"
    assert stations._trusted({"c": 4}) == {"c": 4}, "there is no other"
    assert stations._trusted({}) == {}


def test_that_no_worker_is_left_is_said_once_of_every_camera(event: EventFile) -> None:
    with Receiver() as receiver:
        stations = ClusterStations(event, EventClock.start(), "tcp://127.0.0.1:1")
        said = stations._place(receiver)
        assert stations._place(receiver) == []
    texts = {each.camera_id: each.message for each in said if isinstance(each, StreamStatus)}
    assert set(texts) == CAMERAS
    assert set(texts.values()) == {
        "Scheduler tcp://127.0.0.1:1 has no worker left. Start some: dask worker tcp://127.0.0.1:1"
    }
    assert {each.camera_id for each in said if isinstance(each, CameraFault)} == CAMERAS


def stations_of(host: Host) -> set[int]:
    """The stations' processes on a host."""
    return {pid for pid in host.pids() if "light_station" in _words(pid)}


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
