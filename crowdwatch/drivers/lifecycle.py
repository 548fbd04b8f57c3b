"""The life of a run: its name, its sinks, what it has folded before, and how it ended, said whatever happened."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.engine import State, advance, start
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.ports import Store
from crowdwatch.core.records import Frame
from crowdwatch.core.runs import Run, RunState
from crowdwatch.core.site import Site
from crowdwatch.drivers.clock import Clock
from crowdwatch.drivers.loop import Pictures
from crowdwatch.drivers.totals import RunTotals
from crowdwatch.errors import CrowdWatchError, SourceError
from crowdwatch.rendering.picture import Overlay
from crowdwatch.store.log import LogReader, LogWriter
from crowdwatch.store.pictures import PictureFolder

__all__ = ["PictureSink", "StoreSink", "Summary", "closing_run", "leave_log", "new_run_id", "refold"]

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
    faults: tuple[SourceError, ...]
    stopped: bool
    wall_s: float


@dataclass(slots=True)
class StoreSink:
    """Writes outcomes to the store, and digests the alerts."""

    store: Store
    run_id: str
    alerts: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, outcomes: list[Outcome]) -> None:
        """Write outcomes in one transaction."""
        for outcome in outcomes:
            for alert in outcome.alerts:
                self.alerts.update(alert.event_id.encode())
        self.store.write(self.run_id, outcomes)

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome."""
        self.write([outcome])


class PictureSink:
    """Hands outcomes on, and writes a coarsened picture of every camera at every tick.

    Args:
        store: takes the outcomes.
        site: whose cameras and zones are drawn.
        folder: of the run.
    """

    def __init__(self, store: StoreSink, site: Site, folder: Path) -> None:
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
            overlay = self._overlay(camera_id, frame)
            if overlay is None:
                continue
            jpeg = overlay.render(
                frame, grid=outcome.grid, detections=detections, score_min=self._score_min[camera_id], levels=levels
            )
            self._folder.write(camera_id, outcome.t_ns, jpeg)

    def _overlay(self, camera_id: str, frame: Frame) -> Overlay | None:
        """What draws on a picture. None where it is not known from where it was taken: nor is then how large heads are
        in it, so that it could not be coarsened enough to be shown."""
        return self._overlays.get(camera_id) if frame.plane is None else Overlay(frame.plane, self._zones)


def new_run_id(event: EventFile, runs: Path, suffix: str = "") -> str:
    """A name for a run that no folder of ``runs`` has."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    wanted = f"{event.id}{suffix}-{stamp}"
    number, run_id = 1, wanted
    while (runs / run_id).exists():
        number += 1
        run_id = f"{wanted}-{number}"
    return run_id


@contextmanager
def closing_run(
    store: Store, run: Run, clock: Clock, stop: threading.Event, totals: RunTotals, faults: list[SourceError]
) -> Iterator[None]:
    """Say in the store how a run ended, whatever happened, and hand the error on."""

    def say(state: RunState, message: str) -> None:
        t_ns = totals.last_tick_ns or run.from_ns
        store.beat(run.run_id, state=state, t_ns=t_ns, wall_ns=time.time_ns(), speed=clock.speed, message=message)

    try:
        yield
    except BaseException as error:
        with suppress(CrowdWatchError):
            say(RunState.FAILED, str(error) or type(error).__name__)
        raise
    say(RunState.STOPPED if stop.is_set() else RunState.FINISHED, " ".join(str(fault) for fault in faults))


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


def leave_log(log: LogWriter) -> None:
    """Keep what a run that failed has logged; a log that was closed properly is left as it is."""
    with suppress(CrowdWatchError):
        log.close(complete=False)
