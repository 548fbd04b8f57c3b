"""What drones write beside their films is read whatever its layout, and what cannot be true is left out or refused."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from crowdwatch.calibration.drone_lenses import DRONES, focal_px
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import GroundPlane
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.flight.csv_log import read_csv
from crowdwatch.sources.flight.film import FlightView
from crowdwatch.sources.flight.flight import Altitude, FlightSettings, flight_of
from crowdwatch.sources.flight.gps_order import decided, positions_of
from crowdwatch.sources.flight.joining import Film, joined
from crowdwatch.sources.flight.klv import KEY, pack, packets_in, read_klv
from crowdwatch.sources.flight.log import Field, Order
from crowdwatch.sources.flight.place import SitePlace
from crowdwatch.sources.flight.srt import read_srt

ENTRIES = {
    "Avata360.SRT": 5, "air2s.srt": 17, "air3S.SRT": 5, "broken_incomplete.SRT": 19, "matrice_300.srt": 381,
    "mavic3_head.srt": 517, "mavic_2_style.SRT": 463, "mavic_air.SRT": 2, "mavic_air2.srt": 25, "mavic_mini.SRT": 117,
    "mavic_pro.SRT": 468, "mini4pro.SRT": 2, "mix_p4rtk_mavic2pro.srt": 12, "neo2_nogps.SRT": 6, "old_format.SRT": 468,
    "p4_rtk.SRT": 55, "p4p_sample.SRT": 5,
}  # fmt: skip
BEIJING = SitePlace("EPSG:32650", (447500.0, 4418500.0))
START_NS = 1_767_268_800_000_000_000  # 2026-01-01 12:00


def film(seconds=10.0, rate=10.0, start_ns=START_NS):
    return Film(round(seconds * rate), seconds, 1 / rate, start_ns)


def settings(**more):
    return FlightSettings(1000.0, (1080, 1920), **{"takeoff_height_m": 0.0, **more})


def srt(folder, change=lambda number, entry: entry, count=100, rate=10.0, name="film.srt"):
    """A flight of ten seconds to the east at 5 m/s, 60 m up, looking north and down; ``change`` spoils an entry."""
    parts = []
    for number in range(count):
        lat, lon = BEIJING.to_wgs84(np.array([[5.0 * number / rate, 0.0]]))
        entry = {
            "latitude": f"{lat[0]:.7f}", "longitude": f"{lon[0]:.7f}", "rel_alt": "60.000", "abs_alt": "100.000",
            "gb_yaw": "0.0", "gb_pitch": "-60.0", "gb_roll": "0.0", "clock": f"2026-01-01 20:00:{number / rate:06.3f}",
        }  # fmt: skip
        entry = change(number, entry)
        stamp = [f"00:00:{at:06.3f}".replace(".", ",") for at in (number / rate, (number + 1) / rate)]
        fields = " ".join(f"[{key}: {value}]" for key, value in entry.items() if key != "clock")
        parts.append(f"{number + 1}\n{stamp[0]} --> {stamp[1]}\nFrameCnt: {number + 1}\n{entry['clock']}\n{fields}\n")
    path = folder / name
    path.write_text("\n".join(parts))
    return path


def spoiled(**values):
    return lambda number, entry: {**entry, **{key: of(number) for key, of in values.items()}}


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_layout_is_read(data_dir, name):
    log = read_srt(data_dir / "dji_srt" / name)
    assert len(log) == ENTRIES[name]


def test_an_empty_file_is_refused_with_a_remedy(data_dir):
    with pytest.raises(SourceUnavailable, match=r"holds no entry .* Copy it again"):
        read_srt(data_dir / "dji_srt" / "broken_empty.SRT")


@pytest.mark.parametrize(("name", "entry"), [("broken_incomplete.SRT", 20), ("mavic3_head.srt", 518)])
def test_of_a_file_that_was_cut_what_is_whole_is_read_and_it_is_said(data_dir, name, entry):
    (note,) = read_srt(data_dir / "dji_srt" / name).notes
    assert f"is cut off in entry {entry}: {entry - 1} entries are whole" in note


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("mavic_2_style.SRT", Field.LON, 149.0251),  # longtitude
        ("air2s.srt", Field.FOCAL_35_MM, 24.0),  # 240
        ("air3S.SRT", Field.FOCAL_35_MM, 24.0),  # 24.00
        ("Avata360.SRT", Field.GIMBAL_YAW, -162.8),
        ("p4_rtk.SRT", Field.GIMBAL_YAW, 110.4),  # not the aircraft's 110.1
        ("p4_rtk.SRT", Field.GIMBAL_PITCH, -24.4),
        ("p4_rtk.SRT", Field.BODY_YAW, 110.1),
        ("mavic_mini.SRT", Field.HEIGHT, 200.7),
        ("matrice_300.srt", Field.ALTITUDE_UNTOLD, 0.0),  # beside BAROMETER, which is the height
        ("matrice_300.srt", Field.HEIGHT, 0.3),
        ("old_format.SRT", Field.HEIGHT, 1.9),
    ],
)
def test_a_field_is_what_it_says(data_dir, name, field, value):
    assert read_srt(data_dir / "dji_srt" / name).get(field)[0] == value


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("mavic_pro.SRT", Order.LON_LAT),  # 149 is no latitude
        ("mavic_mini.SRT", Order.LON_LAT),
        ("p4_rtk.SRT", Order.LON_LAT),  # by its distances to home
        ("mini4pro.SRT", Order.NAMED),
        ("matrice_300.srt", Order.UNDECIDED),  # Spain or Tanzania
        ("p4p_sample.SRT", Order.UNDECIDED),  # Switzerland or Somalia
    ],
)
def test_the_order_of_a_position_is_decided_by_evidence(data_dir, name, order):
    assert decided(read_srt(data_dir / "dji_srt" / name)).order is order


@pytest.mark.parametrize(("site", "order"), [((36.61, -6.11), Order.LAT_LON), ((-6.11, 36.61), Order.LON_LAT)])
def test_the_site_decides_where_the_file_does_not(data_dir, site, order):
    log = decided(read_srt(data_dir / "dji_srt" / "matrice_300.srt"), site=site)
    assert log.order is order
    assert [each[0] for each in positions_of(log)] == pytest.approx(site, abs=0.01)


def test_an_undecided_order_is_refused(data_dir):
    log = read_srt(data_dir / "dji_srt" / "matrice_300.srt")
    with pytest.raises(SourceUnavailable, match="State gps_order: lon_lat or lat_lon"):
        flight_of(log, film(380), BEIJING, settings())


def test_an_order_that_cannot_be_is_refused(data_dir):
    with pytest.raises(SourceUnavailable, match="a latitude is beyond 90 degrees"):
        decided(read_srt(data_dir / "dji_srt" / "mavic_pro.SRT"), Order.LAT_LON)


def test_a_pose_is_where_the_drone_was(tmp_path):
    flight = flight_of(read_srt(srt(tmp_path)), film(), BEIJING, settings())
    pose, errors = flight.at(3.14)
    assert (pose.east_m, pose.north_m, pose.up_m) == pytest.approx((5 * 3.14, 0, 60), abs=0.03)
    assert pose.pitch_deg == -60
    assert pose.yaw_deg == pytest.approx(BEIJING.true_north_deg())
    # 1.5 m of satellites, 0.15 m of the lever arm, and 5 m/s times the error of time
    assert errors.east_m == pytest.approx(np.sqrt(1.5**2 + 0.15**2 + (5 * flight.t_sigma_s) ** 2), rel=0.02)
    assert errors.north_m == pytest.approx(np.hypot(1.5, 0.15), rel=0.01)
    assert flight.at(-0.5) is None
    assert flight.at(13.0) is None


def test_a_heading_goes_through_north_the_shorter_way(tmp_path):
    path = srt(tmp_path, spoiled(gb_yaw=lambda number: f"{(175 + number + 180) % 360 - 180:.1f}"))
    flight = flight_of(read_srt(path), film(), BEIJING, settings())
    yaw = [flight.at(at_s)[0].yaw_deg - BEIJING.true_north_deg() for at_s in (0.4, 0.45, 0.55, 0.6)]
    assert yaw == pytest.approx([179.0, 179.5, 180.5, 181.0])


def test_no_fix_and_leaps_are_no_places(tmp_path):
    def change(number, entry):
        if 40 <= number < 43:
            return {**entry, "latitude": "0.0", "longitude": "0.0"}
        return {**entry, "latitude": f"{float(entry['latitude']) + 0.01:.7f}"} if number == 70 else entry

    flight = flight_of(read_srt(srt(tmp_path, change)), film(), BEIJING, settings())
    assert "3 of 100 positions are (0, 0)" in " ".join(flight.notes)
    assert "1 of 100 positions leap faster than 40 m/s" in " ".join(flight.notes)
    assert flight.at(4.1) is None
    assert flight.at(7.0) is None
    assert flight.at(6.5)[0].east_m == pytest.approx(32.5, abs=0.1)


def test_a_frozen_height_is_none(tmp_path):
    path = srt(tmp_path, spoiled(abs_alt=lambda number: f"{100 + number / 10:.3f}"), count=150)
    with pytest.raises(SourceUnavailable, match="height above take-off stand still although the drone moves"):
        flight_of(read_srt(path), film(15), BEIJING, settings())


def test_another_country_is_refused(tmp_path):
    path = srt(tmp_path, spoiled(latitude=lambda _: "51.5000000", longitude=lambda _: "-0.1200000"))
    with pytest.raises(SourceUnavailable, match=r"8\d\d\d km from the site .* another place"):
        flight_of(read_srt(path), film(), BEIJING, settings())


def test_without_a_gimbal_it_is_refused_or_told_and_then_less_certain(data_dir, tmp_path):
    def change(number, entry):
        return {key: value for key, value in entry.items() if not key.startswith("gb_")} | {"yaw": "12.0"}

    log = read_srt(srt(tmp_path, change))
    with pytest.raises(SourceUnavailable, match="heading of the aircraft, which is not where the camera looks"):
        flight_of(log, film(), BEIJING, settings())
    flight = flight_of(log, film(), BEIJING, settings(yaw_deg=10.0, pitch_deg=-80.0, angle_sigma_deg=4.0))
    pose, errors = flight.at(5.0)
    assert (pose.pitch_deg, errors.pitch_deg, errors.yaw_deg) == (-80.0, 4.0, 4.0)
    assert set(flight.estimated) == {"yaw_deg", "pitch_deg", "roll_deg"}


def test_a_height_without_a_zero_is_refused_until_it_is_told(tmp_path):
    def change(number, entry):
        kept = {key: value for key, value in entry.items() if not key.endswith("_alt")}
        return kept | {"altitude": "62.000000"}

    log = read_srt(srt(tmp_path, change))
    with pytest.raises(SourceUnavailable, match="altitude, above what is not said"):
        flight_of(log, film(), BEIJING, settings())
    up_m = [
        flight_of(log, film(), BEIJING, settings(altitude=kind, ground_elevation_m=20.0)).at(5.0)[0].up_m
        for kind in (Altitude.TAKEOFF, Altitude.SEA)
    ]
    assert up_m == pytest.approx([62.0, 42.0])


def test_an_unknown_takeoff_height_widens_the_error(tmp_path):
    log = read_srt(srt(tmp_path))
    told, untold = (flight_of(log, film(), BEIJING, settings(takeoff_height_m=each)) for each in (3.0, None))
    assert told.at(5.0)[0].up_m == 63.0
    assert told.sigmas.up_m == 1.5
    assert untold.sigmas.up_m == pytest.approx(2.5)
    assert untold.estimated == ("takeoff_height_m",)


def test_a_lever_arm_moves_the_camera(tmp_path):
    pose, _ = flight_of(read_srt(srt(tmp_path)), film(), BEIJING, settings(antenna_m=(0.5, 0.2, -0.1))).at(4.0)
    assert (pose.east_m, pose.north_m, pose.up_m) == pytest.approx((20.2, 0.5, 59.9), abs=0.03)


def test_few_digits_are_less_certain(tmp_path):
    path = srt(tmp_path, lambda _, entry: {**entry, "latitude": "39.9160", "longitude": "116.3850"})
    flight = flight_of(read_srt(path), film(), BEIJING, settings())
    assert flight.sigmas.east_m == pytest.approx(np.hypot(1.5, 11.12 / np.sqrt(12)), rel=0.01)


def test_telemetry_at_30_of_a_film_at_29_97_goes_by_the_film(tmp_path):
    log = read_srt(srt(tmp_path, count=1800, rate=30.0))
    found, notes = joined(log, Film(1800, 1800 * 1001 / 30000, 1001 / 30000, START_NS))
    assert found.t_s[-1] == pytest.approx(1799 * 1001 / 30000, abs=2e-3)
    assert "entries are counted" in notes[0]


@pytest.mark.parametrize(
    ("seconds", "what"),
    [(4.0, "goes on for 6.0 s after the film's end"), (20.0, "ends 10.0 s before the film")],
)
def test_telemetry_of_another_length(tmp_path, seconds, what):
    log = read_srt(srt(tmp_path))
    if seconds < 10:
        with pytest.raises(SourceUnavailable, match=what):
            joined(log, film(seconds))
        assert joined(log, film(seconds), offset_s=0.0)[1] == []
    else:
        assert any(what in note for note in joined(log, film(seconds))[1])


def test_telemetry_of_another_day_is_refused_and_of_another_zone_is_not(tmp_path):
    log = read_srt(srt(tmp_path))  # its clock is at UTC+8
    assert joined(log, film())[1] == []
    with pytest.raises(SourceUnavailable, match="no time zone explains that"):
        joined(log, film(start_ns=START_NS + 3 * 86_400 * 10**9))


def test_another_lens_than_the_models_is_refused(tmp_path):
    log = read_srt(srt(tmp_path, spoiled(focal_len=lambda _: "70.00")))
    with pytest.raises(SourceUnavailable, match="lens is 70 mm long, and that of the model is 24 mm"):
        flight_of(log, film(), BEIJING, settings(focal_35_mm=24.0))


def test_a_zoom_lengthens_the_lens(tmp_path):
    flight = flight_of(read_srt(srt(tmp_path, spoiled(dzoom_ratio=lambda _: "2.00"))), film(), BEIJING, settings())
    assert flight.at(1.0)[0].focal_px == 2000.0


def test_the_table_of_lenses_gives_the_field_of_view_that_makers_state():
    """84 degrees over the diagonal of the sensor: Mavic 3's wide camera, 5280 x 3956."""
    focal = focal_px(DRONES["mavic-3"], 5280)
    assert 2 * np.degrees(np.arctan(np.hypot(5280, 3956) / 2 / focal)) == pytest.approx(84, abs=0.5)


