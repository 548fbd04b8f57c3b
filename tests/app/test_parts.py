"""The parts of the page that need no page: words, reasons, curves, sums, processes."""

from __future__ import annotations

import math
import string
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crowdwatch import config
from crowdwatch.analytics import alerts
from crowdwatch.core.outcomes import AlarmState, Health, Level, Quality, ZoneReading
from crowdwatch.core.runs import CommandKind, Mode, Run, RunState
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui import serve
from crowdwatch.ui.camera import newest_picture
from crowdwatch.ui.chart import POINTS, thin
from crowdwatch.ui.launch import replay_command, start_replay
from crowdwatch.ui.reasons import reason_text
from crowdwatch.ui.view import Pulse, limits_at, people_seen, pulse_of
from crowdwatch.ui.words import TEXTS, short, t

from .conftest import NS, START_NS, Seed, event, surge

ROOT = Path(__file__).parents[2]


def reading(t_ns: int, density: float, level: Level = Level.NORMAL, zone_id: str = "z") -> ZoneReading:
    quality = Quality.STALE if math.isnan(density) else Quality.GOOD
    return ZoneReading(
        zone_id, t_ns, 10.0, density * 10, density * 10, density * 11, density, density, density, density,
        1.0, 1.0, 0.1, quality,
        Level.UNKNOWN if math.isnan(density) else level, math.nan,
    )  # fmt: skip


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_both_languages_say_the_same_things(key: str) -> None:
    english, chinese = TEXTS[key]
    assert english.strip()
    assert chinese.strip()
    fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
    assert fields[0] == fields[1]


def test_every_state_has_words() -> None:
    wanted = [f"level.{level.name.lower()}" for level in Level] + [f"pulse.{pulse.value}" for pulse in Pulse]
    wanted += [f"state.{state.value}" for state in AlarmState] + [f"health.{health.value}" for health in Health]
    wanted += [f"quality.{quality.value}" for quality in Quality] + [f"mode.{mode.value}" for mode in Mode]
    wanted += [f"alarm.{alarm}" for alarm in (alerts.CROWDING, alerts.BLINDNESS)]
    wanted += [f"command.{kind.value}" for kind in CommandKind if kind is not CommandKind.ACKNOWLEDGE]
    wanted += [f"transition.{name}" for name in ("raised", "level_up", "level_down", "cleared", "acknowledged")]
    assert [key for key in wanted if key not in TEXTS] == []


def test_every_text_is_used() -> None:
    code = "".join(path.read_text() for path in (ROOT / "crowdwatch" / "ui").glob("*.py") if path.name != "words.py")
    code = code.replace("'", '"')
    dynamic = ("level.", "pulse.", "state.", "health.", "quality.", "mode.", "alarm.", "command.", "transition.",
               "col.", "label.", "chart.window.", "dead.", "paused.", "stopped.", "reading.")  # fmt: skip
    steering = {kind.value for kind in CommandKind}
    unused = [k for k in TEXTS if f'"{k}"' not in code and not k.startswith(dynamic) and k not in steering]
    assert unused == []


def test_every_level_has_its_own_sign() -> None:
    assert len({style.sign for style in LEVEL_STYLES.values()}) == len(Level)


def test_reasons_of_the_real_rules_are_translated(seed: Seed) -> None:
    """No English word is left of what the engine's alarm rules wrote, save ids and names."""
    seed.run(density=surge, quality={"stairs": Quality.BLIND}, acks={85: ("front", "crowding")})
    texts = {alert.reason for alert in seed.store.alerts("r1")} | {a.reason for a in seed.store.alarms("r1", 2**62)}
    assert len(texts) >= 4
    for text in texts:
        chinese = reason_text("zh", text).replace("mast", "").replace("anna", "").replace("m²", "")
        assert not any(c.isascii() and c.isalpha() for c in chinese), (text, chinese)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("no camera sees this zone", "没有摄像机能看到此区域"),
        ("camera mast: counts times 1.27 after 3 hand counts", "摄像机 mast：人数已按 3 次人工计数乘以 1.27"),
        ("camera mast: hand counts are too far from the program's", "摄像机 mast：人工计数与程序结果相差过大"),
        (
            "density 4.20 p/m2 with probability 0.1, limit 4 p/m2 for 10 s",
            "密度 4.20 人/m²（概率 0.1），限值 4 人/m²，持续 10 秒",
        ),
        ("camera a is noisy; 40 % of the zone is seen", "摄像机 a 画面只有噪声；可见该区域的 40 %"),
        ("camera a is frozen, camera b is dark", "摄像机 a 画面冻结；摄像机 b 过暗"),
        ("density 2.10 p/m2, limit 2 p/m2 for 5 s", "密度 2.10 人/m²，限值 2 人/m²，持续 5 秒"),
        ("density unknown, limit 2 p/m2 for 5 s", "密度 未知，限值 2 人/m²，持续 5 秒"),
        ("something new that nobody translated", "something new that nobody translated"),
    ],
)
def test_reasons(english: str, chinese: str) -> None:
    assert reason_text("zh", english) == chinese
    assert reason_text("en", english) == english


def test_thinning_keeps_the_peak_and_the_gap() -> None:
    """Four hours of one reading a second: one peak of a second and one gap of a second must survive."""
    readings = [reading(START_NS + s * NS, 1.0) for s in range(4 * 3600)]
    readings[5000] = reading(START_NS + 5000 * NS, 6.5)
    readings[9000] = reading(START_NS + 9000 * NS, math.nan)
    curve = thin(readings, tick_s=1.0)
    assert len(curve.t_ns) <= POINTS
    assert max(v for v in curve.density_p_m2 if math.isfinite(v)) == 6.5
    assert curve.t_ns[curve.density_p_m2.index(6.5)] == START_NS + 5000 * NS
    assert sum(math.isnan(v) for v in curve.density_p_m2) == 1
    assert curve.t_ns == sorted(curve.t_ns)


