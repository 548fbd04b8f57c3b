"""Replay: a recording, or the log of an earlier run, goes through the one path into the store."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from crowdwatch import config
from crowdwatch.analytics.coverage import SiteView, view_site
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.records import FloatArray, Frame, GroundPlane, Tick
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.core.site import Site
from crowdwatch.drivers import build
from crowdwatch.drivers.drive import Feed, Footage, Steering, Tally, drive
from crowdwatch.errors import ConfigError, CrowdWatchError, LogCorrupt, RunNotFound, SourceError
from crowdwatch.ground import make_grid, polygon
from crowdwatch.rendering.picture import Overlay
from crowdwatch.store.log import LogReader, LogWriter
from crowdwatch.store.pictures import PictureFolder

__all__ = [
    "Options",
    "Sink",
    "Summary",
    "closing_run",
    "leave_log",
    "new_run_id",
    "refold",
    "replay_log",
    "replay_recording",
]

REFOLD_BATCH = 200


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay.

    Args:
        runs: folder of the runs.
        store_url: the store.
        speed: seconds of event time per second; 0 is as fast as it can.
        from_ns, to_ns: the part of the footage, end exclusive; None is all of it.
        resume: go on with the newest unfinished run of the same event file.
        pictures: write coarsened pictures.
        stop: set it, and the run stops cleanly.
        started: called with the run when it begins.
        progress: called with the event time reached.
    """

    runs: Path
    store_url: str
    speed: float = 0.0
    from_ns: int | None = None
    to_ns: int | None = None
    resume: bool = False
    pictures: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    started: Callable[[Run], None] = lambda run: None
    progress: Callable[[int], None] = lambda t_ns: None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a replay did.

    ``digest`` is a sha256 over the ids of all alerts in order: equal digests are equal alerts.
    """

    run: Run
    event: EventFile
    tally: Tally
    digest: str
    detector_ids: tuple[str, ...]
    counter_notes: tuple[str, ...]
    faults: tuple[SourceError, ...]
    stopped: bool
    wall_s: float


@dataclass(slots=True)
class Sink:
    """Writes outcomes to the store and pictures beside them, and digests the alerts."""

    store: Store
    run_id: str
    footage: Footage | None = None
    overlays: dict[str, Overlay] = field(default_factory=dict)
    zones: dict[str, FloatArray] = field(default_factory=dict)
    score_min: dict[str, float] = field(default_factory=dict)
    pictures: PictureFolder | None = None
    alerts: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, outcomes: list[Outcome]) -> None:
        """Write outcomes in one transaction."""
        for outcome in outcomes:
            for alert in outcome.alerts:
                self.alerts.update(alert.event_id.encode())
        self.store.write(self.run_id, outcomes)

    def __call__(self, outcome: Outcome) -> None:
        """Take one outcome."""
        self.write([outcome])
        if self.footage is None or self.pictures is None:
            return
        levels = {reading.zone_id: reading.level for reading in outcome.readings}
        for camera_id, (frame, detections) in self.footage.newest.items():
            overlay = self._overlay(camera_id, frame)
            if overlay is None:
                continue
            jpeg = overlay.render(
                frame, grid=outcome.grid, detections=detections, score_min=self.score_min[camera_id], levels=levels
            )
            self.pictures.write(camera_id, outcome.t_ns, jpeg)
        self.footage.newest.clear()

    def _overlay(self, camera_id: str, frame: Frame) -> Overlay | None:
        """What draws on a picture. None where it is not known from where it was taken: nor is then how large heads are
        in it, so that it could not be coarsened enough to be shown."""
        return self.overlays.get(camera_id) if frame.plane is None else Overlay(frame.plane, self.zones)


def new_run_id(event: EventFile, runs: Path, suffix: str = "") -> str:
    """A name for a run that no folder of ``runs`` has."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    wanted = f"{event.id}{suffix}-{stamp}"
    number, run_id = 1, wanted
    while (runs / run_id).exists():
        number += 1
        run_id = f"{wanted}-{number}"
    return run_id


def _unfinished(store: Store, event: EventFile) -> Run:
    """The newest run of this very event file that can go on; it keeps the factors that it began with."""
    for run in store.runs():
        folder = Path(run.folder)
        own_log = folder.name == run.run_id and (folder / "event.json").is_file()  # not a log folded once more
        if run.event_id != event.id or run.mode is not Mode.REPLAY or not own_log:
            continue
        if run.state is RunState.FINISHED:
            break
        began_with = build.as_logged(event, config.from_json(run.config_json))
        if run.config_json != began_with.model_dump_json():
            raise ConfigError(
                f"run {run.run_id}: was started with another event file, so it cannot go on with this one. "
                f"Start anew without --resume, or bring the event file back to what it was."
            )
        return run  # whether its engine still lives, the lock of its log says
    raise RunNotFound(
        f"event {event.id!r}: there is no unfinished run to resume in this store. Start anew without --resume."
    )


