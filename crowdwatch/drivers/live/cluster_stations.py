"""Stations on the workers of a Dask cluster: where each camera is observed, and what becomes of it when a worker dies.

Dask places and starts; what is seen does not go through it. A station on a worker is a process of its own, as it is on
the engine's host, and speaks to the engine over the channel. Whatever waits for the scheduler waits in a thread, so
that a scheduler that hangs holds up no tick.
"""

from __future__ import annotations

import logging
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

from distributed import Client, get_worker, secede

from crowdwatch.config import EventFile
from crowdwatch.core.live import LiveMessage, StreamStatus
from crowdwatch.core.version import __version__
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.drivers.live.station_process import PROGRAM, StationProcess
from crowdwatch.drivers.live.station_program import Orders
from crowdwatch.drivers.live.stations import SILENT_S, START_S, Losses
from crowdwatch.errors import ClusterUnavailable
from crowdwatch.sources.live.event_clock import EventClock

__all__ = ["ClusterStations", "share"]

_log = logging.getLogger(__name__)

ANSWER_S = 10.0
LOOK_S = 1.0
"""How often the scheduler is asked which workers there are."""

AGAIN_S = 2.0
"""Between two placements of cameras whose stations fail."""

AVOID_S = 60.0
"""A worker that lost its station gets no cameras for so long, where there are others: a scheduler may name a dead host
for minutes."""

QUIET_S = 6.0
"""A worker that its scheduler has heard of so much longer ago than of another gets no cameras: workers speak every half
second, every 2 s in a cluster of 200. A scheduler names a host that died without a word for minutes."""

END_S = 2.0


@dataclass(slots=True, eq=False)
class _Placed:
    """A station on a worker."""

    worker: str
    camera_ids: tuple[str, ...]
    access: Access
    fault: str = ""
    """Why its task has ended, once it has."""
    task: Any = None
    """It is held: Dask takes a task that nobody holds from its worker."""


def share(
    camera_ids: Sequence[str],
    threads: Mapping[str, int],
    placed: Mapping[str, float],
    work: Mapping[str, float] | None = None,
) -> dict[str, list[str]]:
    """Which cameras go to which worker: those that take most work first, each to the one that has the least for its
    threads then.

    Args:
        camera_ids: to be placed.
        threads: of each worker.
        placed: work that each worker has already, as ``work`` measures it.
        work: what each camera takes; 1 where nothing is known.

    >>> share(["a", "b", "c"], {"large": 4, "small": 2}, {})
    {'large': ['a', 'b'], 'small': ['c']}
    >>> share(["a", "b", "c"], {"x": 2, "y": 2}, {}, {"a": 0.1, "b": 0.2, "c": 0.9})
    {'x': ['c'], 'y': ['b', 'a']}
    """
    takes = work or {}
    has, found = dict.fromkeys(threads, 0.0) | dict(placed), dict[str, list[str]]()
    for camera_id in sorted(camera_ids, key=lambda each: -takes.get(each, 1.0)):
        more = takes.get(camera_id, 1.0)
        worker = min(sorted(threads), key=lambda each: (has[each] + more) / max(threads[each], 1))
        has[worker] += more
        found.setdefault(worker, []).append(camera_id)
    return found


def work_of(camera_ids: Sequence[str], measured: Mapping[str, float]) -> dict[str, float]:
    """What each camera takes; the mean of those that are known where one is not.

    >>> work_of(["a", "b", "c"], {"a": 0.2, "b": 0.4})["c"]
    0.3
    """
    usual = sum(measured.values()) / len(measured) if measured else 1.0
    return {camera_id: round(measured.get(camera_id, usual), 3) for camera_id in camera_ids}


def quiet(seen_s: Mapping[str, float]) -> frozenset[str]:
    """The workers of which the scheduler has heard nothing lately, by its own clock.

    >>> sorted(quiet({"a": 100.0, "b": 99.6, "c": 93.0}))
    ['c']
    """
    newest_s = max(seen_s.values(), default=0.0)
    return frozenset(worker for worker, at_s in seen_s.items() if newest_s - at_s > QUIET_S)


def run_station(orders: Orders, program: Sequence[str], version: str) -> int:
    """A task: run a station in a process of its own until it ends, or nobody wants it any more: the engine placed its
    cameras elsewhere, or is gone. Returns its exit code.

    Raises:
        ClusterUnavailable: this worker has another version of CrowdWatch.
    """
    if version != __version__:
        raise ClusterUnavailable(
            f"it has CrowdWatch {__version__}, the engine has {version}. Install the same version there."
        )
    worker = get_worker()
    key = worker.get_current_task()
    secede()  # it lasts as long as the event: the worker's thread is free for others
    station = StationProcess.start(program, orders.to_json())
    hard = False
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return station.process.wait(LOOK_S)
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                hard = True
                return 0
    finally:
        station.end(END_S, hard=hard)


