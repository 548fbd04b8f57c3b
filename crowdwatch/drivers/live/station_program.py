"""The program of a station's process: ``python -m crowdwatch.drivers.live.station_program``. The engine
starts it, and hands it its orders by its standard input; the argument is the number of a pipe that is open as long as
the engine lives."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from zmq import ZMQError

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core.site import Camera
from crowdwatch.drivers.build import Models, open_live
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.life import FLUSH_S, NO_ROOM, ends_with_engine, open_all_files
from crowdwatch.drivers.live.load import LoadControl
from crowdwatch.drivers.live.sender import Sender
from crowdwatch.drivers.live.station import Station
from crowdwatch.drivers.live.watching import Captures, Watching
from crowdwatch.drivers.live.wire import warm_up
from crowdwatch.errors import ClusterUnavailable, CrowdWatchError, RecordError
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.telemetry.log_output import as_environment_says

__all__ = ["Orders", "main", "observe"]

_log = logging.getLogger(__name__)

NICER = 2
"""Added to a station's niceness: the engine's ticks go before pictures."""

WORDS, ENGINE_SPEAKS_S = 3, 30.0
"""Of these words the one that came fastest tells the time."""

ENGINE_GONE_S = 120.0
"""A station that has not heard its engine for so long ends: it is on another host, and the engine is gone or has placed
its cameras elsewhere. A link may be cut for longer than the 20 s that its cameras are waited for."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What an engine wants of a station.

    Args:
        access: to the engine.
        event: the event file, complete.
        camera_ids: that the station observes.
        clock: event time, where the station is on the engine's host; else the engine's words tell it.
        begins_ns: event time of the first picture of what is played as if it were live.
    """

    access: Access
    event: EventFile
    camera_ids: tuple[str, ...]
    clock: EventClock | None
    begins_ns: int

    def to_json(self) -> bytes:
        """With the secret of the access: not for an argument, a log or a file."""
        clock = None if self.clock is None else [self.clock.anchor_wall_ns, self.clock.anchor_mono_ns]
        said = {"access": self.access.as_dict(), "event": self.event.model_dump_json(), "clock": clock}
        return json.dumps(said | {"cameras": self.camera_ids, "begins_ns": self.begins_ns}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Orders:
        """The inverse. Raises RecordError: these are no orders of this version."""
        try:
            said: dict[str, Any] = json.loads(text)
            clock = None if said["clock"] is None else EventClock(*said["clock"])
            event = config.from_json(said["event"])
            return cls(Access(**said["access"]), event, tuple(said["cameras"]), clock, int(said["begins_ns"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"orders of a station: cannot be read ({type(error).__name__}).") from error


OpenCaptures = Callable[[EventFile, Collection[Camera], EventClock, int], Captures]


def observe(orders: Orders, open_captures: OpenCaptures, ended: Callable[[], bool]) -> None:
    """Observe cameras until ``ended``, or until the engine has been gone for long.

    Raises:
        CrowdWatchError: what the station needs cannot be opened, or hangs.
    """
    event, site = orders.event, config.to_site(orders.event)
    cameras = {each.camera_id: each for each in site.cameras if each.camera_id in orders.camera_ids}
    models = Models(event, site, cameras=len(cameras))

    def watching() -> Mapping[str, Watching]:
        warm_up()
        return {
            key: Watching(camera, *open_live(event, camera, models, orders.begins_ns))
            for key, camera in cameras.items()
        }

    sender = Sender(orders.access)
    try:
        clock = orders.clock or _engines_clock(sender, ended)
        load = LoadControl(cameras, *_wanted(event, cameras))
        with open_captures(event, list(cameras.values()), clock, orders.begins_ns) as captures:
            station = Station(captures, sender, watching, load, models.workers, socket.gethostname())
            station.run(lambda: ended() or sender.dismissed or sender.silent_s > ENGINE_GONE_S)
    finally:
        sender.close(FLUSH_S)
        models.close()


def _engines_clock(sender: Sender, ended: Callable[[], bool]) -> EventClock:
    """The engine's event time on another host, late by what a word takes: milliseconds, and never ahead.

    Raises:
        ClusterUnavailable: the engine does not speak.
    """
    began_s = time.monotonic()
    while sender.words < WORDS and not ended() and not sender.dismissed:
        sender.beat()
        if time.monotonic() - began_s > ENGINE_SPEAKS_S:
            raise ClusterUnavailable(
                f"station on {socket.gethostname()}: the engine was not heard for {ENGINE_SPEAKS_S:.0f} s. Look at the "
                "network and the firewall between this host and the engine's."
            )
        time.sleep(0.05)
    return EventClock(sender.event_less_mono_ns or time.time_ns() - time.monotonic_ns(), 0)


def _wanted(event: EventFile, cameras: Mapping[str, Camera]) -> tuple[dict[str, Fraction | None], dict[str, float]]:
    """By camera: pictures analysed per second, and the longest time between two counts of heads."""
    entries = [entry for entry in event.cameras if entry.id in cameras]
    rates = {each.id: None if each.sample_hz is None else Fraction(str(each.sample_hz)) for each in entries}
    counts = {each.id: float(each.counter.every_s or event.counter.every_s) for each in entries}
    return rates, counts


def main(open_captures: OpenCaptures) -> int:
    """Read the orders, observe, and return the exit code."""
    as_environment_says()
    over = ends_with_engine(int(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    os.nice(NICER)
    open_all_files()
    try:
        observe(Orders.from_json(sys.stdin.buffer.read()), open_captures, over.is_set)
    except CrowdWatchError as error:
        _log.error("%s", error)
        return 1
    except (OSError, MemoryError, ZMQError) as error:
        _log.error("a station got no file, process or memory: %s", error)
        return NO_ROOM
    return 0
