"""The parts of the page that need no page: words, reasons, curves, sums, processes."""

from __future__ import annotations

import math
import re
import string
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crowdwatch import config
from crowdwatch.analytics.rules import REGISTRY, RULE_UNITS
from crowdwatch.core.commands import ROLES
from crowdwatch.core.movement import PrecursorKind
from crowdwatch.core.outcomes import TRANSITIONS, AlarmState, Health, Level, Quality, ZoneReading
from crowdwatch.core.reasons import NESTING, OF_CAMERA, VALUES, Code, Reason
from crowdwatch.core.runs import CommandKind, Mode, Run, RunState
from crowdwatch.core.site import UNITS, Quantity
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.store.pictures import newest_picture
from crowdwatch.ui import serve
from crowdwatch.ui.chart import POINTS, chart_rows, thin
from crowdwatch.ui.launch import replay_command, start_replay
from crowdwatch.ui.total import people_seen
from crowdwatch.ui.view import Pulse, limits_at, pulse_of
from crowdwatch.ui.writing import short
from crowdwatch.words import LANGUAGES, MODULES, reason_text, t

from .conftest import NS, START_NS, Seed, event, surge

ROOT = Path(__file__).parents[2]
TEXTS: dict[str, str] = MODULES["en"].PAGE


def reading(t_ns: int, density: float, level: Level = Level.NORMAL, zone_id: str = "z") -> ZoneReading:
    quality = Quality.STALE if math.isnan(density) else Quality.GOOD
    return ZoneReading(
        zone_id, t_ns, 10.0, density * 10, density * 10, density * 11, density, density, density, density,
        1.0, 1.0, 0.1, quality,
        Level.UNKNOWN if math.isnan(density) else level, math.nan,
    )  # fmt: skip


