"""The dead man's switch: one notice a death, one a recovery, whatever the store, the clock and the network do."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from crowdwatch.commands.cli import app
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers.watchdog import telling, watching
from crowdwatch.drivers.watchdog.dead_man import ALIVE_S, DEAD_AFTER_S, START_S, STILL_S, DeadMan, Kind, Notice
from crowdwatch.drivers.watchdog.telling import Command, Letter, Telling, Webhook, shown_url
from crowdwatch.errors import ConfigError, NotTold, StoreBusy
from crowdwatch.store.sql import SqlStore

NS = 1_000_000_000
RUN = Run("night-1", "night", Mode.LIVE, "{}", "runs/night-1", 0, NS, 0)


class Scene:
    """An engine, a store and a watchdog on one clock that the test moves."""

    def __init__(self, told: tuple[Kind, ...] = ()) -> None:
        self.now_s = 0.0
        self.man = DeadMan("night", self.now_s, told)
        self.runs: list[Run] = []
        self.readable = True
        self.notices: list[tuple[float, Kind]] = []
        self.texts: list[str] = []

    def go(self, seconds: float, *, beating: bool = True, ticking: bool = True, jump_s: float = 0.0) -> None:
        """Time passes in quarters of a second; the engine's wall clock may have jumped."""
        for step in range(round(seconds * 4)):
            self.now_s += 0.25
            if beating and step % 4 == 0:
                wall_ns = round((self.now_s + jump_s) * NS)
                self.runs = [replace(run, beat_wall_ns=wall_ns) for run in self.runs]
            if ticking and beating and step % 4 == 0:
                self.runs = [replace(run, t_ns=run.t_ns + NS) for run in self.runs]
            if self.readable:
                self.man.saw(self.now_s, self.runs)
            else:
                self.man.missed("store s: gone.")
            notice = self.man.judge(self.now_s)
            if notice is not None:
                self.notices.append((self.now_s, notice.kind))
                self.texts.append(notice.text)

    @property
    def kinds(self) -> list[Kind]:
        return [kind for _, kind in self.notices]


def living() -> Scene:
    scene = Scene()
    scene.runs = [RUN]
    scene.go(10)
    assert scene.kinds == []
    return scene


def test_a_death_is_told_once_within_six_seconds_and_so_is_the_recovery() -> None:
    scene = living()
    beat_s = scene.runs[0].beat_wall_ns / NS
    scene.go(120, beating=False)
    assert scene.kinds == [Kind.DOWN]
    assert DEAD_AFTER_S < scene.notices[0][0] - beat_s <= DEAD_AFTER_S + 1
    assert "no sign of life" in scene.texts[0]
    back_s = scene.now_s
    scene.go(60)
    assert scene.kinds == [Kind.DOWN, Kind.UP]
    assert scene.notices[1][0] - back_s <= ALIVE_S + 2
    scene.go(20, beating=False)
    assert scene.kinds == [Kind.DOWN, Kind.UP, Kind.DOWN], "another death is told again"


def test_single_beats_between_silences_are_one_death() -> None:
    scene = living()
    for _ in range(10):
        scene.go(8, beating=False)
        scene.go(1)
    assert scene.kinds == [Kind.DOWN]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, -7.0])
def test_a_wall_clock_that_jumps_is_no_death(jump_s: float) -> None:
    scene = living()
    scene.go(30, jump_s=jump_s)
    assert scene.kinds == []
    scene.go(7, beating=False)
    assert scene.kinds == [Kind.DOWN]


def test_a_store_that_cannot_be_read_is_told_and_the_engine_that_lived_on_too() -> None:
    scene = living()
    scene.readable = False
    scene.go(60)
    assert scene.kinds == [Kind.UNREADABLE]
    assert "store s: gone." in scene.texts[0]
    scene.readable = True
    scene.go(20)
    assert scene.kinds == [Kind.UNREADABLE, Kind.UP]


