"""What is wrong with an event's footage, said before hours are spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.config.source_file import RecordingFile
from crowdwatch.core.ports import Source
from crowdwatch.core.site import Camera, Site
from crowdwatch.drivers.footage import check_gaps, notes_of, recordings_of
from crowdwatch.drivers.recordings import footage_files, open_source
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.recording import Recording

__all__ = ["FootageReport", "kept_in", "look_at", "with_keyframes"]


def kept_in(runs: Path) -> Path:
    """Where what is found in recordings is kept beside the runs, so that every worker of every job finds it."""
    return runs.resolve() / ".recordings"


@dataclass(frozen=True, slots=True)
class FootageReport:
    """What there is of every camera.

    Args:
        spans: per camera, event time of the first frame and of the end.
        files: per camera, its files as (path, bytes, time of last change in ns).
        notes: what is odd and does not stop the job: files that end early, variable rates, several codecs.
        recordings: all of them, closed.
    """

    spans: dict[str, tuple[int, int]]
    files: dict[str, list[tuple[str, int, int]]]
    notes: tuple[str, ...]
    recordings: tuple[Recording, ...]

    def keep(self, runs: Path) -> None:
        """Keep what was found, so that no worker reads a whole recording again."""
        for recording in self.recordings:
            recording.keep(kept_in(runs))


def look_at(event: EventFile, site: Site, runs: Path) -> FootageReport:
    """Open every recording of every camera, which reads it to its end where that was not done before.

    Raises:
        SourceUnavailable: lists every recording that cannot be used, every overlap, and gaps of weeks.
    """
    spans, notes, faults = {}, [], []
    sources: list[Source] = []
    for camera, entry in zip(site.cameras, event.cameras, strict=True):
        try:
            with closing(open_source(event, site, camera, kept_in(runs))) as source:
                spans[camera.camera_id] = source.span_ns
                notes += list(notes_of(camera, source))
                sources.append(source)
        except SourceUnavailable as fault:
            faults += list(_apart(event, site, camera, entry, runs)) or [str(fault)]
    if faults:
        raise SourceUnavailable("\n".join(faults))
    check_gaps(sources)
    recordings = tuple(each for source in sources for each in recordings_of(source))
    return FootageReport(spans, {camera.id: stamps(camera) for camera in event.cameras}, tuple(notes), recordings)


def stamps(camera: CameraFile) -> list[tuple[str, int, int]]:
    """A camera's files as (path, bytes, time of last change in ns): what tells whether they are still the same."""
    found = []
    beside = [] if camera.source.telemetry is None else camera.source.telemetry.files()
    for path in [*footage_files(camera), *beside]:
        status = path.stat()
        found.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    return found


def with_keyframes(event: EventFile, site: Site, runs: Path) -> EventFile:
    """The event with every camera analysed by keyframes alone, their longest distance measured.

    Raises:
        SourceUnavailable: a recording cannot be opened, or a scene is drawn and has no keyframes.
    """
    cameras = []
    for camera, entry in zip(site.cameras, event.cameras, strict=True):
        with closing(open_source(event, site, camera, kept_in(runs))) as source:
            recordings = recordings_of(source)
            if not recordings:
                raise SourceUnavailable(
                    f"camera {camera.camera_id!r}: a drawn scene has no keyframes. Leave out --keyframes."
                )
            gap_s = max(each.keyframe_gap_s() for each in recordings)
        cameras.append(entry.model_copy(update={"keyframe_interval_s": round(gap_s, 3), "sample_hz": None}))
    return event.model_copy(update={"cameras": cameras})


def _apart(event: EventFile, site: Site, camera: Camera, entry: CameraFile, runs: Path) -> Iterator[str]:
    """The fault of every single recording of a camera that has several, then of those without one together."""
    sound = []
    for each in entry.source.recordings or []:
        try:
            _open(event, site, camera, entry, [each], runs)
            sound.append(each)
        except SourceUnavailable as fault:
            yield str(fault)
    try:
        if sound:
            _open(event, site, camera, entry, sound, runs)
    except SourceUnavailable as fault:
        yield str(fault)


def _open(
    event: EventFile, site: Site, camera: Camera, entry: CameraFile, recordings: Sequence[RecordingFile], runs: Path
) -> None:
    some = entry.source.model_copy(update={"recordings": list(recordings)})
    cameras = [entry.model_copy(update={"source": some}) if c.id == entry.id else c for c in event.cameras]
    open_source(event.model_copy(update={"cameras": cameras}), site, camera, kept_in(runs)).close()
