"""The playbook: complete or refused, its slots filled, and a measure that seals people in is warned of."""

import numpy as np
import pytest
from corridor import corridor, gate

from crowdwatch import config
from crowdwatch.analytics.advice import Adviser, standing_doubts
from crowdwatch.analytics.ways import OFF_SITE, doubts_of, ways_of
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level
from crowdwatch.core.playbook import Measure, Playbook, filled, slots_of
from crowdwatch.core.reasons import Code
from crowdwatch.errors import ConfigError
from crowdwatch.words import LANGUAGES, reason_text


def measure(**more):
    texts = {"do": {"en": "Hold {hold}.", "zh": "拦截{hold}。"}, "number": 0, "alarms": frozenset({"crowding"})}
    known = {"zone_ids": frozenset(), "kinds": frozenset(), "levels": frozenset({Level.ALERT, Level.CRITICAL})}
    return Measure(**{**texts, **known, **more})


def codes(site, zone_id="middle", levels=None, **more):
    return [doubt.code for doubt in doubts_of(ways_of(site), zone_id, measure(**more), levels or {})]


def test_gates_join_the_ground_on_their_sides():
    ways = ways_of(corridor())
    west, middle, east = (next(iter(ways.zones[name])) for name in ("west", "middle", "east"))
    assert ways.gates == {
        "in": (OFF_SITE, west), "a": (west, middle), "b": (middle, east), "out": (east, OFF_SITE)
    }  # fmt: skip
    assert ways.gates_of("middle") == {"a", "b"}


def test_a_gate_with_a_way_around_it_joins_one_ground_with_itself():
    ways = ways_of(corridor([gate("half", 30.0, 0.0, 5.0)]))
    assert ways.gates["half"][0] == ways.gates["half"][1]
    assert ways.gates_of("middle") == frozenset()


def test_walls_and_lines_that_end_just_before_them():
    walls = tuple(np.array([[20, a], [21, a], [21, b], [20, b]], float) for a, b in ((0, 4), (6, 10)))
    site = corridor([gate("door", 20.5, 4.1, 5.9)], obstacles=walls)
    ways = ways_of(site)
    assert ways.zones["west"].isdisjoint(ways.zones["middle"])
    assert set(ways.gates["door"]) == set(ways.zones["west"] | ways.zones["middle"])


SEALING = [
    ({"close": ("a", "b")}, True),
    ({"hold": ("a",), "close": ("b",)}, False),  # they may leave by a, where nobody enters
    ({"close": ("a",)}, False),
    ({"hold": ("a", "b")}, False),
    ({"close": ("in", "out")}, True),  # the whole site, two zones further
    ({"hold": ("in",)}, False),
    ({"hold": ("out",)}, False),
    ({"close": ("out", "a")}, True),  # out of the middle to the east, and no further
]


@pytest.mark.parametrize(("more", "seals"), SEALING)
def test_a_measure_that_seals_the_crush_point_is_warned_of(more, seals):
    assert (Code.MEASURE_SEALS in codes(corridor(), **more)) == seals


def test_people_are_sent_only_where_it_is_green_and_where_they_can_walk():
    site = corridor()
    assert codes(site, send_to="east") == []
    for level in (Level.WATCH, Level.CRITICAL, Level.UNKNOWN):
        assert codes(site, send_to="east", levels={"east": level}) == [Code.MEASURE_SENDS]
    assert codes(site, send_to="east", close=("b",)) == [Code.MEASURE_NO_WAY]
    assert codes(site, send_to="east", hold=("b",)) == [Code.MEASURE_NO_WAY], "b is entered on the way east"


def test_a_site_without_gates_warns_of_nothing_that_it_cannot_know():
    assert codes(corridor([]), close=(), send_to="east") == []


def test_the_most_special_measure_is_taken_and_gaps_are_found():
    book = Playbook(
        (
            measure(number=0),
            measure(number=1, kinds=frozenset({"moving"})),
            measure(number=2, zone_ids=frozenset({"east"}), levels=frozenset({Level.CRITICAL})),
            measure(number=3, kinds=frozenset({"moving"})),
        )
    )
    assert book.find("west", "moving", "crowding", Level.ALERT).number == 1
    assert book.find("west", "stairs", "crowding", Level.ALERT).number == 0
    assert book.find("east", "moving", "crowding", Level.CRITICAL).number == 2
    assert book.find("east", "moving", "report:7", Level.CRITICAL) is None
    zones = [("west", "moving"), ("east", "moving")]
    assert book.gaps(zones, [("crowding", Level.WATCH), ("crowding", Level.ALERT)]) == [
        ("west", "crowding", Level.WATCH), ("east", "crowding", Level.WATCH)
    ]  # fmt: skip


