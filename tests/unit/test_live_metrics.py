"""What monitoring reads of a live run: exact counts, and the unknown as NaN."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.core.outcomes import AlarmState, AlertEvent, CameraHealth, Health, Level, Outcome, Quality, ZoneReading
from crowdwatch.telemetry.live_metrics import LiveMetrics

NS = 1_000_000_000


def reading(t_ns: int, density: float = 2.5, level: Level = Level.WATCH) -> ZoneReading:
    return ZoneReading(
        "gate", t_ns, 10.0, 50.0, 45.0, 55.0, density, 2.2, 2.8, 4.0, 1.0, 1.0, 0.5, Quality.GOOD, level, math.nan
    )


def outcome(t_ns: int, alerts: tuple[AlertEvent, ...] = ()) -> Outcome:
    health = CameraHealth("north", t_ns, Health.OK, 0.5, False)
    return Outcome(t_ns, (reading(t_ns),), None, alerts, (), (health,))


def raised(t_ns: int) -> AlertEvent:
    return AlertEvent(
        "id", "crowding", "gate", t_ns, "raised", AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, Level.WATCH, "density",
        2.5, 2.0, "p/m2", (), "rule",
    )  # fmt: skip


class Now:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.ns = 1000 * NS

    def __call__(self) -> int:
        return self.ns


def samples(metrics: LiveMetrics) -> Callable[..., float]:
    """As Prometheus reads them: ``value(name, label=...)``."""
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }
    return lambda name, **labels: found[f"crowdwatch_{name}", frozenset(labels.items())]


def status(received: int, **more: object) -> StreamStatus:
    return StreamStatus("north", StreamPhase.STREAMING, 0, received=received, **more)  # type: ignore[arg-type]


def test_a_camera_that_said_nothing_is_unknown_not_zero() -> None:
    value = samples(LiveMetrics("run", ["north"], Now()))
    assert value("camera_age_seconds", camera="north") == math.inf
    assert math.isnan(value("camera_phase", camera="north", phase="streaming"))
    assert math.isnan(value("camera_picture_rate_hz", camera="north"))
    assert math.isnan(value("camera_health", camera="north", health="ok"))
    assert value("tick_age_seconds") == math.inf


def test_counts_go_on_when_an_observer_begins_anew() -> None:
    metrics = LiveMetrics("run", ["north"], Now())
    metrics.status(status(100, sampled=20, replaced=3, analysed=17, reconnects=1))
    metrics.status(status(130, sampled=26, replaced=3, analysed=23, reconnects=1))
    metrics.status(status(10, sampled=2, replaced=0, analysed=2, reconnects=0))
    value = samples(metrics)
    assert value("camera_pictures_received_total", camera="north") == 140
    assert value("camera_pictures_sampled_total", camera="north") == 28
    assert value("camera_pictures_replaced_total", camera="north") == 3
    assert value("camera_pictures_analysed_total", camera="north") == 25
    assert value("camera_reconnects_total", camera="north") == 1


def test_latency_is_from_exposure_to_arrival_tick_and_store() -> None:
    now = Now()
    metrics = LiveMetrics("run", ["north"], now)
    exposed = now.ns
    now.ns += NS // 5
    metrics.arrived("north", exposed)
    now.ns += NS // 5
    metrics.ticked(outcome(exposed + NS // 10), [exposed], 0.004)
    assert samples(metrics)("store_waiting_ticks") == 1
    now.ns += NS // 5
    metrics.stored(exposed + NS // 10)
    metrics.stored(exposed + NS // 10)
    value = samples(metrics)
    for to, seconds in (("arrival", 0.2), ("tick", 0.4), ("store", 0.6)):
        assert math.isclose(value("latency_seconds_sum", to=to), seconds)
        assert value("latency_seconds_count", to=to) == 1, "written twice is counted once"
    assert value("store_waiting_ticks") == 0
    assert value("tick_duration_seconds_bucket", le="0.005") == 1
    assert math.isclose(value("camera_age_seconds", camera="north"), 0.6)


def test_what_an_old_tick_said_is_unknown() -> None:
    now = Now()
    metrics = LiveMetrics("run", ["north"], now)
    metrics.ticked(outcome(now.ns), [], 0.001)
    value = samples(metrics)
    assert value("zone_density_p_m2", zone="gate") == 2.5
    assert value("zone_level", zone="gate") == Level.WATCH
    assert value("camera_health", camera="north", health="ok") == 1
    now.ns += 6 * NS
    value = samples(metrics)
    assert math.isnan(value("zone_density_p_m2", zone="gate"))
    assert math.isnan(value("zone_count", zone="gate"))
    assert value("zone_level", zone="gate") == Level.UNKNOWN
    assert math.isnan(value("camera_health", camera="north", health="ok"))


def test_alerts_faults_late_and_left_out_are_counted() -> None:
    now = Now()
    metrics = LiveMetrics("run", ["north"], now)
    metrics.ticked(outcome(now.ns, (raised(now.ns),)), [], 0.001, late=True)
    metrics.fault("north", "connection_lost")
    metrics.arrived("north", now.ns - NS, late=True)
    metrics.queue("channel", 3, 64)
    metrics.left_out("channel", 2)
    value = samples(metrics)
    assert value("alerts_total", alarm="crowding", transition="raised") == 1
    assert value("ticks_late_total") == 1
    assert value("camera_faults_total", camera="north", code="connection_lost") == 1
    assert value("observations_late_total", camera="north") == 1
    assert (value("queue_depth", queue="channel"), value("queue_limit", queue="channel")) == (3, 64)
    assert value("messages_left_out_total", queue="channel") == 2


def test_ready_is_a_fresh_tick_that_the_store_has() -> None:
    now = Now()
    metrics = LiveMetrics("run", ["north"], now)
    assert metrics.unready() == "no tick yet"
    metrics.ticked(outcome(now.ns), [], 0.001)
    assert "store" in metrics.unready()
    metrics.stored(now.ns)
    assert metrics.unready() == ""
    now.ns += 7 * NS
    assert metrics.unready() == "the newest tick is 7 s old"


def test_many_threads_lose_no_count() -> None:
    now = Now()
    metrics = LiveMetrics("run", ["north"], now)

    def work() -> None:
        for _ in range(200):
            metrics.arrived("north", now.ns)
            metrics.left_out("channel")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    metrics.exposition()
    for thread in threads:
        thread.join()
    value = samples(metrics)
    assert value("latency_seconds_count", to="arrival") == 800
    assert value("messages_left_out_total", queue="channel") == 800
