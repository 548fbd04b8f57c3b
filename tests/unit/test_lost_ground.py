"""Ground whose part of the picture shows nothing is unseen, whatever the rest of the picture shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scenes import FINE, T0, S, camera, fold, see, square, started

from crowdwatch.core.blocks import BLOCKS_HW, PROFILES, BlockEvidence, coded, decoded
from crowdwatch.core.outcomes import Health, Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Tick
from crowdwatch.ground import to_image
from crowdwatch.store.log import LogReader, LogWriter

LEARN_S = 30
PEOPLE = np.array([[x, y] for x in (-3.0, -1.0, 1.0, 3.0) for y in (1.0, 3.0, 5.0)])


def shown(second, lost=None, *, change=True, detail=3.0):
    """A picture of a textured scene with a camera's noise, some blocks of which may show nothing."""
    rng = np.random.default_rng(second)
    sharpness = np.random.default_rng(0).uniform(6, 14, BLOCKS_HW) * rng.uniform(0.95, 1.05, BLOCKS_HW)
    profiles = np.random.default_rng(1).uniform(0, 20, PROFILES)
    luma = np.random.default_rng(2).integers(60, 180, BLOCKS_HW)
    noise = rng.uniform(0.5, 1.0, BLOCKS_HW) if change else np.zeros(BLOCKS_HW)
    if lost is not None:
        sharpness, luma = np.where(lost, 0.1, sharpness), np.where(lost, 80, luma)
    return replace(
        FINE,
        sharpness=detail * FINE.contrast**2,
        frame_hash=f"{second:016x}",
        blocks=BlockEvidence(luma, coded(sharpness), coded(noise), coded(profiles)),
    )


def events_of(site, lost_from, people=PEOPLE):
    """A picture and a tick a second for 50 s; from second 30 on some blocks show nothing, and nobody is found there."""
    events = []
    view = site.cameras[0].plane
    for second in range(50):
        lost = lost_from if second >= LEARN_S else None
        places = people
        if lost is not None:
            feet = to_image(view, people)
            col = np.clip(feet[:, 0] * 16 / view.image_hw[1], 0, 15).astype(int)
            row = np.clip(feet[:, 1] * 12 / view.image_hw[0], 0, 11).astype(int)
            places = people[~lost[row, col]]
        seen = see(T0 + second * S, places, evidence=shown(second, lost))
        events += [seen, Tick(T0 + second * S, (seen.stamp.id,))]
    return events


def outcomes_of(site, lost_from, people=PEOPLE):
    return fold(started(site), events_of(site, lost_from, people))[1]


@pytest.fixture
def site():
    one = camera()
    return square(cameras=[replace(one, sample_interval_s=1.0, counts_heads=False)])


def blocks(share, side):
    lost = np.zeros(BLOCKS_HW, dtype=bool)
    if side == "left":
        lost[:, : round(16 * share)] = True
    else:
        lost[round(12 * (1 - share)) :] = True
    return lost


def test_half_a_cover_makes_half_of_the_zone_unseen(site):
    east = PEOPLE[PEOPLE[:, 0] > 0]
    outcomes = outcomes_of(site, blocks(0.5, "left"), east)
    before, after = outcomes[LEARN_S - 1].readings[0], outcomes[-1].readings[0]
    assert before.quality is Quality.GOOD
    assert before.count == after.count == pytest.approx(6)
    assert after.visible_frac == pytest.approx(0.5 * before.visible_frac, abs=0.1)
    assert after.quality is Quality.DEGRADED
    assert Reason.of(Code.PARTLY_UNCLEAR, "c", loss="covered") in after.reasons
    # the people who are seen stand on the ground that is seen: the density is theirs
    assert after.density_p_m2 == pytest.approx(2 * before.density_p_m2, rel=0.25)
    assert after.count_high > before.count_high + 100, "many may have come to where nobody sees since"
    assert outcomes[-1].health[0].health is Health.OK


def test_half_a_cover_over_half_of_the_people_is_blindness(site):
    last = outcomes_of(site, blocks(0.5, "left"))[-1].readings[0]
    assert last.quality is Quality.BLIND
    assert math.isnan(last.count)
    assert Reason.of(Code.PARTLY_UNCLEAR, "c", loss="covered") in last.reasons
    (unseen,) = [reason for reason in last.reasons if reason.code is Code.CROWD_UNSEEN]
    assert dict(unseen.values)["people"] == pytest.approx(6)


def test_pictures_of_a_loss_that_is_not_known_yet_are_not_counted(site):
    """Else the count would fall for two seconds before the ground is known to be unseen."""
    outcomes = outcomes_of(site, blocks(0.5, "left"))
    for outcome in outcomes[LEARN_S : LEARN_S + 2]:
        assert outcome.readings[0].count == pytest.approx(12) or outcome.readings[0].visible_frac < 0.7


def test_a_cover_that_leaves_the_zone_nothing_makes_it_blind(site):
    last = outcomes_of(site, blocks(0.85, "bottom"))[-1].readings[0]
    assert last.quality is Quality.BLIND
    assert math.isnan(last.count)
    assert Reason.of(Code.PARTLY_UNCLEAR, "c", loss="covered") in last.reasons


