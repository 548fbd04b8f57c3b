"""The life of a run: its name, its sinks, what it has folded before, and how it ended, said whatever happened."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import Level, Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.records import Detections, Frame
from crowdwatch.core.runs import Run, RunState
from crowdwatch.core.site import Site
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import Clock
from crowdwatch.drivers.inlet import Journaled
from crowdwatch.drivers.loop import Pictures
from crowdwatch.drivers.outbox import LEAVE_S, Outbox
from crowdwatch.drivers.patience import PATIENCE_S, patiently
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import CrowdWatchError, StoreError
from crowdwatch.rendering.picture import Overlay
from crowdwatch.store import files
from crowdwatch.store.journal import ActionJournal
from crowdwatch.store.live_log import LiveLog
from crowdwatch.store.log import LogReader, LogWriter
from crowdwatch.store.pictures import PictureFolder

__all__ = [
    "PictureSink",
    "StoreSink",
    "Summary",
    "begin",
    "begun",
    "closing_run",
    "go_back",
    "leave_log",
    "new_folder",
    "new_run_ids",
    "refold",
]

REFOLD_BATCH = 200


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    ``digest`` is a sha256 over the ids of all alerts in order: equal digests are equal alerts.
    """

    run: Run
    event: EventFile
    totals: RunTotals
    digest: str
    detector_ids: tuple[str, ...]
    counter_notes: tuple[str, ...]
    faults: tuple[CrowdWatchError, ...]
    stopped: bool
    wall_s: float


@dataclass(slots=True)
class StoreSink:
    """Hands outcomes over to be written to the store, and digests the alerts."""

    outbox: Outbox
    alerts: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, outcomes: list[Outcome]) -> None:
        """Hand outcomes over, in their order. Raises StoreError: they, or earlier ones, cannot be kept."""
        for outcome in outcomes:
            for alert in outcome.alerts:
                self.alerts.update(alert.event_id.encode())
        self.outbox.put(outcomes)

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome."""
        self.write([outcome])


class PictureSink:
    """Hands outcomes on, and writes a coarsened picture of every camera at every tick.

    Pictures are for the eye: one that cannot be drawn or written ends nothing. It is said, and said when they come
    again.

    Args:
        store: takes the outcomes.
        site: whose cameras and zones are drawn.
        folder: of the run.
        board: where it is said that pictures cannot be written.
    """

    def __init__(self, store: StoreSink, site: Site, folder: Path, board: Board | None = None) -> None:
        self._board = board or Board()
        self._zones = {zone.zone_id: zone.polygon_m for zone in site.zones}
        self._store, self._folder = store, PictureFolder(folder / "pictures")
        fixed = [camera for camera in site.cameras if not camera.moves]
        self._overlays = {camera.camera_id: Overlay(camera.fixed_plane, self._zones) for camera in fixed}
        self._score_min = {camera.camera_id: camera.score_min for camera in site.cameras}

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome, with the pictures that came since the tick before."""
        self._store(outcome, pictures)
        levels = {reading.zone_id: reading.level for reading in outcome.readings}
        for camera_id, (frame, detections) in pictures.items():
            try:
                self._draw(outcome, levels, camera_id, frame, detections)
            except Exception as error:  # noqa: BLE001  whatever a picture meets, the numbers go on
                self._board.ails("pictures", f"pictures for the page are not written: {error} The numbers go on.")
                return
        if pictures:
            self._board.well("pictures", "pictures for the page are written again.")

    def _draw(
        self, outcome: Outcome, levels: dict[str, Level], camera_id: str, frame: Frame, detections: Detections
    ) -> None:
        overlay = self._overlay(camera_id, frame)
        if overlay is not None:
            jpeg = overlay.render(
                frame, grid=outcome.grid, detections=detections, score_min=self._score_min[camera_id], levels=levels
            )
            self._folder.write(camera_id, outcome.t_ns, jpeg)

    def _overlay(self, camera_id: str, frame: Frame) -> Overlay | None:
        """What draws on a picture. None where it is not known from where it was taken: nor is then how large heads are
        in it, so that it could not be coarsened enough to be shown."""
        return self._overlays.get(camera_id) if frame.plane is None else Overlay(frame.plane, self._zones)


