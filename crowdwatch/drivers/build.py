"""The composition root: an event file becomes sources, detectors, a site and a store. Nothing else imports adapters."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from crowdwatch import config, counters, detectors
from crowdwatch.analytics import audit
from crowdwatch.config import EventFile
from crowdwatch.core.ports import Counter, Detector, Outgoing, People, Store
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import Anchor, Stamp
from crowdwatch.core.site import Camera, Site
from crowdwatch.detectors.choose import has_gpu
from crowdwatch.detectors.gathered import GatheredDetector
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.recordings import open_source, sample_hz
from crowdwatch.drivers.scenes import drawn_scene
from crowdwatch.errors import CrowdWatchError, WeightsNotFound, all_faults
from crowdwatch.ground import Ground, heads_fault, site_ground
from crowdwatch.observation.observe import HeadCounter
from crowdwatch.observation.schedule import Schedule
from crowdwatch.sources.synthetic import SyntheticSource, TruthCounter, TruthDetector
from crowdwatch.store.kept_pictures import expire as expire_pictures
from crowdwatch.store.pictures import newest_picture

if TYPE_CHECKING:
    from crowdwatch.store.log import LogReader

__all__ = [
    "DEFAULT_RUNS",
    "Models",
    "expire_pictures",
    "facts_of",
    "newest_picture",
    "open_counter",
    "open_detector",
    "open_feed",
    "open_feeds",
    "open_live",
    "open_log",
    "open_outgoing",
    "open_people",
    "open_store",
    "store_url",
]

DEFAULT_RUNS = Path("runs")

MOST_STREAMS = 4
"""Pictures that a detector looks at at once, at most: each holds its own features."""

LIVE_PASS = 16
"""Pictures of live cameras in a pass of a GPU, at most."""

SPARE_THREADS = 1
"""Frames that are prepared and judged while the detector is busy with others."""


def store_url(runs: Path, url: str | None = None) -> str:
    """The store that is meant: given, else ``$CROWDWATCH_STORE``, else SQLite in the runs folder."""
    return url or os.environ.get("CROWDWATCH_STORE") or f"sqlite:///{runs / 'crowdwatch.sqlite'}"


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store. Raises StoreUnavailable."""
    # SQLAlchemy takes half a second to import, which a process that only observes does not pay
    from crowdwatch.store.sql import SqlStore

    return SqlStore(url, create=create)


def open_outgoing(url: str) -> Outgoing:
    """Open the notifications of a store. Raises StoreUnavailable."""
    from crowdwatch.store.outgoing import SqlOutgoing

    return SqlOutgoing(url)


def open_people(url: str, *, create: bool = False) -> People:
    """Open the accounts and the audit log of a store. Raises StoreUnavailable."""
    from crowdwatch.store.people import SqlPeople

    return SqlPeople(url, create=create)


def facts_of(url: str) -> tuple[str, str, str, int]:
    """Where a store lies, its kind, its schema, and its size in bytes. Raises StoreUnavailable."""
    from crowdwatch.store.facts import store_facts

    found = store_facts(url)
    return found.where, found.kind, found.schema, found.size_bytes


def open_log(folder: Path) -> LogReader:
    """Open the observation log of a run. Raises LogCorrupt."""
    from crowdwatch.store.log import LogReader  # Arrow and SQL, 0.3 s, which a station has no use for

    return LogReader(folder)


