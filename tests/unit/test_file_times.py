"""Times in file names: read whole, with their offset, or refused."""

import pytest

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.config.file_times import time_in_name
from crowdwatch.errors import ConfigError

SHANGHAI = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("stem", "utc"),
    [
        ("gate-20261231T213000Z", "2026-12-31T21:30:00Z"),
        ("gate_20260501T120000+0800", "2026-05-01T04:00:00Z"),
        ("gate_2026-05-01T12-00-00+02-00", "2026-05-01T10:00:00Z"),
        ("2026-05-01T12:00:00.250+05:30", "2026-05-01T06:30:00.250Z"),
        ("20260501_120000_UTC+8", "2026-05-01T04:00:00Z"),
        ("g_20260501_120000-0500", "2026-05-01T17:00:00Z"),
        ("2026-05-01T120000+0800_2026-05-01T130000+0800", "2026-05-01T04:00:00Z"),
    ],
)
def test_an_offset_in_a_name_counts_whatever_zone_is_stated(stem, utc):
    assert time_in_name(stem).text == utc
    assert time_in_name(stem, SHANGHAI).text == utc


@pytest.mark.parametrize(
    ("stem", "utc"),
    [
        ("CAM20251231_20260501_120000", "2026-05-01T04:00:00Z"),
        ("DS2CD2143G0-I20190101AAWR12345678_20260501120000", "2026-05-01T04:00:00Z"),
        ("192.168.1.108_ch1_20260501120000_20260501123000", "2026-05-01T04:00:00Z"),
        ("PXL_20260501_120000123", "2026-05-01T04:00:00.123Z"),
        ("2026-05-01_12-00-00-250000", "2026-05-01T04:00:00.250000Z"),
        ("20260501-12h00m00s", "2026-05-01T04:00:00Z"),
        ("2026年05月01日12时00分00秒", "2026-05-01T04:00:00Z"),
        ("a_20260501_120000_001", "2026-05-01T04:00:00Z"),
    ],
)
def test_local_time_needs_its_zone(stem, utc):
    assert time_in_name(stem, SHANGHAI).text == utc
    with pytest.raises(ValueError, match="without an offset from UTC"):
        time_in_name(stem)


@pytest.mark.parametrize(
    ("stem", "zone", "says"),
    [
        ("1777636800", SHANGHAI, "no date with a time"),
        ("cam_01052026_120000", SHANGHAI, "no date with a time"),
        ("20260230_120000", SHANGHAI, "no date with a time"),
        ("rec-12345678901234567890", SHANGHAI, "no date with a time"),
        ("x20260501_120000_20250501_120000", SHANGHAI, "holds 2 times"),
        ("g-20260501T120000-05", SHANGHAI, "an offset or a number"),
        ("20260501T120000+1500", None, "not one between"),
        ("20261025_023000", "Europe/Berlin", "occurs twice"),
        ("20260329_023000", "Europe/Berlin", "does not occur"),
    ],
)
def test_what_cannot_be_told_is_refused(stem, zone, says):
    with pytest.raises(ValueError, match=says):
        time_in_name(stem, zone)


def event_with(tmp_path, source, top=""):
    text = example("pets2009").read_text(encoding="utf-8")
    file = tmp_path / "event.yaml"
    file.write_text(top + text.replace("sample: pets2009", source, 1), encoding="utf-8")
    return config.load(file)


def test_the_zone_stands_in_the_event_file_or_beside_the_folder(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "gate_20260501_120000.mp4").touch()
    (folder / "gate_20260501_120010.FLV").touch()
    (folder / "notes.txt").touch()
    (folder / "more").mkdir()
    with pytest.raises(ConfigError, match=r"2 file\(s\) hold no UTC time.*State time_zone: Asia/Shanghai"):
        event_with(tmp_path, "folder: clips")
    event = event_with(tmp_path, "folder: clips", "time_zone: Asia/Shanghai\n")
    times = [(time, how) for _, _, time, how in config.recording_times(event)]
    how = "read from its name, in Asia/Shanghai"
    assert times == [("2026-05-01T04:00:00Z", how), ("2026-05-01T04:00:10Z", how)]
    (said,) = config.left_out(event)
    assert said.endswith("clips: more/, notes.txt.")
    beside = event_with(tmp_path, "folder: clips\n      time_zone: UTC", "time_zone: Asia/Shanghai\n")
    assert beside.cameras[0].source.recordings[0].start_time == "2026-05-01T12:00:00Z"
    with pytest.raises(ConfigError, match="no such time zone"):
        event_with(tmp_path, "folder: clips", "time_zone: Asia/Peking\n")
