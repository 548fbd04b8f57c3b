"""Pictures under conditions: drawn from a seed, as strong as asked, and three kinds that no training sees."""

import numpy as np
import pytest
from photographs import drawn, write_both

from crowdwatch.errors import ConfigError
from pipelines.evaluation.condition_counts import kinds_of
from pipelines.evaluation.conditions import KEPT_OUT, LEARNED, STRENGTHS, Condition, spoil
from pipelines.evaluation.shanghaitech import photographs
from pipelines.training import crops
from pipelines.training.crops import Crops, CropSettings


@pytest.fixture(scope="module")
def photo():
    return drawn(np.random.default_rng(1), 30, (120, 161))


def rng():
    return np.random.default_rng(3)


def changed(one, other):
    return np.abs(one.astype(int) - other.astype(int)).mean()


@pytest.mark.parametrize("kind", Condition)
def test_a_kind_is_the_same_for_a_seed_and_stronger_where_asked(kind, photo):
    image, heads = photo
    before = image.copy()
    spoiled = [spoil(image, kind, strength, rng(), heads) for strength in STRENGTHS]
    assert (image == before).all()
    for strength, one in zip(STRENGTHS, spoiled, strict=True):
        assert one.dtype == np.uint8
        assert (one == spoil(image, kind, strength, rng(), heads)).all()
    if kind is Condition.RESOLUTION:
        assert [one.shape[:2] for one in spoiled] == [(80, 107), (60, 80), (40, 54)]
        return
    assert {one.shape for one in spoiled} == {image.shape}
    differences = [changed(one, image) for one in spoiled]
    assert 1 < differences[0] < differences[2]
    assert (spoil(image, kind, 0, rng(), heads) == image).all()


@pytest.mark.parametrize("kind", [Condition.NIGHT, Condition.LAMPS, Condition.RAIN, Condition.DIRT, Condition.SMOKE])
def test_of_a_video_noise_changes_and_the_place_stays(kind, photo):
    image, _ = photo

    def frame(number):
        return spoil(image, kind, 2, rng(), moment=np.random.default_rng(number))

    if kind in (Condition.DIRT, Condition.SMOKE):
        assert (frame(1) == frame(2)).all()
        return
    assert (frame(1) != frame(2)).any()
    if kind is Condition.LAMPS:  # the noise differs, the lamps do not
        other = spoil(image, kind, 2, np.random.default_rng(4), moment=np.random.default_rng(1))
        assert changed(frame(1), frame(2)) < 0.5 * changed(frame(1), other)


def test_what_each_does_to_light(photo):
    image, _ = photo
    night, flash, infrared = (spoil(image, kind, 2, rng()) for kind in ("night", "flash", "infrared"))
    assert night.mean() < 0.7 * image.mean()
    assert night[..., 0].mean() < night[..., 2].mean()  # blue is gone
    assert flash.mean() > 1.2 * image.mean()
    assert (infrared[..., 0] == infrared[..., 1]).all()
    smoke = spoil(image, Condition.SMOKE, 2, rng())
    assert smoke.std() < 0.5 * image.std()


def test_three_kinds_are_kept_out_of_training(tmp_path, monkeypatch):
    assert len(KEPT_OUT) >= 3
    assert set(LEARNED) | set(KEPT_OUT) == set(Condition)
    asked = []

    def noted(image, kind, strength, rng, heads_px=None):
        asked.append(kind)
        return spoil(image, kind, strength, rng, heads_px)

    monkeypatch.setattr(crops, "spoil", noted)
    write_both(tmp_path)
    parts = [photographs(tmp_path, part, "train") for part in "AB"]
    settings = CropSettings(crop_px=64, batch=8, spoiled_frac=0.8)
    batches = [Crops(parts, settings, 5).batch(number) for number in range(20)]
    assert set(asked) == set(LEARNED)
    assert 0.7 < len(asked) / 160 < 0.9
    again = Crops(parts, settings, 5).batch(19)
    assert all((one == other).all() for one, other in zip(batches[19], again, strict=True))


@pytest.mark.parametrize("strength", [-0.1, 3.1, float("nan")])
def test_a_strength_out_of_its_limits_is_refused(photo, strength):
    with pytest.raises(ConfigError, match="need 0 to 3"):
        spoil(photo[0], Condition.NIGHT, strength, rng())


def test_kinds_are_named():
    assert kinds_of("all") == tuple(Condition)
    with pytest.raises(ConfigError, match=r"'fog'.*need all, or some of night, lamps"):
        kinds_of("night,fog")
