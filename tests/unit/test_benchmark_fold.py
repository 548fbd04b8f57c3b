"""The benchmark of the fold: its drawn sites are what they say, and its figures come out whole."""

import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from crowdwatch import ground
from crowdwatch.errors import ConfigError
from crowdwatch.ground import polygon
from pipelines.benchmarks import benchmark_fold, benchmark_poses
from pipelines.benchmarks.benchmark import app
from pipelines.benchmarks.benchmark_fold import sizes_of
from pipelines.benchmarks.drawn_site import LOOKS, SiteSize, draw
from pipelines.benchmarks.held_memory import held_mb

SMALL = ["--fold", "--cameras", "2", "--side-m", "20", "--zones", "4", "--people", "40"]


def run(*words):
    return CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.fixture(scope="module")
def drawn():
    return draw(SiteSize(4, 60.0, 9, 1000))


@pytest.fixture(scope="module")
def small():
    """What a small site was measured to be."""
    return json.loads(run(*SMALL, "--changes", "12", "--json").stdout)


def test_a_small_site_is_measured(small):
    (site,) = small["sites"]
    assert (site["cameras"], site["side_m"], site["zones"], site["people"]) == (2, 20.0, 4, 40)
    for key in ("prepare_s", "first_tick_s", "tick_ms", "change_tick_ms", "state_mb_after_10", "state_mb_after_12"):
        assert site[key] > 0, key
    assert site["change_tick_ms"] == max(site["silent_tick_ms"], site["return_tick_ms"])
    assert (site["healthy_cameras"], site["zones_read"]) == (2, 4)
    assert site["counted_over_true"] == pytest.approx(1.0, abs=0.02)  # half a person of 40 at the edge of a view
    assert small["growth"] == []


def test_an_empty_site_has_nothing_to_compare_with():
    answer = json.loads(run(*SMALL[:-1], "0", "--changes", "0", "--json").stdout)
    assert answer["sites"][0]["counted_over_true"] is None
    assert "state_mb_after_10" not in answer["sites"][0]


def test_growth_is_told_from_one_site_to_the_next(monkeypatch):
    times = iter([(0.1, 1.0, 2.0, 3.0), (0.3, 2.0, 5.0, 9.0)])

    def measured(size, hz, changes):
        keys = ("prepare_s", "first_tick_s", "tick_ms", "change_tick_ms")
        shape = {"cameras": size.cameras, "side_m": size.side_m, "zones": size.zones, "people": size.people}
        return {**shape, **dict(zip(keys, next(times), strict=True))}

    monkeypatch.setattr(benchmark_fold, "measure", measured)
    (growth,) = json.loads(run(*SMALL, "--double", "--changes", "0", "--json").stdout)["growth"]
    assert growth["doubled"]
    assert (growth["tick_ms"], growth["change_tick_ms"], growth["first_tick_s"]) == (2.5, 3.0, 2.0)
    assert growth["ground"] == pytest.approx(2.0)


