"""One export, many sizes: the shipped detector's weights look at pictures of any shape."""

import numpy as np
import openvino as ov
import pytest

from crowdwatch.core.records import Anchor, Frame, Stamp
from crowdwatch.detectors import load, weights
from crowdwatch.detectors.openvino_network import Network, cells, read_model, resizable
from crowdwatch.errors import ConfigError, ModelError


@pytest.fixture(scope="module")
def shipped():
    """The shipped detector as it was exported."""
    return read_model(weights.xml_of(weights.find(weights.default_model(), kinds=("openvino",)).path))


def answer(network, input_hw):
    picture = np.random.default_rng(1).random((1, 3, *input_hw), dtype=np.float32)
    return network.infer(picture, "x")[0]


def test_every_size_has_its_own_cells(shipped):
    """Boxes of empty cells lie where the cells are: at other sizes too, and people's answers before those of heads."""
    network = Network("x", shipped, "f32", None, 1)
    for input_hw in ((640, 640), (384, 640), (96, 64)):
        found, place = answer(network, input_hw), cells(input_hw)
        assert found.shape == (6, len(place) + len(cells(input_hw, (8,))))
        for some, own in ((found[:2, : len(place)], place), (found[:2, len(place) :], cells(input_hw, (8,)))):
            off = np.abs(some.T - (own[:, :2] + 0.5) * own[:, 2:])
            assert np.median(off / own[:, 2:]) < 3  # a box's middle is within its cell's neighbourhood


def test_the_own_size_is_bit_for_bit_what_was_exported(shipped):
    network = Network("x", shipped, "f32", None, 1)
    picture = np.random.default_rng(1).random((1, 3, 640, 640), dtype=np.float32)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    plain = ov.Core().compile_model(shipped, "CPU", settings)(picture)[0][0]
    assert np.array_equal(network.infer(picture, "x")[0], plain)


def test_an_export_that_holds_more_of_its_size_keeps_it(models_dir, shipped):
    fixed = read_model(models_dir / "yolo11n_int8_openvino_model" / "yolo11n.xml")
    assert resizable(shipped)
    assert not resizable(fixed)
    assert not resizable(read_model(models_dir / "yolox_nano_coco.onnx"))


@pytest.mark.parametrize("anchor", Anchor)
def test_another_size_of_the_shipped_detector(anchor):
    detector = load("auto", "openvino", image_px=1280, anchor=anchor)
    assert "@1280fit" in detector.detector_id
    (found,) = detector.detect([Frame(Stamp("c", 0, 0), np.full((90, 160, 3), 90, np.uint8))])
    assert found.image_hw == (90, 160)
    with pytest.raises(ConfigError, match="need a multiple of 32"):
        load("auto", "openvino", image_px=700)


def test_precision_is_known(shipped):
    with pytest.raises(ConfigError, match="precision"):
        Network("x", shipped, "f64", None, 1)


def test_closed_is_closed(shipped):
    network = Network("x", shipped, "f32", None, 1)
    network.close()
    with pytest.raises(ModelError, match="closed"):
        answer(network, (64, 64))
