"""Pictures without people, and photographs of UCF_CC_50: what they are, and what is refused."""

import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from crowdwatch.errors import ConfigError
from pipelines.evaluation import empty_pictures, photograph_counts
from pipelines.evaluation.evaluate import app
from pipelines.evaluation.photograph_counts import Model
from pipelines.evaluation.ucf_cc_50 import photographs


def test_only_parts_in_which_nobody_stands_are_cut_out():
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:200, 100:200] = 255
    boxes = np.array([[110.0, 110.0, 190.0, 190.0]])  # with room it reaches into all eight parts around it
    pieces = list(empty_pictures._empty(image, boxes))
    assert len(pieces) == 16 - 9
    assert max(piece.max() for piece in pieces) == 0
    assert len(list(empty_pictures._empty(image, np.empty((0, 4))))) == 16


def test_drawn_pictures_are_the_same_every_time():
    one, other = empty_pictures.drawn(), empty_pictures.drawn()
    assert len(one) >= 24
    assert all(a[0] == b[0] and (a[1] == b[1]).all() for a, b in zip(one, other, strict=True))
    assert {picture.shape for _, picture in one} == {(384, 512, 3)}


@pytest.mark.parametrize(("people", "code"), [(0.02, 0), (0.05, 1)])
def test_a_counter_that_sees_people_where_none_are_fails(people, code, monkeypatch, tmp_path):
    monkeypatch.setattr(empty_pictures, "cut_out", lambda folder: [])
    model = Model("m", lambda frame: np.full((8, 8), people), 1, 1.0)
    monkeypatch.setattr(photograph_counts, "open_model", lambda name, settings: model)
    result = CliRunner().invoke(app, ["empty", str(tmp_path), "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout)["m"]["all"]["mean"] == pytest.approx(64 * people)


def test_very_dense_photographs(tmp_path):
    for name, points in (("2", [[3.0, 4.0]]), ("10", [[39.0, 5.0], [45.0, -2.0], [1.0, 1.0], [2.0, 2.0]])):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.full((30, 40, 3), 90, np.uint8))
        savemat(tmp_path / f"{name}_ann.mat", {"annPoints": np.array(points)})
    two, ten = photographs(tmp_path)
    assert (two.name, two.image_hw, two.stray_frac) == ("ucf_cc_50/2", (30, 40), 0.0)
    assert ten.stray_frac == 0.25
    assert (ten.heads_px >= 0).all()
    assert (ten.heads_px < [40, 30]).all()


def test_every_broken_annotation_is_listed(tmp_path):
    with pytest.raises(ConfigError, match=r"no \.jpg files"):
        photographs(tmp_path)
    for name in "123":
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.full((30, 40, 3), 90, np.uint8))
    (tmp_path / "1_ann.mat").write_bytes(b"no matrix")
    savemat(tmp_path / "2_ann.mat", {"annPoints": np.zeros((2, 3))})
    with pytest.raises(ConfigError, match=r"(?s)3 faults.*1_ann.mat.*2_ann.mat.*3_ann.mat"):
        photographs(tmp_path)
