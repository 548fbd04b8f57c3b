"""A camera's pictures against its own reference: every kind of fault is said, and nothing else is.

The camera is drawn: a fixed scene of textures and edges, with noise, in which people-sized patches wander. Faults that
are put into real recordings are measured by ``python -m pipelines.evaluate health``.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import av
import cv2
import numpy as np
import pytest

from crowdwatch.analytics.alignment import Alignment
from crowdwatch.analytics.health import CameraWatch
from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.core.blocks import BLOCKS_HW, PROFILES
from crowdwatch.core.blocks import coded as stored
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Anchor, Detections, Frame, FramePair, Stamp
from crowdwatch.observation.evidence import evidence
from crowdwatch.observation.schedule import NS, first_of_span
from pipelines.evaluation.health_faults import FAULTS, _shift, _warped

HW = (192, 256)
HZ = 5
LEARN_S = 25
LIMIT_S = stale_limit_s(0.0)
BY_NAME = {fault.name: fault for fault in FAULTS}


def scene(seed: int = 1) -> np.ndarray:
    """A picture of rectangles with grain: what a street has of structure, at every scale."""
    rng = np.random.default_rng(seed)
    picture = np.full((*HW, 3), 120, np.float32)
    for x, y, width, height in zip(
        *(rng.integers(low, high, 300) for low, high in ((0, 250), (0, 186), (3, 40), (3, 30))), strict=True
    ):
        picture[y : y + height, x : x + width] = rng.integers(40, 210, 3)
    picture += rng.normal(0, 9, (*HW, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


GRAIN = np.random.default_rng(0).normal(0, 1, (HW[0], 2 * HW[1], 3)).astype(np.float32)


def grainy(picture, grain, number):
    """A picture with noise that differs from picture to picture."""
    if not grain:
        return picture
    at = 37 * number % HW[1]
    return np.clip(picture + grain * GRAIN[:, at : at + HW[1]], 0, 255).astype(np.uint8)


def filmed(background, seconds, first=0, walkers=4, grain=2.0):
    """Pictures of a camera that stands still."""
    for number in range(first, first + round(seconds * HZ)):
        picture = background.copy()
        for walker in range(walkers):
            x = (17 * walker + 3 * number) % (HW[1] - 12)
            y = 40 + 35 * walker
            picture[y : y + 24, x : x + 10] = (40 * walker, 60, 200 - 40 * walker)
        yield grainy(picture, grain, number)


def found(count):
    """Boxes of so many people in one corner."""
    boxes = np.tile([2.0, 2.0, 12.0, 14.0], (count, 1))
    return Detections(Stamp("c", 0, 0), boxes, np.ones(count), np.zeros(count), Anchor.FEET, HW, "test")


class Camera:
    """Looks at pictures one after the other, as a run does."""

    def __init__(self, calibrated=None):
        blocks = None if calibrated is None else evidence(FramePair(None, Frame(Stamp("c", 0, 0), calibrated))).blocks
        self.watch = CameraWatch.of(blocks)
        self.number = 0
        self.previous = None

    def see(self, pictures, people=0):
        """What was judged after each picture."""
        watches = []
        for picture in pictures:
            frame = Frame(Stamp("c", self.number, self.number * NS // HZ), picture)
            before_ns = None if self.previous is None else self.previous.stamp.t_ns
            profiles = first_of_span(Fraction(1), before_ns, frame.stamp.t_ns, None)
            seen = evidence(FramePair(self.previous, frame), profiles=profiles)
            self.watch = self.watch.see(frame.stamp.t_ns, seen, found(people), LIMIT_S)
            watches.append(self.watch)
            self.previous, self.number = frame, self.number + 1
        return watches


@pytest.fixture(scope="module")
def background():
    return scene()


@pytest.fixture(scope="module")
def learned(background):
    """A camera that has seen 25 s of good pictures; the states are values, so that each test goes on from here."""
    camera = Camera()
    watches = camera.see(filmed(background, LEARN_S))
    assert {watch.picture for watch in watches} == {Health.OK}
    return camera


def going_on(learned):
    camera = Camera()
    camera.watch, camera.number, camera.previous = learned.watch, learned.number, learned.previous
    return camera


def spoiled(name, background, seconds, learned):
    fault, before = BY_NAME[name], learned.previous.image_bgr
    pictures = filmed(background, seconds, learned.number)
    return [fault.of(picture, number, before) for number, picture in enumerate(pictures)]


def coded(pictures):
    """Through an encoder at 5 pictures a second and a decoder."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=HZ)
        stream.height, stream.width, stream.pix_fmt, stream.gop_size = *HW, "yuv420p", 12
        stream.bit_rate = 2_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    "name", [fault.name for fault in FAULTS if fault.says and not fault.coded_only and "freeze" not in fault.name]
)
def test_a_camera_that_shows_nothing_says_so_and_is_well_again(learned, background, name):
    camera = going_on(learned)
    watches = camera.see(spoiled(name, background, 12, learned))
    said = [watch.picture.value in BY_NAME[name].says for watch in watches]
    first = said.index(True)
    assert first <= 10 * HZ
    assert all(said[first:])
    after = camera.see(filmed(background, 8, camera.number))
    assert after[-1].picture is Health.OK
    assert after[-1].partly is Health.OK


