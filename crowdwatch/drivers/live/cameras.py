"""What a live camera's reader is told: the event file's words as :class:`CaptureSettings`."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from functools import partial
from pathlib import Path

from crowdwatch import config
from crowdwatch.assets import samples
from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.core.ports import Source
from crowdwatch.core.site import Camera
from crowdwatch.drivers import recordings
from crowdwatch.drivers.flights import live_view_of
from crowdwatch.drivers.live import watching
from crowdwatch.drivers.live.flown import FlownCaptures
from crowdwatch.errors import ConfigError
from crowdwatch.observation.schedule import NS, lead_ns
from crowdwatch.sources.flight.feeds import BrokerFeed, FileFeed, TelemetryFeed
from crowdwatch.sources.flight.live_flight import LiveFlight
from crowdwatch.sources.live.address import StreamAddress
from crowdwatch.sources.live.captures import Captures, CaptureSettings
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.sources.live.played import Opening
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence

__all__ = ["capture_settings", "open_captures", "sampling"]


def open_captures(
    event: EventFile, cameras: Collection[Camera], clock: EventClock, begins_ns: int
) -> watching.Captures:
    """The readers of cameras, and of the telemetry of drones; they begin when it is entered. As of
    :func:`capture_settings`."""
    captures = Captures([capture_settings(event, camera, begins_ns) for camera in cameras], clock)
    entries = {entry.id: entry for entry in event.cameras}
    flights = {c.camera_id: _flight(event, entries[c.camera_id], clock) for c in cameras if c.moves}
    if not flights:
        return captures
    return FlownCaptures(captures, flights, lambda: [_feed(entries[key], one) for key, one in flights.items()])


def _flight(event: EventFile, entry: CameraFile, clock: EventClock) -> LiveFlight:
    """Where a drone is. Raises SourceUnavailable: what the event file says of it cannot be used."""
    told = entry.source.telemetry
    assert told is not None, "capture_settings refuses another one"
    return LiveFlight(entry.id, live_view_of(event, entry, _size(entry)), clock.now_ns, told.offset_s or 0.0)


def _feed(entry: CameraFile, flight: LiveFlight) -> TelemetryFeed:
    """What fills it. Raises SourceUnavailable: the broker's address lacks a variable."""
    told = entry.source.telemetry
    assert told is not None, "it has a flight"
    return FileFeed(Path(told.file), flight.take) if told.file is not None else BrokerFeed(str(told.mqtt), flight.take)


def _size(entry: CameraFile) -> tuple[int, int]:
    """Height and width of a drone's pictures: of a live one they are stated."""
    assert entry.image_size_px is not None, "of a live drone it is demanded"
    return entry.image_size_px[1], entry.image_size_px[0]


def capture_settings(event: EventFile, camera: Camera, begins_ns: int) -> CaptureSettings:
    """What the reader of a camera is told. What is recorded or drawn is played from ``begins_ns`` of event time on.

    Raises:
        ConfigError: the camera moves, and nothing beside its stream says from where it looks.
        SampleUnavailable: it is a sample, and it can be had from nowhere.
    """
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    source = entry.source
    if camera.moves and not (source.live and source.telemetry is not None):
        raise ConfigError(
            f"camera {camera.camera_id!r}: it moves, and nothing that comes live says from where it looks. Name url "
            "and telemetry of a live drone, or replay its recording."
        )
    address = None
    if source.live:
        where = source.url or "", source.device or ""
        address = StreamAddress(*where, transport=source.transport, password_file=source.password_file or "")
    hz, lead = sampling(event, entry)
    return CaptureSettings(
        camera_id=camera.camera_id,
        image_hw=_size(entry) if camera.plane is None else camera.plane.image_hw,
        address=address,
        played=None if address is not None else _opening(event, entry),
        begins_ns=begins_ns,
        sample_hz=hz,
        lead_ns=lead,
        square_pixels=source.square_pixels,
    )


def sampling(event: EventFile, camera: CameraFile) -> tuple[Fraction | None, int]:
    """Pictures of a camera that are analysed per second, None for every one; and how many nanoseconds before ticks.

    What is played is sampled where its footage says, whatever the time of day.
    """
    hz = None if camera.sample_hz is None else Fraction(str(camera.sample_hz))
    return hz, lead_ns(hz, round(event.tick_s * NS)) if camera.source.live else 0


def _opening(event: EventFile, camera: CameraFile) -> Opening:
    """What opens footage in the reader's process, and is small enough to be handed to it."""
    source = camera.source
    if source.synthetic is not None:
        alone = event.model_copy(update={"cameras": [camera]})
        return partial(_drawn, alone.model_dump_json())
    if source.recordings is not None:
        parts = [recordings.recording_of(camera, Path(each.file), each.start_time) for each in source.recordings]
        return partial(_sequence, parts)
    path = samples.fetch(source.sample) if source.sample is not None else Path(str(source.file))
    assert source.start_time is not None, "of footage it is demanded"
    return recordings.recording_of(camera, path, source.start_time)


def _drawn(event_json: str) -> Source:
    event = config.from_json(event_json)
    site = config.to_site(event)
    return recordings.open_source(event, site, site.cameras[0])


def _sequence(parts: Collection[partial[Recording]]) -> Source:
    return RecordingSequence([each() for each in parts])
