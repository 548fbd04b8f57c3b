"""Alerts, targets and receivers for the tests of notifications."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from crowdwatch.core.notices import Form, Target, TargetKind
from crowdwatch.core.outcomes import AlarmState, AlertEvent, Level, Outcome
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Mode, Run
from crowdwatch.notify.context import Context

S = 1_000_000_000
T0 = 1_767_196_800 * S
"""2026-01-01 00:00:00 in Shanghai."""

LIVE = Run("night-1", "night", Mode.LIVE, "{}", "", T0, T0 + 3600 * S, T0, t_ns=T0 + 60 * S)
CONTEXT = Context(
    "night", {"en": "New Year", "zh": "跨年"}, {"bund": {"en": "Bund 3", "zh": "外滩3号"}}, "Asia/Shanghai",
    rings={"bund": ((31.24, 121.48), (31.24, 121.49), (31.25, 121.49), (31.24, 121.48))},
)  # fmt: skip


def alert(
    second: float, transition: str = "raised", level: Level = Level.ALERT, *, zone_id="bund", alarm="crowding"
) -> AlertEvent:
    reason = Reason.of(Code.LIMIT_REACHED, quantity="density", limit=4.0, unit="p/m2", delay_s=10.0, value=4.6)
    states = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED
    return AlertEvent(
        f"{zone_id}-{alarm}-{second:g}-{transition}", alarm, zone_id, T0 + round(second * S), transition, *states,
        level, "density", 4.6, 4.0, "p/m2", (reason,), "rule density alert",
    )  # fmt: skip


def outcome(*alerts: AlertEvent) -> Outcome:
    return Outcome(alerts[0].t_ns, (), None, alerts, (), ())


def target(target_id="duty", kind=TargetKind.WEBHOOK, form=Form.JSON, address="http://127.0.0.1:9/x", **more) -> Target:
    return Target(target_id, kind, form, address, **{"languages": ("zh", "en"), "level": Level.CAUTION, **more})


class Receiver:
    """An HTTP server that keeps what it is sent; ``answers`` says what to answer to the nth request, 0 is to hang."""

    def __init__(self, answers: Callable[[int], int] = lambda n: 200) -> None:
        self.asked, self.taken, self.headers = 0, [], []
        self.lock, self.released = threading.Lock(), threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.asked += 1
                    status = answers(receiver.asked)
                    if status in (200, -1):  # -1: taken, but the answer is lost
                        receiver.taken.append((self.headers["Idempotency-Key"], body))
                        receiver.headers.append(dict(self.headers))
                if status == 0:
                    receiver.released.wait(30)
                elif status > 0:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *words):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # who asked has been killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook/SECRET"

    def keys(self) -> list[str]:
        with self.lock:
            return [key for key, _ in self.taken]

    def said(self) -> list[dict]:
        with self.lock:
            return [json.loads(body) for _, body in self.taken]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
