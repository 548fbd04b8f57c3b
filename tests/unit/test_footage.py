"""What a recording is, is measured: every frame at its own time, however it is cut, and what is odd is said.

`python -m pipelines.evaluate footage` measures every kind; here stand one of each.
"""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from films import film
from scenes import T0, S

from crowdwatch.core.records import CameraFault, FramePair
from crowdwatch.drivers.footage import check_gaps
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence
from crowdwatch.sources.timeline import NONE, joint, mended, unwrapped
from pipelines.evaluation import footage_kinds, footage_score
from pipelines.evaluation.footage_films import Recipe, encode, picture

ONE_OF_EACH = [
    "x264 mp4 b, first fragment declared",
    "x264 mkv, no length",
    "mjpeg avi, recorder died, 60 declared",
    "x264 mp4, cut between keyframes, edit list",
    "x264 mkv, arrival times",
    "x264 avi b",
    "x264 ps",
    "x264 h264 b",
    "x264 ts b",
    "x264 ts b, cut between keyframes",
    "x264 ts, rolling refresh",
    "x265 mkv b, open groups",
    "x264 ts b, clock wraps",
    "x264 ts, clock starts again",
    "x264 mkv, one packet damaged",
    "mjpeg avi, half of the file",
]
FEW = (0.35, 0.77), (3.0,)
"""Where the films are cut, and how long the chunks are, in s: more is measured by the evaluation."""

KINDS = {kind.name: kind for kind in footage_kinds.kinds()}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_frame_at_its_own_time_and_parts_are_the_whole(name, tmp_path):
    row = footage_score.read(name, KINDS[name].make(tmp_path), *FEW)
    assert not row.missed, row
    assert row.found == row.there > 0


def test_the_measurement_can_fail(tmp_path):
    made = KINDS["x264 mkv, no length"].make(tmp_path)
    more = replace(made, numbers=[*made.numbers, 200], times_s=[*made.times_s, 99.0])
    row = footage_score.read("one frame more", more, *FEW)
    assert (row.missed, row.silent) == (True, True)
    late = footage_score.read("a frame late", replace(made, times_s=[*made.times_s[:-1], 9.95]), *FEW)
    assert (late.missed, late.silent) == (True, False)
    assert footage_score.read("gone", replace(made, path=tmp_path / "none.mkv")).refused
    result = footage_score.summary([row, late])
    assert (result["silent_losses"], result["tracebacks"], len(result["missed"])) == (1, 0, 2)


def recording(path, start_ns=T0, **more):
    return Recording(path, camera_id="c", start_ns=start_ns, **more)


def test_declared_and_found_are_said_where_they_differ(tmp_path):
    dead = KINDS["mjpeg avi, recorder died, 60 declared"].make(tmp_path)
    source = recording(dead.path)
    assert (source.frames, source.fault) == (100, None)
    assert source.span_ns == (T0, T0 + 10 * S)
    assert "declares 60 frames and 5.9 s, holds 100 frames and 10.0 s. All of it is read" in source.notes[0]


def test_times_that_are_not_stamped_carry_their_error(tmp_path):
    source = recording(KINDS["x264 avi b"].make(tmp_path).path)
    stamps = [pair.current.stamp for pair in source.pairs()]
    assert {stamp.t_source for stamp in stamps} == {"estimated"}
    assert stamps[7].t_sigma_s == pytest.approx(0.1 / 12**0.5)  # anywhere within its tenth of a second
    exact = next(recording(KINDS["x264 mp4"].make(tmp_path).path).pairs()).current.stamp
    assert (exact.t_source, exact.t_sigma_s) == ("container", 0.0)


def test_a_format_without_a_clock_takes_the_rate_that_is_stated(tmp_path):
    path = KINDS["mjpeg mjpeg"].make(tmp_path).path
    assert "mjpeg holds no clock: 25 frames a second are taken" in recording(path).notes[0]
    stated = recording(path, capture_rate_hz=Fraction(10))
    assert stated.span_ns == (T0, T0 + 10 * S)
    assert stated.notes == ()


def test_a_clock_that_starts_again_leaves_the_rest_unknown(tmp_path):
    source = recording(KINDS["x264 ts, clock starts again"].make(tmp_path).path)
    assert source.span_ns == (T0, T0 + 10 * S)  # as long as there is footage at least
    found = []
    with pytest.raises(SourceTruncated, match=r"clock jumps back, or far ahead, 5\.00 s after the first frame, and 50"):
        found.extend(source.pairs())
    assert len(found) == 50
    assert len(list(source.pairs(None, T0 + 5 * S))) == 50  # a part before the joint is whole


