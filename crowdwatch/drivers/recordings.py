"""A camera's footage that was recorded, or is drawn: opened, and held against its calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

from crowdwatch.assets import samples
from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.config.source_file import RecordingFile
from crowdwatch.config.times import parse_time, time_step_ns
from crowdwatch.core.ports import Source
from crowdwatch.core.site import Camera, Site
from crowdwatch.drivers.flights import view_of
from crowdwatch.drivers.scenes import drawn_scene
from crowdwatch.errors import SourceUnavailable, all_faults
from crowdwatch.sources.flight.film import FlownRecording
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence
from crowdwatch.sources.synthetic import SyntheticSource

__all__ = ["footage_files", "open_source", "recording_of", "sample_hz"]

READ_AT_ONCE = 4
"""Recordings of a camera that are opened at once."""


def sample_hz(event: EventFile, camera: Camera) -> Fraction | None:
    """Frames analysed per second of event time; None for every one."""
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    return None if entry.sample_hz is None else Fraction(str(entry.sample_hz))


def recording_of(
    camera: CameraFile, path: Path, start_time: str, kept_in: Path | None = None, event: EventFile | None = None
) -> partial[Recording]:
    """What opens a recording of a camera; it can be handed to another process. A drone's film needs its event."""
    source = camera.source
    opens: Callable[..., Recording] = Recording
    if source.telemetry is not None and event is not None:
        opens = partial(FlownRecording, view_of=partial(view_of, event, camera))
    return partial(
        opens,
        path,
        camera_id=camera.id,
        start_ns=parse_time(start_time),
        capture_rate_hz=None if source.capture_rate_hz is None else Fraction(str(source.capture_rate_hz)),
        sample_hz=None if camera.sample_hz is None else Fraction(str(camera.sample_hz)),
        keyframes_only=camera.keyframe_interval_s is not None,
        video_stream=source.video_stream,
        square_pixels=source.square_pixels,
        start_step_ns=time_step_ns(start_time),
        kept_in=kept_in,
    )


def open_source(event: EventFile, site: Site, camera: Camera, kept_in: Path | None = None) -> Source:
    """Open one camera's footage and hold its size against the calibration's.

    ``kept_in`` is the folder where what was found in its files before may be kept.

    Raises:
        SourceUnavailable: missing, unreadable, of another size than the calibration, or live.
        SampleUnavailable: it is a sample, and it can be had from nowhere.
    """
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    if entry.source.live:
        raise SourceUnavailable(
            f"camera {camera.camera_id!r} is live: of what it sees there is no recording. Run crowdwatch live with "
            "this event file; a live run is read again with crowdwatch replay --log."
        )
    rate = None if entry.source.capture_rate_hz is None else Fraction(str(entry.source.capture_rate_hz))
    rate_hz = sample_hz(event, camera)
    if entry.source.synthetic is not None:
        scene = drawn_scene(entry.source.synthetic, event, site, camera, rate)
        return SyntheticSource(scene, camera_id=camera.camera_id, sample_hz=rate_hz)

    def recording(path: Path, start_time: str) -> Recording:
        return recording_of(entry, path, start_time, kept_in, event)()

    footage: Recording | RecordingSequence
    if entry.source.recordings is not None:
        footage = RecordingSequence(_opened(recording, entry.source.recordings))
    elif entry.source.sample is not None:
        footage = recording(samples.fetch(entry.source.sample), str(entry.source.start_time))
    else:
        footage = recording(Path(str(entry.source.file)), str(entry.source.start_time))
    if isinstance(footage, FlownRecording):
        size = entry.image_size_px or footage.image_hw[::-1]
        need = size[1], size[0]
    else:
        need = camera.fixed_plane.image_hw
    if footage.image_hw != need:
        got = footage.image_hw
        where = " and ".join(str(path) for path in footage_files(entry)[:2])
        turned = " They seem to lie on their side: turn them, ffmpeg -i IN -vf transpose=1 OUT (or 2)."
        wide = footage.shown_hw == need
        squared = " Their pixels are not square: state square_pixels: true in the source." if wide else ""
        hint = squared or (turned if got == need[::-1] else "")
        raise SourceUnavailable(
            f"recording {where}: pictures are {got[1]}x{got[0]}, the calibration of camera {camera.camera_id!r} is for "
            f"{need[1]}x{need[0]}.{hint} Calibrate for this footage, or name the footage that was calibrated."
        )
    return footage


def _opened(recording: Callable[[Path, str], Recording], entries: Sequence[RecordingFile]) -> list[Recording]:
    """Open recordings, some at once: each is read to its end, which is the disk's work. Raises with all faults."""

    def attempt(each: RecordingFile) -> Recording | SourceUnavailable:
        try:
            return recording(Path(each.file), each.start_time)
        except SourceUnavailable as fault:
            return fault

    with ThreadPoolExecutor(min(len(entries), READ_AT_ONCE)) as pool:
        found = list(pool.map(attempt, entries))
    faults = [each for each in found if isinstance(each, SourceUnavailable)]
    if faults:
        raise all_faults(faults)
    return [each for each in found if isinstance(each, Recording)]


def footage_files(camera: CameraFile) -> list[Path]:
    """The video files of one camera; none for a scene that is drawn. Raises SampleUnavailable."""
    source = camera.source
    if source.sample is not None:
        return [samples.fetch(source.sample)]
    if source.recordings is not None:
        return [Path(each.file) for each in source.recordings]
    return [] if source.file is None else [Path(source.file)]
