"""Tiles neither double nor lose anybody, and cost what the people cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import find_objects

from crowdwatch.core.ports import Detector
from crowdwatch.core.records import Anchor, Detections, Frame, Stamp
from crowdwatch.detectors.tiled import TiledDetector, Tiling, merge, tiles
from crowdwatch.errors import ConfigError

TILING = Tiling(tile_px=256, overlap_px=64, overview=False)


class Painted:
    """Finds the people painted into a picture, as a detector finds them: what a tile cuts is seen in part, every
    view shifts boxes by up to a pixel, and a view shrunk to its input shows nobody smaller than six pixels.

    A person is a rectangle of one colour (number + 1 in two channels), so the truth survives any cropping.
    """

    detector_id, anchor = "painted", Anchor.FEET
    calls: list[int]

    def __init__(self, input_px: int = 256) -> None:
        self._input_px, self.calls = input_px, []

    def detect(self, frames):
        self.calls.append(len(frames))
        return [self._one(frame) for frame in frames]

    def _one(self, frame):
        ids = frame.image_bgr[..., 0].astype(int) + 256 * frame.image_bgr[..., 1].astype(int)
        boxes, scores = [], []
        shrink = max(1.0, max(frame.image_hw) / self._input_px)
        for person, at in enumerate(find_objects(ids), start=1):
            if at is None:
                continue
            y, x = at
            box = np.array([x.start, y.start, x.stop, y.stop], float)
            if (box[2:] - box[:2]).min() / shrink < 6:
                continue
            rng = np.random.default_rng([person, *frame.image_hw, int(box[0]), int(box[1])])
            boxes.append(np.clip(box + rng.uniform(-1, 1, 4), 0, np.array(frame.image_hw[::-1] * 2)))
            scores.append(rng.uniform(0.3, 0.9))
        order = np.argsort(-np.array(scores), kind="stable") if scores else []
        return Detections(
            frame.stamp,
            np.array(boxes).reshape(-1, 4)[order],
            np.array(scores)[order],
            np.zeros(len(scores), int),
            self.anchor,
            frame.image_hw,
            self.detector_id,
        )

    def close(self):
        self.calls = []


def paint(hw, boxes):
    image = np.zeros((*hw, 3), np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(np.round(boxes).astype(int), start=1):
        image[y0:y1, x0:x1] = number % 256, number // 256, 200
    return Frame(Stamp("c", 0, 0), image)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(64, 640), st.integers(16, 300))
def test_every_pixel_belongs_to_one_tile(height, width, tile_px, overlap_px):
    tiling = Tiling(tile_px, min(overlap_px, tile_px // 2))
    cut = tiles((height, width), tiling)
    for x, y in [(0.0, 0.0), (width - 0.5, height - 0.5), (width / 2, height / 3), *((t.own_px[2], 0.5) for t in cut)]:
        if x < width:
            owners = [t for t in cut if t.own_px[0] <= x < t.own_px[2] and t.own_px[1] <= y < t.own_px[3]]
            assert len(owners) == 1
            left, top, right, bottom = owners[0].box_px
            assert left <= x <= right
            assert top <= y <= bottom
    for tile in cut:
        assert tile.box_px[2] - tile.box_px[0] == min(tile_px, width)
        assert tile.box_px[3] - tile.box_px[1] == min(tile_px, height)


def test_people_on_every_seam_are_counted_once():
    """A person every 24 pixels over the whole picture: some lie on every seam and every corner of four tiles."""
    hw = (900, 1200)
    people = np.array([[x, y, x + 14, y + 20] for y in range(2, 870, 24) for x in range(2, 1180, 24)], float)
    found = TiledDetector(Painted(), TILING).detect([paint(hw, people)])[0]
    assert len(found) == len(people)
    middle = (people[:, :2] + people[:, 2:]) / 2
    seen = (found.xyxy_px[:, :2] + found.xyxy_px[:, 2:]) / 2
    nearest = np.linalg.norm(middle[:, None] - seen[None], axis=2).argmin(axis=1)
    assert len(set(nearest)) == len(people)  # each of them once, not one twice and another never


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_random_crowd_keeps_its_number(seed):
    """People of 8 to 60 px (up to the overlap) anywhere, not hiding each other."""
    rng = np.random.default_rng(seed)
    people = []
    while len(people) < 40:
        x, y, w = rng.uniform(0, 560), rng.uniform(0, 440), rng.uniform(8, 30)
        box = np.array([x, y, x + w, y + 2 * w])
        if (
            all(box[0] > o[2] + 3 or o[0] > box[2] + 3 or box[1] > o[3] + 3 or o[1] > box[3] + 3 for o in people)
            and (box[2:] < [600, 500]).all()
        ):
            people.append(box)
    assert len(TiledDetector(Painted(), TILING).detect([paint((500, 600), np.array(people))])[0]) == 40


def test_the_overview_finds_those_larger_than_the_overlap():
    people = np.array([[200.0, 40, 420, 560], [30, 30, 44, 60]])  # one lies over four tiles
    frame = paint((600, 600), people)
    inner = Painted()
    found = TiledDetector(inner, Tiling(256, 64, overview=True)).detect([frame])[0]
    assert len(found) == 2
    large = found.xyxy_px[np.argmax(found.xyxy_px[:, 3])]
    assert np.abs(large - people[0]).max() <= 1.0  # the whole body, not a part: the feet are where they are
    assert inner.calls == [1 + len(tiles((600, 600), TILING))]  # all in one call


def test_a_child_before_an_adult_stays():
    """One maker's boxes never thin each other, whole boxes of two makers only when they overlap as one body would."""
    boxes = np.array([[0.0, 0, 100, 200], [30, 100, 60, 190]])
    for maker in ([0, 0], [0, 1]):
        kept = merge(boxes, np.array([0.9, 0.8]), np.zeros(2, int), np.array(maker), np.zeros(2, bool))
        assert len(kept) == 2
    kept = merge(boxes, np.array([0.5, 0.8]), np.zeros(2, int), np.array([0, 1]), np.array([False, True]))
    assert kept.tolist() == [0]  # a part goes, however sure


