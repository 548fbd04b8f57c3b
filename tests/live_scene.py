"""Live cameras that are drawn, in simulated time: a night passes as fast as the machine folds it.

The clock moves only when somebody waits for observers. A camera gives the pictures of the synthetic example, two a
second, over and over, each a fifth of a second after its exposure.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from drawn import RATE_HZ, drawn_square

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.live import CoarsePicture, LiveMessage
from crowdwatch.core.records import Observation, Stamp
from crowdwatch.drivers import build
from crowdwatch.drivers.live.live import LiveOptions
from crowdwatch.sources.live.event_clock import EventClock

S = 1_000_000_000
SCENE_S = 120
DELAY_NS = S // 5


@dataclass(frozen=True)
class SimulatedClock(EventClock):
    """Event time that passes when it is told to."""

    mono: list[int] = field(default_factory=lambda: [0])
    wall_off_s: list[float] = field(default_factory=lambda: [0.0])

    def now_ns(self) -> int:
        return self.at(self.mono[0])

    def wall_error_s(self) -> float:
        return self.wall_off_s[0]


def clock_at(t_ns: int) -> SimulatedClock:
    return SimulatedClock(t_ns, 0)


def drawn_event(folder: Path) -> EventFile:
    return config.load(drawn_square(folder))


def drawn_observations(event: EventFile) -> list[Observation]:
    """What the camera of the synthetic example sees in two minutes."""
    (feed,) = build.open_feeds(event)
    return list(feed.observe_span(*feed.source.span_ns))


def stamped(observation: Observation, seq: int, t_ns: int) -> Observation:
    """The same, seen at another time."""
    stamp = Stamp(observation.stamp.camera_id, seq, t_ns, "arrival", 0.02)
    mass = None if observation.mass is None else replace(observation.mass, stamp=stamp)
    return replace(
        observation, detections=replace(observation.detections, stamp=stamp),
        positions=replace(observation.positions, stamp=stamp), mass=mass,
    )  # fmt: skip


class SimulatedObservers:
    """Fills ``Observers``.

    Args:
        clock: of the run.
        seen: what the camera sees, two pictures a second from ``began_ns`` on, over and over.
        began_ns: when the camera began.
        more: further messages: (arrival, message).
        sees: whether it gives a picture at a time.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        seen: list[Observation],
        began_ns: int,
        more: list[tuple[int, LiveMessage]] | None = None,
        sees: Callable[[int], bool] = lambda t_ns: True,
    ) -> None:
        self.clock, self.seen, self.began_ns, self.sees = clock, seen, began_ns, sees
        self.coming: list[tuple[int, int, LiveMessage]] = []
        for number, (arrival_ns, message) in enumerate(more or []):
            heapq.heappush(self.coming, (arrival_ns, number, message))
        self.next = -(-(clock.now_ns() - began_ns) * RATE_HZ // S)
        self.wanted: list[str] = []
        self.jpeg, self.delay_ns = b"", DELAY_NS

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def want_pictures(self, camera_ids):
        self.wanted = list(camera_ids)

    def _plan(self, until_ns):
        while (t_ns := self.began_ns + self.next * S // RATE_HZ) + self.delay_ns <= until_ns:
            if self.sees(t_ns):
                observation = stamped(self.seen[self.next % len(self.seen)], self.next, t_ns)
                if self.jpeg and self.wanted:
                    heapq.heappush(self.coming, (t_ns + self.delay_ns, -1, CoarsePicture(observation.stamp, self.jpeg)))
                heapq.heappush(self.coming, (t_ns + self.delay_ns, 10**6 + self.next, observation))
            self.next += 1

    def receive(self, timeout_s):
        until_ns = self.clock.now_ns() + max(round(timeout_s * S), 1)
        self._plan(until_ns)
        if self.coming and self.coming[0][0] <= until_ns:
            until_ns = max(self.coming[0][0], self.clock.now_ns())
        self.clock.mono[0] += until_ns - self.clock.now_ns()
        found = []
        while self.coming and self.coming[0][0] <= until_ns:
            found.append(heapq.heappop(self.coming)[2])
        return found


def simulated(folder: Path, seen: list[Observation], began_ns: int, from_ns: int, **options: object) -> LiveOptions:
    """Options of a run in simulated time from ``from_ns`` on."""
    sees = options.pop("sees", lambda t_ns: True)
    more = options.pop("more", None)
    jpeg, delay_ns = options.pop("jpeg", b""), options.pop("delay_ns", DELAY_NS)

    def observers(configuration, clock):
        made = SimulatedObservers(clock, seen, began_ns, more, sees)
        made.jpeg, made.delay_ns = jpeg, delay_ns
        return made

    given = {"pictures": False, "clock": lambda: clock_at(from_ns)} | options
    return LiveOptions(folder, f"sqlite:///{folder}/store.sqlite", observers, **given)
