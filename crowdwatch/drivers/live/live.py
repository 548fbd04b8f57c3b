"""A live run: observers of cameras, ticks by the clock, and what is needed to go on after whatever ends it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import start
from crowdwatch.config import EventFile
from crowdwatch.config.times import format_time
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import LiveClock
from crowdwatch.drivers.configuration import RunConfiguration, measured
from crowdwatch.drivers.lifecycle import PictureSink, StoreSink, Summary, begin, closing_run, leave_log, new_folder
from crowdwatch.drivers.live.cameras import sampling
from crowdwatch.drivers.live.keeping import KeepingSink
from crowdwatch.drivers.live.lease import LeaseKeeper, take_lease
from crowdwatch.drivers.live.live_stream import LATENESS_S, LiveCounts, LiveStream
from crowdwatch.drivers.live.recovery import Keeper, Recovered, go_on
from crowdwatch.drivers.live.stations import LocalStation, Observers
from crowdwatch.drivers.live.telling import Telling
from crowdwatch.drivers.loop import Loop, Sink
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.patience import patiently
from crowdwatch.drivers.totals import RunTotals, working_limits
from crowdwatch.errors import LogCorrupt
from crowdwatch.sources.live.event_clock import EventClock
from crowdwatch.store.kept_pictures import KeptPictures
from crowdwatch.store.live_log import LiveLog
from crowdwatch.telemetry import log_output
from crowdwatch.telemetry.engine_signs import EngineSigns, Signs
from crowdwatch.telemetry.live_metrics import LiveMetrics

__all__ = ["LiveOptions", "LiveSummary", "live", "local_station", "stations_on"]

_log = logging.getLogger(__name__)

NS = 1_000_000_000

RESUME_WITHIN_NS = 12 * 3600 * NS
"""A run that ended longer ago is another night's: a new one begins."""

LOCK_S = 5.0
"""How long the log of an engine that is gone is waited for."""

HUNG_S = 5.0
"""A live engine of which nothing moves for so long does not beat any more."""


def local_station(configuration: RunConfiguration, clock: EventClock) -> Observers:
    """All cameras in one process of this machine."""
    return LocalStation(configuration.event, clock)


