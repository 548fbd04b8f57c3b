"""Metrics of a live run, for Prometheus.

Names follow its rules: base units, ``_total`` for what only grows. A registry of its own, so that two runs in one
process do not mix. What is not known is NaN, never zero, and what a tick said is unknown once the newest tick is older
than :data:`STALE_S`: a board that is drawn from these numbers shows no dead engine's density.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.outcomes import Health, Level, Outcome, kind_of
from crowdwatch.core.version import __version__

__all__ = ["STALE_S", "LiveMetrics"]

NS = 1_000_000_000
NAN = float("nan")

STALE_S = 5.0
"""What a tick said is unknown once it is older (rule 1 of the design)."""

HUNG_S = 60.0
"""Nothing that is known takes longer, as of the heartbeat; it is counted on the machine's own clock."""

LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
TICK_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MOST_UNSTORED = 7200
"""Ticks whose writing is waited for: as many as the outbox keeps."""

COUNTED = {
    "received": "Pictures decoded",
    "sampled": "Pictures that were due",
    "replaced": "Due pictures that gave way to a newer one before they were analysed",
    "analysed": "Pictures analysed",
    "reconnects": "Times the stream was opened again",
}
"""Counts of a :class:`StreamStatus`, with what each is."""


@dataclass(slots=True)
class _Camera:
    """What is known of one camera."""

    status: StreamStatus | None = None
    before: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    """Counts of its earlier observers, which began anew at zero."""
    exposed_ns: int | None = None
    health: Health | None = None

    def total(self, name: str) -> int:
        now = 0 if self.status is None else int(getattr(self.status, name))
        return self.before[name] + now


