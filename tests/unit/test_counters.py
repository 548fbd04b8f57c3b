"""Counters: pieces of large pictures, answers that cannot be, weights of other makes, what a model's card says."""

import numpy as np
import pytest
import torch

from crowdwatch import counters
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.counters import preparing
from crowdwatch.counters.network import CountingNet, stored
from crowdwatch.errors import ConfigError, ModelError


def frame(hw, image=None):
    return Frame(Stamp("c", 0, 0), np.zeros((*hw, 3), np.uint8) if image is None else image)


def bright_blocks(picture):
    """A network that counts the mean brightness of every 8 px block."""
    grey = picture[0].mean(axis=0)
    height, width = (side // 8 for side in grey.shape)
    return grey.reshape(height, 8, width, 8).mean(axis=(1, 3)).astype(np.float32)


@pytest.mark.parametrize("hw", [(4320, 7680), (2049, 100), (1080, 1920), (2048, 2048)])
def test_a_picture_of_any_size_is_counted_once_everywhere(hw):
    """8k is cut in pieces of one size; every block comes from one piece, and the sum is that of the whole."""
    image = np.random.default_rng(3).integers(0, 256, (*hw, 3)).astype(np.uint8)
    sizes = set()

    def forward(picture):
        sizes.add(picture.shape)
        return bright_blocks(picture)

    mass = preparing.count(frame(hw, image), forward, stride=8, scale=1.0, counter_id="x")
    whole = bright_blocks(preparing.picture(image))[: mass.mass.shape[0], : mass.mass.shape[1]]
    assert np.allclose(mass.mass, whole, atol=1e-6)
    assert len(sizes) == 1
    assert max(max(shape) for shape in sizes) <= preparing.PIECE_PX


def test_pieces_own_everything_once():
    for side in (*range(32, 2400, 32), 3840, 4320, 7680, 8192):
        owned = np.zeros(side, int)
        for piece in preparing.spans(side):
            start, end, top, bottom = piece
            owned[top:bottom] += 1
            assert 0 <= start <= top < bottom <= end <= side, piece
            assert end - start <= preparing.PIECE_PX, piece
            assert start == 0 or top - start >= preparing.CONTEXT_PX, piece
            assert end == side or end - bottom >= preparing.CONTEXT_PX, piece
            assert (end - start) % 32 == top % 32 == start % 32 == 0, piece
        assert (owned == 1).all(), side


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5])
def test_an_answer_that_cannot_be_is_refused(value):
    with pytest.raises(ModelError, match="NaN, infinity or less than nobody"):
        preparing.count(
            frame((64, 64)), lambda _: np.full((8, 8), value, np.float32), stride=8, scale=1.0, counter_id="x"
        )


def test_rounding_below_zero_is_nobody():
    answer = np.full((8, 8), -2e-6, np.float32)
    assert preparing.count(frame((64, 64)), lambda _: answer, stride=8, scale=1.0, counter_id="x").total == 0


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(ModelError, match=r"gave \(4, 4\), need \(8, 8\)"):
        preparing.count(frame((64, 64)), lambda _: np.zeros((4, 4), np.float32), stride=8, scale=1.0, counter_id="x")


def other_pt(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"some": "thing"}, "no counting network"),
        ([1, 2], "no counting network"),
        ({"stride": 8, "width": 64, "state": {}}, "another architecture"),
        ({"stride": 8, "width": 64, "state": {"head.0.weight": torch.zeros(3)}}, "another architecture"),
        ({"stride": 8, "width": 0, "state": {}}, "not made of tensors"),
        ({"stride": 16, "width": 64, "state": {}}, "stride: got 16"),
    ],
)
def test_weights_of_another_make_are_refused(tmp_path, content, message):
    with pytest.raises(ModelError, match=message):
        CountingNet.read(other_pt(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"no file of torch", b"PK\x03\x04 broken"])
def test_a_file_that_is_none_of_torch(tmp_path, content):
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        counters.load(str(path), "torch")


def test_a_detector_is_no_counter(models_dir):
    with pytest.raises(ModelError, match="no counting network"):
        stored(models_dir / "yolo11n_recovered.pt")
    with pytest.raises(ModelError, match="task count"):
        counters.load(str(models_dir / "yolo11n_int8_openvino_model"), "openvino")


def shipped(tmp_path, card):
    folder = tmp_path / "net"
    folder.mkdir()
    net = CountingNet()
    torch.save({"stride": 8, "width": 64, "state": net.state_dict()}, folder / "net.pt")
    (folder / "model.yaml").write_text(card, encoding="utf-8")
    return str(folder / "net.pt")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("task: detect\n", "need count"),
        ("task: count\nprecision: int4\n", "precision 'int4'"),
        ("task: count\nscale: large\n", "scale 'large'"),
        ("task: count\nscale: 99\n", "0.1 to 8"),
        ("sha256: {net.pt: 00}\ntask: count\n", "sha256"),
        ("- a list\n", "need a mapping"),
    ],
)
def test_a_broken_card_is_an_error(tmp_path, card, message):
    with pytest.raises((ModelError, ConfigError), match=message):
        counters.load(shipped(tmp_path, card), "torch")


def test_the_card_gives_the_scale(tmp_path):
    counter = counters.load(shipped(tmp_path, "task: count\nscale: 1.5\n"), "torch")
    (mass,) = counter.count([frame((96, 96))])
    assert mass.block_px == pytest.approx(8 / 1.5)