def new_run_ids(event: EventFile, suffix: str = "") -> Iterator[str]:
    """Names for a run that begins now, the most wanted first: whoever can reserve one first has it."""
    wanted = f"{event.id}{suffix}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}"
    yield wanted
    for number in count(2):
        yield f"{wanted}-{number}"


def new_folder(event: EventFile, runs: Path, store: Store) -> Path:
    """Make the folder of a run that begins; its name is the run's id, which no other process has, and no run of the
    store: one of this second may lie elsewhere, or its folder may be gone.

    Raises:
        StoreUnavailable: it cannot be made, or the store does not answer.
    """
    taken = {run.run_id for run in store.runs()}
    with files.writable(runs):
        files.make_folder(runs)
        for run_id in (each for each in new_run_ids(event) if each not in taken):
            with suppress(FileExistsError):
                (runs / run_id).mkdir()
                return runs / run_id
    raise AssertionError("names do not end")


def begin(store: Store, run: Run, *, new: bool) -> None:
    """Put a run into the store, or bring it back to RUNNING.

    Raises:
        StoreError: another run has its id, or the store does not answer.
    """
    if not patiently(lambda: store.begin(run, new=new)):
        raise StoreError(f"run {run.run_id!r}: another run of this id has begun in the same second. Start it again.")


@contextmanager
def closing_run(
    store: Store,
    run: Run,
    clock: Clock,
    stop: threading.Event,
    outbox: Outbox,
    faults: Callable[[], Sequence[CrowdWatchError]],
) -> Iterator[None]:
    """Write what waits and say in the store how a run ended, whatever happened, and hand the error on."""

    def say(state: RunState, message: str) -> None:
        t_ns = outbox.written_ns or run.from_ns

        def beat() -> None:
            store.beat(run.run_id, state=state, t_ns=t_ns, wall_ns=time.time_ns(), speed=clock.speed, message=message)

        patiently(beat, seconds=LEAVE_S if state is RunState.FAILED or stop.is_set() else PATIENCE_S)

    try:
        with outbox:
            yield
            outbox.flush()
    except BaseException as error:
        with suppress(CrowdWatchError):
            say(RunState.FAILED, str(error) or type(error).__name__)
        raise
    say(RunState.STOPPED if stop.is_set() else RunState.FINISHED, " ".join(str(fault) for fault in faults()))


def begun(folder: Path) -> Journaled:
    """The journal of a run that begins."""
    return Journaled(ActionJournal(folder).add)


def go_back(
    store: Store, run: Run, folder: Path, view: SiteView, totals: RunTotals, sink: StoreSink
) -> tuple[State, Journaled]:
    """Take a run that was interrupted back to the last tick of its log, and fold up to there.

    What operators did later stands in the journal: it is done again at the very ticks that it was sequenced for. An
    acknowledgement that no engine had taken was given at the earliest when the run's last heartbeat was written.

    Args:
        store: where the run is.
        run: as it stood when it was interrupted.
        folder: of the log.
        view: the prepared site.
        totals: counts what is folded.
        sink: takes what is folded.

    Raises:
        LogCorrupt, StoreError: the log cannot be read, the store not be written.
    """
    journal, last_ns = ActionJournal(folder), LogReader(folder).last_tick_ns or 0
    actions = journal.read()
    patiently(lambda: store.rewind(run.run_id, last_ns, [action.command_id for action in actions]))
    state = refold(folder, view, totals, sink)
    left = [action for action in actions if action.t_ns > last_ns]
    return state, Journaled(journal.add, left, run.t_ns)


def refold(folder: Path, view: SiteView, totals: RunTotals, sink: StoreSink) -> State:
    """Fold what an interrupted run has logged; its outcomes are written again, which changes no row."""
    state = start(view)
    batch: list[Outcome] = []
    for event in LogReader(folder).events():
        state, outcome = advance(state, event)
        totals.add(event, outcome)
        if outcome is not None:
            batch.append(outcome)
        if len(batch) >= REFOLD_BATCH:
            sink.write(batch)
            batch = []
    sink.write(batch)
    return state


def leave_log(log: LogWriter | LiveLog) -> None:
    """Keep what a run that failed has logged; a log that was closed properly is left as it is."""
    with suppress(CrowdWatchError):
        log.close(complete=False)