@pytest.mark.parametrize(("name", "share"), [("cover, half", 0.5), ("cover, lower 85 %", 0.85)])
def test_half_a_cover_takes_half_of_the_picture(learned, background, name, share):
    camera = going_on(learned)
    watches = camera.see(spoiled(name, background, 5, learned))
    assert not any(watch.counted for watch in watches[: 2 * HZ - 1])  # nobody is counted before it is known
    assert watches[-1].counted
    assert watches[-1].partly is Health.COVERED
    assert watches[-1].loss.lost.mean() == pytest.approx(share, abs=0.06)
    after = camera.see(filmed(background, 6, camera.number))
    assert after[-1].lost is None


@pytest.mark.parametrize("encoder", [False, True])
def test_a_frozen_picture_is_told_by_the_cameras_noise(background, encoder):
    """Before an encoder too, whose pictures are never the same."""
    good = list(filmed(background, LEARN_S))
    frozen = [good[-1]] * (12 * HZ)
    pictures = coded([*good, *frozen]) if encoder else [*good, *frozen]
    if encoder:
        assert len({picture.tobytes() for picture in pictures[len(good) :]}) > 1
    watches = Camera().see(pictures)
    assert {watch.picture for watch in watches[: len(good)]} == {Health.OK}
    assert {watch.picture for watch in watches[len(good) + 8 * HZ :]} == {Health.FROZEN}


