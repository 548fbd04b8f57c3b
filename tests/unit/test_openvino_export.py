"""A .pt becomes an OpenVINO model once; networks without suppression too."""

import numpy as np
import openvino as ov
import pytest

from crowdwatch.core.records import Frame, Stamp
from crowdwatch.detectors import openvino_export, ultralytics_models, ultralytics_setup, weights
from crowdwatch.detectors.boxes import BoxLimits
from crowdwatch.detectors.openvino_yolo import OpenVinoYolo
from crowdwatch.detectors.torch_yolo import TorchYolo
from crowdwatch.errors import ModelError


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def noise(hw):
    return Frame(Stamp("c", 0, 0), np.random.default_rng(1).integers(0, 255, (*hw, 3), dtype=np.uint8))


def test_once(models_dir, cache, monkeypatch):
    found = weights.find(models_dir / "yolo11n_recovered.pt")
    first = openvino_export.exported(found, image_px=320, max_det=3000)
    assert first.is_relative_to(cache)
    assert [path.name for path in first.parent.iterdir()] == [first.name]  # no half-made folder is left
    monkeypatch.setattr(ultralytics_models, "load", None)  # a second export would fail
    assert openvino_export.exported(found, image_px=320, max_det=3000) == first
    detector = OpenVinoYolo(found, image_px=320)
    assert detector.detector_id == f"yolo11n_recovered@320fit/openvino-f32/{found.sha256[:12]}"


def end_to_end(models_dir, path, *, alone):
    """Weights that would answer with rows; ``alone`` of its two answers the network has no other."""
    import torch

    ultralytics_setup.prepare()
    from ultralytics.nn.tasks import load_checkpoint

    model, _ = load_checkpoint(str(models_dir / "yolo26n_recovered.pt"))
    model.model[-1].end2end = True
    if alone:
        model.fuse(verbose=False)
    torch.save({"model": model}, path)
    return weights.find(path)


def both(found, limits):
    """What both runtimes find in noise, which looks like people with low scores only."""
    (one,) = TorchYolo(found, image_px=320, limits=limits).detect([noise((200, 300))])
    (two,) = OpenVinoYolo(found, image_px=320, limits=limits).detect([noise((200, 300))])
    assert len(one) > 0
    np.testing.assert_allclose(one.score, two.score, atol=1e-5)  # f32 rounding through 120 layers
    np.testing.assert_allclose(one.xyxy_px, two.xyxy_px, atol=0.01)  # the same, in pixels
    return two.detector_id


def test_an_end_to_end_answer_is_left_for_the_other_one(models_dir, tmp_path):
    """A network that suppresses by itself stops at 300 boxes; its other answer has every candidate."""
    found = end_to_end(models_dir, tmp_path / "rows.pt", alone=False)
    folder = openvino_export.exported(found, image_px=320, max_det=3000)
    assert list(ov.Core().read_model(weights.xml_of(folder)).output(0).shape) == [1, 84, 2100]
    assert "@320fit/" in both(found, BoxLimits(score_floor=0.001))


def test_rows_are_as_many_as_boxes_are_wanted_where_there_is_nothing_else(models_dir, tmp_path):
    import torch

    found = end_to_end(models_dir, tmp_path / "rows.pt", alone=True)
    folder = openvino_export.exported(found, image_px=320, max_det=3000)
    rows = ov.Core().read_model(weights.xml_of(folder)).output(0).shape
    assert list(rows) == [1, 2100, 6]  # 40 x 40 + 20 x 20 + 10 x 10 candidates: all there are
    answer = ultralytics_models.load(found, max_det=900)[0](torch.zeros(1, 3, 320, 320))[0]
    assert list(answer.shape) == [1, 900, 6]
    assert "@320/" in both(found, BoxLimits(score_floor=0.001))


def test_a_cache_that_cannot_be_written(models_dir, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be written"):
        openvino_export.exported(weights.find(models_dir / "yolo11n_recovered.pt"), image_px=320, max_det=3000)