def stations_on(scheduler: str) -> Callable[[RunConfiguration, EventClock], Observers]:
    """Cameras on the workers of a Dask cluster.

    Args:
        scheduler: its address.
    """

    def observers(configuration: RunConfiguration, clock: EventClock) -> Observers:
        from crowdwatch.drivers.live.cluster_stations import ClusterStations  # Dask takes a second to import

        return ClusterStations(configuration.event, clock, scheduler)

    return observers


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to run live.

    Args:
        runs: folder of the runs.
        store_url: the store.
        observers: makes who observes the cameras of a run, from its configuration and its clock, whose anchor is the
            run's first beginning; they are entered once it has begun.
        serving: shows what it is given while it is entered: that the engine stands by, then the metrics of its run.
        standby: wait while another engine drives the event.
        new: begin a new run, also where an unfinished one could go on.
        for_s: how long; None is until it is stopped.
        lateness_s: how long a tick waits for pictures.
        pictures: write coarsened pictures.
        keep_pictures_s: keep those around alarms for so long; None keeps none longer than the others.
        clock: makes event time, when the run begins or goes on.
        stop: set it, and the run stops cleanly.
        say: takes what a person should know at the beginning.
        started: called with the run when it begins.
        progress: called with the event time reached.
    """

    runs: Path
    store_url: str
    observers: Callable[[RunConfiguration, EventClock], Observers] = local_station
    serving: Callable[[Signs], AbstractContextManager[object]] = nullcontext
    standby: bool = False
    new: bool = False
    for_s: float | None = None
    lateness_s: float = LATENESS_S
    pictures: bool = True
    keep_pictures_s: float | None = None
    clock: Callable[[], EventClock] = EventClock.start
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda text: None
    started: Callable[[Run], None] = lambda run: None
    progress: Callable[[int], None] = lambda t_ns: None


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """What a live run did, and what was left out of it."""

    summary: Summary
    counts: LiveCounts


def live(event: EventFile, options: LiveOptions) -> LiveSummary | None:
    """Run live: go on with the newest unfinished run of the same event file, or begin one.

    Returns:
        What it did; None where it was stopped before it could begin.

    Raises:
        CrowdWatchError: whatever cannot be used; what was written before stays.
    """
    event = measured(event)
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url)))
        signs = EngineSigns(standby=options.standby)
        stack.enter_context(options.serving(signs))
        lease = take_lease(store, event.id, standby=options.standby, stop=options.stop, say=options.say)
        if lease is None:
            return None
        signs.starts()
        board = Board()
        keeper = stack.enter_context(LeaseKeeper(store, lease, options.stop, board))
        for note in config.left_out(event):
            options.say(note)
        unfinished = None if options.new else _unfinished(store, event, options.say)
        opened = None if unfinished is None else _opened(unfinished, options.say)
        if unfinished is not None and opened is not None:
            run, log = unfinished, opened
            configuration = RunConfiguration.for_log(None, run.config_json)
        else:
            unfinished = None
            configuration = RunConfiguration.for_footage(event, store, build.Models(event, config.to_site(event)))
            folder = new_folder(event, options.runs, store).resolve()
            log = LiveLog(folder, configuration.json)
            now_ns = options.clock().now_ns()
            run = Run(folder.name, event.id, Mode.LIVE, configuration.json, str(folder), now_ns, now_ns, time.time_ns())
        stack.callback(leave_log, log)
        begin(store, run, new=unfinished is None)
        stack.enter_context(log_output.of_run(run.run_id))
        found = _run(run, configuration, log, store, board, signs, options, resumed=unfinished is not None)
        keeper.must_hold()
        return found


def _unfinished(store: Store, event: EventFile, say: Callable[[str], None]) -> Run | None:
    """The newest live run of this very event file that can go on."""
    runs = [run for run in store.runs() if run.event_id == event.id and run.mode is Mode.LIVE]
    if not runs or runs[0].state is RunState.FINISHED:
        return None
    run = runs[0]
    if run.config_json != RunConfiguration.for_log(event, run.config_json).json:
        say(f"run {run.run_id} was started with another event file: a new run begins, and its alarms are not taken on.")
    elif time.time_ns() - run.beat_wall_ns > RESUME_WITHIN_NS:
        say(f"run {run.run_id} ended {format_time(run.beat_wall_ns)}, which is too long ago: a new run begins.")
    elif not (Path(run.folder) / "event.json").is_file():
        say(f"run {run.run_id} has its log in {run.folder}, which is not here: a new run begins without its alarms.")
    else:
        return run
    return None


def _opened(run: Run, say: Callable[[str], None]) -> LiveLog | None:
    """The log of a run that goes on; None where it is damaged, so that a new run has to begin."""
    try:
        # the threads of an engine that was killed end one by one, and the last of them gives the lock back
        return patiently(lambda: LiveLog(Path(run.folder), run.config_json, resume=True), seconds=LOCK_S)
    except LogCorrupt as error:
        text = f"run {run.run_id} cannot go on: {error} A new run begins, and its alarms are not taken on."
        _log.error("%s", text)
        say(text)
        return None


def _clock_of(run: Run, clock: EventClock, last_tick_ns: int | None, tick_ns: int, board: Board) -> EventClock:
    """Event time as the wall clock says it, and never before the last tick: what was read there stays behind it.

    It is anchored where the run began, so that footage that is played goes on where it was.
    """
    earliest_ns = 0 if last_tick_ns is None else last_tick_ns + tick_ns
    behind_ns = earliest_ns - clock.now_ns()
    if behind_ns > 0:
        board.ails(
            "restart",
            "the wall clock of this machine was set back behind the last reading of this run. Event time goes on after "
            f"it, {behind_ns / NS:.0f} s ahead of the wall clock. Begin a new run (--new) to take it on.",
        )
        clock = replace(clock, anchor_wall_ns=clock.anchor_wall_ns + behind_ns)
    begun_mono_ns = clock.anchor_mono_ns - (clock.anchor_wall_ns - run.from_ns)
    return replace(clock, anchor_wall_ns=run.from_ns, anchor_mono_ns=begun_mono_ns)


def _run(
    run: Run, configuration: RunConfiguration, log: LiveLog, store: Store, board: Board, signs: EngineSigns,
    options: LiveOptions, *, resumed: bool,
) -> LiveSummary:  # fmt: skip
    """Fold what observers see until it is stopped."""
    site, folder, began = configuration.site, Path(run.folder), time.monotonic()
    tick_ns, last_ns = round(site.tick_s * NS), log.last_tick_ns
    clock = _clock_of(run, options.clock(), last_ns, tick_ns, board)
    to_ns = None if options.for_s is None else clock.now_ns() + round(options.for_s * NS)
    if log.lost:
        board.ails("journal", log.lost)
    metrics = LiveMetrics(run.run_id, [camera.camera_id for camera in site.cameras], clock.now_ns)
    signs.of_run(metrics)
    outbox = Outbox(store, run.run_id, board, options.stop, written=metrics.stored)
    into = StoreSink(outbox)
    options.started(run)
    live_clock = LiveClock(clock)
    sampled = {camera.id: sampling(configuration.event, camera) for camera in configuration.event.cameras}
    faults: list[LiveStream] = []
    with (
        closing_run(store, run, live_clock, options.stop, outbox, lambda: [f for s in faults for f in s.faults]),
        options.observers(configuration, clock) as observers,
    ):
        view = view_site(site)
        before = Recovered(start(view), RunTotals(working_limits(site)))
        if resumed:
            before = go_on(store, run, log, view, before.totals, into, board)
        totals = before.totals
        sink: Sink = PictureSink(into, site, folder, board) if options.pictures else into
        if options.pictures and options.keep_pictures_s is not None:
            sink = KeepingSink(sink, KeptPictures(folder, options.keep_pictures_s), folder.parent, board)
        stream = LiveStream(
            observers, site.cameras, clock, tick_ns,
            lateness_s=options.lateness_s, to_ns=to_ns, stop=options.stop, board=board, metrics=metrics,
            sample_hz={key: hz for key, (hz, _) in sampled.items()},
            lead_ns={key: lead for key, (_, lead) in sampled.items()},
        )  # fmt: skip
        keeper = Keeper(
            log, totals, into, Telling(metrics, stream, outbox, board, sink), board, before.alerts, before.ids
        )
        faults.append(stream)
        if last_ns is not None:
            stream.go_on_after(last_ns, {camera_id: fault.code for camera_id, fault in before.state.faults.items()})
        if options.pictures:
            observers.want_pictures([camera.camera_id for camera in site.cameras])
        loop = Loop(
            store, run.run_id, live_clock, options.stop, log, keeper, totals, options.progress, board,
            lambda: outbox.written_ns, frozenset(zone.zone_id for zone in site.zones),
            gate_ids=frozenset(gate.gate_id for gate in site.gates),
            live=True, folded=keeper.folded, hung_s=HUNG_S,
        )  # fmt: skip
        state = loop.run(before.state, stream, last_ns or run.from_ns)
        stopped = options.stop.is_set()
        if stopped:
            keeper.keep(state)
        log.close(complete=not stopped)
    summary = Summary(
        run, configuration.event, totals, into.alerts.hexdigest(), tuple(sorted(totals.detector_ids)), (),
        tuple(stream.faults), stopped, time.monotonic() - began,
    )  # fmt: skip
    return LiveSummary(summary, stream.counts)
