"""``python -m pipelines.evaluate kills``: the engine and the notifying process are killed at random while alerts rise
and notifications go out; nothing may be lost, and nothing kept twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crowdwatch import config
from crowdwatch.core.ports import Store
from crowdwatch.drivers import build
from crowdwatch.drivers.replay import Options, replay_log
from crowdwatch.errors import CrowdWatchError
from pipelines.command_line import print_json, progress_bar
from pipelines.evaluation.killed_processes import drawn_event

__all__ = ["Killed", "kills", "kills_command"]

NS = 1_000_000_000
LIFE_S, START_S, END_S = (0.0, 0.3), 60.0, 120.0
"""How long a process lives before it is killed, evenly; and how long it may take to start, and to end."""

REACHES_S, REACHES_WITHIN_S = (0, 0, 10, 30, 60), 20.0
"""Simulated time that an engine lives besides, one of these; and the longest that is waited for it."""

QUIET_S = 30
"""Simulated time in which the last engine ends cleanly."""

ANSWERS = (200, 200, 200, 500, 503, -1, 0)
"""Of the receiver, at random: taken, refused, taken while the answer is lost, and hung up."""

ROWS = (
    ("kills_engine", "kills of the engine"),
    ("kills_notifier", "kills of the notifying process"),
    ("alerts", "alert events of the log"),
    ("notifications", "notifications"),
    ("received", "messages that arrived, repetitions too"),
    ("lost", "alert events or notifications that are missing"),
    ("doubled", "alert events or notifications that are there twice"),
    ("foreign", "messages with a key that no alert has"),
)


@dataclass(frozen=True, slots=True)
class Killed:
    """What was left after the kills.

    Args:
        kills_engine, kills_notifier: how often each was killed.
        alerts: alert events that the log gives when it is folded again.
        notifications: rows in the store.
        received: messages that the receiver took, each try by itself.
        lost: alert events that the log gives and the store lacks, or that have not arrived.
        doubled: alert events in the store that the log does not give, events and notifications that are there twice.
        foreign: messages that are of no alert.
    """

    kills_engine: int
    kills_notifier: int
    alerts: int
    notifications: int
    received: int
    lost: int
    doubled: int
    foreign: int


class _Nursery:
    """Starts processes of one kind, one at a time."""

    def __init__(self, what: str, folder: Path) -> None:
        command = [sys.executable, "-m", "pipelines.evaluation.killed_processes", what, str(folder)]
        self.what, self.pid, self.kills = what, 0, 0
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._said(START_S)

    def start(self, **asked: object) -> None:
        """Let a new one live."""
        stdin: IO[str] | None = self._process.stdin
        if stdin is None:
            raise CrowdWatchError("kills: a process has no input. Report this as a fault.")
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        self.pid = self._said(START_S)["pid"]

    def kill(self) -> None:
        """End it without a warning. Raises CrowdWatchError where it ended by itself."""
        os.kill(self.pid, signal.SIGKILL)
        self._ended(signal.SIGKILL)
        self.kills += 1

    def wait(self) -> None:
        """Let it end by itself. Raises CrowdWatchError where it fails or hangs."""
        self._ended(0)

    def _ended(self, wanted: int) -> None:
        status = self._said(END_S)["status"]
        self.pid = 0
        if status != wanted:
            raise CrowdWatchError(f"kills: the {self.what} ended by itself with status {status}. Its words are above.")

    def _said(self, within_s: float) -> dict[str, Any]:
        """The next line; a process that hangs is ended, and that is said."""
        timer = threading.Timer(within_s, self._process.kill)
        timer.start()
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise CrowdWatchError(f"kills: the {self.what} said nothing within {within_s:g} s. Its words are above.")
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        """End it and the one that it started."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(10)


@contextmanager
def _receiver(seed: int) -> Iterator[tuple[str, Counter[str]]]:
    """A target that fails at random: its address, and how often it took each key."""
    chance, lock, taken = random.Random(seed), threading.Lock(), Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status = chance.choice(ANSWERS)
                if status in (200, -1):
                    taken[self.headers["Idempotency-Key"]] += 1
            if status > 0:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *words: object) -> None:  # the answer goes to standard output
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who asked has been killed

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()
        thread.join()


