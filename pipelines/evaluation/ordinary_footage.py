"""False alarms on ordinary footage: recordings in which nothing happens, folded for an hour under the default limits.

Each recording is observed once into a log. What was observed then goes on, forth and back, for as long as is asked,
from several points of it: neither a detector nor a picture is needed for that. A recording without a calibration is
looked at from a nominal mast, so its densities are of the right order and no more; its blindness is as it would be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.core.records import LogEvent, Observation, Stamp, Tick
from crowdwatch.core.site import Site
from crowdwatch.drivers.backtest.alarm_load import announces
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import SourceUnavailable
from crowdwatch.store.log import LogReader
from crowdwatch.words import reason_text
from pipelines.evaluation.camera_drift import drift_frac
from pipelines.evaluation.health_score import HELD_FRAC, recordings

__all__ = ["FootageAlarms", "looped", "ordinary_alarms"]

NS = 1_000_000_000
SAMPLE_HZ = 2.0
OFFSETS = (0.0, 0.5)
"""Where in a recording each copy begins, as shares of it."""

MAST_M, FOCAL_FRAC, PITCH_SIN = 6.0, 0.8, 0.4226
"""Of the nominal mast: 6 m up, a focal length of 0.8 picture widths, 25 degrees below the horizon."""

CALIBRATED = "vtest.avi"


@dataclass(frozen=True, slots=True)
class FootageAlarms:
    """What was raised on one recording.

    Args:
        recording: its name.
        hours: that were folded.
        alarms: by name, zone, level and why.
        calibrated: whether its camera was; else a nominal mast stands in.
        held: the camera is held by hand: that it moves is true, and its alarms are not false.
    """

    recording: str
    hours: float
    alarms: tuple[str, ...]
    calibrated: bool
    held: bool


def ordinary_alarms(
    folder: Path, hours: float, shown: Callable[[float, str], None] = lambda done, what: None
) -> list[FootageAlarms]:
    """Fold every recording of a folder, all together for so many hours.

    Args:
        folder: with recordings (.avi, .mp4), at any depth.
        hours: of event time, shared evenly.
        shown: called with how many copies are done, and what goes on.

    Raises:
        SourceUnavailable: there is no recording, or one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".avi", ".mp4"))
    if not paths:
        raise SourceUnavailable(f"{folder}: holds no recording (.avi, .mp4). Name the folder with vtest.avi.")
    each_s = hours * 3600 / len(paths) / len(OFFSETS)
    shown(0, "looking which cameras stand still")
    moves = {each.name: drift_frac([*each.lead, *each.rest], each.hz) >= HELD_FRAC for each in recordings(folder)}
    found = []
    for number, path in enumerate(paths):
        with TemporaryDirectory() as scratch:
            shown(number * len(OFFSETS), f"observing {path.name}")
            event, seen = _observed(path, Path(scratch))
        site = config.to_site(event)
        alarms: list[str] = []
        for copy, offset in enumerate(OFFSETS):
            shown(number * len(OFFSETS) + copy, f"folding {path.name}")
            events = looped(seen, round(offset * len(seen)), each_s, site.tick_s)
            alarms += [_told(alert) for alert in _raised(site, events)]
        calibrated = path.name == CALIBRATED
        lasts_h = each_s * len(OFFSETS) / 3600
        found.append(FootageAlarms(path.name, lasts_h, tuple(alarms), calibrated, moves[path.name]))
    shown(len(paths) * len(OFFSETS), "done")
    return found


def looped(seen: Sequence[Observation], first: int, lasts_s: float, tick_s: float) -> Iterator[LogEvent]:
    """Observations forth and back for so long, evenly spaced, with the ticks of a site.

    >>> [kind.__name__ for kind in map(type, looped([], 0, 2.0, 1.0))]
    ['Tick', 'Tick']
    """
    order = [*range(len(seen)), *range(len(seen) - 2, 0, -1)]
    begin_ns = seen[0].t_ns if seen else 0
    step_ns = (seen[-1].t_ns - begin_ns) // max(len(seen) - 1, 1) if seen else 0
    tick_ns, count = round(tick_s * NS), 0
    for number in range(1, round(lasts_s / tick_s) + 1):
        included = []
        while step_ns and (count + 1) * step_ns <= number * tick_ns:
            source = seen[order[(first + count) % len(order)]]
            count += 1
            stamp = Stamp(source.stamp.camera_id, count, begin_ns + count * step_ns)
            yield _at(source, stamp)
            included.append(stamp.id)
        yield Tick(begin_ns + number * tick_ns, tuple(included))


