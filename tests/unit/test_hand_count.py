"""A hand count lands beside the picture that was counted, or is refused with the nearest picture's time."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdwatch import config
from crowdwatch.analytics.audit import program_of
from crowdwatch.assets.examples import example
from crowdwatch.core.outcomes import CameraHealth, Health, Outcome
from crowdwatch.core.records import Anchor, Detections, Evidence, GroundMass, Observation, Positions, Stamp, Tick
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.drivers import hand_count
from crowdwatch.errors import AuditRefused, LogCorrupt, RunNotFound
from crowdwatch.store.log import LogReader, LogWriter
from crowdwatch.store.sql import SqlStore

S = 1_000_000_000
EVENT = config.load(example("synthetic"))
START = EVENT.cameras[0].source.start_ns
HALF = S // 10  # a camera whose rate nobody told is expected five times a second


def see(t_ns, scores):
    """People at these scores; every second one stands off the valid ground."""
    n = len(scores)
    stamp = Stamp("mast", (t_ns - START) // 1000, t_ns)
    xy = np.where(np.arange(n)[:, None] % 2, np.nan, np.ones((n, 2)))
    boxes = Detections(
        stamp, np.tile([0.0, 0, 9, 20], (n, 1)), np.array(scores, float), np.zeros(n, int), Anchor.FEET, (576, 768), "d"
    )
    return Observation(boxes, Positions(stamp, xy, np.full(n, 0.1), boxes.score), Evidence("0", 120, 40, 9, 2), "p")


@pytest.fixture
def store(tmp_path):
    """A run of ten seconds, a picture every 200 ms from 50 ms on, with as many people as the second's number; the
    camera is covered in the seventh."""
    found = SqlStore(f"sqlite:///{tmp_path}/s.sqlite")
    folder = tmp_path / "r"
    found.begin(Run("r", EVENT.id, Mode.REPLAY, EVENT.model_dump_json(), str(folder), START, START + 10 * S, 1))
    log = LogWriter(folder, EVENT.model_dump_json())
    for second in range(1, 11):
        ids = []
        for fifth in range(5):
            seen = see(START + (second - 1) * S + fifth * S // 5 + S // 20, [0.9] * second + [0.1] * 3)
            log.append(seen)
            ids.append(seen.stamp.id)
        log.append(Tick(START + second * S, tuple(ids)))
        health = Health.COVERED if second == 7 else Health.OK
        camera = CameraHealth("mast", START + second * S, health, 0.1, False)
        found.write("r", [Outcome(START + second * S, (), None, (), (), (camera,))])
    log.close(complete=True)
    found.beat("r", state=RunState.FINISHED, t_ns=START + 10 * S, wall_ns=time.time_ns(), speed=0)
    yield found
    found.close()


def test_the_nearest_picture_is_meant_and_its_people_are_counted_at_the_score_limit(store):
    picture = hand_count.analysed(store, "r", "mast", START + 2 * S + S // 20 + HALF)
    assert picture.t_ns == START + 2 * S + S // 20, "of two equally near the earlier"
    entry = hand_count.add(store, picture, 5, wall_ns=77, actor=" ana\n\0 ")
    assert (entry.counted, entry.found, entry.actor, entry.wall_ns) == (5, 3.0, "ana", 77)
    assert (entry.detector_id, entry.score_min, entry.run_id) == ("d", EVENT.cameras[0].score_min, "r")
    assert store.audits() == [entry]


@pytest.mark.parametrize("off_ns", [HALF + 1, 3 * S, 4000 * S, 10**18])
@pytest.mark.parametrize("way", [-1, 1])
def test_a_time_without_a_picture_names_the_nearest(store, off_ns, way):
    edge, near = (START + S // 20, "12:00:00.05Z") if way < 0 else (START + 9 * S + 17 * S // 20, "12:00:09.85Z")
    with pytest.raises(AuditRefused, match=rf"no picture was analysed within 0.1 s.*{near}.*give its time"):
        hand_count.analysed(store, "r", "mast", max(0, edge + way * off_ns))
    assert hand_count.analysed(store, "r", "mast", edge + way * HALF).t_ns == edge


def test_the_picture_on_the_page_is_the_newest_up_to_the_tick(store):
    """The picture of a tick shows the frame before it, though that of the next second may be nearer."""
    tick = START + 3 * S
    assert hand_count.picture_at_tick(store, "r", "mast", tick).t_ns == tick - S // 5 + S // 20
    log = LogReader(Path(store.run("r").folder))
    assert hand_count.nearest(log, "mast", tick, S).stamp.t_ns == tick + S // 20
    with pytest.raises(AuditRefused, match=r"in the 1 s before.*12:00:09.85Z"):
        hand_count.picture_at_tick(store, "r", "mast", START + 12 * S)


def test_a_run_that_goes_on_says_how_far_its_log_is(store):
    store.beat("r", state=RunState.RUNNING, t_ns=START + 60 * S, wall_ns=0, speed=1)
    with pytest.raises(AuditRefused, match=r"goes on, and its log is written up to 2026-01-01T12:00:10Z.*in a minute"):
        hand_count.picture_at_tick(store, "r", "mast", START + 50 * S)
    with pytest.raises(AuditRefused, match="no picture was analysed"):
        hand_count.analysed(store, "r", "mast", START + 70 * S)  # not even the engine was there


@pytest.mark.parametrize("count", [-1, -(10**12), hand_count.MOST_COUNTED + 1, 10**30, math.nan])
def test_counts_that_cannot_be_are_refused(store, count):
    picture = hand_count.analysed(store, "r", "mast", START + S)
    with pytest.raises(AuditRefused, match=rf"got {count}, need 0 to 100,000.*Count again"):
        hand_count.add(store, picture, count, wall_ns=0)
    assert store.audits() == []
    hand_count.add(store, picture, hand_count.MOST_COUNTED, wall_ns=0)


def test_a_picture_that_nobody_is_counted_from_is_refused(store):
    picture = hand_count.analysed(store, "r", "mast", START + 6 * S + S // 20)
    with pytest.raises(AuditRefused, match=r"the picture was covered, and nobody is counted.*Count another"):
        hand_count.add(store, picture, 3, wall_ns=0)
    before = hand_count.analysed(store, "r", "mast", START + 6 * S - S // 20)
    assert hand_count.add(store, before, 3, wall_ns=0).audit_id


def test_unknown_camera_run_and_log(store, tmp_path):
    with pytest.raises(AuditRefused, match=r"camera 'mist': run 'r' has none of that id. It has mast"):
        hand_count.analysed(store, "r", "mist", START)
    with pytest.raises(RunNotFound, match="'nope'"):
        hand_count.analysed(store, "nope", "mast", START)
    store.begin(Run("lost", EVENT.id, Mode.REPLAY, EVENT.model_dump_json(), str(tmp_path / "lost"), START, START, 1))
    with pytest.raises(LogCorrupt, match="holds no observation log"):
        hand_count.analysed(store, "lost", "mast", START)


def test_a_camera_that_never_spoke(store, tmp_path):
    folder = tmp_path / "mute"
    LogWriter(folder, EVENT.model_dump_json()).close(complete=True)
    store.begin(Run("mute", EVENT.id, Mode.REPLAY, EVENT.model_dump_json(), str(folder), START, START + S, 1))
    store.beat("mute", state=RunState.RUNNING, t_ns=START + S, wall_ns=0, speed=1)
    with pytest.raises(AuditRefused, match=r"goes on, and its log is not written yet.*in a minute"):
        hand_count.analysed(store, "mute", "mast", START)
    store.beat("mute", state=RunState.FINISHED, t_ns=START + S, wall_ns=0, speed=1)
    with pytest.raises(AuditRefused, match="has no picture of this camera in its log"):
        hand_count.analysed(store, "mute", "mast", START)


def test_where_heads_count_the_program_found_heads(store, tmp_path):
    """Two boxes on the ground and two off it stand on a density map of 1 p/m2 on walkable ground: the map counts
    there, and the two boxes elsewhere. Five seconds later the mass no longer stands, and boxes count alone."""
    folder = tmp_path / "dense"
    run = Run("dense", EVENT.id, Mode.REPLAY, EVENT.model_dump_json(), str(folder), START, START + 9 * S, 1)
    store.begin(run)
    log = LogWriter(folder, EVENT.model_dump_json())
    for second in range(1, 9):
        seen = see(START + second * S, [0.9] * 4)
        if second == 1:
            mass = GroundMass(seen.stamp, np.array([-12.0, -4.0]), 1.0, np.ones((16, 24)), 7.0, 7.0, "c/torch-f32/12")
            seen = replace(seen, mass=mass)
        log.append(seen)
        log.append(Tick(START + second * S, (seen.stamp.id,)))
    log.close(complete=True)
    for second, found, program in ((1, 16 * 24 + 2, "d + c/12"), (6, 16 * 24 + 2, "d + c/12"), (7, 4, "d")):
        picture = hand_count.analysed(store, "dense", "mast", START + second * S)
        # the camera does not see all of the walkable ground, and what it does not see is left to boxes
        assert picture.found == pytest.approx(found, rel=0.15)
        entry = hand_count.add(store, picture, 380, wall_ns=0)
        assert program_of(entry)[0] == program


def test_the_highest_density_that_was_audited(store):
    """The people of a picture stand on one square of 9 m2; a picture whose log is gone says nothing."""
    entries = [
        hand_count.add(store, hand_count.analysed(store, "r", "mast", START + second * S + S // 20), 1, wall_ns=0)
        for second in (1, 3)
    ]
    assert hand_count.densest_found(store, entries) == pytest.approx(2 / 9)  # every second one stands on the ground
    assert hand_count.densest_found(store, entries[:1]) == pytest.approx(1 / 9)
    gone = replace(entries[1], run_id="gone")
    assert hand_count.densest_found(store, [entries[0], gone]) == pytest.approx(1 / 9)
    assert hand_count.densest_found(store, [gone]) is None
    assert hand_count.densest_found(store, [replace(entries[0], t_ns=START + S)]) is None