def test_a_small_picture_is_left_alone():
    frame = paint((200, 250), np.array([[10.0, 10, 30, 60]]))
    inner = Painted()
    tiled = TiledDetector(inner, TILING)
    assert np.array_equal(tiled.detect([frame])[0].xyxy_px, inner.detect([frame])[0].xyxy_px)
    assert isinstance(tiled, Detector)
    assert tiled.detect([]) == []
    assert tiled.detector_id == "painted/tiles256-64"
    assert len(tiled.detect([paint((900, 900), np.empty((0, 4)))])[0]) == 0


def test_saturation_of_one_tile_is_the_picture_s():
    class Full(Painted):
        def _one(self, frame):
            one = super()._one(frame)
            return Detections(
                one.stamp, one.xyxy_px, one.score, one.class_id, one.anchor, one.image_hw, one.detector_id, len(one) > 0
            )

    assert TiledDetector(Full(), TILING).detect([paint((600, 600), np.array([[1.0, 1, 20, 40]]))])[0].saturated
    assert not TiledDetector(Full(), TILING).detect([paint((600, 600), np.empty((0, 4)))])[0].saturated


@pytest.mark.parametrize(("tile_px", "overlap_px"), [(63, 16), (640, 321), (640, 15), (640, -1)])
def test_bad_tiling_is_refused(tile_px, overlap_px):
    with pytest.raises(ConfigError, match="tile_px"):
        Tiling(tile_px, overlap_px)