def open_detector(
    event: EventFile, anchor: Anchor = Anchor.FEET, streams: int = 1, image_px: int | None = None
) -> Detector:
    """Load the detector that the event file asks for, or the best that this machine can run: of people or of heads.

    Args:
        event: says which.
        anchor: what it finds.
        streams: pictures that it looks at at once, where its runtime can.
        image_px: of the camera, where the event file leaves the choice; see :class:`~crowdwatch.core.site.Camera`.
    """
    wanted = event.detector
    asked = None if wanted.image_px == "auto" else wanted.image_px
    detector = detectors.load(
        wanted.model,
        wanted.runtime,
        precision=wanted.precision,
        image_px=image_px or asked,
        score_floor=wanted.score_floor,
        nms_iou=wanted.nms_iou,
        max_det=wanted.max_boxes,
        threads=wanted.threads,
        streams=streams,
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


def _heads(event: EventFile, camera: Camera, counter: Counter | None, ground: Ground) -> HeadCounter | None:
    """A counter on one camera; None without one, or where the event file leaves this camera to boxes."""
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    if counter is None or not entry.counter.use:
        return None
    settings = event.counter
    every_s = entry.counter.every_s or settings.every_s
    dense_s = entry.counter.dense_every_s or settings.dense_every_s or every_s
    schedule = Schedule(
        sample_hz=sample_hz(event, camera),
        every_s=Fraction(str(every_s)),
        dense_every_s=Fraction(str(min(dense_s, every_s))),
        dense_p_m2=settings.band_p_m2[0],
        score_min=camera.score_min,
        moves=camera.moves,
    )
    if camera.plane is not None and heads_fault(camera.plane) is not None:
        return HeadCounter(None, ground, schedule, Code.HEADS_NOT_PROJECTED)
    return HeadCounter(counter, ground, schedule)


@dataclass(slots=True)
class Models:
    """What feeds share: each network is loaded when the first feed needs it, and kept, as is the ground.

    Where a camera's density map goes is remembered by its plane and the ground, so who opens a camera again and again
    keeps the models and the site.

    Args:
        event: says which.
        site: the place.
        cameras: that ask one after the other for one picture each, as live ones do: so many are looked at at once, at
            most, and on a GPU in one pass. None for recordings, of which one asks for many.
    """

    event: EventFile
    site: Site
    cameras: int | None = None
    _detectors: dict[tuple[Anchor, int | None], Detector] = field(default_factory=dict)
    _counter: tuple[Counter | None, str] | None = None
    _ground: Ground | None = None

    def __post_init__(self) -> None:
        # frames go side by side already: OpenCV's own threads would only wait for each other (docs/decisions.md)
        cv2.setNumThreads(1)

    @property
    def streams(self) -> int:
        """Pictures that a detector looks at at once: one a core, each on one thread, as far as memory is no matter."""
        most = MOST_STREAMS if self.cameras is None else max(1, min(self.cameras, MOST_STREAMS))
        return min(self.event.detector.threads or os.cpu_count() or 1, most)

    @property
    def workers(self) -> int:
        """Pictures of live cameras that are analysed at once: on a GPU as many as go into a pass."""
        at_once = self.streams
        if self.cameras is not None and self.event.detector.runtime != "openvino" and has_gpu():
            at_once = max(1, min(self.cameras, LIVE_PASS))
        return at_once + SPARE_THREADS

    def detector(self, camera: Camera) -> Detector:
        """The detector of people or of heads for a camera. Raises ModelError."""
        key = camera.anchor, camera.image_px
        if key not in self._detectors:
            detector = open_detector(self.event, camera.anchor, self.streams, camera.image_px)
            batch = getattr(detector, "batch", 1)
            gathers = self.cameras is not None and batch > 1
            self._detectors[key] = GatheredDetector(detector, batch) if gathers else detector
        return self._detectors[key]

    def counter(self) -> tuple[Counter | None, str]:
        """As of :func:`open_counter`. Raises ModelError."""
        if self._counter is None:
            self._counter = open_counter(self.event)
        return self._counter

    def program(self, camera: Camera) -> audit.Program:
        """What counts on a camera. Raises ModelError."""
        entry = next(entry for entry in self.event.cameras if entry.id == camera.camera_id)
        if entry.source.synthetic is not None:
            detector_id, counter_id = TruthDetector.detector_id, TruthCounter.counter_id
            counter_id = "" if self.event.counter.model == "none" else counter_id
        else:
            detector_id = self.detector(camera).detector_id
            counter = self.counter()[0]
            counter_id = "" if counter is None else counter.counter_id
        heads = entry.counter.use and (camera.plane is None or heads_fault(camera.plane) is None)
        return audit.program(detector_id, camera.score_min, counter_id if heads else "")

    def ground(self) -> Ground:
        """The cells that density maps go to. Raises ConfigError where there are too many."""
        if self._ground is None:
            self._ground = site_ground(self.site)
        return self._ground

    def close(self) -> None:
        """Close the detectors."""
        for detector in self._detectors.values():
            detector.close()


def open_feed(event: EventFile, camera: Camera, models: Models, kept_in: Path | None = None) -> Feed:
    """Open one camera. A synthetic scene tells its own truth; elsewhere one detector serves all cameras that look for
    the same part of a person at the same size. ``kept_in`` as of :func:`open_source`.

    Raises:
        SourceUnavailable, SampleUnavailable, ModelError: as of :func:`open_source` and :class:`Models`.
    """
    source = open_source(event, models.site, camera, kept_in)
    if isinstance(source, SyntheticSource):
        truth = None if event.counter.model == "none" else TruthCounter(source.scene)
        heads = _heads(event, camera, truth, models.ground())
        truths = TruthDetector(source.scene, camera.anchor)
        return Feed(source, truths, camera.plane, heads, sample_hz=sample_hz(event, camera))
    detector = models.detector(camera)
    counter, note = models.counter()
    heads = _heads(event, camera, counter, models.ground())
    threads = models.streams + SPARE_THREADS
    return Feed(source, detector, camera.plane, heads, note, threads, sample_hz(event, camera))


def open_live(
    event: EventFile, camera: Camera, models: Models, begins_ns: int = 0
) -> tuple[Detector, HeadCounter | None]:
    """What looks at the pictures of a live camera: its detector, and its counter where one runs.

    Its schedules go by the picture that was analysed before, since pictures may be left out, and streams take turns in
    counting heads, which takes longer than all else: none has to wait for all others. A drawn scene, which is
    played again and again from ``begins_ns`` on, tells its own truth.

    Raises:
        ModelError: as of :class:`Models`.
    """
    entry = next(entry for entry in event.cameras if entry.id == camera.camera_id)
    detector: Detector
    counter: Counter | None
    if entry.source.synthetic is not None:
        rate = None if entry.source.capture_rate_hz is None else Fraction(str(entry.source.capture_rate_hz))
        scene = drawn_scene(entry.source.synthetic, event, models.site, camera, rate)

        def shown(stamp: Stamp) -> int:
            return scene.seq_at(stamp.t_ns - begins_ns)

        detector = TruthDetector(scene, camera.anchor, shown)
        counter = None if event.counter.model == "none" else TruthCounter(scene, seq_of=shown)
    else:
        detector, (counter, _) = models.detector(camera), models.counter()
    heads = _heads(event, camera, counter, models.ground())
    if heads is None:
        return detector, None
    every_ns = round(heads.schedule.every_s * 1_000_000_000)
    shift_ns = every_ns * event.cameras.index(entry) // len(event.cameras) if entry.source.live else 0
    return detector, replace(heads, schedule=replace(heads.schedule, sample_hz=None, shift_ns=shift_ns))


def open_feeds(event: EventFile, site: Site | None = None, models: Models | None = None) -> list[Feed]:
    """Open every camera of an event; see :func:`open_feed`. Raises with the faults of all cameras."""
    site = site or config.to_site(event)
    models = models or Models(event, site)
    feeds: list[Feed] = []
    faults: list[CrowdWatchError] = []
    for camera in site.cameras:
        try:
            feeds.append(open_feed(event, camera, models))
        except CrowdWatchError as fault:
            faults.append(fault)
    if faults:
        for feed in feeds:
            feed.source.close()
        models.close()
        raise all_faults(faults)
    return feeds
