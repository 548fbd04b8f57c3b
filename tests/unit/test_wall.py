"""The parts of the wall that need no browser: places of alarms, figures, history, what a browser may ask for."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from crowdwatch.core.outcomes import Alarm, AlarmState, DensityGrid, Level, Quality, ZoneReading
from crowdwatch.core.runs import CommandKind
from crowdwatch.ui.wall.actions import Answers, Asked, asked_of
from crowdwatch.ui.wall.figures import rise_p_m2_min, time_to
from crowdwatch.ui.wall.history import History
from crowdwatch.ui.wall.scene import grid_rows
from crowdwatch.ui.wall.slots import SLOTS, assign, key_of

NS = 1_000_000_000
BROWSER = Path(__file__).parents[2] / "crowdwatch" / "ui" / "wall" / "browser"


def alarm(
    zone: str, level: Level = Level.ALERT, state: AlarmState = AlarmState.UNACKNOWLEDGED, raised: int = 1
) -> Alarm:
    return Alarm("crowding", zone, state, level, raised, (), first_raised_ns=raised)


def reading(t_s: int, density: float, count: float = 10.0, zone: str = "a") -> ZoneReading:
    nan = math.nan
    return ZoneReading(
        zone, t_s * NS, 10.0, count, count, count, density, density, density, nan, 1.0, 1.0, 0.0, Quality.GOOD,
        Level.NORMAL, nan,
    )  # fmt: skip


def test_an_alarm_keeps_its_place_until_it_is_acknowledged_and_over() -> None:
    places, _ = assign((), [alarm("b", Level.WATCH), alarm("a", Level.CRITICAL)])
    assert [key and key[0] for key in places] == ["a", "b", *[None] * 4]
    # whatever happens to the others, and in whichever order they come, "b" stays where it is
    for others in ([], [alarm("c", Level.CRITICAL)], [alarm("c"), alarm("d"), alarm("e"), alarm("f"), alarm("g")]):
        for state in set(AlarmState) - {AlarmState.NORMAL}:
            later, _ = assign(places, [*others, alarm("b", Level.WATCH, state)][:SLOTS])
            assert later[1] == ("b", "crowding"), (others, state)
    assert assign(places, [alarm("a")])[0][1] is None


def test_more_alarms_than_places() -> None:
    six = [alarm(str(n), Level.WATCH, raised=n) for n in range(6)]
    places, _ = assign((), six)
    # all six wait for somebody: a seventh waits too, however high it is, and is said
    late = alarm("late", Level.CRITICAL)
    assert assign(places, [*six, late]) == (places, (key_of(late),))
    # one that waits for nobody, or is over, yields to an active one; a higher acknowledged one does not
    for state, level, yields in (
        (AlarmState.ACKNOWLEDGED, Level.WATCH, True),
        (AlarmState.SHELVED, Level.CRITICAL, True),
        (AlarmState.CLEARED_UNACKNOWLEDGED, Level.NORMAL, True),
        (AlarmState.ACKNOWLEDGED, Level.CRITICAL, False),
    ):
        now = [*six[:3], alarm("3", level, state), *six[4:], alarm("late", Level.ALERT)]
        after, waiting = assign(places, now)
        assert (after[3] == ("late", "crowding")) is yields, state
        assert waiting == ((("3" if yields else "late"), "crowding"),)
        assert after[:3] + after[4:] == places[:3] + places[4:]
    # it is a function of its arguments alone
    assert assign(places, list(reversed(six))) == assign(places, six)


def test_history_is_means_of_ten_seconds_with_gaps() -> None:
    history = History()
    history.feed([reading(t, 1.0 + t / 100) for t in range(1000, 1300)])
    times, densities = history.density("a")
    assert (len(times), times[0], densities[0]) == (30, 1000.0, pytest.approx(11.045))
    assert rise_p_m2_min((times, densities)) == pytest.approx(0.6)
    assert time_to(15.0, (times, densities)).minutes == pytest.approx((15 - densities[-1]) / 0.6, abs=0.01)
    assert math.isnan(time_to(math.nan, (times, densities)).minutes)
    history.feed([reading(1300, math.nan)])
    assert history.line("a")[-1] is None
    assert len(history.density("a")[0]) == 30
    history.feed([reading(3000, 2.0)])  # everything before is forgotten
    assert [value for value in history.line("a") if value is not None] == [2.0]
    assert history.line("nobody") == [None] * 45
    assert history.count(["a", "nobody"]) == ([], [])


def test_people_out_of_sight_make_no_trend() -> None:
    history = History()
    history.feed([reading(t, 3.0) for t in range(1000, 1200)])
    assert len(history.density("a")[0]) == len(history.count(["a"])[0]) == 20
    history.feed([replace(reading(t, 1.0), quality=Quality.DEGRADED) for t in range(1200, 1210)])
    assert len(history.density("a")[0]) == 20, "a moment later it is still of now"
    history.feed([replace(reading(t, 1.0), quality=Quality.DEGRADED) for t in range(1210, 1230)])
    assert (history.density("a"), history.count(["a"])) == (([], []), ([], []))
    assert math.isnan(rise_p_m2_min(history.density("a")))
    assert math.isnan(time_to(4.0, history.density("a")).minutes)
    assert history.line("a")[-1] == 1.0, "what was read stays to be seen"


def test_the_field_is_runs_of_bands() -> None:
    grid = DensityGrid(0, [1.0, 2.0], 0.5, [[math.nan, math.nan, 0.0], [0.2, 7.0, 7.0]], 1.0)  # type: ignore[arg-type]
    found = grid_rows(grid)
    assert found is not None
    assert found["rows"] == [[-2, 2, -1, 1], [0, 1, 7, 2]]


def test_a_browser_is_believed_nothing() -> None:
    for raw in (
        None,
        7,
        "x",
        {},
        [None],
        [{"kind": "acknowledge"}],
        [{"number": "1", "kind": "stop"}],
        [{"number": 1}],
    ):
        assert asked_of(raw) == []
    (found,) = asked_of(
        [{"number": "n", "kind": "report", "zone": ["x"], "text": "y" * 9999, "value": "3", "minutes": 1e9}]
    )
    assert (found.zone_id, len(found.text), found.duration_s) == ("", 2001, 9000.0)
    assert math.isnan(found.value)


def test_an_action_that_is_sent_again_is_done_once() -> None:
    done: list[str] = []

    def do(asked: Asked) -> str:
        done.append(asked.number)
        return "no" if asked.number == "2" else ""

    answers, first = Answers(), Asked("1", CommandKind.ACKNOWLEDGE)
    answers.take([first], do)
    answers.take([first, Asked("2", CommandKind.SHELVE)], do)
    assert done == ["1", "2"]
    assert answers.newest() == {"1": "", "2": "no"}


def test_what_must_be_read_at_three_metres_is_large_enough() -> None:
    """Height of capitals and digits (0.714 em of Noto Sans) on a screen of 16 to 9: 17.5 mm is 20 minutes of arc."""
    css, script = ((BROWSER / name).read_text() for name in ("wall.css", "5_wall.js"))
    of = {
        name: float(size)
        for name, size in re.findall(r"^(\.[^{\n]+) \{[^}]*font-size: calc\(var\(--u\) \* ([\d.]+)\)", css, re.M)
    }
    map_value = float(re.findall(r"this\.big = unit \* \(tall \? [\d.]+ : ([\d.]+)\)", script)[0])
    sizes = [of[".slot .head"], of[".number .value"], of[".wall.large .number .value"], of[".clock"], map_value]
    for inches, scale, least_mm in ((55, 1.0, 17.5), (24, 1.5, 12.0)):
        high_mm = inches * 25.4 * 9 / math.hypot(16, 9)
        assert min(sizes) / 100 * high_mm * scale * 0.714 >= least_mm, (inches, sizes)


def test_the_component_writes_no_markup_and_asks_nobody_outside() -> None:
    scripts = "".join(path.read_text() for path in BROWSER.iterdir())
    for banned in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http://",
        "https://",
        "fetch(",
    ):
        found = [line for line in scripts.splitlines() if banned in line and "w3.org" not in line]
        assert found == [], banned
