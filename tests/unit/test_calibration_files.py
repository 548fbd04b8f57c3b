"""Tsai's and OpenCV's files, and points files, good and broken."""

import numpy as np
import pytest

from crowdwatch.calibration import calibrate, storage
from crowdwatch.config.calibration_keys import PointPair
from crowdwatch.config.calibrations import calibrated
from crowdwatch.config.points_file import read_points
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


OPENCV_YAML = """%YAML:1.0
---
image_width: 1920
image_height: 1080
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1000., 0., 960., 0., 1.1e+03, 540., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -1.0e-01, 0.01, 0., 0., 0. ]
"""
OPENCV_24 = INTRINSIC.replace("camera_matrix", "Camera_Matrix").replace("distortion_c", "Distortion_C").replace(
    "<opencv_storage>", "<opencv_storage><image_Width>1920</image_Width><image_Height>1080</image_Height>"
)  # fmt: skip
ROS_FILE = """\
image_width: 1920
image_height: 1080
camera_name: gate
camera_matrix: {rows: 3, cols: 3, data: [1000, 0, 960, 0, 1100, 540, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.01, 0, 0, 0]}
"""
ROS_MESSAGE = """\
height: 1080
width: 1920
distortion_model: plumb_bob
D: [-0.1, 0.01, 0, 0, 0]
K: [1000, 0, 960, 0, 1100, 540, 0, 0, 1]
R: [1, 0, 0, 0, 1, 0, 0, 0, 1]
"""
KALIBR = """\
cam0:
  camera_model: pinhole
  intrinsics: [1000, 1100, 960, 540]
  distortion_model: radtan
  distortion_coeffs: [-0.1, 0.01, 0, 0]
  resolution: [1920, 1080]
"""
OPENCV_JSON = (
    '{"camera_matrix": {"type_id": "opencv-matrix", "rows": 3, "cols": 3, "dt": "d", "data": [1000, 0, 960, 0, 1100, '
    '540, 0, 0, 1]}, "distCoeffs": [[-0.1, 0.01, 0, 0, 0]], "image_width": 1920, "image_height": 1080}'
)
EXTRINSIC_YAML = (
    "%YAML:1.0\n---\nrvec: !!opencv-matrix\n  data: [3.141592653589793, 0, 0]\ntvec: [[100], [200], [1000]]\n"
)


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
    with pytest.raises(CalibrationError, match="is a folder, need the points file"):
        read_points(tmp_path)
    (tmp_path / "binary.xml").write_bytes(b"\xff\xfe\x00\x01\x80")
    with pytest.raises(CalibrationError, match="not UTF-8"):
        calibrate.read_tsai(tmp_path / "binary.xml")
    (tmp_path / "huge.xml").write_bytes(b" " * (storage.LARGEST_FILE_BYTES + 1))
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


def point(name, pixel_px, ground_m, survey_sigma_m):
    return PointPair(name=name, pixel_px=pixel_px, ground_m=ground_m, survey_sigma_m=survey_sigma_m)


def test_a_points_file(tmp_path):
    read = read_points(written(tmp_path / "p.yaml", POINTS))
    assert read.points[0] == point("kerb", [100, 900.5], [-3, 10.25], 0.02)
    assert read.points[1] == point("2", [200, 500], [-5, 20], 0.05)
    assert (read.image_size_px, read.click_sigma_px, read.head_plane_m) == ([1920, 1080], 1.5, None)
    assert read.camera_position_m == [0, 0, 8]
    assert (read.lens.model, read.lens.coefficients) == ("tsai", [0.1])


