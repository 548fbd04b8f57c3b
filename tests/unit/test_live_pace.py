"""How often live cameras are looked at, and the time between two readings."""

from __future__ import annotations

from fractions import Fraction

import pytest
from drawn import drawn_square

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.drivers.configuration import RunConfiguration
from crowdwatch.drivers.live.cameras import sampling

NS = 1_000_000_000


def event_of(tmp_path, cameras: int = 1, *, live: bool = True, tick_s: float | None = None) -> EventFile:
    values = config.load(drawn_square(tmp_path)).model_dump()
    (camera,) = values["cameras"]
    source = {"url": "rtsp://127.0.0.1/a"} if live else camera["source"]
    values["cameras"] = [camera | {"id": f"c{number}", "source": source, "sample_hz": 2.0} for number in range(cameras)]
    values["readings"] |= {"tick_s": tick_s}
    return EventFile.model_validate(values)


@pytest.mark.parametrize(
    ("cameras", "live", "asked", "tick_s"),
    [(1, True, None, 0.5), (16, True, None, 0.5), (17, True, None, 1.0), (1, False, None, 1.0), (1, True, 2.0, 2.0)],
)
def test_few_live_cameras_are_read_twice_a_second_and_all_else_once(tmp_path, cameras, live, asked, tick_s):
    event = event_of(tmp_path, cameras, live=live, tick_s=asked)
    assert config.to_site(event).tick_s == tick_s


def test_streams_are_looked_at_before_ticks_and_footage_where_it_says(tmp_path):
    live, played = event_of(tmp_path), event_of(tmp_path, live=False)
    assert sampling(live, live.cameras[0]) == (Fraction(2), NS // 4)
    assert sampling(played, played.cameras[0]) == (Fraction(2), 0)


def test_a_log_is_folded_with_its_own_ticks_unless_another_time_is_asked_for(tmp_path):
    """Also that of an earlier version, which wrote down one second."""
    before = event_of(tmp_path, tick_s=1.0).model_dump_json()
    assert RunConfiguration.for_log(event_of(tmp_path), before).json == before
    assert RunConfiguration.for_log(event_of(tmp_path, tick_s=2.0), before).site.tick_s == 2.0
    today = event_of(tmp_path).model_dump_json()
    assert RunConfiguration.for_log(event_of(tmp_path), today).json == today
