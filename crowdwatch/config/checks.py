"""What is wrong between the parts of an event file. Each part that is sound by itself is checked against the others,
so that one broken zone does not hide what is wrong with the next."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.config.calibrations import ground_plane
from crowdwatch.config.camera_keys import check_keys, check_streams
from crowdwatch.config.ground_checks import check_camera, check_gate, check_zone, walkable
from crowdwatch.config.limits import LADDER_KEYS, LimitStep, limit_step_fault, limit_steps
from crowdwatch.config.playbook_keys import PlaybookSettings, playbook_faults
from crowdwatch.config.programs import CounterSettings, DetectorSettings, Model
from crowdwatch.config.rule_keys import ExpectedFile, RuleFile
from crowdwatch.config.rules import expected_faults, rule_faults
from crowdwatch.config.schema import (
    TICK_S,
    CameraFile,
    GateFile,
    Limits,
    LimitsByKind,
    PhaseFile,
    ReadingSettings,
    SiteFrame,
    ZoneFile,
)
from crowdwatch.config.times import parse_time
from crowdwatch.config.voice_keys import VoiceSettings
from crowdwatch.core.site import Quantity
from crowdwatch.errors import CalibrationError, RecordError
from crowdwatch.ground import heads_fault

__all__ = ["check"]

DECISIVE = {"image_size_px", "capacity_persons", "calibration", "moves"}
"""Optional keys whose absence would be a fault of another kind."""

M = TypeVar("M", bound=Model)


@dataclass(slots=True)
class _Parts:
    """The parts that are sound by themselves, each list by index in the file."""

    site: SiteFrame | None = None
    zones: dict[int, ZoneFile] = field(default_factory=dict)
    gates: dict[int, GateFile] = field(default_factory=dict)
    cameras: dict[int, CameraFile] = field(default_factory=dict)
    phases: dict[int, PhaseFile] = field(default_factory=dict)
    by_kind: LimitsByKind = field(default_factory=LimitsByKind)
    readings: ReadingSettings | None = None
    counter: CounterSettings | None = None
    detector: DetectorSettings | None = None


def check(document: Document) -> None:
    """Add every fault between the parts to the document's list; single parts have been judged by the schema."""
    raw = document.raw
    parts = _Parts(
        site=_part(SiteFrame, raw.get("site")),
        zones=_list(ZoneFile, raw.get("zones")),
        gates=_list(GateFile, raw.get("gates")),
        cameras=_list(CameraFile, raw.get("cameras")),
        phases=_list(PhaseFile, raw.get("phases")),
        by_kind=_part(LimitsByKind, raw.get("limits_by_kind", {})) or LimitsByKind(),
        readings=_part(ReadingSettings, raw.get("readings", {})),
        counter=_part(CounterSettings, raw.get("counter", {})),
        detector=_part(DetectorSettings, raw.get("detector", {})),
    )
    _exclusive(document)
    for key in ("zones", "gates", "cameras", "phases", "units"):
        _unique(document, key)
    area = walkable(document, parts.site)
    for number, zone in parts.zones.items():
        check_zone(document, ("zones", number), zone, area)
    for number, gate in parts.gates.items():
        check_gate(document, ("gates", number), gate, area)
    for number, camera in parts.cameras.items():
        check_camera(document, ("cameras", number), camera, area, parts.counter or CounterSettings())
    check_streams(document, parts.cameras)
    _scores(document, parts)
    _heads(document, parts)
    _counter_times(document, parts)
    _phases(document, parts)
    _limits(document, parts)
    _rules(document)
    _playbook(document, parts)
    _voice(document, parts)
    if parts.readings is not None and parts.readings.window_s < (parts.readings.tick_s or TICK_S):
        window, tick = parts.readings.window_s, parts.readings.tick_s or TICK_S
        text = f"got {window:g} s, need >= tick_s {tick:g} s. Lengthen the window or shorten the tick."
        document.fault(("readings", "window_s"), text)


def _rules(document: Document) -> None:
    """Rules and planned numbers of people must name what the event has."""
    raw = document.raw
    zones, phases = (
        [str(item["id"]) for _, item in _mappings(raw.get(key)) if isinstance(item.get("id"), str)]
        for key in ("zones", "phases")
    )
    for path, text in rule_faults(_list(RuleFile, raw.get("rules")), zones, phases or ["event"]):
        document.fault(path, text)
    for path, text in expected_faults(_list(ExpectedFile, raw.get("expected")), zones):
        document.fault(path, text)