def fields(text: str) -> set[str]:
    """The names of a text's places for values."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_says_the_same_things() -> None:
    assert set(MODULES) == set(LANGUAGES)
    for module in MODULES.values():
        assert module.PAGE.keys() == TEXTS.keys()
        assert [key for key, text in module.PAGE.items() if not text.strip()] == []
        assert [key for key, text in module.PAGE.items() if fields(text) != fields(TEXTS[key])] == []


def test_every_code_has_a_text_in_every_language_that_says_all_its_values() -> None:
    for language, module in MODULES.items():
        assert module.REASONS.keys() == set(Code), language
        for code, text in module.REASONS.items():
            carried = set(VALUES[code]) | ({"camera_id"} if code in OF_CAMERA else set())
            carried |= {"because"} if code in NESTING else set()
            assert fields(text) == carried, (language, code)


def test_words_among_the_values_are_translated() -> None:
    partly = (Health.DARK, Health.OVEREXPOSED, Health.COVERED, Health.BLURRED, Health.DAMAGED)
    levels = [level.name for level in Level if level is not Level.UNKNOWN]
    words = {"health": Health, "loss": partly, "quantity": Quantity, "unit": [*UNITS.values(), *RULE_UNITS]}
    words |= {"role": ROLES, "level": levels, "seen": levels, "state": AlarmState}
    words |= {"alarm": [*REGISTRY, "report"], "sign": PrecursorKind}
    for language, module in MODULES.items():
        for kind, members in words.items():
            assert module.TERMS[kind].keys() == {str(each) for each in members}, (language, kind)
        assert module.TERMS.keys() == words.keys()


def test_nobody_takes_sentences_apart() -> None:
    """The page looks at codes: it has no pattern."""
    texts = {path.name: path.read_text() for path in (ROOT / "crowdwatch" / "ui").rglob("*.py")}
    found = [(name, call) for name, text in texts.items() for call in re.findall(r"\bre\.\w+\([^,]*", text)]
    assert found == []


def test_every_state_has_words() -> None:
    wanted = [f"level.{level.name.lower()}" for level in Level] + [f"pulse.{pulse.value}" for pulse in Pulse]
    wanted += [f"state.{state.value}" for state in AlarmState] + [f"health.{health.value}" for health in Health]
    wanted += [f"quality.{quality.value}" for quality in Quality] + [f"mode.{mode.value}" for mode in Mode]
    wanted += [f"alarm.{alarm}" for alarm in (*REGISTRY, "report", "phase", "note")]
    wanted += [f"command.{kind.value}" for kind in CommandKind if kind is not CommandKind.ACKNOWLEDGE]
    wanted += [f"transition.{name}" for name in TRANSITIONS]
    assert [key for key in wanted if key not in TEXTS] == []


_SETUP = ("step", "board", "mark", "place", "line", "shape", "zone", "source", "change", "col", "sheet", "plan", "way",
          "footage", "name", "name_zh", "id", "start")  # fmt: skip
"""Families of texts of the set-up page whose last word is a value."""


def test_every_text_is_used() -> None:
    rooms = ("ui", "notify", "drivers")  # pages, messages, and what is spoken
    code = "".join(path.read_text() for room in rooms for path in (ROOT / "crowdwatch" / room).rglob("*.py"))
    scripts = "".join(path.read_text() for path in (ROOT / "crowdwatch" / "ui" / "wall" / "browser").glob("*.js"))
    code += "".join(f'"wall.{name}"' for name in re.findall(r"texts\.(\w+)", scripts))  # by the wall in the browser
    code += "".join(f'"wall.{name}"' for name in re.findall(r'_number\("(\w+)"', code))  # its numbers by their key
    code = code.replace("'", '"')
    dynamic = ("level.", "pulse.", "state.", "health.", "quality.", "mode.", "alarm.", "command.", "transition.",
               "col.", "label.", "chart.window.", "dead.", "paused.", "stopped.", "suppressed.", "unit.", "change.",
               "backtest.", "page.", "zone.balance.", *(f"setup.{kind}." for kind in _SETUP),
               "role.", "fault.", "accounts.", "wall.mode.", "wall.role.", "wall.why.", "wall.layer_",
               "wall.message_")  # fmt: skip
    steering = {kind.value for kind in CommandKind}
    unused = [k for k in TEXTS if f'"{k}"' not in code and not k.startswith(dynamic) and k not in steering]
    assert unused == []


def test_every_role_and_every_fault_of_a_sign_in_has_words_that_are_used() -> None:
    assert [key for key in TEXTS if key.startswith("role.")] == [f"role.{role}" for role in ROLES]
    rooms = ("accounts", "core", "store", "ui")
    code = "".join(path.read_text() for room in rooms for path in (ROOT / "crowdwatch" / room).glob("*.py"))
    raised = {word for call in code.split("coded(")[1:] for word in re.findall(r'"(\w+)"[,)\s]', call[:400])}
    faults = {key.removeprefix("fault.") for key in TEXTS if key.startswith("fault.")}
    assert faults - raised == set()


def test_every_level_has_its_own_sign() -> None:
    assert len({style.sign for style in LEVEL_STYLES.values()}) == len(Level)


def test_reasons_of_the_real_rules_are_translated(seed: Seed) -> None:
    """No English word is left of what the engine's alarm rules wrote, save ids and names."""
    seed.run(density=surge, quality={"stairs": Quality.BLIND}, acks={85: ("front", "crowding")})
    alerts_of, alarms_of = seed.store.alerts("r1"), seed.store.alarms("r1", 2**62)
    reasons = {each for standing in (*alerts_of, *alarms_of) for each in standing.reasons}
    assert len({each.code for each in reasons}) >= 3
    for each in reasons:
        chinese = reason_text("zh", [each]).replace("mast", "").replace("anna", "").replace("m²", "")
        assert not any(c.isascii() and c.isalpha() for c in chinese), (each, chinese)


