"""A store filled by the real alarm rules and the real store, so that pages can be looked at in every state."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from crowdwatch import config
from crowdwatch.analytics import alerts
from crowdwatch.core.outcomes import CameraHealth, DensityGrid, Health, Level, Outcome, Quality, ZoneReading
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import OperatorAction
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.store.sql import SqlStore
from crowdwatch.ui import frame

START_NS = 1_798_761_000 * 1_000_000_000  # 2026-12-31 23:50:00 UTC
NS = 1_000_000_000
APP = str(Path(__file__).parents[2] / "app.py")
CELL_M, ROWS, COLS = 1.0, 30, 40

Density = Callable[[str, int], float]


def event(**changes: Any) -> dict[str, Any]:
    """A square with a stage, three zones, a gate and one camera on a 7 m mast south of it."""
    tilt = math.radians(25)
    rotation = [[1.0, 0.0, 0.0], [0.0, -math.sin(tilt), -math.cos(tilt)], [0.0, math.cos(tilt), -math.sin(tilt)]]
    centre = np.array([20.0, -6.0, 7.0])
    base: dict[str, Any] = {
        "version": 1,
        "id": "square",
        "name": {"en": "City square", "zh": "城市广场"},
        "notice": {"en": "People are counted, never identified.", "zh": "仅统计人数，不识别个人。"},
        "start_time": "2026-12-31T23:50:00Z",
        "site": {
            "walkable_area_m": [[0, 0], [40, 0], [40, 30], [0, 30]],
            "obstacles_m": [[[17, 24], [23, 24], [23, 28], [17, 28]]],
        },
        "zones": [
            {
                "id": "front",
                "name": {"en": "Stage front", "zh": "舞台前区"},
                "kind": "standing",
                "polygon_m": [[12, 12], [28, 12], [28, 23], [12, 23]],
                "capacity_persons": 700,
            },
            {
                "id": "north-gate",
                "name": {"en": "North gate", "zh": "北门"},
                "kind": "moving",
                "polygon_m": [[30, 16], [38, 16], [38, 28], [30, 28]],
            },
            {
                "id": "stairs",
                "name": {"en": "Metro stairs", "zh": "地铁楼梯"},
                "kind": "stairs",
                "polygon_m": [[2, 2], [9, 2], [9, 9], [2, 9]],
            },
        ],
        "gates": [{"id": "g1", "name": {"en": "Gate 1", "zh": "一号口"}, "line_m": [[32, 29], [36, 29]]}],
        "cameras": [
            {
                "id": "mast",
                "name": {"en": "Mast south", "zh": "南侧立杆"},
                "source": {"synthetic": "square", "start_time": "2026-12-31T23:50:00Z"},
                "image_size_px": [640, 480],
                "calibration": {
                    "pose": {
                        "focal_px": [500.0, 500.0],
                        "centre_px": [320.0, 240.0],
                        "rotation": rotation,
                        "translation_m": (-np.array(rotation) @ centre).tolist(),
                    }
                },
            }
        ],
    }
    return {**base, **changes}


def calm(zone_id: str, second: int) -> float:
    """Densities far below every limit."""
    return {"front": 1.1, "north-gate": 0.7, "stairs": 0.4}[zone_id] + 0.05 * math.sin(second / 5)


def surge(zone_id: str, second: int) -> float:
    """The front of the stage climbs from 1 to 5.2 p/m2 within a minute; the rest stays calm."""
    return 1.0 + 4.2 * min(1.0, second / 60) if zone_id == "front" else calm(zone_id, second)


def field_of(t_ns: int, at: Density, second: int, sites: Any) -> DensityGrid:
    """A density field with each zone at its density, unseen in the north-west corner."""
    y, x = (np.indices((ROWS, COLS)) + 0.5) * CELL_M
    rho = np.full((ROWS, COLS), 0.05)
    for zone in sites.zones:
        low, high = zone.polygon_m.min(axis=0), zone.polygon_m.max(axis=0)
        inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
        ripple = 1 + 0.35 * np.sin(x / 2 + second / 7) * np.cos(y / 2)
        rho = np.where(inside, at(zone.zone_id, second) * ripple, rho)
    rho[(x < 8) & (y > 20)] = np.nan
    return DensityGrid(t_ns, np.zeros(2), CELL_M, rho, 1.0)


@dataclass
class Seed:
    """Writes runs into one store."""

    url: str
    folder: Path
    now_ns: int
    store: SqlStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = SqlStore(self.url)

    def run(
        self,
        run_id: str = "r1",
        *,
        state: RunState = RunState.RUNNING,
        seconds: int = 90,
        density: Density = calm,
        quality: dict[str, Quality] | None = None,
        health: Health = Health.OK,
        acks: dict[int, tuple[str, str]] | None = None,
        beat_age_s: float = 0.0,
        message: str = "",
        pictures: bool = True,
        mode: Mode = Mode.REPLAY,
        hook: Callable[[Outcome], Outcome] = lambda outcome: outcome,
        **changes: Any,
    ) -> str:
        """Write a run of one tick a second whose alarms come from the real rules."""
        parsed = config.EventFile.model_validate(event(**changes))
        site = config.to_site(parsed)
        now_ns = self.now_ns
        place = self.folder / run_id
        end_ns = START_NS + seconds * NS
        self.store.begin(
            Run(run_id, parsed.id, mode, parsed.model_dump_json(), str(place), START_NS, end_ns, now_ns - seconds * NS)
        )
        book, outcomes = alerts.AlarmBook(), []
        for second in range(seconds + 1):
            t_ns = START_NS + second * NS
            readings = [
                _reading(zone, t_ns, density(zone.zone_id, second), (quality or {}).get(zone.zone_id, Quality.GOOD))
                for zone in site.zones
            ]
            acked = (acks or {}).get(second)
            actions = [OperatorAction(second, t_ns, "acknowledge", *acked, "anna", 4)] if acked else []
            bridge = {zone.zone_id: 5.0 for zone in site.zones}
            book, changed = alerts.step(book, site, readings, actions, t_ns, bridge)
            level = {zone.zone_id: book.level(zone.zone_id) for zone in site.zones}
            readings = [
                r if r.level is Level.UNKNOWN else ZoneReading(**{**_as_dict(r), "level": level[r.zone_id]})
                for r in readings
            ]
            outcomes.append(
                hook(
                    Outcome(
                        t_ns, tuple(readings), field_of(t_ns, density, second, site), changed, book.alarms(),
                        (CameraHealth("mast", t_ns, health, 0.2, False),),
                    )
                )
            )  # fmt: skip
        self.store.write(run_id, outcomes)
        if pictures:
            self.picture(place, end_ns - NS)
        self.store.beat(
            run_id, state=state, t_ns=end_ns, wall_ns=now_ns - int(beat_age_s * NS), speed=8.0, message=message
        )
        return run_id

    @staticmethod
    def picture(place: Path, t_ns: int) -> None:
        """A small picture that is nobody's."""
        (place / "pictures" / "mast").mkdir(parents=True, exist_ok=True)
        v, u = np.indices((240, 320)) // 16
        image = np.stack([u * 9, v * 12, (u + v) * 6], axis=2).astype(np.uint8)
        (place / "pictures" / "mast" / f"{t_ns}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())


def _as_dict(reading: ZoneReading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in reading.__dataclass_fields__}


def _reading(zone: Any, t_ns: int, rho: float, quality: Quality) -> ZoneReading:
    unknown = quality in (Quality.STALE, Quality.BLIND)
    nan = math.nan
    count = nan if unknown else rho * zone.usable_area_m2
    health = {Quality.STALE: "silent", Quality.BLIND: "covered"}.get(quality)
    reasons = (Reason.of(Code.UNHEALTHY, "mast", health=health),) if health else ()
    return ZoneReading(
        zone_id=zone.zone_id, t_ns=t_ns, window_s=10.0, count=count, count_low=count, count_high=count * 1.1,
        density_p_m2=nan if unknown else rho, density_low=nan if unknown else rho * 0.9,
        density_high=nan if unknown else rho * 1.2, peak_p_m2=nan if unknown else rho * 1.4, bandwidth_m=1.0,
        visible_frac=0.0 if unknown else 0.95, age_s=12.0 if unknown else 0.2, quality=quality,
        level=Level.UNKNOWN if unknown else Level.NORMAL,
        occupancy_frac=count / zone.capacity if zone.capacity else nan, reasons=reasons,
    )  # fmt: skip


@dataclass
class Page:
    """A page as a test sees it."""

    test: AppTest

    @property
    def html(self) -> str:
        """All HTML of the page."""
        return "\n".join(element.proto.body for element in self.test.get("html"))

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The map and the chart as plotly describes them."""
        import json

        return [json.loads(element.proto.spec) for element in self.test.get("plotly_chart")]

    def button(self, part: str) -> Any:
        """The button whose label holds a text."""
        return next(button for button in self.test.button if part in button.label)


@pytest.fixture(autouse=True)
def main_as_it_was() -> Iterator[None]:
    """A page under test leaves itself as ``__main__``, which every process that is spawned later would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """Streamlit's own search through all installed packages for components: a server does it as it starts, AppTest for
    every page, which takes longer than most pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables, to copy: migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    SqlStore(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Any:
    """An empty store that the page will read, at the moment that this returns: an engine's age is what a test says."""
    url = f"sqlite:///{shutil.copy(empty_store, tmp_path / 'store.sqlite')}"
    monkeypatch.setenv("CROWDWATCH_STORE", url)
    now_ns = time.time_ns()
    monkeypatch.setattr(frame, "time", SimpleNamespace(time_ns=lambda: now_ns))
    seeded = Seed(url, tmp_path / "runs", now_ns)
    yield seeded
    seeded.store.close()


@pytest.fixture
def open_page() -> Callable[..., Page]:
    """Open the page as a new visitor."""

    def open_it(**query: str) -> Page:
        test = AppTest.from_file(APP, default_timeout=120)
        for key, value in query.items():
            test.query_params[key] = value
        test.run()
        assert not test.exception, test.exception
        return Page(test)

    return open_it


@pytest.fixture
def open_one() -> Callable[..., Page]:
    """Open one page by its module and function, as a new visitor."""

    def open_it(module: str, name: str, **query: str) -> Page:
        def show(module: str, name: str) -> None:
            import importlib

            getattr(importlib.import_module(module), name)()

        test = AppTest.from_function(show, args=(module, name), default_timeout=120)
        for key, value in query.items():
            test.query_params[key] = value
        test.run()
        assert not test.exception, test.exception
        return Page(test)

    return open_it