class ClusterStations:
    """Observers on a cluster; as of :class:`crowdwatch.drivers.live.stations.Observers`.

    A worker gets one station for its share of the cameras: by threads, and by the work that each camera takes, once
    that was measured. A camera that is observed stays where it is: to move it would blind it for seconds. When a worker
    is gone, or its station says nothing for :data:`~crowdwatch.drivers.live.stations.SILENT_S`, its cameras are said
    to be lost and go to the workers that are left. The scheduler's network is trusted: use ``tls://`` where it is not,
    for whoever reaches a Dask scheduler can run programs on its workers.

    Args:
        event: the event file, complete.
        clock: event time.
        scheduler: its address.
        begins_ns: as of :class:`~crowdwatch.drivers.live.stations.LocalStation`.
        program: what is started, in tests.
    """

    def __init__(
        self,
        event: EventFile,
        clock: EventClock,
        scheduler: str,
        begins_ns: int | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._clock = clock
        self._event, self._scheduler, self._program = event, scheduler, tuple(program)
        self._begins_ns = clock.anchor_wall_ns if begins_ns is None else begins_ns
        self._losses = Losses(clock)
        self._wanted: frozenset[str] = frozenset()
        self._waiting = [each.id for each in event.cameras]
        self._placed: list[_Placed] = []
        self._place_at_s, self._said_alone = 0.0, False
        self._threads: dict[str, int] = {}
        self._quiet: frozenset[str] = frozenset()
        self._measured: dict[str, float] = {}
        self._avoided_s: dict[str, float] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._over = threading.Event()
        self._client: Any = None
        self._receiver: Receiver | None = None
        self._thread = threading.Thread(target=self._speak_with_scheduler, name="placing", daemon=True)

    @property
    def places(self) -> dict[str, str]:
        """By camera, the worker that observes it."""
        return {camera_id: each.worker for each in self._placed for camera_id in each.camera_ids}

    def __enter__(self) -> Self:
        """Reach the scheduler. Raises ClusterUnavailable: it does not answer, or has no worker."""
        try:
            self._client = Client(self._scheduler, timeout=ANSWER_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterUnavailable(
                f"scheduler {self._scheduler}: does not answer within {ANSWER_S:.0f} s. Check the address and that "
                "`dask scheduler` runs there, or leave out --scheduler to use this machine."
            ) from error
        self._look()
        if not self._threads:
            self._client.close()
            raise ClusterUnavailable(
                f"scheduler {self._scheduler}: has no worker. Start some: dask worker {self._scheduler}"
            )
        here = _towards(self._client.scheduler.address)
        self._receiver = Receiver(f"tcp://{here}:*", self._clock.now_ns)
        self._thread.start()
        self._place(self._receiver)
        return self

    def __exit__(self, *_: object) -> None:
        if self._receiver is not None:
            for each in self._placed:
                self._receiver.dismiss(each.access)
            ends_s = time.monotonic() + END_S  # they are told to end when they speak next
            while time.monotonic() < ends_s and not all(each.fault for each in self._placed):
                self._receiver.receive(0.1)
            self._receiver.close()
        self._over.set()
        self._thread.join(ANSWER_S)
        self._client.close()

    def want_pictures(self, camera_ids: Collection[str]) -> None:
        """As of :class:`~crowdwatch.drivers.live.stations.Observers`."""
        self._wanted = frozenset(camera_ids)
        for each in self._placed:
            if self._receiver is not None:
                self._receiver.want_pictures(each.access, self._wanted)

    def receive(self, timeout_s: float) -> list[LiveMessage]:
        """As of :class:`~crowdwatch.drivers.live.stations.Observers`."""
        assert self._receiver is not None, "a cluster is entered before it is asked"
        messages = self._receiver.receive(timeout_s)
        self._losses.heard(messages)
        for said in messages:
            if isinstance(said, StreamStatus) and said.work:
                self._measured[said.camera_id] = said.work
        for each in list(self._placed):
            why = self._why_lost(self._receiver, each)
            if why:
                self._receiver.dismiss(each.access)
                self._placed.remove(each)
                self._jobs.put(partial(_cancel, each))
                self._waiting += each.camera_ids
                self._avoided_s[each.worker] = time.monotonic() + AVOID_S
                self._place_at_s = max(self._place_at_s, time.monotonic() + (AGAIN_S if each.fault else 0.0))
                messages += self._losses.said(each.camera_ids, why)
        return messages + self._place(self._receiver)

    def _why_lost(self, receiver: Receiver, placed: _Placed) -> str:
        """Why a station counts as lost; empty where it does not."""
        what, silent_s = "", receiver.silent_s(placed.access)
        if placed.worker not in self._threads:
            what = "is gone from the cluster"
        elif placed.fault:
            what = f"ended its station: {placed.fault}"
        elif silent_s > (SILENT_S if receiver.has_spoken(placed.access) else START_S):
            what = f"has said nothing for {silent_s:.0f} s"
        return what and f"Worker {placed.worker}, which observes this camera, {what}. The camera is placed anew."

    def _place(self, receiver: Receiver) -> list[LiveMessage]:
        """Give the cameras that nobody observes to workers."""
        if not self._waiting or time.monotonic() < self._place_at_s:
            return []
        threads = self._trusted(dict(self._threads))
        if not threads:
            if self._said_alone:
                return []
            self._said_alone = True
            text = f"Scheduler {self._scheduler} has no worker left. Start some: dask worker {self._scheduler}"
            return self._losses.said(self._waiting, text)
        self._said_alone = False
        work = work_of([each.id for each in self._event.cameras], self._measured)
        has = dict.fromkeys(threads, 0.0)
        for camera_id, worker in self.places.items():
            has[worker] = has.get(worker, 0.0) + work[camera_id]
        for worker, camera_ids in share(self._waiting, threads, has, work).items():
            access = receiver.admit(camera_ids)
            receiver.want_pictures(access, self._wanted)
            placed = _Placed(worker, tuple(camera_ids), access)
            self._placed.append(placed)
            self._jobs.put(partial(self._submit, placed))
        self._waiting = []
        return []

    def _trusted(self, threads: dict[str, int]) -> dict[str, int]:
        """The workers that speak with their scheduler and have not lost a station lately; where all have, the one that
        lost it longest ago."""
        threads = {worker: n for worker, n in threads.items() if worker not in self._quiet} or threads
        until_s = {worker: self._avoided_s.get(worker, 0.0) for worker in threads}
        found = {worker: n for worker, n in threads.items() if until_s[worker] < time.monotonic()}
        if found or not threads:
            return found
        worker = min(sorted(until_s), key=until_s.__getitem__)
        return {worker: threads[worker]}

    def _submit(self, placed: _Placed) -> None:
        """In the thread that speaks with the scheduler: start a station."""
        orders = Orders(placed.access, self._event, placed.camera_ids, None, self._begins_ns)
        try:
            future = self._client.submit(
                run_station, orders, self._program, __version__, workers=[placed.worker], pure=False, retries=0
            )
        except Exception as error:
            placed.fault = f"it could not be started ({type(error).__name__})"
            raise

        def done(ended: Any) -> None:
            error = ended.exception() if ended.status == "error" else None
            placed.fault = str(error) if error is not None else f"it {ended.status}"

        future.add_done_callback(done)
        _log.info("worker %s observes %s", placed.worker, ", ".join(placed.camera_ids))
        placed.task = future

    def _look(self) -> None:
        """Ask the scheduler which workers there are, and which of them it has heard of lately."""
        self._threads = self._client.nthreads()
        # the client keeps a shorter list of its own, which it may put in the place of this one: nobody is gone by it
        told = self._client.scheduler_info(n_workers=-1)["workers"]
        self._quiet = quiet({worker: each["last_seen"] for worker, each in told.items()})

    def _speak_with_scheduler(self) -> None:
        while not self._over.is_set():
            try:
                try:
                    self._jobs.get(timeout=LOOK_S)()
                except queue.Empty:
                    self._look()
            except Exception as error:  # noqa: BLE001  stations go on without it; what it meets is said
                _log.warning("scheduler %s: %s: %s", self._scheduler, type(error).__name__, error)
                self._over.wait(LOOK_S)


def _cancel(placed: _Placed) -> None:
    """In the thread that speaks with the scheduler: end a station, however it hangs."""
    if placed.task is not None:
        placed.task.cancel()


def _towards(scheduler: str) -> str:
    """This host's address as the scheduler's network has it."""
    host = urlsplit(scheduler).hostname or "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((host, 9))
        return str(asked.getsockname()[0])