LIMIT = {"quantity": "density", "unit": "p/m2"}
REACHED = Reason.of(Code.LIMIT_REACHED, **LIMIT, value=2.1, limit=2, delay_s=5)
SAID = [
    ((), "", ""),
    ((Reason.of(Code.NO_CAMERA),), "no camera sees this zone", "没有摄像机能看到此区域"),
    (
        (Reason.of(Code.SCALED, "mast", factor=1.274, audits=3),),
        "camera mast: counts multiplied by 1.27, from 3 hand counts",
        "摄像机 mast：计数已按 3 次人工清点乘以 1.27",
    ),
    (
        (Reason.of(Code.NO_ESTIMATE_IN_CROWD, "north"),),
        "camera north: the density estimator has given no recent estimate where people stand close",
        "摄像机 north：人群密集处近期没有密度估计结果",
    ),
    (
        (Reason.of(Code.UNHEALTHY, "a", health="noisy"), Reason.of(Code.PARTLY_SEEN, visible_frac=0.404)),
        "camera a: the picture shows only noise; 40% of the zone is seen",
        "摄像机 a：画面只有噪声；仅可见该区域的 40%",
    ),
    ((REACHED,), "density 2.10 p/m2, limit 2 p/m2 for 5 s", "密度 2.10 人/m²，限值 2 人/m²，持续 5 秒"),
    (
        (Reason.of(Code.LIMIT_LIKELY, **LIMIT, value=4.2, limit=4, delay_s=10, chance=0.1),),
        "density at least 4.20 p/m2 with probability 0.1, limit 4 p/m2 for 10 s",
        "密度有 0.1 的概率不低于 4.20 人/m²，限值 4 人/m²，持续 10 秒",
    ),
    (
        (Reason.of(Code.LIMIT_UNKNOWN, **LIMIT, limit=2, delay_s=5),),
        "density unknown, limit 2 p/m2 for 5 s",
        "密度未知，限值 2 人/m²，持续 5 秒",
    ),
    (
        (Reason.of(Code.LIMIT_REACHED, quantity="count", unit="persons", value=812, limit=800, delay_s=5),),
        "count 812.00 persons, limit 800 persons for 5 s",
        "人数 812.00 人，限值 800 人，持续 5 秒",
    ),
    (
        (Reason.of(Code.NOT_COUNTED, because=[Reason.of(Code.UNHEALTHY, c, health="frozen") for c in "ab"]),),
        "people here are not counted: camera a: the picture is frozen; camera b: the picture is frozen",
        "此处人数未统计：摄像机 a：画面冻结；摄像机 b：画面冻结",
    ),
    ((Reason.of(Code.TEXT, text="camera {x} is dark"),), "camera {x} is dark", "camera {x} is dark"),
    ((Reason.of(Code.ACKNOWLEDGED, actor="{0} <b>"),), "acknowledged by {0} <b>", "由 {0} <b> 确认"),
]


@pytest.mark.parametrize(("reasons", "english", "chinese"), SAID, ids=lambda it: it if isinstance(it, str) else "")
def test_reasons(reasons: tuple[Reason, ...], english: str, chinese: str) -> None:
    assert reason_text("en", reasons) == english
    assert reason_text("zh", reasons) == chinese


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


def test_the_table_of_the_chart_has_levels_of_service() -> None:
    place = site()
    curve = thin([reading(START_NS + s * NS, rho) for s, rho in enumerate((1.0, math.nan, 2.3))], tick_s=1.0)
    letters = {zone.zone_id: [row["Level of service (Fruin)"] for row in chart_rows(curve, zone, "en")] for zone in
               place.zones}  # fmt: skip
    assert letters == {
        "front": ["D", "UNKNOWN", "B"], "north-gate": ["F", "UNKNOWN", "D"], "stairs": ["E", "UNKNOWN", "C"],
    }  # fmt: skip


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
    assert started.process.wait(timeout=300) == 3
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
    room = ROOT / "crowdwatch" / "ui"
    others = [path for path in (ROOT / "crowdwatch").rglob("*.py") if room not in path.parents]
    importers = [path for path in others if "import streamlit" in path.read_text()]
    assert importers == []
