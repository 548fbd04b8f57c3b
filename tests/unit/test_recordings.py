"""Several recordings of one camera: one time line, gaps kept, overlaps refused, chunks equal to the whole."""

import pytest
from films import film
from scenes import T0, S

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.config.times import format_time
from crowdwatch.errors import ConfigError, SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence


def recording(path, start_s=0, **more):
    return Recording(path, camera_id="c", start_ns=T0 + start_s * S, **more)


def sequence(tmp_path, *starts_s):
    return RecordingSequence([recording(film(tmp_path / f"{s}.mp4"), s) for s in starts_s])


def told(pairs):
    return [
        (p.current.stamp.id, p.current.stamp.t_ns, p.previous and p.previous.stamp.id, p.current.image_bgr.sum())
        for p in pairs
    ]


def test_recordings_follow_each_other_with_a_gap_between(tmp_path):
    source = sequence(tmp_path, 10, 0)  # in any order; 4 s each
    pairs = list(source.pairs())
    times = [(p.current.stamp.t_ns - T0) / S for p in pairs]
    assert times == [*(n / 5 for n in range(20)), *(10 + n / 5 for n in range(20))]
    assert len({p.current.stamp.id for p in pairs}) == 40
    assert pairs[20].previous is None  # nothing was seen just before
    assert source.span_ns == (T0, T0 + 14 * S)


@pytest.mark.parametrize("cut_s", [1.0, 3.3, 7.0, 10.0, 12.4])
def test_chunks_of_a_sequence_are_the_whole(tmp_path, cut_s):
    source = sequence(tmp_path, 0, 10)
    cut = T0 + round(cut_s * S)
    assert told(source.pairs(None, cut)) + told(source.pairs(cut)) == told(source.pairs())


def test_an_overlap_is_refused(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"0\.mp4 and 3\.mp4 overlap by 1\.0 s"):
        sequence(tmp_path, 0, 3)


def test_two_sizes_are_refused(tmp_path):
    one, other = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", hw=(160, 96))
    with pytest.raises(SourceUnavailable, match="differ in size"):
        RecordingSequence([recording(one), recording(other, 10)])


def test_one_broken_recording_does_not_end_the_sequence(tmp_path):
    whole = film(tmp_path / "a.avi", range(40)).read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    source = RecordingSequence([recording(tmp_path / "cut.avi"), recording(film(tmp_path / "b.avi"), 20)])
    found = []
    with pytest.raises(SourceTruncated, match=r"cut\.avi"):
        found.extend(source.pairs())  # extend keeps what came before the fault
    assert len([p for p in found if p.current.stamp.t_ns >= T0 + 20 * S]) == 20
    assert 0 < len(found) < 60


def test_keyframes_alone(tmp_path):
    source = recording(film(tmp_path / "a.mp4", gop=10), keyframes_only=True)
    pairs = list(source.pairs())
    assert [(p.current.stamp.t_ns - T0) / S for p in pairs] == [0.0, 2.0]
    assert source.keyframe_gap_s() == pytest.approx(2.0)
    cut = T0 + S
    assert told(source.pairs(None, cut)) + told(source.pairs(cut)) == told(pairs)


def test_a_variable_rate_keeps_every_frame_s_own_time(tmp_path):
    source = recording(film(tmp_path / "a.mkv", [0, 1, 2, 10, 11, 30, 31, 32]))
    times = [(p.current.stamp.t_ns - T0) / S for p in source.pairs()]
    assert times == pytest.approx([0, 0.2, 0.4, 2.0, 2.2, 6.0, 6.2, 6.4], abs=2e-3)  # MKV keeps milliseconds


def test_a_folder_becomes_recordings_by_the_times_in_its_names(tmp_path):
    for name in ("gate-20260101T120010Z.mp4", "gate-20260101T120000Z.mp4"):
        film(tmp_path / name)
    text = example("pets2009").read_text(encoding="utf-8")
    assert "sample: pets2009" in text
    file = tmp_path / "event.yaml"
    file.write_text(text.replace("sample: pets2009", "folder: .", 1), encoding="utf-8")
    (camera,) = config.load(file).cameras
    assert [each.start_time for each in camera.source.recordings] == ["2026-01-01T12:00:00Z", "2026-01-01T12:00:10Z"]
    assert format_time(camera.source.start_ns)
    film(tmp_path / "nameless.mp4")
    with pytest.raises(ConfigError, match=r"hold no UTC time, e\.g\. nameless\.mp4, which holds no date with a time"):
        config.load(file)