CSV = """app,version
time(millisecond),latitude,longitude,height_above_takeoff(feet),compass_heading(degrees),gimbal_heading(degrees),gimbal_pitch(degrees),isVideo
0,39.9160001,116.3850001,190.0,44,9,-59,0
100,39.9160001,116.3850001,200.0,45,10,-60,1
200,39.9160001,116.3850001,200.0,45,12,-60,1
300,39.9160001,116.3850001,200.0"""


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(CSV)
    log = read_csv(path)
    assert log.t_s.tolist() == pytest.approx([0.0, 0.1])  # from the first row that was filmed
    assert log.get(Field.HEIGHT).tolist() == pytest.approx([60.96, 60.96])
    assert log.get(Field.GIMBAL_YAW).tolist() == [10, 12]
    assert log.get(Field.BODY_YAW).tolist() == [45, 45]
    assert "cut off in row 4" in log.notes[0]


def test_a_table_without_a_position_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceUnavailable, match="no line names columns of latitude and longitude"):
        read_csv(tmp_path / "log.csv")


def test_packets_of_misb_are_read(data_dir):
    """The values of the standard's own example (ST 0601, tags 13 to 16)."""
    log = read_klv(data_dir / "klv" / "DynamicOnlyMISMMSPacketData.bin")
    assert log.get(Field.LAT)[0] == pytest.approx(60.176822966978335)
    assert log.get(Field.LON)[0] == pytest.approx(128.42675904204452)
    assert log.get(Field.ALTITUDE)[0] == pytest.approx(14190.719462882427)
    assert log.get(Field.VIEW_DEG)[0] == pytest.approx(144.5712977798123)