@pytest.mark.parametrize(
    "person",
    [
        [150, 40, 330, 120],  # over the seam of two tiles, wider than the overlap
        [40, 100, 90, 400],  # over three tiles, none of which sees both ends
        [150, 140, 380, 420],  # over the corner of four
        [10, 10, 590, 590],  # over all of them
    ],
)
def test_somebody_larger_than_the_overlap_is_one_body_without_the_overview(person):
    frame = paint((600, 600), np.array([person], float))
    cut = [tile.box_px for tile in tiles((600, 600), TILING)]
    assert not any(
        x0 <= person[0] and y0 <= person[1] and person[2] <= x1 and person[3] <= y1 for x0, y0, x1, y1 in cut
    )
    found = TiledDetector(Painted(), TILING).detect([frame])[0]
    assert len(found) == 1
    assert np.abs(found.xyxy_px[0] - person).max() <= 1.0  # the feet are where they are
    again = TiledDetector(Painted(), TILING).detect([frame])[0]
    assert found.xyxy_px.tobytes() == again.xyxy_px.tobytes()


def test_neighbours_larger_than_the_overlap_stay_two():
    """Side by side over one seam, and one above the other."""
    people = np.array([[150, 40, 330, 100], [150, 104, 330, 160], [150, 300, 235, 590], [239, 300, 330, 590]], float)
    assert len(TiledDetector(Painted(), TILING).detect([paint((600, 600), people)])[0]) == 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_a_random_crowd_of_all_sizes_keeps_its_number(seed, overview):
    """People of 20 to 400 px, many larger than the overlap of 64, some than a tile, not hiding each other."""
    rng = np.random.default_rng(seed)
    people = []
    for _ in range(400):
        x, y, w = rng.uniform(0, 700), rng.uniform(0, 500), 10 ** rng.uniform(1, 2.3)
        box = np.array([x, y, x + w, y + 2 * w])
        apart = all(box[0] > o[2] + 3 or o[0] > box[2] + 3 or box[1] > o[3] + 3 or o[1] > box[3] + 3 for o in people)
        if apart and (box[2:] < [800, 700]).all():
            people.append(box)
    tiling = Tiling(256, 64, overview=overview)
    assert len(TiledDetector(Painted(), tiling).detect([paint((700, 800), np.array(people))])[0]) == len(people)


def test_heads_on_every_seam_are_counted_once():
    class Heads(Painted):
        anchor = Anchor.HEAD

    hw = (900, 1200)
    people = np.array([[x, y, x + 9, y + 10] for y in range(2, 880, 12) for x in range(2, 1185, 11)], float)
    tiled = TiledDetector(Heads(), TILING)
    found = tiled.detect([paint(hw, people)])[0]
    assert tiled.anchor is found.anchor is Anchor.HEAD
    assert len(found) == len(people)
    middle, seen = ((xyxy[:, :2] + xyxy[:, 2:]) / 2 for xyxy in (people, found.xyxy_px))
    assert np.abs(np.sort(seen.sum(axis=1)) - np.sort(middle.sum(axis=1))).max() <= 2.0  # a pixel on either axis


@pytest.mark.parametrize("anchor", list(Anchor))
def test_the_event_file_s_tiles_are_used_for_people_and_for_heads(monkeypatch, anchor):
    """``detector.tiles`` in the event file puts tiles over whatever detector the anchor asks for."""
    from crowdwatch import config
    from crowdwatch.assets.examples import example
    from crowdwatch.drivers import build

    class Loaded(Painted):
        pass

    def load(*_, anchor, **__):
        found = Loaded()
        found.anchor = anchor
        return found

    event = config.load(example("synthetic"))
    cut = config.EventFile.model_validate(
        {**event.model_dump(mode="json"), "detector": {"tiles": {"tile_px": 256, "overlap_px": 64, "overview": False}}}
    )
    monkeypatch.setattr(build.detectors, "load", load)
    opened = build.open_detector(cut, anchor)
    assert opened.detector_id == "painted/tiles256-64"
    assert opened.anchor is anchor
    assert isinstance(build.open_detector(event, anchor), Loaded)
