"""Tsai's and OpenCV's files, and points files, good and broken."""

import numpy as np
import pytest

from crowdwatch.calibration import calibrate, calibration_files
from crowdwatch.errors import CalibrationError
from crowdwatch.ground import to_ground

TSAI = """<?xml version="1.0" encoding="UTF-8"?>
<Camera name="test">
 <Geometry width="768" height="576" ncx="795" nfx="752" dx="4.85e-03" dy="4.65e-03" dpx="5e-03" dpy="4e-03"/>
 <Intrinsic focal="5" kappa1="0.004" cx="384" cy="288" sx="1.1"/>
 <Extrinsic tx="1000" ty="2000" tz="10000" rx="3.141592653589793" ry="0" rz="0"/>
</Camera>
"""

INTRINSIC = """<?xml version="1.0"?>
<opencv_storage>
<camera_matrix type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt>
  <data>1000. 0. 960. 0. 1100. 540. 0. 0. 1.</data></camera_matrix>
<distortion_coefficients type_id="opencv-matrix"><rows>5</rows><cols>1</cols><dt>d</dt>
  <data> -0.1 0.01
  0 0 0</data></distortion_coefficients>
</opencv_storage>
"""

EXTRINSIC = """<?xml version="1.0"?>
<opencv_storage>
  <rvec> 3.141592653589793 0 0 </rvec>
  <tvec> 100 200 1000 </tvec>
</opencv_storage>
"""


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_tsai_numbers_by_hand(tmp_path):
    plane = calibrate.read_tsai(written(tmp_path / "t.xml", TSAI), head_plane_m=1.5, rmse_m=0.1)
    # fx = 1.1 * 5 / 0.005, fy = 5 / 0.004, kappa = 0.004 * 5^2; turned over about x: centre (-1, 2, 10)
    assert plane.lens.camera_matrix.tolist() == [[1100, 0, 384], [0, 1250, 288], [0, 0, 1]]
    assert plane.lens.coefficients[0] == pytest.approx(0.1)
    assert np.allclose(plane.camera_centre_m, [-1, 2, 10], atol=1e-9)
    assert (plane.image_hw, plane.head_plane_m, plane.rmse_m) == ((576, 768), 1.5, 0.1)
    # 110 px right of the middle is 0.1 of the focal length, undistorted 0.1 (1 + 0.1 * 0.01), at 10 m
    assert np.allclose(to_ground(plane, np.array([[494.0, 288.0]])), [[-1 + 1.001, 2.0]], atol=1e-9)


def test_a_tsai_model_without_distortion_needs_no_lens(tmp_path):
    assert calibrate.read_tsai(written(tmp_path / "t.xml", TSAI.replace("0.004", "0"))).lens is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('kappa1="0.004"', ""), r"Intrinsic kappa1: got None"),
        (('focal="5"', 'focal="nan"'), r"Intrinsic focal: got 'nan'"),
        (('focal="5"', 'focal="-5"'), r"focal, dpx, dpy and sx must be > 0"),
        (('rx="3.14', 'rx="0.0" x="3.14'), r"-10\.00 m above the ground"),
        (("<Extrinsic", "<Outside"), r"element Extrinsic is missing"),
        (("</Camera>", ""), r"is not a plain XML file"),
        (("<Camera name", '<!DOCTYPE x [<!ENTITY a "b">]><Camera name'), r"is not a plain XML file"),
    ],
)
def test_broken_tsai_files(tmp_path, change, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate.read_tsai(written(tmp_path / "t.xml", TSAI.replace(*change)))


def test_every_fault_of_a_tsai_file_is_listed(tmp_path):
    text = TSAI.replace('focal="5"', 'focal="five"').replace('tz="10000"', "").replace('ncx="795"', 'ncx="inf"')
    with pytest.raises(CalibrationError) as caught:
        calibrate.read_tsai(written(tmp_path / "t.xml", text))
    assert all(part in str(caught.value) for part in ("Intrinsic focal", "Extrinsic tz", "Geometry ncx"))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CalibrationError, match="cannot be read"):
        calibrate.read_tsai(tmp_path / "missing.xml")
    with pytest.raises(CalibrationError, match="cannot be read"):
        calibrate.read_points(tmp_path)
    (tmp_path / "binary.xml").write_bytes(b"\xff\xfe\x00\x01\x80")
    with pytest.raises(CalibrationError, match="not UTF-8"):
        calibrate.read_tsai(tmp_path / "binary.xml")
    (tmp_path / "huge.xml").write_bytes(b" " * (calibration_files.LARGEST_FILE_BYTES + 1))
    with pytest.raises(CalibrationError, match="is no calibration"):
        calibrate.read_tsai(tmp_path / "huge.xml")


def test_opencv_numbers_by_hand(tmp_path):
    inner, outer = written(tmp_path / "i.xml", INTRINSIC), written(tmp_path / "e.xml", EXTRINSIC)
    plane = calibrate.read_opencv(inner, outer, (1080, 1920))
    assert np.allclose(plane.camera_centre_m, [-1, 2, 10], atol=1e-9)
    assert plane.lens.coefficients.tolist() == [-0.1, 0.01, 0, 0, 0]
    assert np.allclose(to_ground(plane, np.array([[960.0, 540.0]])), [[-1, 2]], atol=1e-9)
    metres = calibrate.read_opencv(inner, outer, (1080, 1920), unit_m=1.0)
    assert metres.camera_centre_m[2] == pytest.approx(1000.0)