def test_an_engine_that_died_behind_an_unreadable_store_is_never_told_alive() -> None:
    scene = living()
    scene.readable = False
    scene.go(3)
    scene.go(30, beating=False)
    scene.readable = True
    scene.go(30, beating=False)
    assert scene.kinds == [Kind.UNREADABLE, Kind.DOWN]


def test_one_death_stays_one_when_the_store_goes_and_comes_meanwhile() -> None:
    scene = living()
    scene.go(10, beating=False)
    for _ in range(3):
        scene.readable = False
        scene.go(10, beating=False)
        scene.readable = True
        scene.go(10, beating=False)
    assert scene.kinds == [Kind.DOWN, Kind.UNREADABLE]
    scene.go(20)
    assert scene.kinds[2:] == [Kind.UP]


def test_an_engine_that_beats_without_readings_is_told() -> None:
    scene = living()
    scene.runs = [replace(scene.runs[0], message="the store is full.")]
    scene.go(STILL_S + 3, ticking=False)
    assert scene.kinds == [Kind.DOWN]
    assert "no reading" in scene.texts[0]
    assert "the store is full." in scene.texts[0]


def test_an_error_is_told_at_once_and_a_stop_as_a_stop() -> None:
    scene = living()
    scene.runs = [replace(scene.runs[0], state=RunState.FAILED, message="model: damaged.")]
    scene.go(1, beating=False)
    assert scene.kinds == [Kind.DOWN]
    assert "model: damaged." in scene.texts[0]
    scene = living()
    scene.runs = [replace(scene.runs[0], state=RunState.STOPPED)]
    scene.go(60, beating=False)
    assert scene.kinds == [Kind.ENDED]


def test_no_engine_at_the_start_is_told_after_its_time_to_start() -> None:
    for runs in ([], [replace(RUN, state=RunState.RUNNING)]):
        scene = Scene()
        scene.runs = list(runs)
        scene.go(START_S - 1, beating=False)
        assert scene.kinds == []
        scene.go(60, beating=False)
        assert scene.kinds == [Kind.DOWN]


def test_a_watchdog_that_is_started_again_tells_no_death_twice_but_the_recovery() -> None:
    scene = Scene(told=(Kind.DOWN,))
    scene.runs = [RUN]
    scene.go(60, beating=False)
    assert scene.kinds == []
    scene.go(20)
    assert scene.kinds == [Kind.UP]


def test_another_engine_that_takes_over_keeps_the_event_alive() -> None:
    scene = living()
    old = scene.runs[0]
    scene.go(3, beating=False)
    scene.runs = [replace(RUN, run_id="night-2", started_wall_ns=5)]
    for _ in range(20):
        scene.go(1)
        scene.runs = [scene.runs[0], old] if len(scene.runs) == 1 else scene.runs
        scene.runs = [scene.runs[0], old]
    assert scene.kinds == []


# how it is told