def test_a_packet_whose_checksum_does_not_fit_is_left_out(data_dir):
    """The other example was changed after its checksum was made."""
    with pytest.raises(SourceUnavailable, match=r"holds no whole packet .*1 damaged"):
        read_klv(data_dir / "klv" / "DynamicConstantMISMMSPacketData.bin")


def test_a_stream_of_packets_goes_on_after_a_damaged_one():
    whole = pack(1_000_000, {"lat": 39.9, "lon": 116.4, "altitude": 160.0, "heading": 350.0, "pitch": 0.0, "roll": 0.0,
                             "azimuth": 20.0, "elevation": -60.0, "turn": 0.0})  # fmt: skip
    damaged = bytearray(whole)
    damaged[30] ^= 0xFF
    found = list(packets_in(b"noise" + whole + bytes(damaged) + whole + whole[:40]))
    assert [each is None for each in found] == [False, True, False, True]
    assert found[0].values["lat"] == pytest.approx(39.9, abs=1e-7)
    assert list(packets_in(KEY + struct.pack(">B", 0x85))) == [None]


def test_packets_alone_follow_their_own_clock(tmp_path):
    values = {"lat": 39.9, "lon": 116.4, "altitude": 160.0, "heading": 350.0, "pitch": 0.0, "roll": 0.0,
              "azimuth": 20.0, "elevation": -60.0, "turn": 0.0}  # fmt: skip
    (tmp_path / "a.klv").write_bytes(b"".join(pack(1_000_000 + 500_000 * n, values) for n in range(4)))
    log = read_klv(tmp_path / "a.klv")
    assert log.t_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert log.get(Field.GIMBAL_YAW)[0] == pytest.approx(10.0, abs=0.01)  # through north
    assert log.get(Field.GIMBAL_PITCH)[0] == pytest.approx(-60.0, abs=0.01)