class LiveMetrics(Collector):
    """Counters of one live run. Every method may be called in any thread, and none of them raises or waits.

    Args:
        run_id: the run.
        camera_ids: the cameras of the event; what comes from another is taken too.
        now_ns: event time now, such as ``EventClock.now_ns``.
    """

    def __init__(self, run_id: str, camera_ids: Iterable[str], now_ns: Callable[[], int]) -> None:
        self.run_id = run_id
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._cameras = {camera_id: _Camera() for camera_id in camera_ids}
        self._outcome: Outcome | None = None
        self._stored_ns: int | None = None
        self._unstored: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=MOST_UNSTORED)
        self.registry = CollectorRegistry()
        mine = self.registry
        self._latency = Histogram(
            "crowdwatch_latency_seconds", "From the exposure of a picture to: arrival, tick, store", ["to"],
            buckets=LATENCY_BUCKETS_S, registry=mine,
        )  # fmt: skip
        self._tick_s = Histogram(
            "crowdwatch_tick_duration_seconds", "Time to fold a tick", buckets=TICK_BUCKETS_S, registry=mine
        )

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"crowdwatch_{name}", what, labels, registry=mine)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"crowdwatch_{name}", what, labels, registry=mine)

        self._ticks = counter("ticks", "Ticks folded")
        self._ticks_late = counter("ticks_late", "Ticks that did not wait for every healthy camera")
        self._late = counter("observations_late", "Observations that came too late for their tick", "camera")
        self._faults = counter("camera_faults", "Faults of cameras", "camera", "code")
        self._alerts = counter("alerts", "Transitions of alarms", "alarm", "transition")
        self._left_out = counter("messages_left_out", "Messages that a bounded queue left out", "queue")
        self._depth = gauge("queue_depth", "Elements that wait in a queue", "queue")
        self._limit = gauge("queue_limit", "Most elements that a queue takes", "queue")
        self._ailing = gauge("ailments", "Things that ail the run now")
        self._moved = time.monotonic()
        self.registry.register(self)

    # what the engine tells

    def status(self, status: StreamStatus) -> None:
        """Take what an observer says of a camera's stream. Counts that begin anew are added to those of before."""
        with self._lock:
            camera = self._cameras.setdefault(status.camera_id, _Camera())
            old = camera.status
            if old is not None and any(getattr(status, name) < getattr(old, name) for name in COUNTED):
                for name in COUNTED:
                    camera.before[name] += getattr(old, name)
            camera.status = status

    def arrived(self, camera_id: str, exposed_ns: int, *, late: bool = False) -> None:
        """Take note of an observation that reached the engine; ``late``: after its tick."""
        self._latency.labels("arrival").observe(self._since_s(exposed_ns))
        if late:
            self._late.labels(camera_id).inc()
        with self._lock:
            camera = self._cameras.setdefault(camera_id, _Camera())
            camera.exposed_ns = max(exposed_ns, camera.exposed_ns or exposed_ns)

    def fault(self, camera_id: str, code: str) -> None:
        """Take note of a fault of a camera."""
        self._faults.labels(camera_id, code).inc()

    def ticked(self, outcome: Outcome, exposed_ns: Sequence[int], duration_s: float, *, late: bool = False) -> None:
        """Take what a tick said.

        Args:
            outcome: of the tick.
            exposed_ns: exposures of the observations that it includes.
            duration_s: how long the fold took.
            late: the tick did not wait for every healthy camera, because its lateness was over.
        """
        for each in exposed_ns:
            self._latency.labels("tick").observe(self._since_s(each))
        self._moved = time.monotonic()
        self._tick_s.observe(duration_s)
        self._ticks.inc()
        if late:
            self._ticks_late.inc()
        for alert in outcome.alerts:
            self._alerts.labels(kind_of(alert.alarm), alert.transition).inc()
        with self._lock:
            self._outcome = outcome
            self._unstored.append((outcome.t_ns, tuple(exposed_ns)))
            for each_health in outcome.health:
                self._cameras.setdefault(each_health.camera_id, _Camera()).health = each_health.health

    def stored(self, to_ns: int) -> None:
        """Take note that the store has every tick up to ``to_ns``."""
        written: list[int] = []
        with self._lock:
            self._stored_ns = max(to_ns, self._stored_ns or to_ns)
            while self._unstored and self._unstored[0][0] <= to_ns:
                written.extend(self._unstored.popleft()[1])
        for each in written:
            self._latency.labels("store").observe(self._since_s(each))

    def queue(self, queue: str, depth: int, limit: int | None = None) -> None:
        """Take how many elements wait in a queue, such as ``channel`` or ``store``, and how many it takes."""
        self._depth.labels(queue).set(depth)
        if limit is not None:
            self._limit.labels(queue).set(limit)

    def left_out(self, queue: str, number: int = 1) -> None:
        """Take note of messages that a bounded queue left out."""
        self._left_out.labels(queue).inc(number)

    def ails(self, number: int) -> None:
        """Take how many things ail the run now."""
        self._ailing.set(number)

    # what is read

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def unhealthy(self) -> str:
        """Why the engine hangs, in words; empty while it moves."""
        still_s = time.monotonic() - self._moved
        return f"no tick for {still_s:.0f} s" if still_s > HUNG_S else ""

    def unready(self) -> str:
        """Why no current reading can be had from this engine, in words; empty when one can."""
        with self._lock:
            outcome, stored_ns = self._outcome, self._stored_ns
        if outcome is None:
            return "no tick yet"
        tick_s = self._since_s(outcome.t_ns)
        if tick_s > STALE_S:
            return f"the newest tick is {tick_s:.0f} s old"
        if stored_ns is None or self._since_s(stored_ns) > STALE_S:
            return "the store does not take the ticks"
        return ""

    def well(self) -> str:
        """What is said while nothing is wrong."""
        return "ok"

    def collect(self) -> Iterator[Metric]:
        """As :class:`prometheus_client.registry.Collector`: what depends on the moment of the scrape."""
        with self._lock:
            statuses = {camera_id: each.status for camera_id, each in self._cameras.items()}
            totals = {(c, name): each.total(name) for c, each in self._cameras.items() for name in COUNTED}
            seen = {c: (each.exposed_ns, each.health) for c, each in self._cameras.items()}
            outcome, stored_ns, waiting = self._outcome, self._stored_ns, len(self._unstored)
        yield InfoMetricFamily("crowdwatch_run", "The run", {"run": self.run_id, "version": __version__})
        for name, what in COUNTED.items():
            unit = "reconnects" if name == "reconnects" else f"pictures_{name}"
            counter = CounterMetricFamily(f"crowdwatch_camera_{unit}", what, labels=["camera"])
            for camera_id in statuses:
                counter.add_metric([camera_id], totals[camera_id, name])
            yield counter
        yield from _cameras(
            statuses, {camera_id: self._age_s(exposed_ns) for camera_id, (exposed_ns, _) in seen.items()}
        )
        fresh = outcome is not None and self._since_s(outcome.t_ns) <= STALE_S
        yield _states(
            "crowdwatch_camera_health", "What the newest tick makes of a camera", "health",
            [each.value for each in Health],
            {c: health.value if fresh and health is not None else None for c, (_, health) in seen.items()},
        )  # fmt: skip
        yield GaugeMetricFamily(
            "crowdwatch_tick_age_seconds", "Event time since the newest tick",
            value=self._age_s(None if outcome is None else outcome.t_ns),
        )  # fmt: skip
        yield GaugeMetricFamily(
            "crowdwatch_store_age_seconds", "Event time since the newest tick that the store has",
            value=self._age_s(stored_ns),
        )  # fmt: skip
        yield GaugeMetricFamily("crowdwatch_store_waiting_ticks", "Ticks that the store has not taken", value=waiting)
        yield from _zones(outcome, fresh)

    def _since_s(self, t_ns: int) -> float:
        """Seconds of event time since ``t_ns``; 0 where a camera's clock is ahead."""
        return max(0, self._now_ns() - t_ns) / NS

    def _age_s(self, t_ns: int | None) -> float:
        """Age; infinite where there never was one, as in a reading."""
        return float("inf") if t_ns is None else self._since_s(t_ns)