@contextmanager
def closing_run(store: Store, run: Run, steering: Steering, tally: Tally, faults: list[SourceError]) -> Iterator[None]:
    """Say in the store how a run ended, whatever happened, and hand the error on."""

    def say(state: RunState, message: str) -> None:
        t_ns = tally.last_tick_ns or run.from_ns
        store.beat(run.run_id, state=state, t_ns=t_ns, wall_ns=time.time_ns(), speed=steering.speed, message=message)

    try:
        yield
    except BaseException as error:
        with suppress(CrowdWatchError):
            say(RunState.FAILED, str(error) or type(error).__name__)
        raise
    stopped = steering.stop.is_set()
    say(RunState.STOPPED if stopped else RunState.FINISHED, " ".join(str(fault) for fault in faults))


def refold(folder: Path, view: SiteView, tally: Tally, sink: Sink) -> State:
    """Fold what an interrupted run has logged; its outcomes are written again, which changes no row."""
    state = start(view)
    batch: list[Outcome] = []
    for event in LogReader(folder).events():
        state, outcome = advance(state, event)
        tally.add(event, outcome)
        if outcome is not None:
            batch.append(outcome)
        if len(batch) >= REFOLD_BATCH:
            sink.write(batch)
            batch = []
    sink.write(batch)
    return state


def _same_span(run: Run, options: Options) -> None:
    """A resumed run keeps the span that it was started with."""
    asked = (options.from_ns, options.to_ns)
    if any(want is not None and want != has for want, has in zip(asked, (run.from_ns, run.to_ns), strict=True)):
        raise ConfigError(
            f"run {run.run_id}: was started for another span, and --resume keeps it. Leave out --from and --to."
        )


def _new_run(event: EventFile, options: Options, feeds: list[Feed], config_json: str) -> Run:
    from_ns = min(feed.source.span_ns[0] for feed in feeds)
    to_ns = max(feed.source.span_ns[1] for feed in feeds)
    from_ns = from_ns if options.from_ns is None else max(options.from_ns, from_ns)
    to_ns = to_ns if options.to_ns is None else min(options.to_ns, to_ns)
    if not from_ns < to_ns:
        raise ConfigError("--from, --to: the span holds no footage. Choose a span within the recording.")
    run_id = new_run_id(event, options.runs)
    folder = str((options.runs / run_id).resolve())
    return Run(run_id, event.id, Mode.REPLAY, config_json, folder, from_ns, to_ns, time.time_ns())


def _draw_pictures(sink: Sink, site: Site, folder: Path) -> None:
    """Make the sink write a coarsened picture of every camera at every tick."""
    sink.zones = {zone.zone_id: zone.polygon_m for zone in site.zones}
    sink.pictures = PictureFolder(folder / "pictures")
    fixed = [camera for camera in site.cameras if not camera.moves]
    sink.overlays = {camera.camera_id: Overlay(camera.fixed_plane, sink.zones) for camera in fixed}
    sink.score_min = {camera.camera_id: camera.score_min for camera in site.cameras}


def replay_recording(event: EventFile, options: Options) -> Summary:
    """Replay an event's footage: observe and advance, log, store, pictures.

    Raises:
        CrowdWatchError: whatever cannot be used; what was written before stays.
    """
    event = build.measured(event)
    tally = Tally()
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url)))
        unfinished = _unfinished(store, event) if options.resume else None
        models = build.Models(event, config.to_site(event))
        if unfinished is not None:
            _same_span(unfinished, options)
            event = config.from_json(unfinished.config_json)
        else:
            event = build.audited(event, store, models)
        config_json, site = event.model_dump_json(), config.to_site(event)
        view = view_site(site)
        feeds = build.open_feeds(event, site, models)
        for feed in feeds:
            stack.enter_context(closing(feed.source))
            stack.enter_context(closing(feed.detector))
            if feed.heads is not None and feed.heads.counter is not None:
                stack.enter_context(closing(feed.heads.counter))
        run = unfinished or _new_run(event, options, feeds, config_json)
        folder = Path(run.folder)
        log = LogWriter(folder, config_json, resume=unfinished is not None)
        stack.callback(leave_log, log)
        store.begin(run)
        footage = Footage(feeds, run.from_ns, run.to_ns, round(site.tick_s * 1e9))
        sink = Sink(store, run.run_id, footage)
        if options.pictures:
            _draw_pictures(sink, site, folder)
        steering = Steering(store, run.run_id, options.speed, options.stop)
        options.started(run)
        began = time.monotonic()
        with closing_run(store, run, steering, tally, footage.faults):
            state = start(view)
            if unfinished is not None:
                store.rewind(run.run_id, LogReader(folder).last_tick_ns or 0)
                state = refold(folder, view, tally, sink)
                footage.after_ns = tally.last_tick_ns
            drive(
                state, footage.events(), steering=steering, log=log, sink=sink, tally=tally, progress=options.progress
            )
            log.close(complete=not steering.stop.is_set())
        ids = tuple(sorted({feed.detector.detector_id for feed in feeds}))
        notes = tuple(sorted({feed.counter_note for feed in feeds} - {""}))
        wall_s = time.monotonic() - began
    faults = tuple(footage.faults)
    return Summary(run, event, tally, sink.alerts.hexdigest(), ids, notes, faults, steering.stop.is_set(), wall_s)


