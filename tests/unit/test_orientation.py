"""Pictures that lie on their side are turned where the file says so, and refused where their size says so."""

from fractions import Fraction

import av
import numpy as np
import pytest
from films import RATE, noted
from scenes import T0

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.calibration.grid_picture import read_picture
from crowdwatch.drivers import recordings
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording

CORNERS = {"none": (0, 0), "clockwise": (0, 1), "half": (1, 1), "anticlockwise": (1, 0)}
"""Where the red quarter of the picture, its top left, lands: row and column of the quarters."""
MATRICES = {"none": (1, 0, 0, 1), "clockwise": (0, 1, -1, 0), "half": (-1, 0, 0, -1), "anticlockwise": (0, -1, 1, 0)}


def film(path, hw=(96, 160), frames=10, codec="mpeg4", first=0):
    """A film whose top left quarter is red."""
    image = np.full((*hw, 3), 30, np.uint8)
    image[: hw[0] // 2, : hw[1] // 2] = (0, 0, 220)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = hw[1], hw[0], "yuv420p"
        for number in range(first, first + frames):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("turn", MATRICES)
def test_a_telephone_s_picture_stands_as_it_was_filmed(tmp_path, turn):
    path = noted(film(tmp_path / "a.mp4"), *MATRICES[turn])
    source = Recording(path, camera_id="c", start_ns=T0)
    upright = (160, 96) if turn.endswith("clockwise") else (96, 160)
    assert source.image_hw == upright
    pairs = list(source.pairs())
    assert len(pairs) == 10
    picture = pairs[3].current.image_bgr
    assert picture.shape[:2] == upright
    red = picture[..., 2].reshape(2, upright[0] // 2, 2, upright[1] // 2).mean(axis=(1, 3))
    assert np.unravel_index(red.argmax(), (2, 2)) == CORNERS[turn]
    # the picture that somebody clicks control points in is the same one
    assert (
        np.abs(read_picture(path).astype(int) - pairs[0].current.image_bgr).mean() < 1.0
    )  # one grey level: two decoders
    # a cut that seeks gives the same pictures
    late = next(source.pairs(T0 + 1_000_000_000))
    assert np.array_equal(late.current.image_bgr, pairs[5].current.image_bgr)


@pytest.mark.parametrize("matrix", [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (1, 1, -1, 1), (2, 0, 0, 2)])
def test_a_mirrored_or_slanting_picture_is_refused(tmp_path, matrix):
    path = noted(film(tmp_path / "a.mp4"), *matrix)
    with pytest.raises(SourceUnavailable, match=r"a.mp4: display matrix .* mirrors, scales or turns.*ffmpeg -i IN OUT"):
        Recording(path, camera_id="c", start_ns=T0)


def event_of(tmp_path, footage, width, height):
    """The synthetic event with a recording, calibrated for a size."""
    text = example("synthetic").read_text(encoding="utf-8")
    text = text.replace("synthetic: plaza", f"file: {footage.name}").replace("[768, 576]", f"[{width}, {height}]")
    text = text.replace("centre_px: [384, 288]", f"centre_px: [{width // 2}, {height // 2}]")
    path = tmp_path / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


def open_it(event):
    site = config.to_site(event)
    return recordings.open_source(event, site, site.cameras[0])


def test_a_picture_on_its_side_against_the_calibration_is_refused(tmp_path):
    footage = film(tmp_path / "a.mp4", hw=(768, 576))
    with pytest.raises(SourceUnavailable, match=r"576x768, the calibration .* is for 768x576\. They seem to lie on"):
        open_it(event_of(tmp_path, footage, 768, 576))
    footage = film(tmp_path / "a.mp4", hw=(288, 384))
    with pytest.raises(SourceUnavailable, match=r"384x288, the calibration .* is for 768x576\. Calibrate for this"):
        open_it(event_of(tmp_path, footage, 768, 576))


def test_a_turn_that_the_file_notes_fits_the_calibration_again(tmp_path):
    footage = noted(film(tmp_path / "a.mp4", hw=(768, 576)), *MATRICES["clockwise"])
    assert open_it(event_of(tmp_path, footage, 768, 576)).image_hw == (576, 768)
    footage = noted(film(tmp_path / "a.mp4", hw=(576, 768)), *MATRICES["clockwise"])
    with pytest.raises(SourceUnavailable, match="seem to lie on their side"):
        open_it(event_of(tmp_path, footage, 768, 576))


def test_pictures_that_change_their_size_in_the_middle_end_the_recording(tmp_path):
    one = film(tmp_path / "1.ts", codec="mpeg2video", frames=20)
    two = film(tmp_path / "2.ts", codec="mpeg2video", frames=20, hw=(160, 96), first=20)
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    source = Recording(both, camera_id="c", start_ns=T0)
    seen = []
    with pytest.raises(SourceTruncated, match=r"change from 160x96 to 96x160 in the middle.*Cut the recording there"):
        seen.extend(pair.current.image_bgr.shape for pair in source.pairs())
    assert 15 <= len(seen) <= 20  # the decoder may lose a picture or two where the parts meet
    assert set(seen) == {(96, 160, 3)}