def test_all_unknown_with_all_gaps_is_still_few_points() -> None:
    readings = [reading(START_NS + s * NS, math.nan if s % 2 else 1.0) for s in range(10_000)]
    assert len(thin(readings, tick_s=1.0).t_ns) <= POINTS


def test_a_silence_breaks_the_line() -> None:
    readings = [reading(START_NS + s * NS, 1.0) for s in (0, 1, 2, 20, 21)]
    curve = thin(readings, tick_s=1.0)
    assert [math.isnan(v) for v in curve.density_p_m2] == [False, False, False, True, False, False]


def test_no_readings_no_curve() -> None:
    assert thin([], tick_s=1.0).t_ns == []


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED])
def test_the_pulse_dies_after_five_seconds(state: RunState) -> None:
    run = Run("r", "e", Mode.REPLAY, "{}", "", 0, 1, 0, state=state, beat_wall_ns=100 * NS)
    assert pulse_of(run, 105 * NS)[0] is Pulse(state.value)
    assert pulse_of(run, 105 * NS + 1)[0] is Pulse.DEAD
    assert pulse_of(run, 94 * NS)[0] is Pulse.DEAD


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED, RunState.FAILED])
def test_a_run_that_is_over_needs_no_pulse(state: RunState) -> None:
    run = Run("r", "e", Mode.REPLAY, "{}", "", 0, 1, 0, state=state, beat_wall_ns=0)
    assert pulse_of(run, 10**6 * NS)[0] is Pulse(state.value)


def site(**changes: Any) -> Any:
    return config.to_site(config.EventFile.model_validate(event(**changes)))


def test_an_unknown_zone_leaves_the_total_open_above() -> None:
    readings = [reading(0, value, zone_id=zone.zone_id) for zone, value in
                zip(site().zones, (1.0, 2.0, math.nan), strict=True)]  # fmt: skip
    people = people_seen(site(), readings)
    assert (people.count, people.low, people.zones_unknown) == (30.0, 30.0, 1)
    assert math.isnan(people.high)


def test_zones_that_overlap_say_so() -> None:
    zones = [
        {"id": "a", "kind": "moving", "polygon_m": [[0, 0], [10, 0], [10, 10], [0, 10]]},
        {"id": "b", "kind": "moving", "polygon_m": [[5, 0], [15, 0], [15, 10], [5, 10]]},
    ]
    place = site(zones=zones)
    assert people_seen(place, [reading(0, 1.0, zone_id=z.zone_id) for z in place.zones]).overlap
    assert not people_seen(site(), [reading(0, 1.0, zone_id=z.zone_id) for z in site().zones]).overlap


def test_limits_on_the_chart_are_those_in_force() -> None:
    from crowdwatch.core.site import Quantity

    raised = [limit.raise_at for limit in limits_at(site(), "front", START_NS, Quantity.DENSITY)]
    assert raised == [2.5, 3.5, 4.7, 6.0]  # standing, domain bands


@pytest.mark.parametrize("camera_id", ["", ".", "..", "../other", "/etc", "a/b"])
def test_a_camera_id_leads_nowhere_else(tmp_path: Path, camera_id: str) -> None:
    Seed.picture(tmp_path / "other", 5)
    Seed.picture(tmp_path / "r", 5)
    assert newest_picture(str(tmp_path / "r"), "mast", 5) is not None
    assert newest_picture(str(tmp_path / "r"), camera_id, 5) is None


def test_the_newest_picture_is_not_of_the_future(tmp_path: Path) -> None:
    for t_ns in (10, 20, 30):
        Seed.picture(tmp_path, t_ns)
    (tmp_path / "pictures" / "mast" / "25.part").write_bytes(b"")
    (tmp_path / "pictures" / "mast" / "notes.jpg").write_bytes(b"")
    found = newest_picture(str(tmp_path), "mast", 29)
    assert found is not None
    assert found[1] == 20
    assert newest_picture(str(tmp_path), "mast", 9) is None


def test_names_are_cut_by_width() -> None:
    assert short("城" * 30, 10) == "城" * 4 + "…"
    assert t("zh", "unknown") == "未知"


def test_the_store_of_a_replay_goes_by_environment_not_by_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("r1", "e", Mode.REPLAY, "{}", str(tmp_path / "r1"), 0, 1, 0)
    assert "hunter2" not in " ".join(replay_command(run, 2.0))
    said = tmp_path / "said.py"
    said.write_text("import os, sys; print(os.environ['CROWDWATCH_STORE']); sys.exit(3)")
    monkeypatch.setattr("crowdwatch.ui.launch.replay_command", lambda *_: [sys.executable, str(said)])
    started = start_replay(run, 2.0, "postgresql://u:hunter2@h/d", 0)
    assert started.process.wait(timeout=30) == 3
    assert started.fault() == "postgresql://***@h/d"
    started.said.unlink()


def test_served_and_started_by_hand_look_the_same() -> None:
    with open(ROOT / ".streamlit" / "config.toml", "rb") as file:
        written = tomllib.load(file)
    flat = {f"{section}.{key}": value for section, keys in written.items() for key, value in keys.items()}
    said = {key: str(value).lower() if isinstance(value, bool) else value for key, value in flat.items()}
    assert said.pop("server.address") == "127.0.0.1"
    assert said == serve.OPTIONS


def test_the_page_is_the_only_importer_of_streamlit() -> None:
    others = [path for path in (ROOT / "crowdwatch").rglob("*.py") if path.parent.name != "ui"]
    importers = [path for path in others if "import streamlit" in path.read_text()]
    assert importers == []
