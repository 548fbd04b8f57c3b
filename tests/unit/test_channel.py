"""The channel from stations to the engine: in order, bounded, closed to strangers, and not ended by garbage."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import pytest
import zmq

from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamPhase, StreamStatus
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import (
    Anchor,
    CameraFault,
    Detections,
    Evidence,
    GroundMass,
    Observation,
    Positions,
    Stamp,
)
from crowdwatch.drivers.live.backlog import MOST_WAITING, OLD_S, Backlog
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.receiver import Receiver
from crowdwatch.drivers.live.sender import Sender
from crowdwatch.drivers.live.wire import MOST_BYTES, decode, encode, pack, unpack
from crowdwatch.errors import ConfigError, RecordError

PATIENCE_S = 60.0
"""A busy machine may need some seconds; what is asked for comes in milliseconds."""


def fault(number: int, camera_id: str = "a") -> CameraFault:
    return CameraFault(camera_id, number, Code.NOT_OBSERVED)


def status(number: int, camera_id: str = "a") -> StreamStatus:
    return StreamStatus(camera_id, StreamPhase.STREAMING, number, rate_hz=10.0, offset_s=0.0)


def observation(seq: int = 1, camera_id: str = "a", people: int = 3) -> Observation:
    rng = np.random.default_rng(seq)
    stamp = Stamp(camera_id, seq, 1_800_000_000_123_456_789 + seq, "arrival", 0.02)
    score = rng.random(people)
    found = Detections(stamp, rng.random((people, 4)), score, np.zeros(people, int), Anchor.FEET, (96, 160), "d")
    mass = GroundMass(stamp, np.array([0.1, -3.0]), 0.5, rng.random((4, 5)), 0.25, 0.5, "c")
    places = Positions(stamp, rng.random((people, 2)), rng.random(people), score)
    return Observation(found, places, Evidence("ab" * 8, 1.5, 2.5, 3.5, float("nan")), "plane", mass)


def received(receiver: Receiver, enough: Callable[[list[LiveMessage]], bool]) -> list[LiveMessage]:
    """What comes until it is enough."""
    found: list[LiveMessage] = []
    ends_s = time.monotonic() + PATIENCE_S
    while not enough(found):
        assert time.monotonic() < ends_s, f"only {len(found)} messages came"
        found += receiver.receive(0.05)
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_what_arrives_is_what_was_said() -> None:
    seen = observation()
    back = decode(*encode(seen))
    assert isinstance(back, Observation)
    assert back.stamp == seen.stamp
    assert np.array_equal(back.detections.xyxy_px, seen.detections.xyxy_px)
    assert back.mass is not None
    assert seen.mass is not None
    assert np.array_equal(back.mass.mass, seen.mass.mass)
    picture = CoarsePicture(seen.stamp, b"\xff\xd8...")
    told = replace(status(3), image_hw=(96, 160), message="说明", newest_ns=17, rate_hz=9.5, offset_s=0.0)
    for message in (picture, fault(7), told):
        head, body = unpack(pack(*encode(message)))
        assert decode(head, body) == message
    unknown = decode(*encode(replace(told, rate_hz=float("nan"))))
    assert isinstance(unknown, StreamStatus)
    assert np.isnan(unknown.rate_hz)


@pytest.mark.parametrize(
    "letter",
    [
        b"",
        b"\x00\x00\x00\xff{}",
        pack({}) [:-1],
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x04" + b"\xff" * 4,
        pack({"kind": "frame"}),
        pack({"kind": "fault", "of": {"camera_id": "a", "t_ns": 1, "code": "scaled"}}),
        pack({"kind": "fault", "of": None}),
        pack({"kind": "status", "of": {"camera_id": "a", "phase": "asleep", "since_ns": 1}}),
        pack({"kind": "picture", "of": {"camera_id": "a"}}, b"jpeg"),
        pack({"kind": "observation"}, b"no arrow"),
        pack({"kind": "observation"}, encode(observation())[1]),
        pack(encode(observation())[0], encode(observation())[1][:300]),
        pack(encode(observation())[0] | {"size": MOST_BYTES + 1}, encode(observation())[1]),
        pack(encode(observation())[0] | {"size": 300}, encode(observation())[1]),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(letter: bytes) -> None:
    with pytest.raises(RecordError):
        decode(*unpack(letter))


def test_a_strangers_key_is_refused(receiver: Receiver) -> None:
    access = receiver.admit(["a"])
    public, secret = (key.decode() for key in zmq.curve_keypair())
    stranger = Sender(replace(access, station_public=public, station_secret=secret))
    impostor = Sender(replace(access, station_secret=secret))
    known = Sender(access)
    with closing(stranger), closing(impostor), closing(known):
        stranger.send(status(1))
        impostor.send(status(2))
        known.send(status(3))
        assert received(receiver, bool) == [status(3)]
        ends_s = time.monotonic() + 1
        while time.monotonic() < ends_s:
            assert receiver.receive(0.1) == []
        assert (stranger.waiting, impostor.waiting) == (1, 1)
        assert stranger.silent_s > 0.9, "the engine told a stranger something"


def test_a_station_without_encryption_is_refused(receiver: Receiver) -> None:
    access = receiver.admit(["a"])
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.setsockopt(zmq.LINGER, 0)
        plain.connect(access.address)
        plain.send(pack({"number": 1} | encode(status(1))[0]))
        ends_s = time.monotonic() + 1
        while time.monotonic() < ends_s:
            assert receiver.receive(0.1) == []


def test_a_station_speaks_for_its_own_cameras_until_it_is_dismissed(receiver: Receiver) -> None:
    access, other = receiver.admit(["a"]), receiver.admit(["b"])
    with closing(Sender(access)) as sender, closing(Sender(other)) as second:
        sender.send(status(1, "b"))
        sender.send(status(2, "a"))
        assert received(receiver, bool) == [status(2, "a")]
        assert receiver.refused == 1
        receiver.dismiss(access)
        sender.send(status(3, "a"))
        second.send(status(4, "b"))
        assert received(receiver, bool) == [status(4, "b")]
        ends_s = time.monotonic() + PATIENCE_S
        while not sender.dismissed and time.monotonic() < ends_s:
            receiver.receive(0.05)
        assert (sender.dismissed, second.dismissed) == (True, False)


def test_the_secret_is_not_shown(receiver: Receiver) -> None:
    access = receiver.admit(["a"])
    assert access.station_secret not in repr(access)


def test_an_address_that_is_taken_is_refused(receiver: Receiver) -> None:
    taken = receiver.admit(["a"]).address
    with pytest.raises(ConfigError, match="Give a free one"):
        Receiver(taken)


def raw(access: Access, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """A station that may say anything."""
    made = context.socket(zmq.DEALER)
    made.setsockopt(zmq.LINGER, 0)
    made.curve_serverkey = access.engine_key.encode()
    made.curve_publickey, made.curve_secretkey = access.station_public.encode(), access.station_secret.encode()
    made.connect(access.address)
    return made


def test_garbage_is_refused_and_others_are_heard(receiver: Receiver) -> None:
    access, good = receiver.admit(["a"]), receiver.admit(["b"])
    with zmq.Context() as context, raw(access, context) as wild, closing(Sender(good)) as sender:
        wild.send(b"garbage")
        wild.send_multipart([b"one", b"two"])
        wild.send(pack({"number": 1, "kind": "observation"}, b"garbage"))
        wild.send(pack({"number": 2, "kind": ["picture"]}))
        wild.send(pack({"number": 3} | encode(status(9))[0]))
        assert received(receiver, bool) == [status(9)]
        assert receiver.refused == 4
        wild.send(b"x" * (MOST_BYTES + 1))
        sender.send(status(1, "b"))
        assert received(receiver, bool) == [status(1, "b")]
        # its connection was cut, with what was under way; it comes again
        found, ends_s = list[LiveMessage](), time.monotonic() + PATIENCE_S
        while not found and time.monotonic() < ends_s:
            wild.send(pack({"number": 4} | encode(status(10))[0]))
            found = receiver.receive(0.2)
        assert found == [status(10)]


def test_a_message_that_is_too_large_is_not_sent_and_the_next_one_is(receiver: Receiver) -> None:
    with closing(Sender(receiver.admit(["a"]))) as sender:
        sender.send(CoarsePicture(Stamp("a", 1, 1), bytes(MOST_BYTES)))
        sender.send(status(2))
        assert received(receiver, bool) == [status(2)]
        deadline = time.monotonic() + PATIENCE_S
        while not sender.refused and time.monotonic() < deadline:
            receiver.receive(0.05)
        assert sender.refused == 1


class Link:
    """A TCP relay that can be cut."""

    def __init__(self, address: str) -> None:
        self._to = int(address.rpartition(":")[2])
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                self.connections += 1
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._relay, args=(one, other), daemon=True).start()

    @staticmethod
    def _relay(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(4096):
                other.sendall(content)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for each in self._ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._ends.clear()

    def close(self) -> None:
        self.cut()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def test_order_holds_over_a_link_that_is_cut_and_nothing_comes_twice(receiver: Receiver) -> None:
    access = receiver.admit(["a", "b"])
    with closing(Link(access.address)) as link, closing(Sender(replace(access, address=link.address))) as sender:
        said, heard = 0, list[LiveMessage]()
        for _ in range(4):
            for _ in range(MOST_WAITING // 2):
                sender.send(fault(said, "ab"[said % 2]))
                said += 1
            heard += received(receiver, bool)
            link.cut()
        heard += received(receiver, lambda found: len(heard) + len(found) >= said)
        assert heard == [fault(number, "ab"[number % 2]) for number in range(said)]
        assert link.connections > 1
        assert (sender.left_out, receiver.refused) == (0, 0)


def test_an_engine_that_does_not_listen_keeps_a_station_bounded(receiver: Receiver) -> None:
    with closing(Sender(receiver.admit(["a"]))) as sender:
        for number in range(3000):
            sender.send(fault(number))
        most = MOST_WAITING + 64
        ends_s = time.monotonic() + PATIENCE_S
        while sender.left_out + sender.waiting < 3000 and time.monotonic() < ends_s:
            time.sleep(0.01)
        assert sender.waiting <= most
        found = received(receiver, lambda found: fault(2999) in found)
        numbers = [each.t_ns for each in found if isinstance(each, CameraFault)]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + sender.left_out == 3000


def test_the_engine_says_which_pictures_it_wants(receiver: Receiver) -> None:
    access = receiver.admit(["a", "b"])
    with closing(Sender(access)) as sender:
        assert sender.wanted_pictures == frozenset()
        receiver.want_pictures(access, ["b", "elsewhere"])
        sender.beat()
        ends_s = time.monotonic() + PATIENCE_S
        while not sender.wanted_pictures and time.monotonic() < ends_s:
            receiver.receive(0.05)
        assert sender.wanted_pictures == {"b"}
        assert receiver.has_spoken(access)


def test_a_station_learns_event_time_and_never_takes_it_for_later_than_it_is() -> None:
    ahead_ns = 1_700_000_000_000_000_000
    receiver = Receiver(now_ns=lambda: time.monotonic_ns() + ahead_ns)
    with receiver, closing(Sender(receiver.admit(["a"]))) as sender:
        ends_s = time.monotonic() + PATIENCE_S
        while sender.words < 3 and time.monotonic() < ends_s:
            sender.beat()
            receiver.receive(0.05)
        assert sender.event_less_mono_ns is not None
        assert ahead_ns - PATIENCE_S * 1e9 < sender.event_less_mono_ns <= ahead_ns


def test_of_statuses_and_pictures_the_newest_waits_and_pictures_go_last() -> None:
    backlog = Backlog(lambda: 0.0)
    for number in range(3):
        backlog.put(CoarsePicture(Stamp("a", number, number), b""))
        backlog.put(status(number))
        backlog.put(fault(number))
    assert (backlog.left_out, backlog.pictures_left) == (0, 2)
    taken = [backlog.take() for _ in range(6)]
    assert taken[:4] == [fault(0), fault(1), status(2), fault(2)]
    assert taken[4:] == [CoarsePicture(Stamp("a", 2, 2), b""), None]


def test_old_observations_give_way_to_newer_ones_of_their_camera() -> None:
    now = [0.0]
    backlog = Backlog(lambda: now[0])
    first, alone = observation(1), observation(1, "b")
    for each in (first, alone):
        backlog.put(each)
    now[0] = OLD_S + 1
    newer = observation(2)
    backlog.put(newer)
    assert [backlog.take() for _ in range(3)] == [alone, newer, None]
    assert backlog.left_out == 1


def test_a_backlog_is_bounded() -> None:
    backlog = Backlog(lambda: 0.0)
    for number in range(3 * MOST_WAITING):
        backlog.put(observation(number, people=0))
    assert len(backlog) == MOST_WAITING
    assert backlog.left_out == 2 * MOST_WAITING
    taken = backlog.take()
    assert isinstance(taken, Observation)
    assert taken.stamp.seq == 2 * MOST_WAITING
