"""What every Counter must keep, held over torch and OpenVINO, and over the shipped one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from crowdwatch import counters
from crowdwatch.core.ports import Counter
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.counters.network import CountingNet
from crowdwatch.errors import ConfigError, ModelError


def saved(path, stride=8, context=(), seed=1):
    """A network of random weights that answers with about one person for every three blocks."""
    torch.manual_seed(seed)
    net = CountingNet(stride, 64, context)
    with torch.no_grad():
        for around in net.context:
            around.add.weight.normal_(std=0.1)
        net.head[-1].bias.fill_(-1.0)
        net.head[-1].weight.normal_(std=0.3)
    torch.save({"stride": stride, "width": 64, "context": list(context), "state": net.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("counters")


KINDS = ["torch", "openvino", "torch-stride4", "openvino-stride4", "openvino-context", "shipped"]


@pytest.fixture(scope="module", params=KINDS)
def make(request, folder):
    """A factory of counters."""
    runtime, _, kind = request.param.partition("-")
    path = folder / f"net{kind}.pt"
    if runtime != "shipped" and not path.exists():
        saved(path, 4 if kind == "stride4" else 8, (2, 3) if kind == "context" else ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROWDWATCH_CACHE", str(folder / "cache"))
        patch.setenv("CROWDWATCH_OFFLINE", "1")
        if runtime == "shipped":
            yield lambda **more: counters.load("auto", **more)
        else:
            yield lambda **more: counters.load(str(path), runtime, **more)


@pytest.fixture(scope="module")
def counter(make):
    """One for all tests that leave it open: loading takes longer than counting."""
    return make()


def test_mass_does_not_depend_on_calls_from_other_threads(counter):
    frames = [noise((96, 128), seed) for seed in range(8)]
    alone = [counter.count([frame])[0].mass for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        together = [found.mass for (found,) in pool.map(lambda frame: counter.count([frame]), frames)]
    assert all(map(np.array_equal, alone, together))


def noise(hw, seed=0, seq=0):
    image = np.random.default_rng(seed).integers(0, 256, (*hw, 3)).astype(np.uint8)
    return Frame(Stamp("c", seq, seq), image)


def test_it_fills_the_port(counter):
    assert isinstance(counter, Counter)
    assert counter.count([]) == []
    frames = [noise((96, 128), seq=seq) for seq in range(3)]
    found = counter.count(frames)
    assert [mass.stamp for mass in found] == [frame.stamp for frame in frames]
    for mass in found:
        assert mass.counter_id == counter.counter_id != ""
        assert mass.image_hw == (96, 128)
        assert mass.mass.min() >= 0
        assert np.isfinite(mass.total)


def test_a_picture_counts_the_same_in_any_company(counter):
    frames = [noise((96, 128), seed) for seed in range(3)]
    together = counter.count(frames)
    alone = [counter.count([frame])[0] for frame in frames]
    assert all(np.array_equal(a.mass, b.mass) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("hw", [(1, 1), (33, 31), (37, 700), (600, 5)])
def test_any_size_of_picture(counter, hw):
    (mass,) = counter.count([noise(hw)])
    assert mass.image_hw == hw
    assert mass.mass.shape == tuple(int(np.ceil(side / mass.block_px - 1e-9)) for side in hw)


def test_a_grey_picture_is_as_good_as_any(counter):
    frame = Frame(Stamp("c", 0, 0), np.full((64, 64, 3), 128, np.uint8))
    (mass,) = counter.count([frame])
    assert np.isfinite(mass.total)


def test_a_larger_scale_gives_finer_blocks(make):
    one, two = make(scale=1.0), make(scale=2.0)
    frame = noise((96, 128))
    (coarse,), (fine,) = one.count([frame]), two.count([frame])
    assert fine.block_px == coarse.block_px / 2
    assert fine.mass.shape == tuple(2 * side for side in coarse.mass.shape)
    assert one.counter_id != two.counter_id
    with pytest.raises(ConfigError, match="scale"):
        make(scale=0.0)


def test_closed_is_closed(make):
    counter = make()
    counter.close()
    counter.close()
    with pytest.raises(ModelError, match="closed"):
        counter.count([noise((64, 64))])


@pytest.mark.parametrize("setting", [{"precision": "int4"}, {"runtime": "tensorrt"}])
def test_a_wrong_setting_says_what_is_needed(folder, setting):
    with pytest.raises(ConfigError, match="need one of"):
        counters.load(str(saved(folder / "wrong.pt")), **setting)