def test_broken_opencv_files(tmp_path):
    inner = written(tmp_path / "i.xml", INTRINSIC.replace("1000. 0. 960. ", "1000. 0. "))
    outer = written(tmp_path / "e.xml", EXTRINSIC.replace("tvec", "vector"))
    with pytest.raises(CalibrationError) as caught:
        calibrate.read_opencv(inner, outer, (1080, 1920))
    assert "camera_matrix: got 8 values, need 9" in str(caught.value)
    assert "tvec or T is missing" in str(caught.value)
    with pytest.raises(CalibrationError, match="unit_m"):
        calibrate.read_opencv(inner, outer, (1080, 1920), unit_m=0.0)


POINTS = """\
image_size_px: [1920, 1080]
camera_position_m: [0, 0, 8]
click_sigma_px: 1.5
lens: {model: tsai, focal_px: [1400, 1400], centre_px: [960, 540], coefficients: [0.1]}
points:
  - {name: kerb, pixel_px: [100, 900.5], ground_m: [-3, 10.25], survey_sigma_m: 0.02}
  - {pixel_px: [200, 500], ground_m: [-5, 20]}
"""


def test_a_points_file(tmp_path):
    read = calibrate.read_points(written(tmp_path / "p.yaml", POINTS))
    assert read.points[0] == calibrate.ControlPoint(100, 900.5, -3, 10.25, "kerb", 0.02)
    assert read.points[1] == calibrate.ControlPoint(200, 500, -5, 20, "2", 0.05)
    assert (read.image_hw, read.click_sigma_px, read.head_plane_m) == ((1080, 1920), 1.5, None)
    assert read.camera_centre_m.tolist() == [0, 0, 8]
    assert (read.lens.model, read.lens.coefficients.tolist()) == ("tsai", [0.1])


def test_json_is_read_too(tmp_path):
    read = calibrate.read_points(written(tmp_path / "p.json", '{"points": [{"pixel_px": [1, 2], "ground_m": [3, 4]}]}'))
    assert read.points == (calibrate.ControlPoint(1, 2, 3, 4, "1", 0.05),)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_points(tmp_path, delimiter):
    text = "\ufeffname,u_px,v_px,x_m,y_m\r\nkerb,100,900.5,-3,10.25\r\n\r\ndoor,1,2,3,4\r\n".replace(",", delimiter)
    read = calibrate.read_points(written(tmp_path / "p.csv", text))
    assert read.points[0] == calibrate.ControlPoint(100, 900.5, -3, 10.25, "kerb", 0.05)
    assert len(read.points) == 2


def test_every_fault_of_a_points_file_is_listed_with_its_line(tmp_path):
    text = """\
image_size_px: [1920.5, 1080]
camera_position_m: [0, 0, -8]
click_sigma_px: 0
zoom: 3
lens: {model: fisheye, focal_px: [0, 1400], centre_px: [960], coefficients: [a]}
points:
  - {pixel_px: [100, x], ground_m: [-3, 10]}
  - {pixel_px: [100, 900], ground: [-3, 10]}
  - 17
  - {pixel_px: [1, 2], ground_m: [3, .nan], survey_sigma_m: -1}
"""
    with pytest.raises(CalibrationError) as caught:
        calibrate.read_points(written(tmp_path / "p.yaml", text))
    said = str(caught.value)
    for part in (
        "line 1: image_size_px",
        "line 2: camera_position_m",
        "line 3: click_sigma_px",
        "line 4: points file: unknown key zoom",
        "line 5: lens: model",
        "line 5: lens: focal_px",
        "line 5: lens: centre_px",
        "line 5: lens: coefficients",
        "line 7: point 1: pixel_px",
        "line 8: point 2: unknown key ground",
        "line 8: point 2: ground_m is missing",
        "point 3: got 17",
        "line 10: point 4: ground_m",
        "line 10: point 4: survey_sigma_m",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points: [", "line 1"),
        ("a: 1\na: 2\n", "line 2.*duplicate"),
        ("points: 3", "need a list"),
        ("", "need a mapping"),
        ("- 1", "need a mapping"),
        ("points: []\nlens: {focal_px: [1, 1], centre_px: [0, 0], coefficients: [1, 2, 3]}", "OpenCV knows"),
        ("\x00", "not YAML"),
    ],
)
def test_broken_points_files(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate.read_points(written(tmp_path / "p.yaml", text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "column u_px must stand there exactly once"),
        ("u_px,v_px,x_m\n1,2,3", "column y_m"),
        ("u_px,v_px,x_m,y_m,z\n", "unknown column 'z'"),
        ("u_px,v_px,x_m,y_m\n1,2,3,four\n", "line 2: y_m: got four"),
        ("u_px;v_px;x_m;y_m\n1;2;3,5;4\n", "line 2: x_m: got 3,5"),
        ("u_px,v_px,x_m,y_m\n1,2,3\n", "line 2: got 3 values, need 4"),
    ],
)
def test_broken_tables(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate.read_points(written(tmp_path / "p.csv", text))