def test_damage_is_counted_where_it_is(tmp_path):
    source = recording(KINDS["x264 mkv, one packet damaged"].make(tmp_path).path)
    seen = list(source.read())
    lost = [item.t_ns - T0 for item in seen if isinstance(item, CameraFault)]
    assert lost == [n * S // 10 for n in range(47, 60)]  # to the next keyframe
    assert len([item for item in seen if isinstance(item, FramePair)]) == 87
    after = next(item for item in seen if isinstance(item, FramePair) and item.current.stamp.seq == 60)
    assert after.previous.stamp.seq == 46


def streams(path, count=2):
    with av.open(str(path), "w") as container:
        made = [container.add_stream("mpeg4", rate=5) for _ in range(count)]
        for number, stream in enumerate(made):
            stream.width, stream.height, stream.pix_fmt = 128 + 32 * number, 96, "yuv420p"
        for place in range(10):
            for stream in made:
                image = np.full((96, stream.width, 3), 20 * place, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = place, Fraction(1, 5)
                container.mux(stream.encode(frame))
        for stream in made:
            container.mux(stream.encode())
    return path


def test_several_video_streams_need_a_choice(tmp_path):
    path = streams(tmp_path / "two.mkv")
    with pytest.raises(
        SourceUnavailable, match=r"holds 2 video stream.*1: mpeg4 160x96.*video_stream: 0 in its source"
    ):
        recording(path)
    second = recording(path, video_stream=1)
    assert (second.image_hw, len(list(second.pairs()))) == ((96, 160), 10)
    with pytest.raises(SourceUnavailable, match="but not number 2"):
        recording(path, video_stream=2)


def test_pixels_that_are_not_square_are_said_and_widened_where_asked(tmp_path):
    path = tmp_path / "pal.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    stored = recording(path)
    assert (stored.image_hw, stored.shown_hw) == ((96, 128), (96, 192))
    assert "are 128x96, and players show 192x96" in stored.notes[0]
    wide = recording(path, square_pixels=True)
    assert wide.image_hw == next(wide.pairs()).current.image_hw == (96, 192)
    assert wide.notes == ()


def test_an_overlap_below_the_names_resolution_is_rounding(tmp_path):
    paths = [film(tmp_path / f"{n}.mp4", range(21)) for n in range(3)]  # 4.2 s each
    starts = [T0, T0 + 4 * S, T0 + 8 * S]
    parts = [recording(path, start, start_step_ns=S) for path, start in zip(paths, starts, strict=True)]
    source = RecordingSequence(parts)
    times = [pair.current.stamp.t_ns for pair in source.pairs()]
    assert times == [T0 + n * S // 5 for n in range(63)]  # every frame once, none twice
    assert source.span_ns == (T0, T0 + 63 * S // 5)
    exact = [recording(path, start) for path, start in zip(paths, starts, strict=True)]
    with pytest.raises(SourceUnavailable, match=r"0\.mp4 and 1\.mp4 overlap by 0\.2 s"):
        RecordingSequence(exact)


def test_years_between_two_recordings_are_refused_by_name(tmp_path):
    path, other = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4")
    years = 27 * 365 * 86_400 * S
    with pytest.raises(SourceUnavailable, match=r"between .*a\.mp4 .* and .*b\.mp4 .* lie 9,855 days without footage"):
        check_gaps([RecordingSequence([recording(path), recording(other, T0 + years)])])
    with pytest.raises(SourceUnavailable, match="days without footage"):
        check_gaps([recording(path), recording(other, T0 + years)])  # two cameras
    check_gaps([recording(path), recording(other, T0 + 86_400 * S)])


def test_a_span_that_begins_in_the_middle_takes_up_no_more_than_it_needs(tmp_path):
    path = encode(tmp_path / "long", Recipe("mpeg4", "mkv"))
    source = recording(path)
    (pair,) = source.pairs(T0 + 5 * S, T0 + 5 * S + 1)
    assert (pair.previous.stamp.seq, pair.current.stamp.seq) == (49, 50)


def test_the_clock_in_numbers():
    assert unwrapped(np.array([6, 7, 0, 1, NONE, 4, 7, 0]), 3).tolist() == [6, 7, 8, 9, NONE, 12, 15, 16]
    ticks = np.arange(40) * 10
    assert joint(np.concatenate([ticks, ticks]), 10**6, 1) == 40
    reordered = np.concatenate([[0, 30, 10, 20] + 40 * k for k in np.arange(20)[:, None]])
    assert joint(reordered, 10**6) is None
    jitter = ticks.copy()
    jitter[[7, 20]] = 5, 900  # single stamps out of line
    assert joint(jitter, 10**6) is None
    times, sigma = mended(jitter, 10.0)
    assert times.tolist() == ticks.tolist()
    assert sigma[[6, 7, 20]].tolist() == pytest.approx([0, 10 / 12**0.5, 10 / 12**0.5])
    assert joint(np.concatenate([ticks, ticks + 10**7]), 10**6, 1) == 40
