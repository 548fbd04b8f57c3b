"""A drawn event for the benchmark of the page: zones in a square, cameras on masts, a tick a second, alarms on demand.

Nothing is counted: readings are made up, because the page alone is measured.
"""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import numpy as np

from crowdwatch import config
from crowdwatch.core.outcomes import (
    Alarm,
    AlarmState,
    CameraHealth,
    DensityGrid,
    Health,
    Level,
    Outcome,
    Quality,
    ZoneReading,
)
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.store.sql import SqlStore

__all__ = ["PageEngine", "drawn_event"]

NS = 1_000_000_000
RUN = "page"
ZONE_M, GAP_M, CAMERAS = 20.0, 1.0, 8


def drawn_event(zones: int) -> config.EventFile:
    """A square of so many zones, seen by eight cameras that look down."""
    across = math.ceil(math.sqrt(zones))
    side = across * (ZONE_M + GAP_M)
    places = [(n % across * (ZONE_M + GAP_M), n // across * (ZONE_M + GAP_M)) for n in range(zones)]
    cameras = [(side * (n % 4 + 0.5) / 4, side * (n // 4 + 0.5) / 2) for n in range(CAMERAS)]
    return config.EventFile.model_validate({
        "version": 1, "id": RUN, "name": {"en": "Benchmark", "zh": "基准"}, "time_zone": "Asia/Shanghai",
        "site": {"crs": "local", "walkable_area_m": [[0, 0], [side, 0], [side, side], [0, side]]},
        "zones": [
            {
                "id": f"z{n}", "name": {"en": f"Zone {n}", "zh": f"区域 {n}"}, "kind": "standing",
                "capacity_persons": 1000,
                "polygon_m": [[x, y], [x + ZONE_M, y], [x + ZONE_M, y + ZONE_M], [x, y + ZONE_M]],
            }
            for n, (x, y) in enumerate(places)
        ],
        "cameras": [
            {
                "id": f"c{n}", "name": {"en": f"Camera {n}", "zh": f"摄像机 {n}"}, "image_size_px": [1920, 1080],
                "source": {"synthetic": "square", "start_time": "2026-12-31T20:00:00+08:00"},
                "calibration": {
                    "pose": {
                        "focal_px": [1000.0, 1000.0], "centre_px": [960.0, 540.0],
                        "rotation": [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
                        "translation_m": [-x, y, 30.0],
                    }
                },
            }
            for n, (x, y) in enumerate(cameras)
        ],
    })  # fmt: skip


class PageEngine:
    """Writes a tick a second into a store of its own until it is closed.

    Args:
        folder: where the store is made.
        zones: of the event.
    """

    def __init__(self, folder: Path, zones: int) -> None:
        event = drawn_event(zones)
        self.url = f"sqlite:///{folder / f'page-{zones}.sqlite'}"
        self.site = config.to_site(event)
        self._store, self._lock, self._over = SqlStore(self.url), threading.Lock(), threading.Event()
        self._t_ns = time.time_ns() // NS * NS
        self._alarm: Alarm | None = None
        self.fault: BaseException | None = None
        text = event.model_dump_json()
        self._store.begin(Run(RUN, RUN, Mode.LIVE, text, str(folder), self._t_ns, self._t_ns, time.time_ns()))
        self.tick()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 said to whoever measures
                self.fault = error
                return

    def tick(self, raised: int | None = None) -> float:
        """Write the next tick, with an alarm of a zone where one is named. Returns the wall clock after it, seconds."""
        with self._lock:
            self._t_ns += NS
            if raised is not None:
                zone_id = self.site.zones[raised % len(self.site.zones)].zone_id
                self._alarm = Alarm(
                    "crowding", zone_id, AlarmState.UNACKNOWLEDGED, Level.ALERT, self._t_ns, (),
                    first_raised_ns=self._t_ns, level_ns=((Level.ALERT, self._t_ns),), quantity="density", value=4.2,
                    limit=4.0, unit="p/m2", worst_value=4.2,
                )  # fmt: skip
            self._store.write(RUN, [self._outcome()])
            self._store.beat(RUN, state=RunState.RUNNING, t_ns=self._t_ns, wall_ns=time.time_ns(), speed=1.0)
            return time.time()

    def _outcome(self) -> Outcome:
        second = self._t_ns // NS
        readings = tuple(self._reading(n, second) for n in range(len(self.site.zones)))
        health = tuple(CameraHealth(each.camera_id, self._t_ns, Health.OK, 0.3, False) for each in self.site.cameras)
        side = int(self.site.walkable_m.max())
        row, col = np.indices((side, side))
        rho = 1.5 + np.sin(row / 7 + second / 5) + np.cos(col / 9)
        alarms = () if self._alarm is None else (self._alarm,)
        return Outcome(
            self._t_ns, readings, DensityGrid(self._t_ns, np.zeros(2), 1.0, rho, 1.0), (), alarms, health
        )  # fmt: skip

    def _reading(self, number: int, second: int) -> ZoneReading:
        rho = 2.5 + 1.5 * math.sin(second / 30 + number)
        level = Level.ALERT if rho > 3.8 else Level.CAUTION if rho > 3.4 else Level.NORMAL
        count = rho * ZONE_M**2
        return ZoneReading(
            self.site.zones[number].zone_id, self._t_ns, 10.0, count, 0.9 * count, 1.1 * count, rho, 0.9 * rho,
            1.1 * rho, rho * 1.4, 1.0, 1.0, 0.3, Quality.DEGRADED if number % 11 == 0 else Quality.GOOD, level,
            count / 1000,
        )  # fmt: skip

    def close(self) -> None:
        """Stop writing."""
        self._over.set()
        self._thread.join(timeout=10)
        self._store.close()
