"""Detectors as ONNX files: networks that always give the same boxes, in every form, and files that are none."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crowdwatch import counters
from crowdwatch.core.records import Anchor, Frame, Stamp
from crowdwatch.detectors import load
from crowdwatch.detectors.onnx_yolo import Form, OnnxYolo
from crowdwatch.detectors.weights import find
from crowdwatch.errors import ConfigError, ModelError, WeightsNotFound

SIDE = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2
PEOPLE = {(12.0, 12.0, 8.0, 16.0): 0.9, (44.0, 36.0, 10.0, 20.0): 0.6}
"""Centre and size in the network's input, and score."""


def written(path, output, *, inputs=("batch", 3, SIDE, SIDE), names=None):
    """A network that gives the same output for every picture."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["fixed", "nothing"], ["output"]),
    ]
    fixed = [
        numpy_helper.from_array(np.float32(output)[None], "fixed"),
        numpy_helper.from_array(np.float32(0), "zero"),
    ]
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, *np.shape(output)))],
        fixed,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"names": repr(names)})
    onnx.save(model, str(path))
    return path


def grid():
    """(cells, 3) column, row and stride."""
    return np.concatenate(
        [
            [(col, row, stride) for row in range(SIDE // stride) for col in range(SIDE // stride)]
            for stride in (8, 16, 32)
        ]
    ).astype(float)


def output_of(form, classes=80):
    """The people of :data:`PEOPLE` among boxes that score nothing, and one of another class."""
    cells = grid()
    others = 0.2 * np.arange(classes - 1) / classes
    if form is Form.ROWS:
        rows = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, 0) for (x, y, w, h), score in PEOPLE.items()]
        return np.array([*rows, (0, 0, 9, 9, 0.8, 2), *[(0, 0, 0, 0, 0, 0)] * 20])
    if form is Form.CLASSES:
        found = np.zeros((4 + classes, CELLS))
        found[:4] = np.stack([*((cells[:, :2] + 0.5) * cells[:, 2:]).T, *np.full((2, CELLS), 8.0)])
        for place, (box, score) in enumerate(PEOPLE.items()):
            found[:, 10 * place] = [*box, score, *others]
        return found
    count = 3 * CELLS if form is Form.OBJECT else CELLS
    found = np.zeros((count, 5 + classes))
    if form is Form.YOLOX:
        found[:, :4] = np.column_stack([(cells[:, :2] + 0.5) * cells[:, 2:], np.full((CELLS, 2), 8.0)])
    for place, ((x, y, w, h), score) in enumerate(PEOPLE.items()):
        row = 10 * place
        box = (x, y, w, h)
        if form is Form.CELLS:
            col, line, stride = cells[row]
            box = (x / stride - col, y / stride - line, np.log(w / stride), np.log(h / stride))
        found[row] = [*box, 0.95, score / 0.95, *others]
    return found


def detected(path, hw=(SIDE, SIDE), **more):
    detector = load(str(path), **more)
    (found,) = detector.detect([Frame(Stamp("c", 0, 0), np.full((*hw, 3), 90, np.uint8))])
    return detector, found


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("classes", [80, 1])
def test_every_form_gives_the_same_people(form, classes, tmp_path):
    rows = {"max_det": 23} if form is Form.ROWS else {}
    detector, found = detected(written(tmp_path / "net.onnx", output_of(form, classes)), **rows)
    assert isinstance(detector, OnnxYolo)
    assert detector.form is form
    corners = [[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in PEOPLE]
    assert found.xyxy_px == pytest.approx(np.array(corners), abs=1e-3)
    assert found.score == pytest.approx(list(PEOPLE.values()), abs=1e-5)


@pytest.mark.parametrize(("form", "left"), [(Form.CELLS, 0), (Form.CLASSES, 16)])
def test_the_border_is_where_the_family_has_it(form, left, tmp_path):
    """A picture half as wide as high stands at the left in YOLOX, in the middle elsewhere."""
    _, found = detected(written(tmp_path / "net.onnx", output_of(form)), hw=(128, 64))
    corners = np.array([[x - w / 2 - left, y - h / 2, x + w / 2 - left, y + h / 2] for x, y, w, h in PEOPLE]) * 2
    corners = np.clip(corners, 0, [64, 128, 64, 128])
    inside = corners[:, 2] > corners[:, 0]
    assert inside.sum() == 1
    assert found.xyxy_px == pytest.approx(corners[inside], abs=1e-3)


def test_names_in_the_file_say_who_is_counted(tmp_path):
    output = output_of(Form.CLASSES, 2)
    output[[4, 5]] = output[[5, 4]]
    path = written(tmp_path / "net.onnx", output, names={0: "head", 1: "person"})
    _, found = detected(path)
    assert found.score == pytest.approx([0.9, 0.6])
    _, heads = detected(path, anchor=Anchor.HEAD)
    assert (heads.class_id == 1).all()
    assert len(heads.score) == 0


def test_an_open_size_is_taken_as_asked(tmp_path):
    path = written(tmp_path / "net.onnx", output_of(Form.CLASSES), inputs=("batch", 3, "height", "width"))
    detector, _ = detected(path, image_px=SIDE)
    assert f"net@{SIDE}fit" in detector.detector_id
    with pytest.raises(ConfigError, match="need a multiple of 32"):
        load(str(path), image_px=70)
    fixed = written(tmp_path / "fixed.onnx", output_of(Form.CLASSES))
    with pytest.raises(ConfigError, match="its input is 64x64 pixels, image_px is 640"):
        load(str(fixed), image_px=640)


@pytest.mark.parametrize(
    ("output", "inputs", "says"),
    [
        (np.zeros(1000), (1, 3, SIDE, SIDE), r"its output is \(1000,\)"),
        (np.zeros((SIDE, SIDE)), (1, 3, SIDE, SIDE), r"its output is \(64, 64\)"),
        (np.zeros((4 + 80, CELLS)), (1, 1, SIDE, SIDE), "a detector takes pictures"),
        (np.zeros((4 + 80, CELLS)), (1, 3), "a detector takes pictures"),
        (np.zeros((4 + 12, CELLS)), (1, 3, SIDE, SIDE), "12 classes without names"),
    ],
)
def test_a_network_of_another_task_is_refused(output, inputs, says, tmp_path):
    path = written(tmp_path / "net.onnx", output, inputs=inputs)
    with pytest.raises(ModelError, match=says):
        load(str(path))


def test_open_axes_follow_the_picture(tmp_path):
    """A network that answers for whatever size it is given: everywhere one box, as sure as its cell is bright."""
    nodes, parts = [], []
    for stride in (8, 16, 32):
        kernel = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes += [
            helper.make_node("AveragePool", ["images"], [f"mean{stride}"], **kernel),
            helper.make_node("Conv", [f"mean{stride}", "weight", "bias"], [f"cells{stride}"]),
            helper.make_node("Reshape", [f"cells{stride}", "shape"], [f"flat{stride}"]),
        ]
        parts.append(f"flat{stride}")
    nodes.append(helper.make_node("Concat", parts, ["output"], axis=2))
    weight, bias = np.zeros((84, 3, 1, 1), np.float32), np.zeros(84, np.float32)
    weight[4, 0], bias[:4] = 1.0, (96, 64, 20, 40)
    fixed = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(bias, "bias"),
        numpy_helper.from_array(np.array([0, 84, -1]), "shape"),
    ]
    size = ("batch", 3, "height", "width")
    graph = helper.make_graph(
        nodes,
        "open",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ("batch", 84, "boxes"))],
        fixed,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "n.onnx")
    detector, found = detected(tmp_path / "n.onnx", hw=(180, 320), image_px=640)
    assert "n@640fit" in detector.detector_id
    assert found.xyxy_px == pytest.approx(np.array([[86, 32, 106, 72]]) / 2, abs=1e-3)  # 12 px of border above
    assert found.score == pytest.approx([114 / 255], abs=1e-5)  # of a cell in the border, the brightest


def test_open_axes_with_the_cells_of_one_size_are_refused(tmp_path):
    path = written(tmp_path / "net.onnx", output_of(Form.YOLOX), inputs=("batch", 3, "height", "width"))
    with pytest.raises(ModelError, match=r"answers with 84 boxes to an input of 32x64, which has 42"):
        detected(path, hw=(128, 60), image_px=SIDE)


def test_rows_that_would_cut_off_a_crowd_are_refused(tmp_path):
    path = written(tmp_path / "net.onnx", output_of(Form.ROWS))
    with pytest.raises(ModelError, match=r"gives 23 boxes at most, 3000 are wanted.*set max_boxes to 23"):
        load(str(path))


def test_nan_is_no_empty_picture(tmp_path):
    output = output_of(Form.CLASSES)
    output[4, 3] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        detected(written(tmp_path / "net.onnx", output))


def test_a_damaged_file_is_refused(tmp_path):
    path = written(tmp_path / "net.onnx", output_of(Form.CLASSES))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ModelError, match="OpenVINO cannot read the model"):
        load(str(path))
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="empty"):
        load(str(path))
    with pytest.raises(WeightsNotFound):
        load(str(tmp_path / "none.onnx"))


def test_torch_does_not_take_it(tmp_path):
    path = written(tmp_path / "net.onnx", output_of(Form.CLASSES))
    with pytest.raises(ModelError, match="this is onnx, the runtime needs pt"):
        load(str(path), "torch")
    with pytest.raises(ModelError, match="this is onnx, the runtime needs openvino or pt"):
        counters.load(str(path))


def test_it_is_found_by_name(tmp_path):
    written(tmp_path / "net.onnx", output_of(Form.CLASSES))
    assert find("net", search=[tmp_path], kinds=("onnx",)).name == "net"
    assert find("net.onnx", search=[tmp_path], kinds=("pt", "onnx")).kind == "onnx"
