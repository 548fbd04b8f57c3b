"""A replay: of footage, of footage from where an interrupted run left off, or of a log alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import start
from crowdwatch.config import EventFile
from crowdwatch.core.ports import Store
from crowdwatch.core.records import Tick
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.configuration import RunConfiguration, measured
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.footage import check_gaps, notes_of
from crowdwatch.drivers.lifecycle import (
    PictureSink,
    StoreSink,
    Summary,
    begin,
    begun,
    closing_run,
    go_back,
    leave_log,
    new_folder,
    new_run_ids,
)
from crowdwatch.drivers.log_fit import must_fit
from crowdwatch.drivers.loop import Loop, Sink
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.patience import patiently
from crowdwatch.drivers.streams import LoggedStream, RecordedStream
from crowdwatch.drivers.totals import RunTotals, working_limits
from crowdwatch.errors import ConfigError, LogCorrupt, RunNotFound, all_faults
from crowdwatch.store.log import LogReader, LogWriter

__all__ = ["Options", "Summary", "replay_log", "replay_recording"]


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
        say: takes what is odd with the footage.
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
    say: Callable[[str], None] = lambda text: None
    started: Callable[[Run], None] = lambda run: None
    progress: Callable[[int], None] = lambda t_ns: None


def _unfinished(store: Store, event: EventFile) -> Run:
    """The newest run of this very event file that can go on; it keeps the factors that it began with."""
    for run in store.runs():
        folder = Path(run.folder)
        own_log = folder.name == run.run_id and (folder / "event.json").is_file()  # not a log folded once more
        if run.event_id != event.id or run.mode is not Mode.REPLAY or not own_log:
            continue
        if run.state is RunState.FINISHED:
            break
        if run.config_json != RunConfiguration.for_log(event, run.config_json).json:
            raise ConfigError(
                f"run {run.run_id}: was started with another event file, so it cannot go on with this one. "
                f"Start anew without --resume, or bring the event file back to what it was."
            )
        return run  # whether its engine still lives, the lock of its log says
    raise RunNotFound(
        f"event {event.id!r}: there is no unfinished run to resume in this store. Start anew without --resume."
    )


def _same_span(run: Run, options: Options) -> None:
    """A resumed run keeps the span that it was started with."""
    asked = (options.from_ns, options.to_ns)
    if any(want is not None and want != has for want, has in zip(asked, (run.from_ns, run.to_ns), strict=True)):
        raise ConfigError(
            f"run {run.run_id}: was started for another span, and --resume keeps it. Leave out --from and --to."
        )


def _new_run(event: EventFile, options: Options, feeds: list[Feed], config_json: str, store: Store) -> Run:
    from_ns = min(feed.source.span_ns[0] for feed in feeds)
    to_ns = max(feed.source.span_ns[1] for feed in feeds)
    from_ns = from_ns if options.from_ns is None else max(options.from_ns, from_ns)
    to_ns = to_ns if options.to_ns is None else min(options.to_ns, to_ns)
    if not from_ns < to_ns:
        raise ConfigError("--from, --to: the span holds no footage. Choose a span within the recording.")
    folder = new_folder(event, options.runs, store).resolve()
    return Run(folder.name, event.id, Mode.REPLAY, config_json, str(folder), from_ns, to_ns, time.time_ns())


def _open_feeds(configuration: RunConfiguration, models: build.Models, stack: ExitStack) -> list[Feed]:
    """Open every camera; the stack closes them."""
    feeds = build.open_feeds(configuration.event, configuration.site, models)
    for feed in feeds:
        stack.enter_context(closing(feed.source))
        stack.enter_context(closing(feed.detector))
        if feed.heads is not None and feed.heads.counter is not None:
            stack.enter_context(closing(feed.heads.counter))
    return feeds


def replay_recording(event: EventFile, options: Options) -> Summary:
    """Replay an event's footage: observe and advance, log, store, pictures.

    Raises:
        CrowdWatchError: whatever cannot be used; what was written before stays.
    """
    event = measured(event)
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url)))
        unfinished = _unfinished(store, event) if options.resume else None
        models = build.Models(event, config.to_site(event))
        if unfinished is not None:
            _same_span(unfinished, options)
            configuration = RunConfiguration.for_log(None, unfinished.config_json)
        else:
            configuration = RunConfiguration.for_footage(event, store, models)
        feeds = _open_feeds(configuration, models, stack)
        check_gaps([feed.source for feed in feeds])
        notes = (notes_of(camera, feed.source) for camera, feed in zip(models.site.cameras, feeds, strict=True))
        for note in chain(config.left_out(event), *notes):
            options.say(note)
        run = unfinished or _new_run(configuration.event, options, feeds, configuration.json, store)
        log = LogWriter(Path(run.folder), configuration.json, resume=unfinished is not None)
        stack.callback(leave_log, log)
        begin(store, run, new=unfinished is None)
        return _replay(run, configuration, feeds, log, store, options, resumed=unfinished is not None)


def _replay(
    run: Run, configuration: RunConfiguration, feeds: list[Feed], log: LogWriter, store: Store, options: Options,
    *, resumed: bool,
) -> Summary:  # fmt: skip
    """Fold the footage of an opened run from its beginning, or from where its log ends."""
    site, folder = configuration.site, Path(run.folder)
    view, totals = view_site(site), RunTotals(working_limits(site))
    clock, board = PacedClock(options.speed), Board()
    outbox = Outbox(store, run.run_id, board, options.stop)
    into = StoreSink(outbox)
    sink: Sink = PictureSink(into, site, folder, board) if options.pictures else into
    options.started(run)
    began = time.monotonic()
    stream = RecordedStream(feeds, run.from_ns, run.to_ns, round(site.tick_s * 1e9), board)
    with closing_run(store, run, clock, options.stop, outbox, lambda: stream.faults):
        state, journaled = start(view), begun(folder)
        if resumed:
            state, journaled = go_back(store, run, folder, view, totals, into)
            failing = {camera_id: fault.code for camera_id, fault in state.faults.items()}
            stream.go_on_after(totals.last_tick_ns, failing)
        loop = Loop(
            store, run.run_id, clock, options.stop, log, sink, totals, options.progress, board,
            lambda: outbox.written_ns, frozenset(zone.zone_id for zone in site.zones), journaled,
            gate_ids=frozenset(gate.gate_id for gate in site.gates),
        )  # fmt: skip
        loop.run(state, stream, totals.last_tick_ns or run.from_ns)
        log.close(complete=not options.stop.is_set())
        if stream.faults and not totals.observations and not options.stop.is_set():
            raise all_faults(stream.faults)
    return Summary(
        run, configuration.event, totals, into.alerts.hexdigest(),
        tuple(sorted({feed.detector.detector_id for feed in feeds})),
        tuple(sorted({feed.counter_note for feed in feeds} - {""})),
        tuple(stream.faults), options.stop.is_set(), time.monotonic() - began,
    )  # fmt: skip


def replay_log(folder: Path, options: Options, event: EventFile | None = None) -> Summary:
    """Fold the log of an earlier run again; with another event file, under its limits.

    The footage is not needed, nor is a detector: identical limits give identical alerts.

    Raises:
        LogCorrupt: the log cannot be read.
        ConfigError: the event file asks of the log what is not in it.
    """
    reader = LogReader(folder)
    if event is not None:
        must_fit(event, config.from_json(reader.config_json))
    configuration = RunConfiguration.for_log(event, reader.config_json)
    view = view_site(configuration.site)
    first_ns = next((each.t_ns for each in reader.events() if isinstance(each, Tick)), None)
    last_ns = reader.last_tick_ns
    if first_ns is None or last_ns is None:
        raise LogCorrupt(f"log {folder}: holds no tick, so there is nothing to fold. Replay the recording.")
    where, event_id, now_ns = str(folder.resolve()), configuration.event.id, time.time_ns()
    totals, clock, board = RunTotals(working_limits(view.site)), PacedClock(options.speed), Board()
    with closing(build.open_store(options.store_url)) as store:
        ids = (each for each in new_run_ids(configuration.event, "-again") if not (options.runs / each).exists())
        runs = (Run(i, event_id, Mode.REPLAY, configuration.json, where, first_ns, last_ns, now_ns) for i in ids)
        run = next(run for run in runs if patiently(partial(store.begin, run, new=True)))
        outbox = Outbox(store, run.run_id, board, options.stop)
        sink = StoreSink(outbox)
        options.started(run)
        began = time.monotonic()
        with closing_run(store, run, clock, options.stop, outbox, lambda: []):
            loop = Loop(
                store, run.run_id, clock, options.stop, None, sink, totals, options.progress, board,
                lambda: outbox.written_ns, frozenset(zone.zone_id for zone in view.site.zones),
                gate_ids=frozenset(gate.gate_id for gate in view.site.gates),
            )  # fmt: skip
            loop.run(start(view), LoggedStream(reader.events()), first_ns)
    return Summary(
        replace(run, t_ns=totals.last_tick_ns or run.from_ns), configuration.event, totals, sink.alerts.hexdigest(),
        (), (), (), options.stop.is_set(), time.monotonic() - began,
    )  # fmt: skip
