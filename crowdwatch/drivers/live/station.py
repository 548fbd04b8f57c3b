"""A station: it observes cameras, and sends what it sees to the engine. It holds the pictures, and lets none of them go
but coarsened ones that the engine asked for.

One thread takes pictures in and hands them to workers when these are free, so that none waits in a queue and grows old.
Every worker analyses pictures of any camera: one detector and one counter serve all. A worker that does not come back
ends the station, which is then started again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.records import CameraFault, FramePair
from crowdwatch.drivers.live.load import JUDGED_S, LoadControl, Pace
from crowdwatch.drivers.live.sender import Sender
from crowdwatch.drivers.live.watching import Captured, Captures, Watching
from crowdwatch.errors import CrowdWatchError, ModelError

__all__ = ["HANG_S", "Station"]

_log = logging.getLogger(__name__)

HANG_S = 30.0
"""A picture that takes longer hangs: on a slow machine with others a picture of 4K in tiles takes 6 s."""

LOOKS = 6
"""Looks at what was analysed, two seconds apart, between which its rate is measured: 10 s, four pictures or more."""

LINK_S = 10.0
SLOW_LINK = "The link from its station to the engine is too slow; what was seen is left out. Look at the network."
"""Said for so long after the last message that was left out."""

LOOK_S = 0.2
"""How long the station waits at most before it looks at its readers' news, and at its own state."""


@dataclass(slots=True)
class _Work:
    """What the workers do, measured."""

    workers: int
    lock: threading.Condition = field(default_factory=threading.Condition)
    began_s: dict[int, float] = field(default_factory=dict)
    busy_s: float = 0.0
    spent_s: dict[str, float] = field(default_factory=dict)
    """By camera, since the beginning."""

    def free(self, wait_s: float) -> int:
        """Workers without work; waits for one."""
        with self.lock:
            self.lock.wait_for(lambda: len(self.began_s) < self.workers, wait_s)
            return self.workers - len(self.began_s)

    def begin(self, number: int) -> None:
        with self.lock:
            self.began_s[number] = time.monotonic()

    def end(self, number: int, camera_id: str) -> None:
        with self.lock:
            took_s = time.monotonic() - self.began_s.pop(number)
            self.busy_s += took_s
            self.spent_s[camera_id] = self.spent_s.get(camera_id, 0.0) + took_s
            self.lock.notify_all()

    def longest_s(self) -> float:
        """How long the oldest work goes on."""
        with self.lock:
            return time.monotonic() - min(self.began_s.values()) if self.began_s else 0.0

    def busy_frac(self, since_s: float) -> float:
        """Share of the time since ``since_s`` that the workers were at work; counts anew."""
        now_s = time.monotonic()
        with self.lock:
            at_work = sum(now_s - max(began, since_s) for began in self.began_s.values())
            done, self.busy_s = self.busy_s, 0.0
        return min(1.0, (done + at_work) / max(self.workers * (now_s - since_s), 1e-9))


