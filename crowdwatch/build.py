"""The composition root: an event file becomes sources, detectors, a site and a store. Nothing else imports adapters."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from crowdwatch import config, detectors, geometry, samples
from crowdwatch.config import EventFile
from crowdwatch.config.schema import CameraFile
from crowdwatch.config.times import parse_time
from crowdwatch.drive import Feed
from crowdwatch.errors import ConfigError, SourceUnavailable
from crowdwatch.ports import Detector, Source, Store
from crowdwatch.records import Anchor
from crowdwatch.site import Camera, Site
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthDetector, ebb_and_flow
from crowdwatch.store.sql import SqlStore

__all__ = ["DEFAULT_RUNS", "footage_files", "open_detector", "open_feeds", "open_source", "open_store", "store_url"]

DEFAULT_RUNS = Path("runs")

SCENES = {"plaza": 120}
"""Built-in synthetic scenes by name, and how many people take part in each."""

SCENE_S = 120
SCENE_HZ = Fraction(5)


def store_url(runs: Path, url: str | None = None) -> str:
    """The store that is meant: given, else ``$CROWDWATCH_STORE``, else SQLite in the runs folder."""
    return url or os.environ.get("CROWDWATCH_STORE") or f"sqlite:///{runs / 'crowdwatch.sqlite'}"


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store. Raises StoreUnavailable."""
    return SqlStore(url, create=create)


def open_detector(event: EventFile, anchor: Anchor = Anchor.FEET) -> Detector:
    """Load the detector that the event file asks for, or the best that this machine can run: of people or of heads."""
    wanted = event.detector
    detector = detectors.load(
        wanted.model,
        wanted.runtime,
        precision=wanted.precision,
        image_px=wanted.image_px,
        score_floor=wanted.score_floor,
        nms_iou=wanted.nms_iou,
        max_det=wanted.max_boxes,
        threads=wanted.threads,
        anchor=anchor,
    )
    if wanted.tiles is None:
        return detector
    cut = wanted.tiles
    return detectors.TiledDetector(detector, detectors.Tiling(cut.tile_px, cut.overlap_px, cut.overview))


def _scene(name: str, camera: Camera, site: Site, start_ns: int, rate_hz: Fraction | None) -> Scene:
    if name not in SCENES:
        raise ConfigError(f"synthetic scene {name!r}: unknown, need one of {', '.join(SCENES)}.")
    rate = rate_hz or SCENE_HZ
    west, south, east, north = geometry.polygon(site.walkable_m, site.obstacles_m).bounds
    people = ebb_and_flow(SCENES[name], SCENE_S, west, south, east, north)
    return Scene(camera.plane, people, start_ns, int(SCENE_S * rate), rate)


def open_source(event: EventFile, site: Site, camera: Camera) -> Source:
    """Open one camera's footage and hold its size against the calibration's.

    Raises:
        SourceUnavailable: missing, unreadable, or of another size than the calibration.
        SampleUnavailable: it is a sample, and it can be had from nowhere.
    """
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    rate = None if entry.source.capture_rate_hz is None else Fraction(str(entry.source.capture_rate_hz))
    sample_hz = None if entry.sample_hz is None else Fraction(str(entry.sample_hz))
    if entry.source.synthetic is not None:
        scene = _scene(entry.source.synthetic, camera, site, entry.source.start_ns, rate)
        return SyntheticSource(scene, camera_id=camera.camera_id, sample_hz=sample_hz)

    def recording(path: Path, start_ns: int) -> Recording:
        only = entry.keyframe_interval_s is not None
        return Recording(
            path, camera_id=camera.camera_id, start_ns=start_ns, capture_rate_hz=rate, sample_hz=sample_hz,
            keyframes_only=only,
        )  # fmt: skip

    footage: Recording | RecordingSequence
    if entry.source.recordings is not None:
        footage = RecordingSequence(
            [recording(Path(r.file), parse_time(r.start_time)) for r in entry.source.recordings]
        )
    elif entry.source.sample is not None:
        footage = recording(samples.fetch(entry.source.sample), entry.source.start_ns)
    else:
        footage = recording(Path(str(entry.source.file)), entry.source.start_ns)
    if footage.image_hw != camera.plane.image_hw:
        got, need = footage.image_hw, camera.plane.image_hw
        where = " and ".join(str(path) for path in footage_files(entry)[:2])
        raise SourceUnavailable(
            f"recording {where}: pictures are {got[1]}x{got[0]}, the calibration of camera {camera.camera_id!r} is for "
            f"{need[1]}x{need[0]}. Calibrate for this footage, or name the footage that was calibrated."
        )
    return footage


def footage_files(camera: CameraFile) -> list[Path]:
    """The video files of one camera; none for a scene that is drawn. Raises SampleUnavailable."""
    source = camera.source
    if source.sample is not None:
        return [samples.fetch(source.sample)]
    if source.recordings is not None:
        return [Path(each.file) for each in source.recordings]
    return [] if source.file is None else [Path(source.file)]


def open_feeds(event: EventFile, site: Site | None = None, shared: dict[Anchor, Detector] | None = None) -> list[Feed]:
    """Open every camera of a site. A synthetic scene tells its own truth; elsewhere one detector serves all cameras
    that look for the same part of a person. ``shared`` keeps them, for who opens feeds one by one."""
    site = site or config.to_site(event)
    feeds = []
    shared = {} if shared is None else shared
    for camera in site.cameras:
        source = open_source(event, site, camera)
        if isinstance(source, SyntheticSource):
            feeds.append(Feed(source, TruthDetector(source.scene, camera.anchor), camera.plane))
            continue
        if camera.anchor not in shared:
            shared[camera.anchor] = open_detector(event, camera.anchor)
        feeds.append(Feed(source, shared[camera.anchor], camera.plane))
    return feeds
