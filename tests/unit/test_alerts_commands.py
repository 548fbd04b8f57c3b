"""``crowdwatch alerts``: commands are judged and queued as the page queues them, and carried out once by the engine."""

import json

import pytest
from scenes import T0, S, every_second, ladder, square, started
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.commands.alerts_commands import app
from crowdwatch.core.commands import judge
from crowdwatch.core.reasons import Code
from crowdwatch.core.runs import Command, CommandKind, Mode, Run, RunState
from crowdwatch.errors import CommandRefused
from crowdwatch.store.sql import SqlStore

from .test_commands import folded
from .test_config import plain, write


@pytest.fixture
def store(tmp_path):
    event = config.load(write(tmp_path, plain() | {"phases": [{"id": "doors", "kind": "doors", "start_offset_s": 0}]}))
    opened = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    opened.begin(Run("r", event.id, Mode.REPLAY, event.model_dump_json(), "", T0, T0 + 40 * S, 0))
    yield opened
    opened.close()


def typed(tmp_path, *words):
    done = CliRunner().invoke(app, [*words, "--store", f"sqlite:///{tmp_path}/store.sqlite"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


ZONE = plain()["zones"][0]["id"]
TYPED = [
    (("ack", ZONE, "--seen", "alert", "--actor", "ana"), CommandKind.ACKNOWLEDGE, {"alarm": "crowding", "value": 3.0}),
    (("shelve", ZONE, "--minutes", "5", "--reason", "drill"), CommandKind.SHELVE, {"text": "drill", "duration_s": 300}),
    (("unshelve", ZONE, "blindness"), CommandKind.UNSHELVE, {"alarm": "blindness"}),
    (("out-of-service", ZONE, "blindness", "--reason", "lens"), CommandKind.OUT_OF_SERVICE, {"value": 3.0}),
    (("out-of-service", ZONE, "blindness", "--back"), CommandKind.IN_SERVICE, {"role": "commander"}),
    (("report", "stairs", "a child cries", "--kind", "lost child"), CommandKind.REPORT, {"zone_id": "stairs"}),
    (("close", "stairs", "report:4", "--reason", "found"), CommandKind.CLOSE, {"alarm": "report:4"}),
    (("level", ZONE, "caution", "--reason", "x"), CommandKind.SET_LEVEL, {"value": 2.0}),
    (("note", "gate 2 called"), CommandKind.NOTE, {"text": "gate 2 called"}),
    (("phase", "doors", "--reason", "early"), CommandKind.PHASE, {"subject": "doors"}),
]


@pytest.mark.parametrize(("words", "kind", "holds"), TYPED, ids=[kind.value for _, kind, _ in TYPED])
def test_what_is_typed_is_queued(store, tmp_path, words, kind, holds):
    assert typed(tmp_path, *words).exit_code == 0
    (command,) = store.pending("r")
    assert command.kind is kind
    assert {name: getattr(command, name) for name in holds} == holds


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("ack", "nowhere"), "the event has no zone nowhere"),
        (("ack", ZONE, "--seen", "high"), "need one of normal, watch"),
        (("shelve", ZONE, "--minutes", "90", "--reason", "x"), "need 1 to 900 s"),
        (("shelve", ZONE, "--minutes", "5", "--reason", " "), "says why"),
        (("level", ZONE, "alert", "--role", "operator"), "role of a commander"),
        (("report", ZONE, "x" * 3000), "at most 2000"),
        (("phase", "fireworks"), "the event has doors"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_at_once(store, tmp_path, words, text):
    with pytest.raises(CommandRefused, match=text):
        typed(tmp_path, *words)
    assert store.pending("r") == []


def test_a_run_that_is_over_takes_nothing(store, tmp_path):
    store.beat("r", state=RunState.FINISHED, t_ns=T0, wall_ns=0, speed=1.0)
    with pytest.raises(CommandRefused, match="it is over"):
        typed(tmp_path, "ack", ZONE)


def test_the_run_sheet_and_the_load_are_printed(store, tmp_path):
    assert "doors" in typed(tmp_path, "phase").output
    found = json.loads(typed(tmp_path, "load", "--json").output)
    assert (found["alarms"], found["beyond"]) == (0, [])
    assert "alarms in the worst 10 minutes" in typed(tmp_path, "load").output


HOSTILE = [
    "<script>alert(1)</script>",
    "'); DROP TABLE alarms;--",
    "[bold]**md** `x` $y$",
    "../../etc/passwd\x00\x1b[31m",
    "{actor} {0} %s",
    "\u202egnp.exe",
    "x" * 1_000_000,
]


def test_hostile_text_is_text_or_refused_and_the_run_goes_on(store):
    zone = square(limits=ladder(9.0))
    for text in HOSTILE:
        store.submit(Command("r", CommandKind.REPORT, "ana", 0, "z", value=3.0, text=text, subject=text[:50]))
        store.submit(Command("r", CommandKind.REPORT, "ana", 0, text[:150], value=3.0, text="x"))
    store.submit(Command("r", CommandKind.REPORT, "ana", 0, "", value=3.0, text="x"))
    folded(store, events=every_second(lambda _: None, 4), state=started(zone))
    assert store.pending("r") == []
    refused = {command.refused[0].code for command in store.refused("r")}
    assert refused == {Code.REFUSED_LENGTH, Code.REFUSED_ZONE}
    told = [alarm for alarm in store.alarms("r", T0 + 3 * S) if alarm.alarm.startswith("report:")]
    assert len(told) == 2 * len(HOSTILE) - 1
    assert {alarm.text for alarm in told} >= {"<script>alert(1)</script>", "'); DROP TABLE alarms;--"}
    assert all(text.isprintable() for alarm in told for text in (alarm.text, alarm.zone_id, alarm.kind))


def test_what_the_fold_refuses_stands_beside_its_command(store):
    store.submit(Command("r", CommandKind.SHELVE, "ana", 0, "z", "crowding", 3.0, text="x", duration_s=60))
    folded(store, events=every_second(lambda _: None, 3), state=started(square(limits=ladder(9.0))))
    (command,) = store.refused("r")
    assert command.refused[0].code is Code.REFUSED_OVER


def test_every_command_needs_a_name_and_a_role():
    for kind in CommandKind:
        if kind in (CommandKind.UNKNOWN, CommandKind.PAUSE, CommandKind.RESUME, CommandKind.STOP, CommandKind.SPEED):
            continue
        nobody = Command("r", kind, " ", 0, "z", "crowding", 2.0, text="why", duration_s=60.0, role="commander")
        assert judge(nobody, {"z"}).code is Code.REFUSED_NAME
        viewer = Command("r", kind, "ana", 0, "z", "crowding", 2.0, text="why", duration_s=60.0, role="viewer")
        assert judge(viewer, {"z"}).code is Code.REFUSED_ROLE