class Station:
    """Observes cameras until it is ended.

    Args:
        captures: the cameras' readers.
        sender: to the engine.
        watching: opens what looks at the pictures, by camera; it is called in a thread, while readers connect already.
        load: how often it looks.
        workers: pictures that are analysed at once.
        host: where it runs, for people.
    """

    def __init__(
        self,
        captures: Captures,
        sender: Sender,
        watching: Callable[[], Mapping[str, Watching]],
        load: LoadControl,
        workers: int,
        host: str = "",
    ) -> None:
        self._captures, self._sender, self._load, self._host = captures, sender, load, host
        self._open, self._watching = watching, dict[str, Watching]()
        self._work, self._numbers = _Work(workers), 0
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="station")
        self._statuses: dict[str, StreamStatus] = {}
        self._paces: dict[str, Pace] = {}
        self._judged_s = time.monotonic()
        self._looks: dict[str, deque[tuple[float, int, float]]] = {}
        self._left_out, self._left_out_s = 0, float("-inf")

    def run(self, ended: Callable[[], bool]) -> None:
        """Observe until ``ended``.

        Raises:
            ModelError: what looks at the pictures cannot be opened, or hangs.
        """
        opening = self._pool.submit(self._open)
        try:
            while not ended():
                self._sender.beat()
                self._tell(self._captures.news())
                if self._opened(opening):
                    self._hand_out()
                    self._judge()
                else:
                    time.sleep(LOOK_S)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _opened(self, opening: Future[Mapping[str, Watching]]) -> bool:
        if not self._watching and opening.done():
            try:
                self._watching = dict(opening.result())
            except CrowdWatchError as error:
                self._fail(str(error))
                raise
            self._load.load(self._statuses, 0.0)  # what was lost before anybody could look is no load
            self._work.busy_frac(self._judged_s)
            self._judged_s = time.monotonic()
        return bool(self._watching)

    def _hand_out(self) -> None:
        """Give free workers the newest pictures of the cameras that waited longest."""
        free = self._work.free(LOOK_S)
        if self._work.longest_s() > HANG_S:
            text = f"a picture has been analysed for more than {HANG_S:.0f} s; the station is started again."
            self._fail(text)
            raise ModelError(text)
        if not free:
            return
        for captured in self._captures.take(LOOK_S, free):
            self._numbers += 1
            self._work.begin(self._numbers)
            self._pool.submit(self._look, self._numbers, captured)

    def _look(self, number: int, captured: Captured) -> None:
        """A worker's work: a picture is analysed and told, and shown where it is wanted."""
        stamp = captured.pair.current.stamp
        try:
            watching = self._watching[stamp.camera_id]
            made = watching.look(captured.pair, captured.fault)
            if made.error is not None:
                _log.warning("camera %s: a picture was not analysed: %s", stamp.camera_id, made.error)
            self._sender.send(made.event)
            self._show(watching, captured.pair)
        except Exception:  # noqa: BLE001  of one picture, said; its camera's silence shows
            _log.exception("camera %s: what was seen cannot be told.", stamp.camera_id)
        finally:
            captured.release()
            self._work.end(number, stamp.camera_id)

    def _show(self, watching: Watching, pair: FramePair) -> None:
        """Send the coarsened picture, where it is wanted. It is for the eye: without it the numbers go on."""
        camera_id = watching.camera.camera_id
        if camera_id not in self._sender.wanted_pictures:
            return
        try:
            picture = watching.picture(pair)
        except CrowdWatchError as error:
            _log.warning("camera %s: its picture is not shown: %s", camera_id, error)
            return
        if picture is not None:
            self._sender.send(picture)

    def _tell(self, news: Sequence[StreamStatus | CameraFault]) -> None:
        for each in news:
            if isinstance(each, StreamStatus):
                watching = self._watching.get(each.camera_id)
                analysed = 0 if watching is None else watching.analysed
                pace = self._paces.get(each.camera_id, Pace(self._load.wanted_hz[each.camera_id]))
                hz = None if pace.sample_hz is None else float(pace.sample_hz)
                each = replace(each, analysed=analysed, host=each.host or self._host, sample_hz=hz)
                each = replace(each, work=self._lately(each.camera_id, 2))
                self._statuses[each.camera_id] = each
                measured_hz = self._lately(each.camera_id, 1)
                each = self._load.said(each, pace, math.nan if measured_hz is None else measured_hz)
                if self._link_is_slow():
                    each = replace(each, message=f"{each.message} {SLOW_LINK}".strip())
            self._sender.send(each)

    def _lately(self, camera_id: str, what: int) -> float | None:
        """Pictures of a camera that were analysed (1), or seconds of work on them (2), per second, lately; None before
        that is known."""
        looks = self._looks.get(camera_id)
        if looks is None or len(looks) < LOOKS:
            return None
        return (looks[-1][what] - looks[0][what]) / (looks[-1][0] - looks[0][0])

    def _link_is_slow(self) -> bool:
        """Whether messages had to be left out lately."""
        if self._sender.left_out > self._left_out:
            self._left_out, self._left_out_s = self._sender.left_out, time.monotonic()
        return time.monotonic() - self._left_out_s < LINK_S

    def _judge(self) -> None:
        """Look less often where the machine is too slow, and again as wanted where it has room."""
        if time.monotonic() - self._judged_s < JUDGED_S:
            return
        load = self._load.load(self._statuses, self._work.busy_frac(self._judged_s))
        self._judged_s = time.monotonic()
        for camera_id, watching in self._watching.items():
            looks = self._looks.setdefault(camera_id, deque(maxlen=LOOKS))
            looks.append((self._judged_s, watching.analysed, self._work.spent_s.get(camera_id, 0.0)))
        yielded = self._load.yields
        changed = self._load.judge(load)
        if not (changed or self._load.yields):
            return
        if yielded != self._load.yields:
            _log.warning("the machine is %s", "too slow for its cameras" if self._load.yields else "fast enough again")
        for camera_id, watching in self._watching.items():
            status = self._statuses.get(camera_id)
            rate_hz = float("nan") if status is None else status.rate_hz
            pace = self._load.pace(camera_id, rate_hz, dense=watching.dense)
            if pace == self._paces.get(camera_id):
                continue
            before = self._paces.get(camera_id, Pace(self._load.wanted_hz[camera_id]))
            self._paces[camera_id] = pace
            watching.keep_pace(pace)
            if pace.sample_hz != before.sample_hz:
                self._captures.set_sample_hz(camera_id, pace.sample_hz)

    def _fail(self, text: str) -> None:
        """Say of every camera that nobody looks at it."""
        _log.error("%s", text)
        for status in self._statuses.values():
            self._sender.send(replace(status, phase=StreamPhase.WAITING, message=text))
