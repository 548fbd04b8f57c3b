"""A station's end of the channel: a thread that sends what it is given, as fast as the engine hears it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

import zmq
from zmq.utils.monitor import recv_monitor_message

from crowdwatch.core.live import CoarsePicture, LiveMessage
from crowdwatch.drivers.live.backlog import Backlog
from crowdwatch.drivers.live.channel import QUEUE_LETTERS, WINDOW_BYTES, WINDOW_LETTERS, Access, keep_alive
from crowdwatch.drivers.live.wire import MOST_BYTES, camera_of, encode, pack, unpack
from crowdwatch.errors import RecordError

__all__ = ["Sender"]

_log = logging.getLogger(__name__)

BEAT_S = 1.0
RESEND_S = 10.0
"""Letters that the engine has not heard for so long, while it speaks, are sent again."""


class Sender:
    """A station's end: a thread that sends what it is given. Its methods may be called in any thread, and never wait.

    Args:
        access: to the engine.

    Attributes:
        refused: messages that cannot be sent at all.
        dismissed: the engine wants nothing more of this station.
        words: how often the engine has spoken.
        event_less_mono_ns: event time of the engine less this host's monotonic clock, by the word that came fastest:
            too small by the time that it took. None before the first.
    """

    def __init__(self, access: Access) -> None:
        self.refused, self.dismissed, self.words = 0, False, 0
        self.event_less_mono_ns: int | None = None
        self._backlog = Backlog(time.monotonic)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._wake, self._ended = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC), False
        self._pictures: frozenset[str] = frozenset()
        self._alive = False
        self._heard_s = time.monotonic()
        self._under_way: deque[tuple[int, bytes, bool]] = deque()
        self._number, self._progress_s = 0, time.monotonic()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.curve_serverkey = access.engine_key.encode()
        self._socket.curve_publickey = access.station_public.encode()
        self._socket.curve_secretkey = access.station_secret.encode()
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE_LETTERS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        keep_alive(self._socket)
        self._monitor = self._socket.get_monitor_socket(zmq.Event.HANDSHAKE_SUCCEEDED)
        self._socket.connect(access.address)
        self._thread = threading.Thread(target=self._run, name="channel", daemon=True)
        self._thread.start()

    def send(self, message: LiveMessage) -> None:
        """Send a message as soon as the link allows. What cannot be sent in time gives way to newer ones; nothing is
        sent any more after the end."""
        with self._lock:
            if not self._ended:
                self._backlog.put(message)
                self._call()

    def beat(self) -> None:
        """Say that the station's own loop goes on: without it the engine takes the station for dead."""
        with self._lock:
            self._alive = True

    @property
    def wanted_pictures(self) -> frozenset[str]:
        """The cameras whose pictures the engine wants."""
        return self._pictures

    @property
    def left_out(self) -> int:
        """Messages that gave way to newer ones, without pictures."""
        return self._backlog.left_out

    @property
    def waiting(self) -> int:
        """Messages that are not sent, or not heard yet."""
        return len(self._backlog) + len(self._under_way)

    @property
    def silent_s(self) -> float:
        """How long ago the engine spoke last."""
        return time.monotonic() - self._heard_s

    def close(self, flush_s: float = 0.0) -> None:
        """End, when the engine has heard everything or ``flush_s`` are over; safe to call twice."""
        with self._idle:
            if self._ended:
                return
            self._idle.wait_for(lambda: not self.waiting, flush_s)
            self._ended = True
            self._call()
        self._thread.join()
        os.close(self._wake)

    def _call(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        poller = zmq.Poller()
        for each in (self._socket, self._monitor, self._wake):
            poller.register(each, zmq.POLLIN)
        beat_s = 0.0
        try:
            while not self._ended:
                ready = dict(poller.poll(round(1000 * BEAT_S / 4)))
                if self._wake in ready:
                    os.eventfd_read(self._wake)
                if self._socket in ready:
                    self._listen()
                now_s = time.monotonic()
                stuck = bool(self._under_way) and now_s - self._progress_s > RESEND_S and self.silent_s < RESEND_S
                if (self._monitor in ready and recv_monitor_message(self._monitor)) or stuck:
                    self._progress_s = now_s
                    for _, letter, _ in self._under_way:
                        self._post(letter)
                if now_s - beat_s >= BEAT_S and self._alive:
                    beat_s, self._alive = now_s, False
                    self._post(pack({"kind": "beat"}))
                self._fill()
        finally:
            self._socket.disable_monitor()
            self._context.destroy(linger=0)

    def _listen(self) -> None:
        """Take in what the engine says."""
        while True:
            try:
                head, _ = unpack(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
            except RecordError as error:
                _log.warning("what the engine said cannot be read: %s", error)
                continue
            self._heard_s = time.monotonic()
            self.dismissed = self.dismissed or head.get("end") is True
            told_ns = head.get("now_ns")
            if isinstance(told_ns, int):
                less_ns = told_ns - time.monotonic_ns()
                before_ns = self.event_less_mono_ns
                self.event_less_mono_ns = less_ns if before_ns is None else max(before_ns, less_ns)
            self.words += 1
            self._pictures = frozenset(head.get("pictures", ()))
            with self._idle:
                while self._under_way and self._under_way[0][0] <= head.get("heard", 0):
                    self._under_way.popleft()
                    self._progress_s = self._heard_s
                if not self.waiting:
                    self._idle.notify_all()

    def _fill(self) -> None:
        """Send as much as the window takes; at most one picture of it."""
        while len(self._under_way) < WINDOW_LETTERS:
            if sum(len(letter) for _, letter, _ in self._under_way) >= WINDOW_BYTES:
                return
            picture_goes = any(picture for _, _, picture in self._under_way)
            with self._lock:
                message = self._backlog.take(pictures=not picture_goes)
            if message is None:
                return
            try:
                head, body = encode(message)
                letter = pack({"number": self._number + 1} | head, body)
                if len(letter) > MOST_BYTES:
                    raise RecordError(f"{len(letter)} bytes, at most {MOST_BYTES} can be sent.")
            except Exception as error:  # noqa: BLE001  one message must not end all of a station's
                self.refused += 1
                _log.warning("camera %s: a message is not sent: %s", camera_of(message), error)
                continue
            self._number += 1
            if not self._under_way:
                self._progress_s = time.monotonic()
            self._under_way.append((self._number, letter, isinstance(message, CoarsePicture)))
            self._post(letter)

    def _post(self, letter: bytes) -> None:
        try:
            self._socket.send(letter, zmq.NOBLOCK)
        except zmq.Again:
            _log.debug("the queue of the link is full; the letter is sent again.")