def test_packets_in_a_transport_stream_have_its_time(tmp_path):
    values = {"lat": 39.9, "lon": 116.4, "altitude": 160.0, "heading": 350.0, "pitch": 0.0, "roll": 0.0,
              "azimuth": 20.0, "elevation": -60.0, "turn": 0.0}  # fmt: skip
    with av.open(str(tmp_path / "film.ts"), "w", format="mpegts") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        data = container.add_data_stream("klv")
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="bgr24")
            container.mux(video.encode(picture))
            if number % 5 == 0:
                packet = av.Packet(pack(1_000_000 + 100_000 * number, values))
                packet.stream, packet.time_base = data, Fraction(1, 90_000)
                packet.pts = packet.dts = 9000 * number
                container.mux(packet)
        container.mux(video.encode())
    log = read_klv(tmp_path / "film.ts")
    assert log.t_s.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert log.get(Field.LAT)[0] == pytest.approx(39.9, abs=1e-7)


def test_a_film_with_the_track_of_dji_says_that_it_is_not_read(tmp_path):
    """The second track is made one of data, as DJI writes it: only its kind is drawn here, never its content."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
            container.mux(stream.encode())
    raw = path.read_bytes()
    for old, new in ((b"mp4v", b"djmd"), (b"vide", b"meta")):
        at = raw.rindex(old)
        raw = raw[:at] + new + raw[at + 4 :]
        path.write_bytes(raw)
    with pytest.raises(SourceUnavailable, match=r"carries djmd .*not read. Name the SRT"):
        read_klv(path)


@pytest.mark.parametrize(
    ("pitch_deg", "up_m", "most_m", "code"),
    [(-60.0, 60.0, 5.0, None), (5.0, 60.0, 5.0, Code.NO_GROUND), (-60.0, 1.0, 5.0, Code.NO_GROUND),
     (-60.0, 60.0, 1.0, Code.NO_GROUND)],
)  # fmt: skip
def test_a_picture_without_certain_ground_has_a_reason(tmp_path, pitch_deg, up_m, most_m, code):
    """The horizon, a drone on the ground, and errors larger than what is asked for."""
    path = srt(tmp_path, spoiled(gb_pitch=lambda _: f"{pitch_deg}", rel_alt=lambda _: f"{up_m:.3f}"))
    view = FlightView(flight_of(read_srt(path), film(), BEIJING, settings()), (1080, 1920), max_sigma_m=most_m)
    assert (view.at(5.0) is code) or code is None
    assert code is not None or isinstance(view.at(5.0), GroundPlane)
    assert view.at(60.0) is Code.NO_TELEMETRY


def test_bad_telemetry_is_refused_or_gives_no_place_and_never_people_on_false_ground(tmp_path):
    """What is spoiled, and what is said of pictures at 0.5, 3.05 and 9 s; a word of the refusal where there is one."""
    there, here = "there", SitePlace("EPSG:32650", (447500.0, 4418500.0))
    now_and_then = lambda bad, good: lambda n: bad if n == 30 else good  # noqa: E731
    cases = [
        ("nothing", spoiled(), {}, here, (there, there, there)),
        ("no fix", spoiled(latitude=lambda n: "0.0", longitude=lambda n: "0.0"), {}, here, "no fix by satellites"),
        ("latitude of 95", spoiled(latitude=lambda n: "95.0"), {}, here, "no entry has a position"),
        ("another EPSG", spoiled(), {}, SitePlace("EPSG:32651", here.origin_m), "it is of another place"),
        ("the horizon", spoiled(gb_pitch=lambda n: "-0.5"), {}, here, (Code.NO_GROUND,) * 3),
        ("the sky", spoiled(gb_pitch=lambda n: "20.0"), {}, here, (Code.NO_GROUND,) * 3),
        ("under the ground", spoiled(rel_alt=lambda n: "-3.0"), {}, here, (Code.NO_GROUND,) * 3),
        ("in space", spoiled(rel_alt=lambda n: "9999.0"), {}, here, (Code.NO_GROUND,) * 3),
        ("yaw leaps", spoiled(gb_yaw=now_and_then("90.0", "0.0")), {}, here, (there, Code.NO_TELEMETRY, there)),
        ("yaw steps", spoiled(gb_yaw=lambda n: "90.0" if n > 30 else "0"), {}, here, (there, Code.NO_TELEMETRY, there)),
        ("pitch leaps", spoiled(gb_pitch=now_and_then("0", "-60")), {}, here, (there, Code.NO_TELEMETRY, there)),
        ("height leaps", spoiled(rel_alt=now_and_then("0.0", "60.0")), {}, here, (there, Code.NO_TELEMETRY, there)),
        ("on its head", spoiled(gb_roll=lambda n: "180.0"), {}, here, "gimbal roll are more than 60"),
        ("another lens", spoiled(gb_roll=lambda n: "0] [focal_len: 70"), {"focal_35_mm": 24}, here, "another camera"),
        ("no such zoom", spoiled(gb_roll=lambda n: "0] [dzoom_ratio: 10000"), {}, here, "none of its 100 entries"),
    ]  # fmt: skip
    for what, change, more, place, expected in cases:
        log = read_srt(srt(tmp_path, change))
        if isinstance(expected, str):
            with pytest.raises(SourceUnavailable, match=expected):
                flight_of(log, film(), place, settings(**more))
            continue
        view = FlightView(flight_of(log, film(), place, settings(**more)), (1080, 1920), max_sigma_m=5.0)
        found = [view.at(t_s) for t_s in (0.5, 3.05, 9.0)]
        assert tuple(there if isinstance(each, GroundPlane) else each for each in found) == expected, what
