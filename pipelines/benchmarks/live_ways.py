"""How long pictures take to the store: from the log, which says what each tick included, and when the tick was seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crowdwatch.core.records import Observation, ObservationId, Tick
from crowdwatch.errors import ConfigError
from crowdwatch.store.log import LogReader

__all__ = ["Ways", "after_sending_s", "ways_of"]

NS = 1_000_000_000


@dataclass(slots=True)
class Ways:
    """What was found, in seconds.

    Args:
        every_s: of every picture, from its exposure to the commit of the first tick that includes it.
        newest_s: of the newest picture of each camera in each tick, its age at the commit.
        ticks_s: of every tick, from its time to its commit.
        stamped_after_s: of every picture, :func:`after_sending_s`.
        analysed: pictures by camera.
        first_ns: tick -> camera -> exposure of the earliest picture that it includes.
        span_s: from the first tick to the last, and one more.
    """

    every_s: list[float] = field(default_factory=list)
    newest_s: list[float] = field(default_factory=list)
    ticks_s: list[float] = field(default_factory=list)
    stamped_after_s: list[float] = field(default_factory=list)
    analysed: dict[str, int] = field(default_factory=dict)
    first_ns: dict[int, dict[str, int]] = field(default_factory=dict)
    span_s: float = 0.0


def ways_of(log: Path, seen_ns: Mapping[int, int], begun: Mapping[str, float], interval_s: float) -> Ways:
    """Follow pictures from the server to the store.

    Args:
        log: folder of the run.
        seen_ns: ticks -> wall clock when they stood in the store; others are left out.
        begun: camera -> when the server began to send, on the monotonic clock.
        interval_s: from one sent picture to the next.

    Raises:
        ConfigError: no tick included a picture.
        LogCorrupt: the log cannot be read.
    """
    found = Ways()
    exposed: dict[ObservationId, Observation] = {}
    for event in LogReader(log).events():
        if isinstance(event, Observation):
            exposed[event.stamp.id] = event
        if not isinstance(event, Tick):
            continue
        included = [exposed.pop(each) for each in event.included]
        at_ns = seen_ns.get(event.t_ns)
        if at_ns is None:
            continue
        found.ticks_s.append((at_ns - event.t_ns) / NS)
        newest: dict[str, int] = {}
        first = found.first_ns.setdefault(event.t_ns, {})
        for each in included:
            camera_id = each.stamp.camera_id
            found.analysed[camera_id] = found.analysed.get(camera_id, 0) + 1
            found.every_s.append((at_ns - each.t_ns) / NS)
            found.stamped_after_s.append(after_sending_s(each.t_ns, begun[camera_id], interval_s))
            first[camera_id] = min(first.get(camera_id, each.t_ns), each.t_ns)
            newest[camera_id] = max(newest.get(camera_id, 0), each.t_ns)
        found.newest_s += [(at_ns - t_ns) / NS for t_ns in newest.values()]
    given_ns = sorted(found.first_ns)
    if len(given_ns) > 1:
        found.span_s = (given_ns[-1] - given_ns[0]) / NS * len(given_ns) / (len(given_ns) - 1)
    if not found.every_s:
        raise ConfigError("benchmark --live: no tick of the steady part included a picture.")
    return found


def after_sending_s(t_ns: int, began_s: float, interval_s: float) -> float:
    """How long after the server was given a picture it was exposed, as its stamp says.

    From minus a fifth to four fifths of an interval, since nobody tells which picture it is.

    Args:
        t_ns: the stamp, event time, which is the wall clock of a run whose clocks nobody set.
        began_s: when the server began to send, on the monotonic clock.
        interval_s: from one picture to the next.
    """
    since_s = t_ns / NS - (time.time() - time.monotonic() + began_s)
    return (since_s + interval_s / 5) % interval_s - interval_s / 5