def _at(seen: Observation, stamp: Stamp) -> Observation:
    """The same at another time."""
    mass = None if seen.mass is None else replace(seen.mass, stamp=stamp)
    detections, positions = replace(seen.detections, stamp=stamp), replace(seen.positions, stamp=stamp)
    return replace(seen, detections=detections, positions=positions, mass=mass)


def _told(alert: AlertEvent) -> str:
    return f"{alert.alarm} {alert.zone_id} {alert.level.name.lower()}: {reason_text('en', alert.reasons)}"


def _raised(site: Site, events: Iterator[LogEvent]) -> list[AlertEvent]:
    state, alerts = start(view_site(site)), []
    for event in events:
        state, outcome = advance(state, event)
        if outcome is not None:
            alerts += [alert for alert in outcome.alerts if announces(alert)]
    return alerts


def _observed(path: Path, scratch: Path) -> tuple[EventFile, list[Observation]]:
    """Observe a recording once; its log holds what was seen."""
    event = _calibrated(path) if path.name == CALIBRATED else _nominal(path, scratch)
    options = Options(scratch / "runs", f"sqlite:///{scratch / 'store.sqlite'}", pictures=False)
    summary = replay_recording(event, options)
    reader = LogReader(Path(summary.run.folder))
    return config.from_json(reader.config_json), list(reader.observations())


def _calibrated(path: Path) -> EventFile:
    """PETS2009 as the example has it, under the default limits."""
    event = config.load(example("pets2009"))
    camera = event.cameras[0]
    source = camera.source.model_copy(update={"sample": None, "file": str(path)})
    camera = camera.model_copy(update={"source": source, "sample_hz": SAMPLE_HZ})
    zones = [zone.model_copy(update={"capacity_persons": None, "limits": None}) for zone in event.zones]
    limits = type(event.limits_by_kind)()
    parts = {"cameras": [camera], "zones": zones, "limits_by_kind": limits, "phases": []}
    return event.model_copy(update=parts)


def _nominal(path: Path, scratch: Path) -> EventFile:
    """A recording as a nominal mast would have taken it."""
    width, height = _size(path)
    cos, focal = (1 - PITCH_SIN**2) ** 0.5, FOCAL_FRAC * width
    rotation = [[1.0, 0.0, 0.0], [0.0, -PITCH_SIN, -cos], [0.0, cos, -PITCH_SIN]]
    near, far = [[-3.0, 6.0], [3.0, 6.0]], [[8.0, 20.0], [-8.0, 20.0]]
    pose: dict[str, Any] = {
        "focal_px": [focal, focal], "centre_px": [width / 2, height / 2], "rotation": rotation,
        "translation_m": [0.0, MAST_M * cos, MAST_M * PITCH_SIN],
    }  # fmt: skip
    camera = {
        "id": "view", "source": {"file": str(path.resolve()), "start_time": "2026-01-01T12:00:00Z"},
        "image_size_px": [width, height], "sample_hz": SAMPLE_HZ, "calibration": {"pose": pose},
    }  # fmt: skip
    zone = {"id": "ground", "kind": "moving", "polygon_m": near + far}
    content = {
        "version": 1, "id": "footage", "name": {"en": "Ordinary footage"}, "site": {"walkable_area_m": near + far},
        "zones": [zone], "cameras": [camera],
    }  # fmt: skip
    event_file = scratch / "event.yaml"
    event_file.write_text(json.dumps(content), encoding="utf-8")  # of which YAML is more
    return config.load(event_file)


def _size(path: Path) -> tuple[int, int]:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return stream.width, stream.height
    except (av.FFmpegError, IndexError) as error:
        raise SourceUnavailable(f"recording {path}: cannot be read: {error}. Take it out of the folder.") from error
