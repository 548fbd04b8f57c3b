"""What every Detector must keep, held over torch, OpenVINO (exported and INT8), an ONNX file and the recorded one."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from crowdwatch.core.ports import Detector
from crowdwatch.core.records import Anchor, Frame, Stamp
from crowdwatch.detectors import RecordedDetector, TiledDetector, Tiling, load
from crowdwatch.detectors.weights import shipped_dirs
from crowdwatch.errors import ModelError
from crowdwatch.sources.recording import Recording
from pipelines.evaluation.shanghaitech import photographs, read_image, read_list

KNOWN = {("c", seq): (np.array([[10.0, 20, 30, 80], [50, 20, 70, 90]]), np.array([0.4, 0.9])) for seq in range(8)}


@pytest.fixture(scope="module")
def frames(data_dir):
    """Eight frames of the real recording."""
    source = Recording(data_dir / "pets2009" / "vtest.avi", camera_id="c", start_ns=0)
    found = [pair.current for pair in itertools.islice(source.pairs(), 8)]
    source.close()
    return found


@pytest.fixture(
    scope="module", params=["torch", "openvino", "openvino-int8", "shipped", "shipped-streams", "onnx", "recorded"]
)
def make(request, models_dir, tmp_path_factory):
    """A factory of detectors."""
    if request.param == "recorded":
        yield lambda: RecordedDetector(KNOWN)
        return
    runtime, _, kind = request.param.partition("-")
    name = "yolo11n_int8_openvino_model" if kind == "int8" else "yolo11n_recovered.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROWDWATCH_CACHE", str(tmp_path_factory.getbasetemp() / "weights-cache"))
        patch.setenv("CROWDWATCH_OFFLINE", "1")
        if runtime == "onnx":
            yield lambda: load(str(models_dir / "yolox_nano_coco.onnx"))
        elif runtime == "shipped":
            yield lambda: load("auto", streams=3 if kind == "streams" else 1)
        else:
            yield lambda: load(str(models_dir / name), runtime)


@pytest.fixture(scope="module")
def detector(make):
    """One for all tests that leave it open: loading takes longer than looking."""
    return make()


def same(one, two):
    return (
        one.stamp == two.stamp
        and np.array_equal(one.xyxy_px, two.xyxy_px)
        and np.array_equal(one.score, two.score)
        and one.saturated == two.saturated
    )


def test_it_fills_the_port(detector, frames):
    assert isinstance(detector, Detector)
    assert detector.anchor is Anchor.FEET
    assert detector.detect([]) == []
    found = detector.detect(frames[:3])
    assert [d.stamp for d in found] == [f.stamp for f in frames[:3]]
    for one in found:
        assert one.detector_id == detector.detector_id != ""
        assert one.anchor is detector.anchor
        assert one.image_hw == (576, 768)
        assert len(one) >= 2  # the first frames show three people
        assert (one.class_id == 0).all()
        assert (np.diff(one.score) <= 0).all()
        assert one.score.min() >= 0.05
        assert one.score.max() <= 1
        assert (one.xyxy_px[:, :2] < one.xyxy_px[:, 2:]).all()
        assert one.xyxy_px.min() >= 0
        assert (one.xyxy_px <= np.array([768, 576, 768, 576])).all()
        assert not one.saturated


def test_boxes_do_not_depend_on_the_company(make, frames, monkeypatch):
    """A chunk of any length gives the same boxes, bit for bit: one picture per pass on a CPU. (On a GPU a picture quite
    alone is computed by other kernels: tests/parity/test_gpu.py.)"""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    detector = make()
    whole = detector.detect(frames[:4])
    alone = [detector.detect([frame])[0] for frame in frames[:4]]
    again = make().detect(frames[1:3])
    assert all(map(same, whole, alone))
    assert all(map(same, whole[1:3], again))


def test_boxes_do_not_depend_on_calls_from_other_threads(detector, frames):
    alone = [detector.detect([frame])[0] for frame in frames[:8]]
    with ThreadPoolExecutor(4) as pool:
        together = [found for (found,) in pool.map(lambda frame: detector.detect([frame]), frames[:8])]
    assert all(map(same, alone, together))


def test_closed_is_closed(make, frames):
    detector = make()
    detector.close()
    detector.close()
    with pytest.raises(ModelError, match="closed"):
        detector.detect(frames[:1])


@pytest.mark.parametrize("hw", [(1, 1), (577, 31), (37, 1500), (1080, 1920)])
def test_any_size_of_picture(detector, hw):
    """Odd, tiny, grey and wide pictures neither fail nor put a box outside."""
    frame = Frame(Stamp("c", 0, 0), np.full((*hw, 3), 128, dtype=np.uint8))
    found = detector.detect([frame])[0]
    assert found.image_hw == hw
    if "recorded" not in found.detector_id:  # the recorded one repeats what it was given
        assert (found.xyxy_px <= np.array([hw[1], hw[0], hw[1], hw[0]])).all()
        assert (found.score < 0.3).all()  # nobody stands in a grey picture


def test_heads_of_the_shipped_detector(data_dir, monkeypatch, tmp_path):
    """The same weights find heads: on photographs that no training learned from, most of what is boxed is annotated
    and most of what is annotated is boxed. How well exactly stands in the model's card."""
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path))
    heads = TiledDetector(load("auto", anchor=Anchor.HEAD), Tiling(512, 96))  # whole pictures lose small heads
    assert heads.detector_id != load("auto").detector_id
    kept = sorted(name for name in read_list(shipped_dirs()[0] / "validation.txt") if name.startswith("part_B"))[:5]
    photos = [one for one in photographs(data_dir / "shanghaitech", "B", "train") if one.name in kept]
    right = boxed = annotated = 0
    for photo in photos:
        found = heads.detect([Frame(Stamp("c", 0, 0), read_image(photo.path))])[0]
        assert found.anchor is Anchor.HEAD
        assert (found.class_id == 1).all()
        middle = found.anchor_px()[found.score > 0.1]
        near = cdist(photo.heads_px, middle) < 12
        right += int(near[linear_sum_assignment(~near)].sum())
        boxed, annotated = boxed + len(middle), annotated + len(photo.heads_px)
    assert annotated > 100
    assert right > 0.5 * boxed
    assert right > 0.4 * annotated
