"""Cameras that cannot see what they are for: an error before the run, or a reading that says so."""

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml
from scenes import SQUARE, T0, fold, ladder, see, square, started

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.known_gaps import known_gaps
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import Level, Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Tick
from crowdwatch.core.site import Quantity
from crowdwatch.drivers import build
from crowdwatch.errors import ConfigError
from crowdwatch.sources.synthetic import lattice

LONG = [[-6, -60], [6, -60], [6, 8], [-6, 8]]
"""Walkable ground that goes on far behind the camera, which stands at y = -12 and looks north."""


def read(zone, area_m2, people=(), **more):
    """The reading of one picture."""
    seen = replace(see(T0, np.reshape(people, (-1, 2)), seq=0), **more)
    site = square(zone=zone, walkable=LONG, area_m2=area_m2)
    return fold(started(site), [seen, Tick(T0, (seen.stamp.id,))])[1][0].readings[0]


def test_a_zone_outside_the_view_is_blind_and_says_so():
    found = read([[-4, -50], [4, -50], [4, -40], [-4, -40]], 80.0, lattice(1.0, -4, 0, 4, 6))
    assert (found.quality, found.reasons) == (Quality.BLIND, (Reason.of(Code.NO_CAMERA),))
    assert found.level is Level.UNKNOWN
    assert np.isnan([found.count, found.count_high, found.density_p_m2]).all(), "no data is not zero"


def test_a_zone_half_seen_states_both():
    """The density of what is seen; and a count whose upper end reaches over the rest at the densest place seen."""
    people = lattice(1.0, -4, -2, 4, 6)
    zone, area_m2 = [[-4, -30], [4, -30], [4, 6], [-4, 6]], 8 * 36.0
    found, whole = read(zone, area_m2, people), read([[-4, 0], [4, 0], [4, 6], [-4, 6]], 48.0, people)
    assert found.quality is Quality.DEGRADED
    assert 0.2 < found.visible_frac < 0.8
    assert Reason.of(Code.PARTLY_SEEN, visible_frac=found.visible_frac) in found.reasons
    seen_m2 = area_m2 * found.visible_frac
    assert found.density_p_m2 == pytest.approx(found.count / seen_m2)
    unseen = (area_m2 - seen_m2) * max(found.peak_p_m2, found.density_p_m2)
    assert found.count_high == pytest.approx(found.density_high * seen_m2 + unseen)
    assert found.count_low == pytest.approx(found.density_low * seen_m2)
    assert whole.visible_frac == pytest.approx(1.0)
    assert whole.count_high == pytest.approx(whole.density_high * 48.0), "nothing is unseen of this one"


def test_heads_that_cannot_be_put_on_the_ground_degrade_a_reading():
    why = Code.HEADS_NOT_PROJECTED
    found = read([[-4, 0], [4, 0], [4, 6], [-4, 6]], 48.0, lattice(0.2, -4, 0, 4, 6), counter_fault=why)
    assert (found.quality, found.reasons) == (Quality.DEGRADED, (Reason.of(why, "c"),))


def low_camera(folder, anchor="feet", model="auto"):
    """The synthetic example, its camera 1.2 m above the ground: below the heads of the people it sees."""
    said = yaml.safe_load(example("synthetic").read_text(encoding="utf-8"))
    pose = said["cameras"][0]["calibration"]["pose"]
    rotation = np.array(pose["rotation"])
    centre = -rotation.T @ np.array(pose["translation_m"])
    pose["translation_m"] = (-rotation @ np.array([centre[0], centre[1], 1.2])).tolist()
    said["cameras"][0]["anchor"] = anchor
    said["counter"] = {"model": model}
    path = folder / "event.yaml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return path


@pytest.mark.parametrize(("anchor", "model"), [("head", "none"), ("feet", "counter-n")])
def test_a_camera_below_the_heads_is_refused_where_heads_are_demanded(tmp_path, anchor, model):
    with pytest.raises(ConfigError, match=r"(?s)event.yaml:\d+.*(above|head plane|head_plane_m)"):
        config.load(low_camera(tmp_path, anchor, model))


def test_a_camera_below_the_heads_is_left_to_boxes_and_says_so(tmp_path):
    event = config.load(low_camera(tmp_path))
    (feed,) = build.open_feeds(event)
    assert feed.heads.counter is None
    assert feed.heads.fault is Code.HEADS_NOT_PROJECTED
    (said,) = known_gaps(view_site(config.to_site(event)))[-1:]
    assert said.startswith(
        "camera mast: the detector counts alone, and dense crowds are missed: the camera is 1.20 m up"
    )


def test_what_no_camera_sees_is_said_beforehand():
    site = square(walkable=LONG, zone=[[-4, -30], [4, -30], [4, 6], [-4, 6]])
    assert re.fullmatch(r"zone z: the cameras see \d\d% of it, so it will be degraded\.", *known_gaps(view_site(site)))
    site = square(walkable=LONG, zone=[[-4, -50], [4, -50], [4, -40], [-4, -40]])
    assert known_gaps(view_site(site)) == ["zone z: the cameras see 0% of it, so it will be blind: it is never read."]
    assert known_gaps(view_site(square())) == []


def test_a_zone_whose_mean_hides_a_crush_is_named():
    mean = ladder(2.0, 3.0, 4.0, 5.0)
    large = {"zone": SQUARE, "area_m2": 120.0}
    (said,) = known_gaps(view_site(square(limits=mean, **large)))
    assert said.startswith("zone z: a crush on 10 m2 of its 120 m2 may reach no limit.")
    peak = ladder(2.0, 3.0, 4.0, 5.0, quantity=Quantity.PEAK)
    assert known_gaps(view_site(square(limits=(*mean, *peak), **large))) == []
    assert known_gaps(view_site(square(limits=ladder(0.4), **large))) == [], "60 people on 120 m2 reach 0.4 p/m2"