def leave_log(log: LogWriter) -> None:
    """Keep what a run that failed has logged; a log that was closed properly is left as it is."""
    with suppress(CrowdWatchError):
        log.close(complete=False)


def _must_fit(event: EventFile, logged_event: EventFile) -> None:
    """A log holds places on the ground and no picture: what moves them, or reaches further, needs the footage.

    Raises:
        ConfigError: with every difference.
    """
    site, logged = config.to_site(event), config.to_site(logged_event)
    wrong = []
    cameras = {camera.camera_id: camera for camera in site.cameras}
    for before in logged.cameras:
        what = f"camera {before.camera_id!r}"
        camera = cameras.get(before.camera_id)
        if camera is None:
            wrong.append(f"{what} of the log is not in the event file, which has {', '.join(cameras)}")
        elif camera.anchor is not before.anchor or _mapping(camera.plane) != _mapping(before.plane):
            wrong.append(f"{what} has another calibration, head_plane_m or anchor than the log was made with")
        elif camera.plane is None or before.plane is None:
            if _by_pose(event, before.camera_id) != _by_pose(logged_event, before.camera_id):
                wrong.append(
                    f"{what} moves: its planes stand in the log, with its head_plane_m and max_position_error_m"
                )
        elif camera.plane.max_sigma_m > before.plane.max_sigma_m:
            wrong.append(
                f"{what} has max_position_error_m {camera.plane.max_sigma_m:g}, the log was made with "
                f"{before.plane.max_sigma_m:g}, and does not say who stood further away"
            )
    grids = [make_grid(polygon(each.walkable_m, each.obstacles_m), each.cell_m) for each in (site, logged)]
    (low, high), (held_low, held_high) = ((g.origin_m, g.origin_m + np.array(g.shape[::-1]) * g.cell_m) for g in grids)
    beyond = float(max((held_low - low).max(), (high - held_high).max()))
    heads = all(any(camera.counts_heads for camera in each.cameras) for each in (site, logged))
    if heads and beyond > max(grid.cell_m for grid in grids):
        wrong.append(
            f"the walkable area reaches {beyond:.1f} m beyond that of the log, which holds no head mass there "
            "(counter: {model: none} counts by boxes alone)"
        )
    if wrong:
        raise ConfigError(f"--log: {'; '.join(wrong)}. Correct the event file, or replay the footage with it.")


def _by_pose(event: EventFile, camera_id: str) -> tuple[float, float]:
    """What an event file says of every plane of a camera that moves."""
    entry = next(entry for entry in event.cameras if entry.id == camera_id)
    return entry.head_plane_m, entry.max_position_error_m


def _mapping(plane: GroundPlane | None) -> str:
    """Equal for planes that put a pixel at the same place, however well either is known; empty without one."""
    return (
        ""
        if plane is None
        else replace(
            plane, rmse_m=0.0, hull_m=None, hull_reach=1.0, max_sigma_m=1.0, pixel_sigma_px=1.0, homography_cov=None
        ).plane_id
    )


def replay_log(folder: Path, options: Options, event: EventFile | None = None) -> Summary:
    """Fold the log of an earlier run again; with another event file, under its limits.

    The footage is not needed, nor is a detector: identical limits give identical alerts.

    Raises:
        LogCorrupt: the log cannot be read.
        ConfigError: the event file asks of the log what is not in it.
    """
    reader = LogReader(folder)
    logged = config.from_json(reader.config_json)
    if event is not None:
        _must_fit(event, logged)
    event = logged if event is None else build.as_logged(event, logged)
    view = view_site(config.to_site(event))
    store = build.open_store(options.store_url)
    first_ns = next((each.t_ns for each in reader.events() if isinstance(each, Tick)), None)
    last_ns = reader.last_tick_ns
    if first_ns is None or last_ns is None:
        raise LogCorrupt(f"log {folder}: holds no tick, so there is nothing to fold. Replay the recording.")
    run_id = new_run_id(event, options.runs, "-again")
    run = Run(
        run_id, event.id, Mode.REPLAY, event.model_dump_json(), str(folder.resolve()), first_ns, last_ns, time.time_ns()
    )
    store.begin(run)
    tally, sink = Tally(), Sink(store, run.run_id)
    steering = Steering(store, run.run_id, options.speed, options.stop)
    options.started(run)
    began = time.monotonic()
    try:
        with closing_run(store, run, steering, tally, []):
            drive(
                start(view), reader.events(), steering=steering, log=None, sink=sink, tally=tally,
                progress=options.progress,
            )  # fmt: skip
    finally:
        store.close()
    return Summary(
        replace(run, t_ns=tally.last_tick_ns or run.from_ns), event, tally, sink.alerts.hexdigest(), (), (), (),
        steering.stop.is_set(), time.monotonic() - began,
    )  # fmt: skip