def test_advice_fills_every_slot_in_both_languages():
    text = "{zone} {hold} {close} {open} {send_to} {route} {minutes} {time} {value}"
    one = measure(
        do={"en": text, "zh": text}, hold=("a",), close=("in",), open=("b", "out"), send_to="east", minutes=5.0,
        route={"en": "the quay", "zh": "江边"}, message={"en": "{zone} is full.", "zh": "{zone}已满。"},
    )  # fmt: skip
    adviser = Adviser(corridor(), Playbook((one,)))
    advice = adviser.advise("middle", "crowding", Level.ALERT, {"east": Level.ALERT}, value=4.61, clock="21:04")
    assert advice.do("en") == "Middle A IN B, OUT East the quay 5 21:04 4.6"
    assert advice.do("zh") == "middle区 a口 in口 b口、out口 east区 江边 5 21:04 4.6"
    assert advice.message("zh") == "middle区已满。"
    assert [doubt.code for doubt in advice.doubts] == [Code.MEASURE_SENDS]
    assert adviser.advise("middle", "crowding", Level.WATCH, {}) is None


def test_a_name_with_braces_and_a_slot_that_is_more_than_a_name():
    assert filled("{zone}", {"zone": "{hold}{0.__class__}"}) == "{hold}{0.__class__}"
    for bad in ("{zone.__class__}", "{zone!r}", "{zone:>9}", "{}", "{0}", "{zone"):
        with pytest.raises(ValueError, match=r".+"):
            slots_of(bad)
    assert slots_of("{{no slot}}") == set()


def test_every_doubt_is_said_in_every_language():
    doubts = doubts_of(ways_of(corridor()), "middle", measure(close=("a", "b"), send_to="east"), {"east": Level.ALERT})
    assert len(doubts) == 3
    for language in LANGUAGES:
        assert "east" in reason_text(language, doubts)


GOOD = """
playbook:
  measures:
    - {levels: [alert, critical], do: {en: "Hold the people before {zone}.", zh: "在{zone}上游拦截。"}}
    - {alarms: [blindness], levels: [alert], do: {en: "Send somebody to look.", zh: "派人查看。"}}
"""


def event(tmp_path, playbook):
    path = tmp_path / "event.yaml"
    path.write_text(example("synthetic").read_text(encoding="utf-8") + playbook, encoding="utf-8")
    return path


def test_a_complete_playbook_is_taken_and_comes_through_a_log(tmp_path):
    loaded = config.load(event(tmp_path, GOOD))
    assert config.from_json(loaded.model_dump_json()) == loaded
    assert len(config.playbook_of(loaded.playbook).measures) == 2
    assert config.playbook_of(None).measures == ()


def test_all_gaps_and_faults_of_a_playbook_are_listed_at_once(tmp_path):
    bad = """
playbook:
  measures:
    - {levels: [critical], zones: [nowhere], hold_gates: [no-gate], do: {en: "Go to {send_to}.", zh: "{place}"}}
    - {alarms: [blindness], levels: [alert], do: {en: "Look.", zh: "看。"}, message: {en: "{zone", zh: "a"}}
"""
    with pytest.raises(ConfigError) as caught:
        config.load(event(tmp_path, bad))
    said = str(caught.value)
    for fault in (
        "crowding at alert: nothing is said for stage, west-side",
        "crowding at critical: nothing is said for stage",
        "'nowhere', there is none",
        "'no-gate', there is none",
        "{send_to} has nothing",
        "got {place}",
    ):
        assert fault in said
    assert said.count("Write a brace that is meant twice") == 1


def test_a_missing_language_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"do\.zh: is missing"):
        config.load(event(tmp_path, GOOD.replace(', zh: "派人查看。"', "")))


def test_what_speaks_against_a_measure_by_geometry_is_known_before_the_event():
    book = Playbook((measure(zone_ids=frozenset({"middle"}), close=("a", "b")), measure(number=1, hold=("in",))))
    assert [(number, zone_id, why.code) for number, zone_id, why in standing_doubts(corridor(), book)] == [
        (0, "middle", Code.MEASURE_SEALS)
    ]