class Received(BaseHTTPRequestHandler):
    """Answers as ``answers`` says, 204 when it is empty."""

    bodies: ClassVar[list[dict[str, str]]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Received.bodies.append(json.loads(body) | {"key": self.headers["Idempotency-Key"], "path": self.path})
        code = Received.answers.pop(0) if Received.answers else 204
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Received.bodies, Received.answers = [], []
    with HTTPServer(("127.0.0.1", 0), Received) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://guard:hunter2@127.0.0.1:{http.server_port}/hooks/SECRET?token=SECRET2"
        http.shutdown()
        thread.join()


def letter(kind: Kind = Kind.DOWN) -> Letter:
    return Letter(Notice(kind, "night", "night-1", "The engine gives no sign of life."), "a1", 61 * NS, 60 * NS)


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_webhook_gets_the_notice_and_is_tried_again_until_it_takes_it(server: str) -> None:
    Received.answers = [500, 302, 204]
    with Telling([Webhook(server)], wait_s=(0.01, 0.02)) as tells:
        tells.tell(letter())
        until(lambda: len(Received.bodies) == 3)
    first = Received.bodies[0]
    assert (first["kind"], first["event_id"], first["run_id"], first["id"]) == ("down", "night", "night-1", "a1")
    assert first["t_utc"] == "1970-01-01T00:01:01.000+00:00"
    assert first["since_utc"] == "1970-01-01T00:01:00.000+00:00"
    assert first["text"] == "CrowdWatch night: DOWN. The engine gives no sign of life."
    assert {body["key"] for body in Received.bodies} == {"a1"}, "a repetition can be told"
    assert {body["path"] for body in Received.bodies} == {"/hooks/SECRET?token=SECRET2"}


def test_a_newer_notice_takes_the_place_of_one_that_cannot_be_delivered() -> None:
    told: list[Kind] = []

    class Down:
        name = "down"

        def tell(self, letter: Letter) -> None:
            told.append(letter.notice.kind)
            if letter.notice.kind is Kind.DOWN:
                raise NotTold("down: no.")

    with Telling([Down()], wait_s=(0.01, 0.02)) as tells:
        tells.tell(letter())
        until(lambda: len(told) >= 3)
        tells.tell(letter(Kind.UP))
        until(lambda: told[-1] is Kind.UP)
    assert told.count(Kind.UP) == 1


@pytest.mark.parametrize("reachable", [True, False])
def test_no_error_of_a_webhook_shows_its_secret(server: str, reachable: bool, caplog: pytest.LogCaptureFixture) -> None:
    Received.answers = [403] * 50
    url = server if reachable else "https://guard:hunter2@127.0.0.1:1/hooks/SECRET?token=SECRET2"
    hook = Webhook(url)
    with caplog.at_level(logging.DEBUG, "crowdwatch"), Telling([hook], wait_s=(0.01, 0.02)) as tells:
        tells.tell(letter())
        until(lambda: len(caplog.records) >= 2)
    assert "127.0.0.1" in caplog.text
    with pytest.raises(NotTold) as caught:
        hook.tell(letter())
    shown = caplog.text + hook.name + "".join(traceback.format_exception(caught.value))
    for secret in ("SECRET", "hunter2", "guard"):
        assert secret not in shown


@pytest.mark.parametrize(
    "url", ["", "hooks.example.org/SECRET", "ftp://h/SECRET", "https:///SECRET", "http://[::1/SECRET"]
)
def test_what_is_no_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Webhook(url)
    assert "SECRET" not in str(caught.value)


def test_an_address_is_shown_by_its_host_alone() -> None:
    assert shown_url("https://[2001:db8::1]:9/T00/XYZ") == "https://[2001:db8::1]:9/***"


def test_a_command_gets_the_notice_on_stdin_and_in_variables(tmp_path: Path) -> None:
    place = tmp_path / "told it.json"
    code = "import os,sys;open(sys.argv[1],'w').write(os.environ['CROWDWATCH_KIND']+' '+sys.stdin.read())"
    Command(f'{sys.executable} -c "{code}" "{place}"').tell(letter())
    kind, _, body = place.read_text().partition(" ")
    assert kind == "down"
    assert json.loads(body)["event_id"] == "night"


def test_a_command_that_fails_or_hangs_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotTold, match=r"status 3\. out of paper"):
        Command(f"{sys.executable} -c \"import sys;print('out of paper',file=sys.stderr);sys.exit(3)\"").tell(letter())
    with pytest.raises(NotTold, match="no-such-program"):
        Command("/no-such-program").tell(letter())
    monkeypatch.setattr(telling, "COMMAND_S", 0.2)
    began = time.monotonic()
    with pytest.raises(NotTold, match="took longer"):
        Command("sh -c 'sleep 60 & sleep 60'").tell(letter())
    assert time.monotonic() - began < 10, "what it started is ended too"
    for line in ("", "'open"):
        with pytest.raises(ConfigError, match="--command"):
            Command(line)


# the watch over a store