def test_json_is_read_too(tmp_path):
    read = read_points(written(tmp_path / "p.json", '{"points": [{"pixel_px": [1, 2], "ground_m": [3, 4]}]}'))
    assert read.points == [point("1", [1, 2], [3, 4], 0.05)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_points(tmp_path, delimiter):
    text = "\ufeffname,u_px,v_px,x_m,y_m\r\nkerb,100,900.5,-3,10.25\r\n\r\ndoor,1,2,3,4\r\n".replace(",", delimiter)
    read = read_points(written(tmp_path / "p.csv", text))
    assert read.points == [point("kerb", [100, 900.5], [-3, 10.25], 0.05), point("door", [1, 2], [3, 4], 0.05)]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_of_a_table_are_read(tmp_path, delimiter):
    """As a spreadsheet of a country with decimal commas saves it."""
    text = "sep=;\n# clicked by hand\n\nName;U_PX;v_px;x_m;y_m;survey_sigma_m\nkerb;100;900,5;-3;10,25;0,02\n"
    text = text.replace(";", delimiter).replace("\t\n#", ";\n#")
    read = read_points(written(tmp_path / "p.csv", text))
    assert read.points == [point("kerb", [100, 900.5], [-3, 10.25], 0.02)]


def test_a_decimal_comma_in_yaml_is_called_by_its_name(tmp_path):
    text = "points:\n  - {pixel_px: [100,5, 200], ground_m: [3, 4]}\nclick_sigma_px: 1,5\n"
    with pytest.raises(CalibrationError) as caught:
        read_points(written(tmp_path / "p.yaml", text))
    assert "points[0].pixel_px: got a list of 3, need 2 numbers. Write decimals with a point" in str(caught.value)
    assert "click_sigma_px: got '1,5', need a number. Write decimals with a point: 1.5." in str(caught.value)


def test_points_may_be_numbered(tmp_path):
    text = "points:\n  - {name: 7, pixel_px: [1, 2], ground_m: [3, 4]}\n"
    assert read_points(written(tmp_path / "p.yaml", text)).points[0].name == "7"


def test_points_from_a_file_calibrate_as_those_in_the_event_file(tmp_path):
    square = [([0, 90], [0, 0]), ([90, 90], [9, 0]), ([90, 0], [9, 9]), ([0, 0], [0, 9])]
    rows = "".join(f"  - {{pixel_px: {pixel}, ground_m: {ground}}}\n" for pixel, ground in square)
    lens = "lens: {focal_px: [100, 100], centre_px: [50, 50], coefficients: [0, 0, 0, 0]}\n"
    text = f"head_plane_m: 1.7\ncamera_position_m: [4, -6, 8]\n{lens}points:\n{rows}"
    plane = calibrated(read_points(written(tmp_path / "p.yaml", text)), (100, 100)).plane
    assert np.allclose(to_ground(plane, np.array([[10.0, 70.0]])), [[1, 2]], atol=1e-6)
    assert plane.head_plane_m == 1.7
    assert plane.camera_centre_m.tolist() == [4, -6, 8]


def test_every_fault_of_a_points_file_is_listed_with_its_line(tmp_path):
    text = """\
image_size_px: [1920.5, 1080]
camera_position_m: [0, 0, -8]
click_sigma_px: 0
zoom: 3
lens: {model: pinhole, focal_px: [0, 1400], centre_px: [960], coefficients: [a]}
points:
  - {pixel_px: [100, x], ground_m: [-3, 10]}
  - {pixel_px: [100, 900], ground: [-3, 10]}
  - 17
  - {pixel_px: [1, 2], ground_m: [3, .nan], survey_sigma_m: -1}
"""
    with pytest.raises(CalibrationError) as caught:
        read_points(written(tmp_path / "p.yaml", text))
    said = str(caught.value)
    for part in (
        "p.yaml:1: image_size_px[0]: got 1920.5, need a whole number",
        "p.yaml:2: camera_position_m: got a list of 3: the height is -8 m",
        "p.yaml:3: click_sigma_px: got 0, need > 0",
        "p.yaml:4: zoom: is an unknown key",
        "p.yaml:5: lens.model: got 'pinhole', need 'opencv', 'fisheye' or 'tsai'",
        "p.yaml:5: lens.focal_px[0]: got 0, need > 0",
        "p.yaml:5: lens.centre_px: got a list of 1, need at least 2",
        "p.yaml:5: lens.coefficients[0]: got 'a', need a number",
        "p.yaml:7: points[0].pixel_px[1]: got 'x', need a number",
        "p.yaml:8: points[1].ground: is an unknown key. Did you mean ground_m?",
        "p.yaml:8: points[1].ground_m: is missing",
        "p.yaml:9: points[2]: got 17, need keys with values",
        "p.yaml:10: points[3].ground_m[1]: got nan, need a finite number",
        "p.yaml:10: points[3].survey_sigma_m: got -1, need > 0",
    ):
        assert part in said, said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points: [", "p.yaml:1: is not YAML"),
        ("a: 1\na: 2\n", "p.yaml:2: a: stands twice"),
        ("points: 3", "p.yaml:1: points: got 3, need a list"),
        ("", "the file is empty. Write at least four points"),
        ("- 1", "need keys with values"),
        ("\x00", "not YAML"),
    ],
)
def test_broken_points_files(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        read_points(written(tmp_path / "p.yaml", text))


def test_a_lens_that_opencv_does_not_know(tmp_path):
    text = "points: []\nlens: {focal_px: [1, 1], centre_px: [0, 0], coefficients: [1, 2, 3]}"
    with pytest.raises(CalibrationError, match="OpenCV knows"):
        calibrated(read_points(written(tmp_path / "p.yaml", text)), (100, 100))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "column u_px must stand there exactly once"),
        ("u_px,v_px,x_m\n1,2,3", "column y_m"),
        ("u_px,v_px,x_m,y_m,z\n", "unknown column 'z'"),
        ("u_px,v_px,x_m,y_m\n1,2,3,four\n", r"p.csv:2: points\[0\].ground_m\[1\]: got 'four', need a number"),
        ('u_px,v_px,x_m,y_m\n1,2,"3,5",4\n', r"p.csv:2: points\[0\].ground_m\[0\]: got '3,5'.*with a point: 3\.5"),
        ("u_px;v_px;x_m;y_m\n1;2;3,5;4.5\n", r"decimals with a comma \(3,5\) and with a point \(4\.5\)"),
        ("u_px;v_px;x_m;y_m\n1;2;3,500;4\n", r"3,500 may be a decimal or a thousand"),
        ("u_px;v_px;x_m;y_m\n1;2;447,123.25;4,5\n", r"decimals with a comma \(4,5\) and with a point"),
        (INTRINSIC, "is XML: a calibration, not control points"),
        (OPENCV_YAML, "is the calibration of a lens .* not control points"),
        (ROS_MESSAGE, "is the calibration of a lens .* not control points"),
        ("#CRS: EPSG:32650\nmapX,mapY,sourceX,sourceY,enable\n1,2,3,-4,1\n", "v_px is -sourceY"),
        ("EPSG:32650\n447000 4419000 43.5 100 500 frame.png\n", "its 4th and 5th column"),
        ("u_px,v_px,x_m,y_m\n1,2,3\n", r"p.csv:2: points\[0\]: got 3 values, need 4"),
    ],
)
def test_broken_tables(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        read_points(written(tmp_path / "p.csv", text))


@pytest.mark.parametrize("extrinsic", [EXTRINSIC, EXTRINSIC_YAML], ids=["xml", "yaml"])
@pytest.mark.parametrize(
    "intrinsic",
    [OPENCV_YAML, OPENCV_24, ROS_FILE, ROS_MESSAGE, KALIBR, OPENCV_JSON, INTRINSIC.replace("1000. 0. ", "1000., 0., ")],
    ids=["opencv yaml", "opencv 2.4", "ros file", "ros message", "kalibr", "opencv json", "commas between"],
)
def test_the_same_camera_in_every_program_s_spelling(tmp_path, intrinsic, extrinsic):
    """The endings lie: the form is told by the content."""
    inner, outer = written(tmp_path / "i.xml", intrinsic), written(tmp_path / "e.yml", extrinsic)
    plane = calibrate.read_opencv(inner, outer, (1080, 1920))
    assert plane.lens.camera_matrix.tolist() == [[1000, 0, 960], [0, 1100, 540], [0, 0, 1]]
    assert plane.lens.coefficients[:4].tolist() == [-0.1, 0.01, 0, 0]
    assert np.allclose(plane.camera_centre_m, [-1, 2, 10], atol=1e-9)
    if "960" in intrinsic and intrinsic not in (INTRINSIC.replace("1000. 0. ", "1000., 0., "),):
        with pytest.raises(CalibrationError, match=r"i\.xml: was made for pictures of 1920 x 1080.*960 x 540.*metres"):
            calibrate.read_opencv(inner, outer, (540, 960))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (INTRINSIC.replace("<camera_m", "<fisheye_model>1</fisheye_model><camera_m"), "got 5 values, need 4 finite"),
        (ROS_FILE.replace("plumb_bob", "division"), "its lens model is division.*undistort the footage"),
        (KALIBR.replace("pinhole", "omni"), "its lens model is omni"),
        (KALIBR + KALIBR.replace("cam0", "cam1"), r"holds several cameras \(cam0, cam1\)"),
        (INTRINSIC.replace("1100.", "1100,5"), r"camera_matrix: got '1100,5'. Write decimals with a point: 1100\.5"),
        (OPENCV_YAML.replace("1000., 0.", "1000,5, 0,5"), r"got 11 values, need 9.*decimals written with commas"),
        (OPENCV_YAML.replace("1000.,", "-1000.,"), r"focal lengths -1000 and 1100 px, need > 0"),
        (
            OPENCV_YAML.replace("960., 0., 1.1e+03, 540., 0., 0., 1.", "0., 0., 1.1e+03, 0., 960., 540., 1."),
            "transposed",
        ),
        (OPENCV_YAML.replace("width: 1920", "width: wide"), "image width: got 'wide', need a whole number"),
        (
            ROS_FILE.replace("distortion_coefficients", "coefficients"),
            "distortion_coefficients or distCoeffs is missing",
        ),
        (TSAI, r"is a Tsai calibration.*tsai_file: i\.xml"),
        ("fx 1000\nfy 1000\n", "neither XML nor YAML with names"),
        (EXTRINSIC, "camera_matrix or cameraMatrix is missing"),
    ],
)
def test_intrinsics_that_cannot_be_used_say_why(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate.read_opencv(written(tmp_path / "i.xml", text), written(tmp_path / "e.xml", EXTRINSIC), (1080, 1920))


FISHEYE = INTRINSIC.replace("<camera_m", "<fisheye_model>1</fisheye_model><camera_m")
FISHEYE = FISHEYE.replace("0 0 0</", "0.002 -0.001</")
"""k1 k2 k3 k4 = -0.1 0.01 0.002 -0.001."""


@pytest.mark.parametrize(
    "intrinsic",
    [
        FISHEYE,
        ROS_FILE.replace("plumb_bob", "equidistant").replace("0.01, 0, 0, 0", "0.01, 0.002, -0.001"),
        KALIBR.replace("radtan", "equidistant").replace("0.01, 0, 0", "0.01, 0.002, -0.001"),
    ],
    ids=["opencv", "ros", "kalibr"],
)
def test_a_fisheye_is_used_as_one(tmp_path, intrinsic):
    """10 m up, turned over about x, looking straight down at (-1, 2)."""
    inner, outer = written(tmp_path / "i.xml", intrinsic), written(tmp_path / "e.xml", EXTRINSIC)
    plane = calibrate.read_opencv(inner, outer, (1080, 1920))
    assert plane.lens.model == "fisheye"
    # somebody 5 m east of the camera is atan(5 / 10) off its axis
    theta = np.arctan(0.5)
    off_px = 1000 * theta * (1 - 0.1 * theta**2 + 0.01 * theta**4 + 0.002 * theta**6 - 0.001 * theta**8)
    assert np.allclose(to_ground(plane, np.array([[960 + off_px, 540.0]])), [[4.0, 2.0]], atol=1e-9)
    plain_lens = calibrate.read_opencv(written(tmp_path / "p.xml", INTRINSIC), outer, (1080, 1920))
    wrong = to_ground(plain_lens, np.array([[960 + off_px, 540.0]]))
    assert np.abs(wrong - [[4.0, 2.0]]).max() > 0.2, "taken for a plain lens it would put people elsewhere"


def test_intrinsics_of_a_larger_picture_give_themselves_away(tmp_path):
    inner, outer = written(tmp_path / "i.xml", INTRINSIC), written(tmp_path / "e.xml", EXTRINSIC)
    with pytest.raises(CalibrationError, match=r"centre at \(960, 540\) px, outside the camera's picture of 640 x 480"):
        calibrate.read_opencv(inner, outer, (480, 640))


def test_a_stereo_pair_does_not_say_where_the_camera_stands(tmp_path):
    names = "".join(f"{name}: [1, 0, 0]\n" for name in ("R", "T", "R1", "R2", "P1", "P2"))
    with pytest.raises(CalibrationError, match="stereo pair"):
        calibrate.read_opencv(written(tmp_path / "i.xml", INTRINSIC), written(tmp_path / "e.yml", names), (1080, 1920))


def test_a_mirrored_world_has_negative_depths_and_is_refused(tmp_path):
    """North before east: the projection is right up to its sign, and R stays a rotation."""
    flipped = EXTRINSIC.replace("3.141592653589793 0 0", "0 0 0").replace("100 200 1000", "100 200 -1000")
    with pytest.raises(CalibrationError, match=r"all depths are negative.*mirrored.*swap"):
        calibrate.read_opencv(
            written(tmp_path / "i.xml", INTRINSIC), written(tmp_path / "e.xml", flipped), (1080, 1920)
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OPENCV_YAML, "is not XML.*name OpenCV's YAML with opencv"),
        (INTRINSIC, r"is OpenCV's, not a Tsai calibration\. Name it with opencv"),
        (TSAI.replace('focal="5"', 'focal="5,55"'), r"Intrinsic focal: got '5,55'.*decimals with a point: 5\.55"),
    ],
)
def test_what_is_no_tsai_file_is_called_by_its_name(tmp_path, text, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate.read_tsai(written(tmp_path / "t.xml", text))
