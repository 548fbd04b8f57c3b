"""What every Detector must keep, held over torch, OpenVINO (exported and INT8) and the recorded one."""

import itertools

import numpy as np
import pytest

from crowdwatch.detectors import RecordedDetector, load
from crowdwatch.errors import ModelError
from crowdwatch.ports import Detector
from crowdwatch.records import Anchor, Frame, Stamp
from crowdwatch.sources.recording import Recording

KNOWN = {("c", seq): (np.array([[10.0, 20, 30, 80], [50, 20, 70, 90]]), np.array([0.4, 0.9])) for seq in range(40)}


@pytest.fixture(scope="module")
def frames(data_dir):
    """Forty frames of the real recording."""
    source = Recording(data_dir / "pets2009" / "vtest.avi", camera_id="c", start_ns=0)
    found = [pair.current for pair in itertools.islice(source.pairs(), 40)]
    source.close()
    return found


@pytest.fixture(params=["torch", "openvino", "openvino-int8", "recorded"])
def make(request, models_dir, tmp_path_factory, monkeypatch):
    """A factory of detectors."""
    if request.param == "recorded":
        return lambda: RecordedDetector(KNOWN)
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path_factory.getbasetemp() / "weights-cache"))
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    runtime, _, int8 = request.param.partition("-")
    name = "yolo11n_int8_openvino_model" if int8 else "yolo11n_recovered.pt"
    return lambda: load(str(models_dir / name), runtime)


def same(one, two):
    return (
        one.stamp == two.stamp
        and np.array_equal(one.xyxy_px, two.xyxy_px)
        and np.array_equal(one.score, two.score)
        and one.saturated == two.saturated
    )


def test_it_fills_the_port(make, frames):
    detector = make()
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
    detector.close()


def test_boxes_do_not_depend_on_the_company(make, frames):
    """A chunk of any length gives the same boxes, bit for bit: one picture per pass on a CPU."""
    detector = make()
    whole = detector.detect(frames[:4])
    alone = [detector.detect([frame])[0] for frame in frames[:4]]
    again = make().detect(frames[1:3])
    assert all(map(same, whole, alone))
    assert all(map(same, whole[1:3], again))


def test_closed_is_closed(make, frames):
    detector = make()
    detector.close()
    detector.close()
    with pytest.raises(ModelError, match="closed"):
        detector.detect(frames[:1])


@pytest.mark.parametrize("hw", [(1, 1), (577, 31), (37, 1500), (1080, 1920)])
def test_any_size_of_picture(make, hw):
    """Odd, tiny, grey and wide pictures neither fail nor put a box outside."""
    frame = Frame(Stamp("c", 0, 0), np.full((*hw, 3), 128, dtype=np.uint8))
    found = make().detect([frame])[0]
    assert found.image_hw == hw
    if "recorded" not in found.detector_id:  # the recorded one repeats what it was given
        assert (found.xyxy_px <= np.array([hw[1], hw[0], hw[1], hw[0]])).all()
        assert (found.score < 0.3).all()  # nobody stands in a grey picture