def test_a_log_of_a_loss_folds_to_the_same(site, tmp_path):
    lost = blocks(0.5, "left")
    writer = LogWriter(tmp_path, '{"id": "square"}', part_s=7)
    for event in events_of(site, lost):
        writer.append(event)
    writer.close(True)
    again = fold(started(site), LogReader(tmp_path).events())[1]
    once = outcomes_of(site, lost)
    assert [repr(each.readings) for each in again] == [repr(each.readings) for each in once]
    assert [each.health for each in again] == [each.health for each in once]


def test_what_cannot_be_told_from_a_freeze_is_never_good(site):
    events = []
    for second in range(60):
        seen = see(T0 + second * S, np.empty((0, 2)), evidence=shown(0, change=False))
        seen = replace(seen, evidence=replace(seen.evidence, frame_hash=f"{second // 4:016x}"))
        events += [seen, Tick(T0 + second * S, (seen.stamp.id,))]
    last = fold(started(site), events)[1][-1]
    assert last.health[0].health is Health.OK
    assert last.readings[0].quality is Quality.DEGRADED
    assert Reason.of(Code.PERHAPS_FROZEN, "c") in last.readings[0].reasons


def read(site, pictures, found):
    """The readings of a run of one picture a second: its evidence, and who is found in it."""
    events = []
    for second, (evidence, people) in enumerate(zip(pictures, found, strict=True)):
        seen = see(T0 + second * S, people, evidence=evidence)
        events += [seen, Tick(T0 + second * S, (seen.stamp.id,))]
    return [outcome.readings[0] for outcome in fold(started(site), events)[1]]


def test_a_camera_that_has_found_nobody_is_doubted_until_it_does(site):
    """Without a reference picture an empty place and one that the first picture lacked already look the same."""
    nobody = PEOPLE[:0]
    readings = read(site, [shown(n) for n in range(30)], [nobody] * 10 + [PEOPLE[:1]] * 5 + [nobody] * 15)
    doubted = [Reason.of(Code.UNPROVEN, "c") in reading.reasons for reading in readings]
    assert doubted == [True] * 10 + [False] * 20
    assert readings[5].too_few
    assert readings[5].count == 0.0
    assert readings[5].count_high >= 5.0 * 0.9 * site.zones[0].usable_area_m2, "a dense crowd may be there"
    assert readings[-1].count_high < 10
    assert readings[-1].quality is Quality.GOOD
    calibrated = replace(site, cameras=(replace(site.cameras[0], reference=shown(0).blocks),))
    assert {r.quality for r in read(calibrated, [shown(n) for n in range(5)], [nobody] * 5)} == {Quality.GOOD}


def test_a_lens_out_of_focus_since_before_the_first_picture_is_doubted_though_some_are_found(site):
    few = PEOPLE[:2]
    soft = read(site, [shown(n, detail=0.3) for n in range(8)], [few] * 8)[-1]
    assert soft.quality is Quality.DEGRADED
    assert Reason.of(Code.NO_DETAIL, "c") in soft.reasons
    assert soft.too_few
    assert soft.count == pytest.approx(2)
    assert soft.count_high >= 5.0 * 0.9 * site.zones[0].usable_area_m2, "a dense crowd may be there"
    assert read(site, [shown(n) for n in range(8)], [few] * 8)[-1].quality is Quality.GOOD
    calibrated = replace(site, cameras=(replace(site.cameras[0], reference=shown(0).blocks),))
    assert read(calibrated, [shown(n, detail=0.3) for n in range(8)], [few] * 8)[-1].quality is Quality.GOOD


def test_ground_of_which_no_picture_ever_showed_anything_is_said(site):
    east = PEOPLE[PEOPLE[:, 0] > 0]
    half = blocks(0.5, "left")
    readings = read(site, [shown(n, half if n < 20 else None) for n in range(40)], [east] * 20 + [PEOPLE] * 20)
    (why,) = [reason for reason in readings[15].reasons if reason.code is Code.BLANK_GROUND]
    assert dict(why.values)["area_frac"] == pytest.approx(0.5, abs=0.1)
    assert readings[15].count_high > readings[39].count_high / 2 + 3
    assert readings[20].count == pytest.approx(12), "nobody of before is counted once it is seen"
    assert readings[39].quality is Quality.GOOD


def test_an_unclear_picture_holds_whom_a_clear_one_showed(site):
    """Structure falls to 0.6 of what is usual, over a minute, and half of the people are found."""

    def dim(second):
        evidence, share = shown(second), 1 - 0.4 * min(max(second - 30, 0) / 60, 1)
        sharpness = coded(decoded(evidence.blocks.sharpness) * share)
        return replace(evidence, blocks=replace(evidence.blocks, sharpness=sharpness))

    found = [PEOPLE if n < 80 else PEOPLE[::2] for n in range(110)]
    readings = read(site, [dim(n) for n in range(110)], found)
    (why,) = [reason for reason in readings[-1].reasons if reason.code is Code.UNCLEAR]
    assert 0.6 <= dict(why.values)["kept"] < 0.7, "what was usual follows a little in the first minutes of a run"
    assert readings[-1].count == pytest.approx(6)
    assert readings[-1].count_high >= 12
    assert readings[-1].too_few
    assert all(reading.quality is Quality.GOOD for reading in readings[:70])