def test_a_table_is_printed_for_people(small, monkeypatch):
    monkeypatch.setattr(benchmark_fold, "measure", lambda *_: dict(small["sites"][0]))
    said = run(*SMALL, "--changes", "12").stdout
    assert "4 of 4" in said
    assert "after 12 (x 1.0" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cameras", "0"], "cameras: got 0, need 1 to 500"),
        (["--side-m", "-5"], "side-m: got -5, need at least 2 m"),
        (["--side-m", "nan"], "side-m: got nan, need at least 2 m"),
        (["--zones", "1601"], "zones: got 1601, need at most one for each of the 1600 cells"),
        (["--zones", "0"], "zones: got 0, need 1 to 10000"),
        (["--people", "-1"], "people: got -1, need 0 to 1000000"),
        (["--people", "4001"], "people: got 4001, need at most 10 on each of the 400 m2"),
    ],
)
def test_a_site_that_cannot_be_is_refused(words, said):
    chosen = dict(zip(SMALL[1::2], SMALL[2::2], strict=True)) | {words[0]: words[1]}
    with pytest.raises(ConfigError, match=said):
        run("--fold", *(word for pair in chosen.items() for word in pair))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (SMALL[1:], "Add --fold"),
        (["--double"], "Add --fold"),
        (["--poses", "3"], "Add --fold"),
        ([*SMALL, "--poses", "3"], "on a site of its own"),
        ([*SMALL, "--batch"], "one at a time"),
        ([*SMALL, "--cameras", "3"], "got 2 x --cameras, 1 x --side-m, 1 x --zones, 1 x --people"),
        (SMALL[:-2], "0 x --people. Give all four"),
        ([*SMALL, "--changes", "10"], "need more than 10, or 0 for none"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        run(*words)


def test_a_busy_machine_is_said(monkeypatch):
    monkeypatch.setattr(benchmark_fold, "measure", lambda *_: {})
    monkeypatch.setattr(benchmark_fold.os, "getloadavg", lambda: (600.0, 0.0, 0.0))
    said = run(*SMALL, "--json")
    assert json.loads(said.stdout)["load_before"] == 600.0
    assert "The load is 600.0 on" in said.stderr


def test_new_poses_of_a_drone_are_measured(monkeypatch):
    monkeypatch.setattr(benchmark_poses, "SIZE", SiteSize(2, 60.0, 4, 200))
    monkeypatch.setattr(benchmark_poses, "WARM", 1)
    answer = json.loads(run("--fold", "--poses", "3", "--json").stdout)
    assert (answer["poses"], answer["image_hw"], answer["side_m"]) == (3, [1080, 1920], 60.0)
    for key in ("projection_ms", "view_ms", "new_pose_ms", "tick_ms", "moved_tick_ms"):
        assert answer[key] > 0, key
    assert answer["new_pose_ms"] >= max(answer["projection_ms"], answer["view_ms"])
    assert answer["new_pose_with_tick_ms"] == answer["projection_ms"] + answer["moved_tick_ms"] - answer["tick_ms"]


def test_memory_that_is_exhausted_is_said(monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(benchmark_fold, "measure", exhausted)
    with pytest.raises(ConfigError, match="memory is exhausted"):
        run(*SMALL)


def test_without_sizes_the_usual_sites_are_drawn():
    assert [str(size)[:2].strip() for size in sizes_of(None, None, None, None, True)] == ["4", "8", "16", "32"]


def test_zones_tile_the_site_and_everybody_stands_in_one(drawn):
    zones = [polygon(zone.polygon_m) for zone in drawn.site.zones]
    assert sum(zone.area for zone in zones) == pytest.approx(3600.0)
    assert polygon(drawn.site.walkable_m).area == pytest.approx(3600.0)
    assert not any(one.overlaps(other) for one in zones for other in zones)
    one = drawn.observations(0)[0]
    here = sum(ground.inside(zone, one.positions.xy_m).sum() for zone in zones)
    assert here == len(one.positions.xy_m) > 100


def test_cameras_compete_and_see_every_zone(drawn):
    shown = [set(looks[0].shown) for looks in drawn.looks]
    together = set().union(*shown)
    assert len(together) > 900
    assert sum(map(len, shown)) > 1.5 * len(together)
    assert (drawn.truth > 0).all()
    assert drawn.truth[0].sum() == len(together)


def test_a_density_map_holds_the_heads_that_are_seen(drawn):
    """Whoever is shown with feet and head has a box, and most of a head in the cell below it."""
    for index, one in enumerate(sorted(drawn.observations(3), key=lambda each: each.stamp.camera_id)):
        mass, look = one.mass, drawn.looks[index][3 % LOOKS]
        whole = mass.origin_m / mass.cell_m
        assert np.array_equal(whole, whole.round())
        heads = round(mass.mass.sum())
        assert mass.mass.sum() == pytest.approx(heads, abs=1e-9)  # whole heads: spreading loses none
        assert heads >= len(look.shown)
        cells = np.floor((one.positions.xy_m - mass.origin_m) / mass.cell_m).astype(int)
        inside = ((cells >= 0) & (cells < mass.mass.shape[::-1])).all(axis=1)
        under = mass.mass[cells[inside, 1], cells[inside, 0]] > 0.9
        assert under.sum() >= len(look.shown)


def test_pictures_come_in_order_at_their_rate():
    twice = draw(SiteSize(3, 30.0, 2, 50), hz=2)
    seen = twice.observations(7, dark=["camera-001"], absent=["camera-002"])
    assert [one.stamp.id for one in seen] == [
        ("camera-000", 14), ("camera-001", 14), ("camera-000", 15), ("camera-001", 15),
    ]  # fmt: skip
    assert [one.evidence.luma < 8 for one in seen] == [False, True, False, True]
    assert len({one.evidence.frame_hash for one in twice.observations(7) + twice.observations(8)}) == 4


def test_memory_counts_what_is_shared_once():
    one = np.zeros(2**17)
    assert held_mb(one) == pytest.approx(1.0, rel=1e-3)
    assert held_mb({"a": one, "b": (one, one[3:])}) == pytest.approx(1.0, rel=1e-3)
    assert held_mb([one, one.copy()]) == pytest.approx(2.0, rel=1e-3)
    assert held_mb(np.array([one, None], dtype=object)) == pytest.approx(1.0, rel=1e-3)
    assert held_mb(math) < 1e-3  # a module is the program's
