"""What an engine shows of itself before it drives an event, and then of its run."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from crowdwatch.telemetry.live_metrics import LiveMetrics

__all__ = ["EngineSigns", "Signs"]

STANDS_BY = "standing by"
STARTS = "starting"


class Signs(Protocol):
    """What is served of an engine."""

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""

    def unhealthy(self) -> str:
        """Why the process should not be left alone; empty where it should."""

    def unready(self) -> str:
        """Why no current reading can be had from it; empty where one can."""

    def well(self) -> str:
        """What is said where nothing is wrong."""


class EngineSigns:
    """Fills :class:`Signs`. One that stands by is healthy and not ready, and its metrics say that it stands by.

    >>> signs = EngineSigns(standby=True)
    >>> signs.unhealthy(), signs.well(), signs.unready()
    ('', 'standing by', 'standing by')

    Args:
        standby: whether it waits while another engine drives the event.
    """

    def __init__(self, *, standby: bool = False) -> None:
        self._what = STANDS_BY if standby else STARTS
        self._run: LiveMetrics | None = None
        self._registry = CollectorRegistry()
        self._stands = Gauge(
            "crowdwatch_standing_by", "1 while another engine drives the event", registry=self._registry
        )
        self._stands.set(float(standby))

    def starts(self) -> None:
        """It has the event, and its run is about to begin."""
        self._what = STARTS
        self._stands.set(0.0)

    def of_run(self, metrics: LiveMetrics) -> None:
        """From now on its run speaks."""
        self._run = metrics

    def exposition(self) -> bytes:
        """As of :class:`Signs`."""
        return generate_latest(self._registry) if self._run is None else self._run.exposition()

    def unhealthy(self) -> str:
        """As of :class:`Signs`."""
        return "" if self._run is None else self._run.unhealthy()

    def unready(self) -> str:
        """As of :class:`Signs`."""
        return self._what if self._run is None else self._run.unready()

    def well(self) -> str:
        """As of :class:`Signs`."""
        return self._what if self._run is None else self._run.well()
