"""A scripted night that is played while somebody watches: logged and stored like a replay, with drawn pictures and a
control room of its own, which answers what nobody at the page has answered."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import start
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import Outcome
from crowdwatch.core.records import Frame, GroundPlane, Stamp
from crowdwatch.core.runs import Mode, Run
from crowdwatch.core.site import Site
from crowdwatch.drivers import build
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.clock import PacedClock
from crowdwatch.drivers.configuration import RunConfiguration, measured
from crowdwatch.drivers.lifecycle import (
    StoreSink,
    Summary,
    begin,
    begun,
    closing_run,
    leave_log,
    new_folder,
)
from crowdwatch.drivers.loop import Loop, Pictures
from crowdwatch.drivers.outbox import Outbox
from crowdwatch.drivers.replay import Options
from crowdwatch.drivers.scripted_operator import ScriptedOperator
from crowdwatch.drivers.streams import StreamItem
from crowdwatch.drivers.totals import RunTotals, working_limits
from crowdwatch.errors import CrowdWatchError
from crowdwatch.rendering.picture import Overlay
from crowdwatch.sources.night import SHOWN_S, Night, NightPlan, plan_show
from crowdwatch.sources.synthetic import draw_people
from crowdwatch.store.log import LogWriter
from crowdwatch.store.pictures import PictureFolder

__all__ = ["SHOW_SPEED", "ends_with", "play_night"]

NS = 1_000_000_000
SHOW_SPEED = 5.0
"""Seconds of the night per second: a build-up and a lost camera lie within two minutes, and a tick is 0.6 s."""

STANDS_S = 600.0
"""So long before the beginning people are moved."""

LEAVES_S = 36.0
"""How long the control room leaves an alarm to whoever watches: some seven seconds by their clock, so that it is
answered within the minute that an alarm may wait. [design value]"""

SMALLER, AT_ONCE = 3, 1
"""Pictures have a third of the cameras' sides; so many cameras are drawn a tick, in turn."""


@dataclass(slots=True)
class _Stream:
    """The night as the loop takes it: the control room's actions stand before each tick."""

    night: Night
    operator: ScriptedOperator
    faults: list[CrowdWatchError] = field(default_factory=list)

    def __iter__(self) -> Iterator[StreamItem]:
        """Yield every event of the night."""
        for beat in self.night.beats():
            for event in (*beat.events[:-1], *self.operator.acts(beat.t_ns), beat.events[-1]):
                yield event, None


class _Drawn:
    """Takes outcomes: the control room sees them, and cameras are drawn in turn."""

    def __init__(self, into: StoreSink, site: Site, night: Night, operator: ScriptedOperator, folder: Path) -> None:
        self._into, self._night, self._operator = into, night, operator
        self._folder = PictureFolder(folder / "pictures")
        self._zones = {zone.zone_id: zone.polygon_m for zone in site.zones}
        self._planes = {camera.camera_id: smaller(camera.fixed_plane, SMALLER) for camera in site.cameras}
        self._overlays: dict[str, Overlay] = {}
        self._turn = 0

    def __call__(self, outcome: Outcome, pictures: Pictures) -> None:
        """Take one outcome."""
        self._into(outcome, pictures)
        self._operator.see(outcome)
        names = [each for each in self._planes if each not in self._night.lost]
        for _ in range(min(AT_ONCE, len(names))):
            self._turn += 1
            self._draw(names[self._turn % len(names)], outcome)

    def _draw(self, camera_id: str, outcome: Outcome) -> None:
        plane = self._planes[camera_id]
        if camera_id not in self._overlays:
            self._overlays[camera_id] = Overlay(plane, self._zones)
        image = draw_people(plane, self._night.standing(), (1, self._turn))
        frame = Frame(Stamp(camera_id, self._turn, outcome.t_ns, "arrival"), image)
        levels = {reading.zone_id: reading.level for reading in outcome.readings}
        jpeg = self._overlays[camera_id].render(frame, grid=outcome.grid, levels=levels)
        self._folder.write(camera_id, outcome.t_ns, jpeg)


def smaller(plane: GroundPlane, times: int) -> GroundPlane:
    """The plane of the same camera for pictures whose sides are so many times smaller.

    >>> plane = GroundPlane(np.eye(3), (1080, 1920))
    >>> smaller(plane, 3).image_hw, smaller(plane, 3).image_to_ground[0, 0].item()
    ((360, 640), 3.0)
    """
    height, width = plane.image_hw
    return replace(
        plane, image_to_ground=plane.image_to_ground @ np.diag([times, times, 1.0]),
        image_hw=(height // times, width // times), pixel_sigma_px=plane.pixel_sigma_px / times,
    )  # fmt: skip


def play_night(
    event: EventFile, options: Options, plan: NightPlan | None = None, *, from_s: float = SHOWN_S,
    leaves_s: float = LEAVES_S,
) -> Summary:  # fmt: skip
    """Play a night at the pace of the options.

    Args:
        event: of ``examples/new_year``, or one with its zones.
        options: as of a replay; the span is the night's.
        plan: what happens, by default :func:`~crowdwatch.sources.night.plan_show`.
        from_s: seconds after the night's beginning from which on it is told.
        leaves_s: how long the control room leaves an alarm to whoever watches.

    Raises:
        CrowdWatchError: the store or the folder cannot be used, or the event has not the zones of the night.
    """
    configuration = RunConfiguration.of(measured(event))
    site, plan = configuration.site, plan or plan_show()
    night = Night(site, plan, event.start_ns, from_s, stands_s=max(0.0, from_s - STANDS_S))
    operator = ScriptedOperator(site, plan.seed, leaves_s)
    from_ns, to_ns = (event.start_ns + round(each * NS) for each in (night.from_s, night.to_s))
    clock, board, totals = PacedClock(options.speed), Board(), RunTotals(working_limits(site))
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url)))
        folder = new_folder(event, options.runs, store).resolve()
        run = Run(folder.name, event.id, Mode.REPLAY, configuration.json, str(folder), from_ns, to_ns, time.time_ns())
        log = LogWriter(folder, configuration.json)
        stack.callback(leave_log, log)
        begin(store, run, new=True)
        outbox = Outbox(store, run.run_id, board, options.stop)
        into = StoreSink(outbox)
        options.started(run)
        began = time.monotonic()
        with closing_run(store, run, clock, options.stop, outbox, list):
            loop = Loop(
                store, run.run_id, clock, options.stop, log, _Drawn(into, site, night, operator, folder), totals,
                options.progress, board, lambda: outbox.written_ns, frozenset(zone.zone_id for zone in site.zones),
                begun(folder), gate_ids=frozenset(gate.gate_id for gate in site.gates),
            )  # fmt: skip
            loop.run(start(view_site(site)), _Stream(night, operator), from_ns)
            log.close(complete=not options.stop.is_set())
    return Summary(
        run, configuration.event, totals, into.alerts.hexdigest(), (), (), (), options.stop.is_set(),
        time.monotonic() - began,
    )  # fmt: skip


def ends_with(parent: int, every_s: float = 1.0) -> None:
    """End this process cleanly, by SIGTERM, when the process that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
