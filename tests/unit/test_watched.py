"""When a live camera is lost, when it is tried again, and what is said: without a process, by a clock that is given."""

import itertools
import json
from typing import Any

from crowdwatch.core.live import StreamPhase
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault
from crowdwatch.sources.live.watched import OPEN_S, STALL_S, Watched, pause_s

NS = 1_000_000_000


def ns(now: float) -> int:
    return round(now * NS)


def camera() -> Watched:
    return Watched("gate", begun_ns=ns(100.0))


def opened(watched: Watched, now: float, interval_s: float = 0.1) -> None:
    watched.started(now, ns(now))
    watched.heard({"kind": "open", "codec": "h264", "interval_s": interval_s}, now, ns(now))


def shown(watched: Watched, now: float, seq: int = 0, slot: int = 0) -> int | None:
    said = {"kind": "pair", "slot": slot, "before": None, "current": [seq, ns(now), "arrival", 0.1], "image_hw": [2, 3]}
    return watched.heard(json.loads(json.dumps(said)), now, ns(now))


def alive(watched: Watched, now: float, rate_hz: float = 10.0, **counts: Any) -> None:
    said = {"received": 1, "sampled": 1, "replaced": 0, "dropped": 0, "offset_s": None, "sigma_s": 0.1, "note": ""}
    said |= {"kind": "alive", "packet_mono_ns": ns(now), "rate_hz": rate_hz, "newest_ns": ns(now)} | counts
    watched.heard(said, now, ns(now))


def end(watched: Watched, now: float, why: str = "gone", refused: bool = False, slowly: bool = False) -> None:
    watched.heard({"kind": "end", "why": why, "refused": refused, "slowly": slowly}, now, ns(now))
    watched.ended(now, ns(now))


def test_a_stream_that_stalls_is_lost_once_within_three_seconds() -> None:
    watched = camera()
    opened(watched, 100.0)
    shown(watched, 101.0)
    alive(watched, 101.0)
    assert STALL_S < 3.0
    assert not watched.overdue(101.0 + STALL_S - 0.01, 0)
    assert watched.overdue(101.0 + STALL_S, ns(103.5))
    assert watched.phase is StreamPhase.WAITING
    assert "nothing came for 2.5 s" in watched.message
    assert not watched.overdue(110.0, ns(110.0)), "it is ended once"
    watched.ended(103.6, ns(103.6))
    for now in (105.0, 120.0, 200.0):
        watched.started(now, ns(now))
        end(watched, now + 1)
    assert watched.faults == [CameraFault("gate", ns(101.0), Code.CONNECTION_LOST)]
    opened(watched, 300.0)
    shown(watched, 301.0, seq=9)
    end(watched, 302.0)
    assert watched.faults[1:] == [CameraFault("gate", ns(301.0), Code.CONNECTION_LOST)]
    assert watched.status().reconnects == 1


def test_a_stream_of_a_picture_in_four_seconds_is_awaited_three_of_them() -> None:
    watched = camera()
    opened(watched, 100.0, interval_s=4.0)
    shown(watched, 100.0)
    assert not watched.overdue(111.9, 0)
    assert watched.overdue(112.1, 0)


def test_an_opening_that_takes_long_is_ended() -> None:
    watched = camera()
    watched.started(100.0, ns(100.0))
    assert not watched.overdue(100.0 + OPEN_S - 0.01, 0)
    assert watched.overdue(100.0 + OPEN_S, ns(110.0))
    assert "could not be opened within 10 s" in watched.message
    assert watched.faults == [CameraFault("gate", ns(100.0), Code.CONNECTION_LOST)]


def test_a_reader_that_crashes_is_said() -> None:
    watched = camera()
    opened(watched, 100.0)
    shown(watched, 101.0)
    watched.ended(101.5, ns(101.5))
    assert "its reader ended unexpectedly" in watched.message
    assert watched.try_at is not None
    assert 101.5 < watched.try_at <= 101.5 + 0.25


def test_another_size_is_refused_and_said_once() -> None:
    watched = camera()
    for now in (100.0, 110.0):
        opened(watched, now)
        end(watched, now + 1, "its pictures are 2x2", refused=True)
    assert watched.phase is StreamPhase.REFUSED
    assert [fault.code for fault in watched.faults] == [Code.PICTURE_SIZE]


def test_pauses_grow_to_two_seconds_in_the_first_minute_and_to_thirty_later() -> None:
    early = [[pause_s(attempt, 10.0) for attempt in range(12)] for _ in range(50)]
    late = [[pause_s(attempt, 61.0) for attempt in range(12)] for _ in range(50)]
    assert max(map(max, early)) <= 2.0
    assert max(map(max, late)) <= 30.0
    assert max(each[0] for each in early) <= 0.25
    assert min(each[11] for each in late) >= 15.0
    assert len({each[5] for each in early}) > 10, "cameras that were lost together are not tried together"
    assert min(pause_s(0, 0.0, slowly=True) for _ in range(50)) >= 7.5, "wrong passwords are not tried again and again"


def test_a_camera_that_flaps_waits_longer_and_longer() -> None:
    watched, now, pauses = camera(), 100.0, []
    for _ in range(8):
        opened(watched, now)
        shown(watched, now + 0.1)
        end(watched, now + 0.2)
        assert watched.try_at is not None
        pauses.append(watched.try_at - now - 0.2)
        now = watched.try_at
    assert max(pauses[:1]) <= 0.25
    assert min(pauses[4:]) >= 1.0
    assert len(watched.faults) == 8, "each loss is one"


def test_counts_go_on_from_reader_to_reader() -> None:
    watched = camera()
    for now in (100.0, 200.0):
        opened(watched, now)
        shown(watched, now)
        alive(watched, now, received=10, sampled=4, replaced=1, dropped=2)
        end(watched, now + 1)
    status = watched.status()
    assert (status.received, status.sampled, status.replaced, status.dropped) == (20, 8, 3, 4)
    assert watched.next_seq == 1


def test_a_pair_that_nobody_took_gives_way_and_is_counted() -> None:
    watched = camera()
    opened(watched, 100.0)
    given_way = [shown(watched, 100.0 + n, seq=n, slot=n) for n in range(3)]
    assert given_way == [None, 0, 1]
    assert watched.ready is not None
    assert watched.ready[0] == 2
    assert watched.status().replaced == 2


def test_a_status_is_told_when_it_changes_and_once_a_second() -> None:
    watched = camera()
    told = [watched.news(now) is not None for now in (0.0, 0.1, 0.9, 1.1, 1.2)]
    assert told == [True, False, False, True, False]
    opened(watched, 100.0)
    shown(watched, 100.0)
    status = watched.news(1.3)
    assert status is not None
    assert (status.phase, status.image_hw, status.newest_ns) == (StreamPhase.STREAMING, (2, 3), ns(100.0))
    assert all(a != b for a, b in itertools.pairwise([status.phase, StreamPhase.OPENING]))
