"""Crops for training: heads stay on their pixels at every scale, and a batch is the same whenever it is asked for."""

import numpy as np
import pytest
from photographs import write_both

from pipelines.evaluation.shanghaitech import photographs
from pipelines.training.crops import Crops, CropSettings, cut


def dotted(hw=(200, 260)):
    """A grey picture with one white pixel block, and the place of its middle."""
    image = np.full((*hw, 3), 90, np.uint8)
    image[120:126, 140:146] = 255
    return image, np.array([143.0, 123.0])


@pytest.mark.parametrize("scale", [0.7, 0.9, 1.0, 1.3, 2.0])
def test_a_head_stays_on_its_pixels(scale):
    image, place = dotted()
    seen = 0
    for seed in range(200):
        square, to_crop = cut(image, np.random.default_rng(seed), scale, 96)
        x, y = to_crop[:, :2] @ place + to_crop[:, 2]
        bright = np.argwhere(square[..., 0] > 170)
        if len(bright) >= 0.9 * 36 * scale**2 * 0.8 and 8 < x < 88 and 8 < y < 88:
            middle = bright.mean(axis=0)[::-1] + 0.5  # of pixels 0..1
            assert middle == pytest.approx([x, y], abs=0.8)  # pixels are whole, places are not
            seen += 1
    assert seen > 3


def test_at_scale_one_pixels_are_the_photograph_s_own():
    image = np.random.default_rng(0).integers(0, 256, (200, 260, 3)).astype(np.uint8)
    square, to_crop = cut(image, np.random.default_rng(5), 1.0, 96)
    flip = to_crop[0, 0] < 0
    top, left = -to_crop[1, 2], (to_crop[0, 2] - 96 if flip else -to_crop[0, 2])
    own = image[int(top) : int(top) + 96, int(left) : int(left) + 96]
    assert (square == (own[:, ::-1] if flip else own)).all()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = write_both(tmp_path_factory.mktemp("crops"))
    return [photographs(folder, part, "train") for part in "AB"]


def test_a_batch_has_its_number(parts):
    settings = CropSettings(crop_px=64, batch=3, native_frac=0.5)
    one, other = Crops(parts, settings, 1), Crops(parts, settings, 1)
    assert all(np.array_equal(a, b) for a, b in zip(one.batch(7), other.batch(7), strict=True))
    assert not np.array_equal(one.batch(7)[0], one.batch(8)[0])
    assert not np.array_equal(one.batch(7)[0], Crops(parts, settings, 2).batch(7)[0])


def test_heads_are_counted_once(parts):
    pictures, truth = Crops(parts, CropSettings(crop_px=128, scale_min=1, scale_max=1, batch=8), 3).batch(0)
    assert pictures.shape == (8, 128, 128, 3)
    assert truth.shape == (8, 16, 16)
    assert truth.sum() > 8
    assert (truth == np.round(truth)).all()
    dark = pictures.min(axis=3) < 70  # discs of the drawn heads, at any light
    assert dark.reshape(8, -1).any(axis=1).all()


def test_drawn_crops_without_people_have_none(parts):
    pictures, truth = Crops(parts, CropSettings(crop_px=64, batch=12, empty_frac=1.0), 1).batch(0)
    assert truth.sum() == 0
    assert len({picture.tobytes() for picture in pictures}) == 12
    some = [Crops(parts, CropSettings(crop_px=64, batch=12, empty_frac=0.5), 1).batch(n)[1] for n in range(4)]
    empty = [not heads.any() for batch in some for heads in batch]
    assert 12 <= sum(empty) <= 40  # crops of photographs can be empty too