def kills(times: int, seed: int = 1, shown: Callable[[float, str], None] = lambda done, what: None) -> Killed:
    """Kill processes at random, and look what is left.

    Args:
        times: how many kills.
        seed: of which process, and when.
        shown: called with how many are done, and what goes on.

    Raises:
        CrowdWatchError: a process failed or hung where nobody killed it.
    """
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url, taken = stack.enter_context(_receiver(seed))
        event = config.load(drawn_event(folder, url))
        shown(0, "starting")
        nurseries = [stack.enter_context(closing(_Nursery(what, folder))) for what in ("engine", "notifier")]
        engine, notifier = nurseries
        store = stack.enter_context(closing(build.open_store(f"sqlite:///{folder}/store.sqlite")))
        from_ns = event.start_ns
        engine.start(from_ns=from_ns, for_s=10**6)
        notifier.start(once=False)
        for done in range(times):
            one = chance.choice(nurseries)
            if one is engine:
                _reach(store, from_ns + chance.choice(REACHES_S) * NS)
            time.sleep(chance.uniform(*LIFE_S))
            one.kill()
            if one is engine:
                from_ns = max(from_ns, _newest_ns(store)) + chance.choice((1, 2, 4, 7, 30)) * NS
                engine.start(from_ns=from_ns, for_s=10**6)
            else:
                notifier.start(once=False)
            shown(done + 1, f"killed the {one.what}")
        shown(times, "letting all end")
        engine.kill()
        from_ns = max(from_ns, _newest_ns(store)) + NS
        engine.start(from_ns=from_ns, for_s=QUIET_S)
        engine.wait()
        notifier.kill()
        notifier.start(once=True)
        notifier.wait()
        return _left(folder, store, taken, (engine.kills - 1, notifier.kills - 1))


def _reach(store: Store, until_ns: int) -> None:
    """Wait until the engine has come so far."""
    give_up_s = time.monotonic() + REACHES_WITHIN_S
    while _newest_ns(store) < until_ns and time.monotonic() < give_up_s:
        time.sleep(0.02)


def _newest_ns(store: Store) -> int:
    """The newest tick in the store."""
    return max((health.t_ns for run in store.runs()[:1] for health in store.health(run.run_id, 2**62)), default=0)


def _left(folder: Path, store: Store, taken: Counter[str], killed: tuple[int, int]) -> Killed:
    """Hold the store and the receiver against the log."""
    kept: Counter[str] = Counter()
    folded: Counter[str] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    with closing(build.open_outgoing(f"sqlite:///{folder}/store.sqlite")) as outgoing:
        for number, run in enumerate(store.runs()):
            kept.update(alert.event_id for alert in store.alerts(run.run_id))
            again = f"sqlite:///{folder}/again-{number}.sqlite"
            replayed = replay_log(Path(run.folder), Options(folder / f"again-{number}", again, pictures=False))
            with closing(build.open_store(again)) as other:
                folded.update(alert.event_id for alert in other.alerts(replayed.run.run_id))
            rows.update((row.target_id, row.event_id) for row in outgoing.notifications(run.run_id))
    told = {event_id for _, event_id in rows}
    lost = (folded - kept).total() + len(set(kept) - told) + len(told - set(taken))
    doubled = (kept - folded).total() + (rows - Counter(set(rows))).total()
    return Killed(
        *killed, folded.total(), rows.total(), taken.total(), lost, doubled, len(set(taken) - set(kept))
    )  # fmt: skip


def kills_command(
    times: Annotated[int, typer.Option(min=1, max=100_000, help="How often.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of which process is killed, and when.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Kill the engine and the notifying process at random while alerts rise: what is lost, what is there twice.

    Exit code 1 where anything is.
    """
    with progress_bar("kills", times) as show:
        found = kills(times, seed, show)
    facts = {name: getattr(found, name) for name, _ in ROWS}
    if as_json:
        print_json(facts)
    else:
        table = Table("figure", "value", title=f"{times} kills, seed {seed}")
        for name, text in ROWS:
            table.add_row(text, str(facts[name]))
        Console().print(table)
    if found.lost or found.doubled or found.foreign:
        raise typer.Exit(1)
