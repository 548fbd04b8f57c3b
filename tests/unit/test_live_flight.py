"""Telemetry that comes while a drone flies: text that grows, and the pose of a picture's own time."""

import threading
import time

import pytest

from crowdwatch.core.reasons import Code
from crowdwatch.core.records import GroundPlane, Stamp
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.feeds import BrokerFeed, FileFeed
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.flight import FlightSettings, placed
from crowdwatch.sources.flight.growing import GrowingText, entry_of_message
from crowdwatch.sources.flight.live_flight import LATE_S, LiveFlight
from crowdwatch.sources.flight.log import Field
from crowdwatch.sources.flight.place import SitePlace
from crowdwatch.sources.flight.words import Entry

NS = 1_000_000_000
PLACE = SitePlace("EPSG:32650", (447500.0, 4418500.0))
SRT = "7\n00:00:0{n},000 --> 00:00:0{n},500\n<font>[latitude: 1.{n}] [longitude: 2.0] [rel_alt: 30]</font>\n\n"
CSV = "t/s,latitude,longitude,rel_alt\n1.0,1.1,2.0,30\n2.0,1.2,2.0,30\n3.0,1.3,2.0"


def test_text_that_grows_gives_every_entry_once_it_is_whole_wherever_it_is_cut():
    whole = "".join(SRT.format(n=n) for n in (1, 2, 3))
    for text, times in ((whole, [1.0, 2.0, 3.0]), (whole.replace("\n", "\r\n"), [1.0, 2.0, 3.0]), (CSV, [1.0, 2.0])):
        for step in (1, 7, 1000):
            growing, found = GrowingText(), []
            for start in range(0, len(text), step):
                found += growing.feed(text[start : start + step])
            assert [t_s for t_s, _ in found] == times
            assert [entry.values[Field.LAT] for _, entry in found] == pytest.approx([1.1, 1.2, 1.3][: len(times)])
    for payload in (b"", b"{", b"[1, 2]", b'{"latitude": null}', b"hello", b'{"a": {"b": "c"}}', b"\xff\xfe"):
        assert entry_of_message(payload) is None


def view_of(log):
    flight = placed(log, PLACE, FlightSettings(1000.0, (1080, 1920), takeoff_height_m=0.0))
    return FlightView(flight, (1080, 1920), max_sigma_m=20.0)


def entry(east_m, **without):
    (lat,), (lon,) = PLACE.to_wgs84([[east_m, 0.0]])
    angles = {Field.GIMBAL_YAW: 0.0, Field.GIMBAL_PITCH: -60.0, Field.GIMBAL_ROLL: 0.0}
    return Entry({Field.LAT: lat, Field.LON: lon, Field.HEIGHT: 40.0} | ({} if without else angles), digits=7)


def flown(times, now_ns, arrives=lambda t_s: t_s, *, timed=True):
    """It flies to the east at 2 m/s; entries arrive 100 s of event time after their own time, and what is added."""
    flight = LiveFlight("d", view_of, lambda: now_ns[0])
    for t_s in times:
        now_ns[0] = round((100 + arrives(t_s)) * NS)
        flight.take((t_s if timed else None, entry(2 * t_s)))
    return flight


def at(flight, t_s, sigma_s=0.0):
    return flight.plane(Stamp("d", 1, round((100 + t_s) * NS), "arrival", sigma_s))


def test_a_picture_lies_where_telemetry_of_its_own_time_says_and_late_entries_do_not_move_it():
    times = [n / 10 for n in range(31)]
    for flight in (flown(times, [0]), flown(times, [0], lambda t_s: t_s + 0.3 * (round(10 * t_s) % 3 == 1))):
        for t_s in (1.0, 1.55, 2.9):
            plane = at(flight, t_s)
            assert plane.camera_centre_m[0] == pytest.approx(2 * t_s, abs=0.25)
        assert flight.covers(round(102.9 * NS))
        assert not flight.covers(round(103.5 * NS))
    arrived = flown(times, [0], timed=False)
    assert at(arrived, 1.55).camera_centre_m[0] == pytest.approx(3.1, abs=0.25)


def test_beside_the_newest_entry_errors_grow_and_beyond_half_a_second_there_is_no_place():
    flight = flown([n / 10 for n in range(31)], [0])
    errors = [at(flight, t_s, sigma_s).rmse_m for t_s, sigma_s in ((2.5, 0.0), (2.5, 2.0), (3.0 + LATE_S - 0.01, 0.0))]
    assert errors[0] < errors[2] < errors[1]
    assert at(flight, 3.0 + LATE_S + 0.05) is Code.NO_TELEMETRY
    assert at(flight, -1.0) is Code.NO_TELEMETRY
    hole = flown([0.0, 0.1, 0.2, 5.0, 5.1], [0])
    assert at(hole, 2.0) is Code.NO_TELEMETRY
    hole.take(None)  # another flight
    assert at(hole, 5.05) is Code.NO_TELEMETRY


def test_telemetry_that_lacks_the_gimbal_or_is_of_another_place_gives_no_place():
    now_ns = [100 * NS]
    for lacks in (entry(0.0, gimbal=False), Entry(entry(0.0).values | {Field.LAT: 10.0}), Entry({Field.HEIGHT: 3.0})):
        flight = LiveFlight("d", view_of, lambda: now_ns[0])
        for number in range(3):
            flight.take((number / 10, lacks))
        assert not isinstance(at(flight, 0.1), GroundPlane)


def test_a_file_is_read_from_now_on_and_anew_when_it_is_replaced(tmp_path):
    path, heard, came = tmp_path / "grows.srt", [], threading.Condition()

    def take(timed):
        with came:
            heard.append(None if timed is None else timed[0])
            came.notify_all()

    def until(wanted):
        with came:
            assert came.wait_for(lambda: heard == wanted, 20), heard

    def write(text, mode="a"):
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)

    write(SRT.format(n=1))
    with FileFeed(path, take):
        write(SRT.format(n=2))
        until([2.0])
        write("", "w")  # it begins anew; that is seen before it is longer again
        deadline = time.monotonic() + 20
        while heard[-1] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        write(SRT.format(n=3))
        until([2.0, None, 3.0])


def test_an_address_of_a_broker_shows_no_password_and_needs_its_variable(monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    for address, what in (
        ("mqtt://u:${NO_SUCH}@h/t", "NO_SUCH is not set"),
        ("mqtt://h", "not an address"),
        ("x", "not"),
    ):
        with pytest.raises(SourceUnavailable, match=what):
            BrokerFeed(address, lambda timed: None)