class Teller:
    """Keeps what it is told."""

    name = "kept"

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def tell(self, letter: Letter) -> None:
        self.letters.append(letter)

    @property
    def kinds(self) -> list[Kind]:
        return [each.notice.kind for each in self.letters]


def test_a_real_store_is_watched_and_the_memory_outlives_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crowdwatch.drivers.watchdog import dead_man

    for name, seconds in (("DEAD_AFTER_S", 0.4), ("ALIVE_S", 0.2), ("START_S", 0.3)):
        monkeypatch.setattr(dead_man, name, seconds)
    monkeypatch.setattr(watching, "JUDGE_S", 0.02)
    monkeypatch.setattr(watching, "READ_S", 0.03)
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store = SqlStore(url)
    store.begin(RUN)
    store.begin(replace(RUN, run_id="replayed", mode=Mode.REPLAY))
    memory = watching.Memory(tmp_path / "state" / "memory.json", "night")
    teller = Teller()

    def watched(while_: Callable[[], None]) -> None:
        stop = threading.Event()
        arguments = (lambda: SqlStore(url, create=False), "night", [teller], memory, stop)
        thread = threading.Thread(target=watching.watch, args=arguments)
        thread.start()
        try:
            while_()
        finally:
            stop.set()
            thread.join()

    def beat(times: int = 20) -> None:
        for _ in range(times):
            store.beat("night-1", state=RunState.RUNNING, t_ns=time.time_ns(), wall_ns=time.time_ns(), speed=1.0)
            time.sleep(0.05)

    def first() -> None:
        beat()
        assert teller.kinds == []
        until(lambda: teller.kinds == [Kind.DOWN])

    def second() -> None:
        time.sleep(0.8)
        assert teller.kinds == [Kind.DOWN], "the same death is not told again by the next watchdog"
        beat()
        until(lambda: teller.kinds == [Kind.DOWN, Kind.UP])

    watched(first)
    assert json.loads(memory.path.read_text())["told"] == ["down"]
    watched(second)
    assert json.loads(memory.path.read_text())["told"] == []
    assert teller.letters[1].since_wall_ns == teller.letters[0].wall_ns
    store.close()


def test_a_store_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crowdwatch.drivers.watchdog import dead_man

    monkeypatch.setattr(dead_man, "DEAD_AFTER_S", 0.2)
    monkeypatch.setattr(dead_man, "START_S", 0.1)
    monkeypatch.setattr(watching, "JUDGE_S", 0.02)
    hangs, stop, teller = threading.Event(), threading.Event(), Teller()

    def opened() -> Store:
        hangs.wait(20)
        raise StoreBusy("store: gone.")

    memory = watching.Memory(tmp_path / "memory.json", "night")
    thread = threading.Thread(target=watching.watch, args=(opened, "night", [teller], memory, stop))
    thread.start()
    until(lambda: teller.kinds == [Kind.UNREADABLE])
    hangs.set()
    stop.set()
    thread.join()


def test_a_damaged_memory_is_said_and_costs_at_most_a_repetition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memory.json"
    path.write_text("{")
    assert watching.Memory(path, "night").read() == ()
    assert "may be told again" in caplog.text
    path.write_text(json.dumps({"event_id": "other", "told": ["down"], "since_wall_ns": 1}))
    assert watching.Memory(path, "night").read() == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--event", " "], "--event: is empty"),
        (["--event", "night", "--command", "/no-such-program now"], "/no-such-program: no such program"),
        (["--event", "night", "--webhook", "SECRET"], "--webhook: not an address"),
    ],
)
def test_the_command_refuses_what_could_tell_nobody(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["watchdog", *words])
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert "SECRET" not in str(result.exception)


def test_the_webhook_comes_by_its_variable_and_help_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDWATCH_WEBHOOK", "SECRET")
    assert "SECRET" not in CliRunner().invoke(app, ["watchdog", "--help"]).output
    assert isinstance(CliRunner().invoke(app, ["watchdog", "--event", "night"]).exception, ConfigError)