def _states(name: str, what: str, label: str, states: Sequence[str], of: dict[str, str | None]) -> Metric:
    """One sample a camera and state: 1 for the state that it has, 0 for the others, NaN for all where it is unknown."""
    family = GaugeMetricFamily(name, what, labels=["camera", label])
    for camera_id, has in of.items():
        for state in states:
            family.add_metric([camera_id, state], NAN if has is None else float(state == has))
    return family


def _cameras(statuses: dict[str, StreamStatus | None], ages_s: dict[str, float]) -> Iterator[Metric]:
    """What streams say of themselves; NaN where a stream has said nothing."""
    yield _states(
        "crowdwatch_camera_phase", "What the reader of a camera does", "phase", [each.value for each in StreamPhase],
        {camera_id: None if status is None else status.phase.value for camera_id, status in statuses.items()},
    )  # fmt: skip
    age = GaugeMetricFamily("crowdwatch_camera_age_seconds", "Time since the newest observation", labels=["camera"])
    for camera_id, age_s in ages_s.items():
        age.add_metric([camera_id], age_s)
    yield age
    gauges = {
        "crowdwatch_camera_picture_rate_hz": ("Pictures that arrive per second", "rate_hz"),
        "crowdwatch_camera_clock_offset_seconds": ("The stream's clock less event time", "offset_s"),
        "crowdwatch_camera_time_sigma_seconds": ("Standard error of the pictures' event time", "sigma_s"),
    }
    for name, (what, key) in gauges.items():
        gauge = GaugeMetricFamily(name, what, labels=["camera"])
        for camera_id, status in statuses.items():
            gauge.add_metric([camera_id], NAN if status is None else float(getattr(status, key)))
        yield gauge


def _zones(outcome: Outcome | None, fresh: bool) -> Iterator[Metric]:
    """What the newest tick said of the zones: unknown where it is old."""
    gauges = {
        "level": "Alarm level: -1 unknown, 0 normal, 1 watch, 2 caution, 3 alert, 4 critical",
        "density_p_m2": "People per square metre that is seen; NaN is unknown",
        "count": "People counted; NaN is unknown",
        "visible_frac": "Share of the zone that healthy cameras see; NaN is unknown",
    }
    for key, what in gauges.items():
        gauge = GaugeMetricFamily(f"crowdwatch_zone_{key}", what, labels=["zone"])
        for reading in () if outcome is None else outcome.readings:
            unknown = float(Level.UNKNOWN) if key == "level" else NAN
            gauge.add_metric([reading.zone_id], float(getattr(reading, key)) if fresh else unknown)
        yield gauge
