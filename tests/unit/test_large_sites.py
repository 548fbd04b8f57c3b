"""Sites of square kilometres: gridded where somebody looks, and refused with the remedy where that is too much."""

import re
import sys

import pytest

from crowdwatch.assets.examples import example
from crowdwatch.commands import cli

AREA = "walkable_area_m: [[-12, -4], [12, -4], [12, 12], [-12, 12]]"
SIDE = "polygon_m: [[-12, -4], [-6, -4], [-6, 12], [-12, 12]]"
VAST = "[[-1500, -1500], [1500, -1500], [1500, 1500], [-1500, 1500]]"


@pytest.fixture
def event(tmp_path):
    def write(**changes):
        text = example("synthetic").read_text()
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "event.yaml"
        path.write_text(text)
        return path

    return write


def test_nine_square_kilometres_of_which_a_corner_is_reached_are_sound(event, capsys, monkeypatch):
    path = event(area=(AREA, f"walkable_area_m: {VAST}"))
    monkeypatch.setattr(sys, "argv", ["crowdwatch", "check", str(path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "is sound" in capsys.readouterr().out


def test_nine_square_kilometres_of_zones_are_refused_with_the_remedy(event, capsys, monkeypatch):
    path = event(area=(AREA, f"walkable_area_m: {VAST}"), zone=(SIDE, f"polygon_m: {VAST}"))
    monkeypatch.setattr(sys, "argv", ["crowdwatch", "check", str(path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    printed = capsys.readouterr()
    assert "is sound" not in printed.out
    said = " ".join(printed.err.split())
    assert re.search(r"36,000,000 cells of 0.5 m, more than 8,000,000.*readings: \{cell_m: 1.1\}", said)
