"""What every Source must keep, held against a real recording and the synthetic scene."""

from fractions import Fraction

import numpy as np
import pytest
from scenes import T0

from crowdwatch.core.ports import Source
from crowdwatch.errors import SourceTruncated, SourceUnavailable
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.synthetic import Scene, SyntheticSource, lattice, looking_down, standing

RATE = Fraction(7)


@pytest.fixture(params=["recording", "synthetic"])
def make(request, data_dir):
    """A factory of sources: sample_hz -> Source."""
    if request.param == "synthetic":
        scene = Scene(looking_down((0, -12, 10), (0, 3)), standing(lattice(1.0, -3, 0, 3, 3)), T0, 60, RATE)
        return lambda sample_hz=None: SyntheticSource(scene, camera_id="c", sample_hz=sample_hz)
    path = data_dir / "pets2009" / "vtest.avi"
    return lambda sample_hz=None: Recording(path, camera_id="c", start_ns=T0, capture_rate_hz=RATE, sample_hz=sample_hz)


def stamps(source, *span):
    return [(pair.current.stamp.seq, pair.current.stamp.t_ns) for pair in source.pairs(*span)]


def test_it_fills_the_port_and_delivers_pairs_in_order(make):
    source = make()
    assert isinstance(source, Source)
    start, end = source.span_ns
    assert start == T0
    pairs = list(source.pairs(None, T0 + 3_000_000_000))
    assert [p.current.stamp.seq for p in pairs] == list(range(21))
    assert pairs[0].previous is None
    assert all(p.previous is not None and p.previous.stamp.seq == p.current.stamp.seq - 1 for p in pairs[1:])
    assert all(T0 <= p.current.stamp.t_ns < end for p in pairs)
    assert pairs[7].current.stamp.t_ns == T0 + 1_000_000_000  # seven frames are one second of event time
    source.close()
    source.close()


@pytest.mark.parametrize("cut_frame", [1, 20, 33, 40])
def test_cutting_changes_nothing(make, cut_frame):
    """The frames of two adjoining spans are those of the whole, previous frames included."""
    for sample_hz in (None, Fraction(2), Fraction(3)):
        source = make(sample_hz)
        cut = T0 + cut_frame * 1_000_000_000 // 7
        end = T0 + 7_000_000_000
        assert stamps(source, None, cut) + stamps(source, cut, end) == stamps(source, None, end)


def test_a_chunk_has_the_same_pictures_and_predecessors(make):
    source = make()
    span = (T0 + 4_000_000_000, T0 + 5_000_000_000)
    whole = {p.current.stamp.seq: p for p in source.pairs(None, span[1])}
    for pair in source.pairs(*span):
        same = whole[pair.current.stamp.seq]
        assert np.array_equal(pair.current.image_bgr, same.current.image_bgr)
        assert np.array_equal(pair.previous.image_bgr, same.previous.image_bgr)
        assert pair.earlier.stamp == same.earlier.stamp
        assert np.array_equal(pair.earlier.image_bgr, same.earlier.image_bgr)


def test_sampling_takes_the_first_frame_at_or_after_each_instant(make):
    times = [t - T0 for _, t in stamps(make(Fraction(1)), None, T0 + 6_000_000_000)]
    assert [t // 1_000_000_000 for t in times] == [0, 1, 2, 3, 4, 5]
    assert all(t % 1_000_000_000 < 143_000_000 for t in times)


def test_the_real_recording_is_read_whole(data_dir):
    source = Recording(data_dir / "pets2009" / "vtest.avi", camera_id="c", start_ns=T0, capture_rate_hz=RATE)
    assert source.frames == 795
    assert source.span_ns[1] == T0 + 795 * 1_000_000_000 // 7
    assert source.image_hw == (576, 768)
    late = stamps(source, T0 + 793 * 1_000_000_000 // 7)
    assert [seq for seq, _ in late] == [793, 794]


def test_without_a_capture_rate_the_container_is_believed(data_dir):
    source = Recording(data_dir / "pets2009" / "vtest.avi", camera_id="c", start_ns=T0)
    assert source.span_ns[1] == T0 + 79_500_000_000


@pytest.mark.parametrize(
    ("content", "says"), [(None, "no such file"), (b"", "empty"), (b"not a video at all" * 99, "cannot be read")]
)
def test_what_is_no_video_is_said_at_once(tmp_path, content, says):
    path = tmp_path / "a.avi"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceUnavailable, match=says):
        Recording(path, camera_id="c", start_ns=0)


def test_a_truncated_recording_gives_what_it_has_and_then_says_so(data_dir, tmp_path):
    path = tmp_path / "cut.avi"
    whole = (data_dir / "pets2009" / "vtest.avi").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = Recording(path, camera_id="c", start_ns=T0, capture_rate_hz=RATE)
    seen = []
    with pytest.raises(SourceTruncated, match="of 795 declared"):
        seen.extend(pair.current.stamp.seq for pair in source.pairs())
    assert 300 < len(seen) < 500  # half of the bytes
    # a span that ends before the break is whole
    assert len(stamps(source, None, T0 + 10_000_000_000)) == 70
