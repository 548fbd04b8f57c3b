"""The scripted night: its crowd, what cameras report of it, and that a seed is a night."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from crowdwatch import config
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.assets.examples import example
from crowdwatch.core.records import CameraFault, Observation, OperatorAction, Tick
from crowdwatch.errors import ConfigError
from crowdwatch.sources.night import Incident, IncidentKind, Night, NightPlan, plan_night
from crowdwatch.sources.night.crowd import MOST_PERSONS, Crowd
from crowdwatch.sources.night.plan import PIERS, SHORE
from crowdwatch.sources.night.reports import radioed

LOST = Incident(
    "lost", IncidentKind.CAMERAS_LOST, 45.0, 120.0, ("front-west", "mid-west"), cameras=("pier-west", "roof-west")
)
FLASH = Incident("flash", IncidentKind.FLASH, 0.0, 60.0, SHORE, cameras=PIERS)
CHILD = Incident("child", IncidentKind.CHILD_LOST, 30.0, 930.0, ("front-west",))
GLARE = Incident("flare", IncidentKind.FALSE_FLARE, 0.0, 600.0, ("front-west",), size=3.0)


@pytest.fixture(scope="module")
def event():
    return config.load(example("new_year"))


@pytest.fixture(scope="module")
def site(event):
    return config.to_site(event)


def short(site, *incidents, to_s=150.0):
    return Night(site, NightPlan(5, 6_000, incidents), 0, 0.0, to_s)


def test_a_seed_is_a_night(site):
    def told(seed):
        events = [each for beat in Night(site, plan_night(seed), 0, 0.0, 6.0).beats() for each in beat.events]
        boxes = [each.detections.xyxy_px for each in events if isinstance(each, Observation)]
        return [each.t_ns for each in events], np.concatenate(boxes)

    (times, boxes), (again, same), (_, other) = told(3), told(3), told(4)
    assert times == again == sorted(times)
    assert np.array_equal(boxes, same)
    assert not np.array_equal(boxes, other)


def test_lost_cameras_raise_blindness_and_the_people_are_read_as_they_are(site):
    state, raised, faults, read, true = start(view_site(site)), {}, [], [], []
    for beat in short(site, LOST, to_s=66.0).beats():
        for each in beat.events:
            state, outcome = advance(state, each)
        faults += [each.camera_id for each in beat.events if isinstance(each, CameraFault)]
        raised |= {alert.zone_id: alert for alert in outcome.alerts if alert.alarm == "blindness"}
        read.append(sum(reading.count for reading in outcome.readings))
        true.append(beat.people.sum())
    assert sorted(faults) == ["pier-west", "roof-west"], "said once, not with every picture"
    assert raised, "two cameras that look at one side leave it blind"
    assert all("west" in zone_id or zone_id == "promenade" for zone_id in raised)
    # before they are lost: a reading is the mean of 10 s, three pictures; recall is 0.94, and of some twenty people
    # chance leaves 5 % in a picture
    shown = slice(4, 14)
    smooth = [sum(true[tick - 2 : tick + 1]) / 3 for tick in range(shown.start, shown.stop)]
    assert sum(read[shown]) == pytest.approx(0.94 * sum(smooth), rel=0.12)


def test_a_flare_is_in_the_density_map_alone(site):
    def masses(*incidents):
        beats = list(short(site, *incidents, to_s=30.0).beats())
        seen = [each for each in beats[-1].events if isinstance(each, Observation)]
        return sum(float(each.mass.mass.sum()) for each in seen), beats[-1].people.sum()

    with_glare, people = masses(GLARE)
    without, same = masses()
    assert people == same
    assert with_glare >= without


def test_a_shell_clips_all_cameras_that_look_at_it_and_blinds_nobody_for_long(site):
    state, clipped, visible, raised = start(view_site(site)), [], [], []
    for beat in Night(site, NightPlan(7, 6_000, (FLASH,)), 0, 0.0, 27.0).beats():
        for each in beat.events:
            state, outcome = advance(state, each)
        seen = [each for each in beat.events if isinstance(each, Observation) and each.evidence.luma > 247]
        clipped += [each.stamp for each in seen]
        visible += [reading.visible_frac for reading in outcome.readings if reading.zone_id == "promenade"]
        raised += [alert for alert in outcome.alerts if alert.alarm == "blindness"]
    assert {stamp.camera_id for stamp in clipped} == set(PIERS)
    times_s = [stamp.t_ns / 1e9 for stamp in clipped]
    assert max(times_s) - min(times_s) < 1
    assert sum(frac < 0.2 for frac in visible) == 1, "a clipped picture is no sight"
    assert not raised, "for a second: blindness waits for three"


def test_a_lost_child_is_reported_and_found(site):
    state, said = start(view_site(site)), []
    for at_s, action in radioed(NightPlan(5, 6_000, (CHILD,)), 0.0, 1_000.0):
        t_ns = round(at_s * 1e9)
        state, _ = advance(state, replace(action, t_ns=t_ns))
        state, outcome = advance(state, Tick(t_ns, ()))
        said += [
            (alert.transition, alert.zone_id, alert.alarm) for alert in outcome.alerts if alert.alarm != "blindness"
        ]
        assert not outcome.refused
    assert said == [("reported", "front-west", "report:1000001"), ("closed", "front-west", "report:1000001")]
    beats = islice(Night(site, NightPlan(5, 10, (CHILD,)), 0, 0.0, 951.0).beats(), 25)
    in_log = [each for beat in beats for each in beat.events if isinstance(each, OperatorAction)]
    assert [(each.kind, each.t_ns) for each in in_log] == [("report", 72 * 10**9)], "at the tick after 70 s"
    assert radioed(NightPlan(5, 6_000, (CHILD,)), 60.0, 1_000.0) == [], "told as a whole, or not at all"


def test_people_stay_on_the_walkable_ground_and_leave_by_the_streets(site):
    crowd = Crowd(site, NightPlan(2, 300, ()))
    for t_s in (*range(14_000, 14_300, 3), *range(15_120, 17_100, 3)):  # whoever should be there comes at once
        crowd.step(float(t_s), 3.0)
        if t_s == 15_120:
            there = int((crowd.present & crowd.stays).sum())
            xy_m = crowd.standing()
    assert there == 300
    assert (xy_m >= site.walkable_m.min(axis=0)).all()
    assert (xy_m <= site.walkable_m.max(axis=0)).all()
    assert (crowd.present & crowd.stays).sum() < 30


def test_nobody_steps_on_a_square_that_is_full_and_velocities_are_those_of_people(site):
    """A jam from both ends of the promenade; what a camera says of a square is how its people went."""
    meets = Incident("meet", IncidentKind.COUNTER_FLOW, 0.0, 90.0, ("promenade",), size=1_500.0)
    night = Night(site, NightPlan(3, 100, (meets,)), 0, 150.0, 153.0)
    events = next(night.beats()).events
    crowd = night._crowd
    xy_m, v_m_s = crowd.standing(), crowd.walking()
    assert np.bincount(crowd.cells(xy_m)).max() == MOST_PERSONS, "full, and no fuller"
    assert np.hypot(*v_m_s.T).max() <= 1.34
    off, speeds = [], []
    for each in (each for each in events if isinstance(each, Observation) and len(each.flow)):
        assert len(each.flow) <= 420
        for at_m, v in zip(each.flow.xy_m, each.flow.v_m_s, strict=True):
            near = (np.floor(xy_m) == np.floor(at_m)).all(axis=1)
            if near.sum() and not np.ptp(np.sign(v_m_s[near, 0])):  # all go the same way
                off.append(v[0] - np.sort(v_m_s[near, 0])[(near.sum() - 1) // 2])
                speeds.append(v[0])
    assert len(off) > 100
    assert np.std(off) == pytest.approx(0.06, rel=0.2)
    assert min(speeds) < -0.3, "from both sides"
    assert max(speeds) > 0.3


def test_another_site_is_refused(site):
    with pytest.raises(ConfigError, match="exit-centre"):
        Night(replace(site, zones=site.zones[:3]), plan_night(1), 0)
    with pytest.raises(ConfigError, match="need a part"):
        Night(site, plan_night(1), 0, 100.0, 50.0)