def _part(model: type[M], raw: Any) -> M | None:
    """Build a part without its faulty optional keys, which have been listed from the whole file; None if it cannot."""
    for _ in range(2):
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            faulty = {str(found["loc"][0]) for found in error.errors() if found["loc"]}
            if not isinstance(raw, Mapping) or faulty & DECISIVE:
                return None
            raw = {key: value for key, value in raw.items() if key not in faulty}
    return None


def _list(model: type[M], raw: Any) -> dict[int, M]:
    items = raw if isinstance(raw, list) else []
    read = ((number, _part(model, item)) for number, item in enumerate(items))
    return {number: part for number, part in read if part is not None}


def _mappings(raw: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, item in enumerate(raw if isinstance(raw, list) else []):
        if isinstance(item, Mapping):
            yield number, item


def _exclusive(document: Document) -> None:
    """Exactly one of several keys."""
    site = document.raw.get("site")
    crs = site.get("crs") if isinstance(site, Mapping) else None
    for number, camera in _mappings(document.raw.get("cameras")):
        check_keys(document, ("cameras", number), camera, crs)
    for number, phase in _mappings(document.raw.get("phases")):
        document.one_of(("phases", number), phase, ("start_time", "start_offset_s"))
    if isinstance(site, Mapping):
        mapped = str(site.get("crs", "local")).startswith("EPSG:")
        if mapped and "origin_m" not in site:
            text = "is missing beside an EPSG code. Give the easting and northing of the site's own (0, 0)."
            document.fault(("site", "origin_m"), text)
        if not mapped and "origin_m" in site:
            document.fault(("site", "origin_m"), "means nothing with crs: local. Remove it, or give an EPSG code.")


def _unique(document: Document, key: str) -> None:
    first: dict[str, int] = {}
    for number, item in _mappings(document.raw.get(key)):
        name = item.get("id")
        if isinstance(name, str) and name in first:
            line = document.line((key, first[name], "id"))
            text = f"got {name!r}, which line {line} already has. Every id of {key} must differ: rename one."
            document.fault((key, number, "id"), text)
        elif isinstance(name, str):
            first[name] = number


def _scores(document: Document, parts: _Parts) -> None:
    """Who shall count must be kept."""
    floor = DetectorSettings().score_floor if parts.detector is None else parts.detector.score_floor
    for number, camera in parts.cameras.items():
        if camera.score_min < floor:
            text = (
                f"got {camera.score_min:g}, need >= score_floor {floor:g} of the detector: it keeps nothing below, so "
                "nobody would be counted there. Raise it, or lower the floor."
            )
            document.fault(("cameras", number, "score_min"), text)


def _heads(document: Document, parts: _Parts) -> None:
    """A counter that is named must be able to put heads on the ground of every camera that shall use it."""
    if parts.counter is None or not parts.counter.demanded:
        return
    for number, camera in parts.cameras.items():
        if not camera.counter.use or camera.moves:
            continue
        try:
            fault = heads_fault(ground_plane(camera))
        except (CalibrationError, RecordError):
            continue  # listed with the calibration
        if fault is not None:
            remedy = "Or leave this camera to boxes with counter: {use: false}."
            text = f"counter {parts.counter.model} is refused: {fault} {remedy}"
            document.fault(("cameras", number, "calibration"), text)


def _counter_times(document: Document, parts: _Parts) -> None:
    """A counter runs at least as often where people stand close, and its answer holds until the next one."""
    counter = parts.counter
    if counter is None:
        return
    _dense_often(document, ("counter",), counter.dense_every_s, counter.every_s)
    _holds_long(document, counter.hold_s, counter.every_s, "every_s")
    for number, camera in parts.cameras.items():
        own = camera.counter
        _dense_often(document, ("cameras", number, "counter"), own.dense_every_s, own.every_s or counter.every_s)
        if own.every_s is not None:
            _holds_long(document, counter.hold_s, own.every_s, f"every_s of camera {camera.id}")


def _dense_often(document: Document, path: KeyPath, dense_s: float | None, every_s: float) -> None:
    if dense_s is not None and dense_s > every_s:
        text = f"got {dense_s:g} s, need <= every_s {every_s:g} s: where people stand close, more often. Shorten it."
        document.fault((*path, "dense_every_s"), text)


def _holds_long(document: Document, hold_s: float | None, every_s: float, what: str) -> None:
    if hold_s is not None and hold_s < every_s:
        text = f"got {hold_s:g} s, need >= {what} {every_s:g} s, or nothing counts until the next count. Lengthen it."
        document.fault(("counter", "hold_s"), text)


def _phases(document: Document, parts: _Parts) -> None:
    start_ns = _event_start_ns(document, parts)
    starts: list[tuple[int, int, str]] = []
    for number, phase in parts.phases.items():
        if phase.start_time is not None:
            starts.append((number, parse_time(phase.start_time), phase.start_time))
        elif phase.start_offset_s is not None:
            # without the event's start offsets can still be held against each other
            start = round(phase.start_offset_s * 1e9) + (start_ns or 0)
            starts.append((number, start, f"{phase.start_offset_s:g} s"))
    for (before, earlier, earlier_text), (number, later, later_text) in itertools.pairwise(starts):
        timed = [parts.phases[n].start_time is not None for n in (before, number)]
        if later > earlier or (start_ns is None and timed[0] != timed[1]):
            continue
        text = (
            f"got {later_text}, need later than {earlier_text}, where phase {parts.phases[before].id} starts. "
            "Phases follow one another: reorder them or correct the time."
        )
        document.fault(("phases", number, "start_time" if timed[1] else "start_offset_s"), text)


def _event_start_ns(document: Document, parts: _Parts) -> int | None:
    written = document.raw.get("start_time")
    if isinstance(written, str):
        try:
            return parse_time(written)
        except ValueError:
            return None
    starts = (camera.source.start_time for camera in parts.cameras.values())
    return min((parse_time(start) for start in starts if start is not None), default=None)


def _voice(document: Document, parts: _Parts) -> None:
    settings = _part(VoiceSettings, document.raw["voice"]) if document.raw.get("voice") else None
    if settings is None:
        return
    known = [zone.id for zone in parts.zones.values()]
    named: list[tuple[KeyPath, list[str]]] = [(("voice", "approved_zones"), settings.approved_zones)]
    named += [(("voice", "reminders", n, "zones"), each.zones) for n, each in enumerate(settings.reminders)]
    for path, ids in named:
        for each in ids:
            if each not in known:
                document.fault(path, f"got {each!r}, there is none. Zones: {', '.join(known) or 'none'}.")


def _playbook(document: Document, parts: _Parts) -> None:
    settings = _part(PlaybookSettings, document.raw["playbook"]) if document.raw.get("playbook") else None
    if settings is not None:
        zones = {zone.id: zone.kind for zone in parts.zones.values()}
        playbook_faults(settings, zones, [gate.id for gate in parts.gates.values()], document.fault)


def _limits(document: Document, parts: _Parts) -> None:
    known = [str(item["id"]) for _, item in _mappings(document.raw.get("zones")) if isinstance(item.get("id"), str)]
    for number, phase in parts.phases.items():
        for zone_id in phase.limits_by_zone:
            if zone_id not in known:
                close = difflib.get_close_matches(zone_id, known, n=1)
                hint = f"Did you mean {close[0]}?" if close else f"Zones: {', '.join(known) or 'none'}."
                document.fault(("phases", number, "limits_by_zone", zone_id), f"there is no such zone. {hint}")
    for path, zone, limits in _zone_limits(parts):
        if zone.capacity_persons is None and (limits.occupancy_frac or limits.clear_occupancy_frac):
            text = f"zone {zone.id} has no capacity_persons to compare with. Declare it, or remove these limits."
            document.fault((*path, "occupancy_frac" if limits.occupancy_frac else "clear_occupancy_frac"), text)
    phases: list[tuple[PhaseFile | None, KeyPath]] = [(p, ("phases", n)) for n, p in parts.phases.items()]
    said: set[tuple[object, str, str]] = set()
    for in_phase, phase_path in phases or [(None, ())]:
        for number, zone in parts.zones.items():
            _ladders(document, limit_steps(zone, ("zones", number), in_phase, phase_path, parts.by_kind), said)


def _zone_limits(parts: _Parts) -> Iterator[tuple[KeyPath, ZoneFile, Limits]]:
    zones = {zone.id: zone for zone in parts.zones.values()}
    for number, zone in parts.zones.items():
        if zone.limits is not None:
            yield ("zones", number, "limits"), zone, zone.limits
    for number, phase in parts.phases.items():
        for zone_id, limits in phase.limits_by_zone.items():
            if zone_id in zones:
                yield ("phases", number, "limits_by_zone", zone_id), zones[zone_id], limits


def _ladders(document: Document, found: Iterable[LimitStep], said: set[tuple[object, str, str]]) -> None:
    """Judge every ladder; a value that is wrong in many phases is listed once."""
    below: dict[Quantity, LimitStep] = {}
    for limit_step in found:
        fault = limit_step_fault(limit_step, below.get(limit_step.quantity))
        below[limit_step.quantity] = limit_step
        if fault is None:
            continue
        origin, text = fault
        key = (origin, LADDER_KEYS[limit_step.quantity], limit_step.zone_id)
        if key not in said:
            said.add(key)
            document.fault(() if isinstance(origin, str) else origin, text)