def test_a_clock_that_runs_on_does_not_hide_a_freeze(background):
    def with_clock(pictures):
        for number, picture in enumerate(pictures):
            shown = picture.copy()
            cv2.putText(shown, f"{number:06d}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 2)
            yield shown

    good = list(filmed(background, LEARN_S))
    watches = Camera().see(coded(list(with_clock([*good, *[good[-1]] * (12 * HZ)]))))
    assert {watch.picture for watch in watches[: len(good)]} == {Health.OK}
    assert {watch.picture for watch in watches[len(good) + 8 * HZ :]} == {Health.FROZEN}


def test_a_still_night_without_noise_cannot_be_told_from_a_freeze(background):
    """Nothing moves and the encoder has taken the noise out: that is no blindness, and no calm either."""
    camera = Camera()
    camera.see(filmed(background, LEARN_S, walkers=0, grain=0.0))
    night = list(filmed(background, 10, walkers=0, grain=0.0))
    empty, crowd = going_on(camera), going_on(camera)
    assert [(w.picture, w.untold) for w in empty.see(night)[-3:]] == [(Health.OK, True)] * 3
    assert crowd.see(night, people=5)[-1].picture is Health.FROZEN  # people who wait sway
    someone = empty.see(filmed(background, 2, walkers=1, grain=0.0))
    assert not someone[-1].untold


def test_a_flash_is_over_before_anything_is_said(learned, background):
    camera = going_on(learned)
    watches = camera.see(spoiled("overexposed", background, 0.8, learned))
    assert not any(watch.counted for watch in watches)  # but nobody is counted in it
    after = camera.see(filmed(background, 4, camera.number))
    assert {watch.picture for watch in after} == {Health.OK}
    assert after[-1].counted
    assert after[-1].lost is None


def test_fog_that_comes_slowly_is_not_learned_away(learned, background):
    camera = going_on(learned)
    seconds = 120
    fog = np.full_like(background, 180)
    pictures = filmed(background, seconds, learned.number)
    thick = (min(0.95, number / (seconds * HZ * 0.8)) for number in range(seconds * HZ))
    watches = camera.see(cv2.addWeighted(p, 1 - t, fog, t, 0) for p, t in zip(pictures, thick, strict=True))
    assert watches[-1].picture in (Health.BLURRED, Health.COVERED)
    assert watches[0].picture is Health.OK


def test_fog_is_said_long_before_nothing_is_seen(learned, background):
    """Models find fewer and fewer people in it; it is said from three tenths of fog on."""
    camera = going_on(learned)
    fog = np.full_like(background, 180)
    pictures = filmed(background, 100, learned.number)
    watches = camera.see(cv2.addWeighted(p, 1 - n / 500, fog, n / 500, 0) for n, p in enumerate(pictures))
    first = next(number for number, watch in enumerate(watches) if watch.kept is not None)
    assert 0.3 <= first / 500 <= 0.45
    assert watches[first].kept == pytest.approx(0.65, abs=0.05)
    assert watches[first].picture is Health.OK


def test_what_is_wrong_from_the_first_picture_on_and_over_later(background):
    """Out of focus, then sharp: the reference was the worse one, and the camera was not turned."""
    camera = Camera()
    sharp = list(filmed(background, 20))
    camera.see(BY_NAME["defocus, 12 px"].of(picture, 0, picture) for picture in filmed(background, 20))
    watches = camera.see(sharp)
    assert watches[-1].picture is Health.OK
    first = next(number for number, watch in enumerate(watches) if watch.begun_ns)
    assert first <= 8 * HZ
    assert {watch.picture for watch in watches[first:]} == {Health.OK}


def test_half_a_cover_that_is_there_from_the_first_picture_shows_blank_blocks(background):
    camera = Camera()
    covered = camera.see(
        BY_NAME["cover, half"].of(picture, 0, picture) for picture in filmed(background, 10, grain=0.0)
    )
    assert covered[-1].blank.mean() == pytest.approx(0.5, abs=0.05)
    assert covered[-1].begun_ns == 0
    uncovered = camera.see(filmed(background, 2, camera.number))
    assert uncovered[-1].blank.mean() == 0.0
    assert uncovered[0].begun_ns == uncovered[0].last_ns


@pytest.mark.parametrize(("name", "health"), [("dark x 0.03, one lamp", Health.DARK), ("cover, whole", Health.COVERED)])
def test_a_picture_that_shows_nothing_needs_no_reference(background, name, health):
    camera = Camera()
    watches = camera.see(BY_NAME[name].of(picture, 0, picture) for picture in filmed(background, 3, grain=0.0))
    assert {watch.picture for watch in watches} == {health}


def test_an_evening_is_no_fault(learned, background):
    """Light falls to a third in two minutes, and contrast with it."""
    camera = going_on(learned)
    seconds = 120
    pictures = filmed(background, seconds, learned.number, grain=0.0)
    light = np.linspace(1.0, 0.33, seconds * HZ)
    dimmed = (grainy(p * np.float32(share), 2, n) for n, (p, share) in enumerate(zip(pictures, light, strict=True)))
    watches = camera.see(dimmed)
    assert {(watch.picture, watch.partly) for watch in watches} == {(Health.OK, Health.OK)}


def test_people_who_come_and_leave_are_no_fault(learned, background):
    """A crowd stands on the lower half for half a minute, and leaves within half a minute."""
    camera = going_on(learned)
    rng = np.random.default_rng(3)
    places = [(int(x), int(y)) for x, y in zip(rng.integers(0, 240, 150), rng.integers(96, 168, 150), strict=True)]
    coats = rng.integers(0, 255, (150, 3))

    def crowded():
        for number, picture in enumerate(filmed(background, 90, learned.number)):
            second = number / HZ
            standing = min(second / 25, 1.0, max(0.0, (85 - second) / 30))
            shown = picture.copy()
            for (x, y), coat in list(zip(places, coats, strict=True))[: round(150 * standing)]:
                shown[y : y + 24, x : x + 9] = coat
            yield shown

    watches = camera.see(crowded())
    assert {watch.picture for watch in watches} == {Health.OK}
    assert not any(watch.loss.lost.any() for watch in watches)


@pytest.mark.parametrize("name", ["shift by a third", "shift by 1.3 %", "turn by 2 degrees", "another preset"])
def test_a_view_that_is_another_one_for_two_seconds_is_left_out(learned, background, name):
    """Again and again, too short for it to be said: what was counted before it was noticed is worth nothing."""
    camera = going_on(learned)
    for _ in range(4):
        begins_ns = camera.number * NS // HZ
        good = list(filmed(background, 2, first=camera.number))
        bad = [BY_NAME[name].of(picture, number, picture) for number, picture in enumerate(good)]
        counted = []
        for watch in camera.see(bad):
            if watch.counted:
                counted.append(watch.last_ns)
            if watch.sound_ns is not None:
                counted = [at_ns for at_ns in counted if at_ns <= watch.sound_ns]
        assert counted == [], f"from {begins_ns / NS} s"
        after = camera.see(filmed(background, 2, first=camera.number))
        assert after[-1].picture in (Health.OK, Health.MOVED)


@pytest.mark.parametrize("name", ["freeze behind it", "shift by 1.3 %", "noise"])
def test_what_spoils_pictures_every_other_two_seconds_spoils_the_camera_and_ends(learned, background, name):
    camera, fault, before = going_on(learned), BY_NAME[name], learned.previous.image_bgr
    pictures = [
        fault.of(picture, number, before) if number // (2 * HZ) % 2 == 0 else picture
        for number, picture in enumerate(filmed(background, 20, camera.number))
    ]
    watches = camera.see(pictures)
    spoiled = [watch.picture.value in fault.says for watch in watches]
    assert all(spoiled[16 * HZ :]), "in the good pictures between, too"
    after = camera.see(filmed(background, 14, camera.number))
    assert after[-1].picture is Health.OK
    assert after[-1].partly is Health.OK


def test_what_spoils_two_seconds_twice_does_not(learned, background):
    camera, fault, before = going_on(learned), BY_NAME["freeze behind it"], learned.previous.image_bgr
    for _ in range(2):
        camera.see([fault.of(picture, 0, before) for picture in filmed(background, 2, camera.number)])
        watches = camera.see(filmed(background, 4, camera.number))
        assert watches[-1].picture is Health.OK
        assert watches[-1].counted


def test_noise_in_half_of_the_picture_takes_that_half(learned, background):
    camera, half = going_on(learned), HW[1] // 2
    pictures = list(filmed(background, 5, camera.number))
    for number, picture in enumerate(pictures):
        picture[:, half:] = BY_NAME["noise"].spoil(picture, number, picture)[:, half:]
    watches = camera.see(pictures)
    assert not any(watch.counted for watch in watches[1 : 2 * HZ - 1])  # nobody is counted before it is known
    assert watches[-1].counted
    assert watches[-1].partly is Health.NOISY
    assert watches[-1].loss.lost[:, 8:].mean() > 0.9
    assert not watches[-1].loss.lost[:, :8].any()


def test_what_was_counted_since_a_freeze_is_worthless(learned, background):
    camera = going_on(learned)
    last, *_ = filmed(background, 1 / HZ, first=camera.number)
    began_ns = camera.number * NS // HZ
    watches = camera.see([last] * 12 * HZ)
    frozen = next(watch for watch in watches if watch.picture is Health.FROZEN)
    assert frozen.sound_ns is not None
    assert abs(frozen.sound_ns - began_ns) <= 2 * NS


def test_a_camera_that_was_knocked_before_the_run_is_found_by_its_reference(background):
    """Without a reference picture the first ones have to be taken for good."""
    knocked = _warped(_shift(0.03))
    pictures = [knocked(picture, 0, picture) for picture in filmed(background, 12)]
    known, unknown = Camera(background), Camera()
    assert known.see(pictures)[-1].picture is Health.MOVED
    assert unknown.see(pictures)[-1].picture is Health.OK
    assert {watch.picture for watch in Camera(background).see(filmed(background, 12))} == {Health.OK}


def test_pictures_without_evidence_by_blocks_are_judged_as_before(background):
    """As of logs that were written before there was any: by the whole picture, and by its hash."""
    watch = CameraWatch()
    picture = next(filmed(background, 1))
    whole = replace(evidence(FramePair(None, Frame(Stamp("c", 0, 0), picture))), blocks=None)
    for second in range(7):
        watch = watch.see(second * NS, whole, None, LIMIT_S)
        assert watch.picture is (Health.FROZEN if second >= 5 else Health.OK)
    assert watch.reference is None


def test_a_crowd_that_gathers_is_no_camera_that_was_moved_and_a_turned_one_is():
    """Both leave nothing of the old profiles: one within twenty seconds, the other at once."""
    rng = np.random.default_rng(3)
    empty, full = (rng.uniform(0, 20, PROFILES) for _ in range(2))
    nothing = np.zeros(BLOCKS_HW, dtype=bool)

    def said(share_at):
        alignment = Alignment.of(stored(empty))
        moved = []
        for second in range(60):
            share = share_at(second)
            shown = stored((1 - share) * empty + share * full)
            alignment = alignment.see(shown, nothing, 1.0, learn=True)
            moved.append(alignment.moved)
        return moved

    assert not any(said(lambda second: min(1.0, max(0.0, (second - 30) / 20))))
    turned = said(lambda second: float(second >= 30))
    assert not any(turned[:30])
    assert all(turned[38:])
