"""The composition root: an event file becomes sources, detectors, a site and a store. Nothing else imports adapters."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from crowdwatch import config, counters, detectors, geometry, samples
from crowdwatch.config import EventFile, IntervalsSettings
from crowdwatch.density import make_grid
from crowdwatch.detectors import weights
from crowdwatch.drive import Feed
from crowdwatch.errors import ConfigError, ModelError, SourceUnavailable, WeightsNotFound
from crowdwatch.observe import HeadCounter
from crowdwatch.ports import Counter, Detector, Source, Store
from crowdwatch.records import Anchor
from crowdwatch.schedule import Schedule
from crowdwatch.site import Camera, Site
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthCounter, TruthDetector, ebb_and_flow
from crowdwatch.store.log import LogReader
from crowdwatch.store.sql import SqlStore

__all__ = [
    "DEFAULT_RUNS",
    "measured",
    "open_counter",
    "open_detector",
    "open_feeds",
    "open_log",
    "open_source",
    "open_store",
    "store_url",
]

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


def open_log(folder: Path) -> LogReader:
    """Open the observation log of a run. Raises LogCorrupt."""
    return LogReader(folder)


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


def open_counter(event: EventFile) -> tuple[Counter | None, str]:
    """Load the counter that the event file asks for; what runs, or why none does, in words.

    Raises:
        ModelError: a counter is named and cannot be used, or the shipped one is damaged.
    """
    wanted = event.counter
    if wanted.model == "none":
        return None, "off: the event file says so"
    try:
        counter = counters.load(wanted.model, wanted.runtime, precision=wanted.precision, threads=wanted.threads)
    except WeightsNotFound:
        if wanted.demanded:
            raise
        return None, "off: no counter is shipped with this installation; boxes count alone"
    return counter, counter.counter_id


def measured(event: EventFile) -> EventFile:
    """Put the measured intervals of the models that will run into the event file, so that its log holds them.

    They stand in ``intervals.yaml`` in the model's folder; what the event file says itself is kept.

    Raises:
        ModelError: that file is damaged.
    """
    found: dict[str, IntervalsSettings | None] = {}
    for key, task in (("detector", weights.DETECT), ("counter", weights.COUNT)):
        settings = getattr(event, key)
        found[key] = settings.intervals
        if settings.intervals is not None or settings.model == "none":
            continue
        try:
            name = weights.default_model(task=task) if settings.model == "auto" else settings.model
        except WeightsNotFound:
            continue
        found[key] = _intervals(name)
    parts = {key: getattr(event, key).model_copy(update={"intervals": table}) for key, table in found.items()}
    return event.model_copy(update=parts)


def _intervals(name: str) -> IntervalsSettings | None:
    """What was measured of a shipped model; None where nothing was."""
    paths = [path for folder in weights.shipped_dirs() if (path := folder / name / "intervals.yaml").is_file()]
    if not paths:
        return None
    content = weights.read_yaml(paths[0])
    try:
        return IntervalsSettings.model_validate({key: content.get(key) for key in ("spread", "bands")})
    except ValueError as error:
        raise ModelError(f"{paths[0]}: is no table of intervals ({error}). Restore it, or fit it again.") from error


def _heads(event: EventFile, site: Site, camera: Camera, counter: Counter | None) -> HeadCounter | None:
    """A counter on one camera; None without one, or where the event file leaves this camera to boxes."""
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    if counter is None or not entry.counter.use:
        return None
    settings = event.counter
    every_s = entry.counter.every_s or settings.every_s
    dense_s = entry.counter.dense_every_s or settings.dense_every_s or every_s
    schedule = Schedule(
        sample_hz=None if entry.sample_hz is None else Fraction(str(entry.sample_hz)),
        every_s=Fraction(str(every_s)),
        dense_every_s=Fraction(str(min(dense_s, every_s))),
        dense_p_m2=settings.band_p_m2[0],
        score_min=camera.score_min,
    )
    fault = geometry.heads_fault(camera.plane)
    grid = make_grid(geometry.polygon(site.walkable_m, site.obstacles_m), site.cell_m)
    if fault is not None:
        return HeadCounter(None, grid, schedule, "heads cannot be put on the ground with its calibration")
    return HeadCounter(counter, grid, schedule)


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
    path = samples.fetch(entry.source.sample) if entry.source.sample is not None else Path(str(entry.source.file))
    recording = Recording(
        path, camera_id=camera.camera_id, start_ns=entry.source.start_ns, capture_rate_hz=rate, sample_hz=sample_hz
    )
    if recording.image_hw != camera.plane.image_hw:
        got, need = recording.image_hw, camera.plane.image_hw
        turned = " They seem to lie on their side: turn them, ffmpeg -i IN -vf transpose=1 OUT (or 2)."
        hint = turned if got == need[::-1] else ""
        raise SourceUnavailable(
            f"recording {path}: pictures are {got[1]}x{got[0]}, the calibration of camera {camera.camera_id!r} is for "
            f"{need[1]}x{need[0]}.{hint} Calibrate for this footage, or name the footage that was calibrated."
        )
    return recording


def open_feeds(event: EventFile, site: Site | None = None) -> list[Feed]:
    """Open every camera of an event. A synthetic scene tells its own truth; elsewhere one detector serves all cameras
    that look for the same part of a person."""
    site = site or config.to_site(event)
    feeds = []
    shared: dict[Anchor, Detector] = {}
    counter, note = None, ""
    for camera in site.cameras:
        source = open_source(event, site, camera)
        if isinstance(source, SyntheticSource):
            truth = None if event.counter.model == "none" else TruthCounter(source.scene)
            heads = _heads(event, site, camera, truth)
            feeds.append(Feed(source, TruthDetector(source.scene, camera.anchor), camera.plane, heads))
            continue
        if camera.anchor not in shared:
            shared[camera.anchor] = open_detector(event, camera.anchor)
        if not note:
            counter, note = open_counter(event)
        heads = _heads(event, site, camera, counter)
        feeds.append(Feed(source, shared[camera.anchor], camera.plane, heads, note))
    return feeds
