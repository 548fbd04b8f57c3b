"""Training the branch for heads on a small drawn data set; the detector of people stays what it was."""

import pytest
import torch
from photographs import write_both

from crowdwatch.core.records import Anchor
from crowdwatch.detectors import load, weights
from crowdwatch.detectors.crowd_network import CrowdYolo
from crowdwatch.detectors.ultralytics_models import load as load_net
from crowdwatch.errors import ConfigError, ModelError
from pipelines.training.crowd_training import read_recipe, train

RECIPE = """
start: {start}
validation: data/validation.txt
seed: 3
steps: 4
batch: 2
crop_px: 96
warmup: 2
validate_every: 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, models_dir):
    folder = tmp_path_factory.mktemp("crowd")
    write_both(folder / "data")
    (folder / "recipe.yaml").write_text(RECIPE.format(start=models_dir / "yolo11n_recovered.pt"), encoding="utf-8")
    return folder


def run(home, out, change=("", ""), steps=None):
    path = home / "recipe.yaml"
    if change[0]:
        path = home / f"{out.name}.yaml"
        path.write_text((home / "recipe.yaml").read_text().replace(*change), encoding="utf-8")
    return train(read_recipe(path), home / "data", path, out, steps=steps)


@pytest.fixture(scope="module")
def trained(home, tmp_path_factory):
    return run(home, tmp_path_factory.mktemp("out") / "run")


def state(path):
    return torch.load(path, weights_only=True)["state"]


def test_people_stay_exactly_what_they_were(trained, models_dir):
    base, _ = load_net(weights.find(models_dir / "yolo11n_recovered.pt"), max_det=300, fuse=False)
    start = base.float().state_dict()
    learned = state(trained)
    assert start.keys() == {key.removeprefix("base.") for key in learned if key.startswith("base.")}
    assert all(torch.equal(value, learned[f"base.{key}"]) for key, value in start.items())
    merge = {key: value for key, value in learned.items() if key.startswith("merge.") and "conv.weight" in key}
    assert any(not torch.equal(value, start[f"model.16.{key.removeprefix('merge.')}"]) for key, value in merge.items())


def test_a_run_that_stopped_goes_on_to_the_same_weights(home, trained, tmp_path):
    run(home, tmp_path / "run", steps=3)
    stopped = run(home, tmp_path / "run")
    whole = state(trained)
    assert all(torch.equal(value, whole[key]) for key, value in state(stopped).items())
    logs = [(path.parent / "validation.json").read_text() for path in (trained, stopped)]
    assert logs[0] == logs[1]


def test_heads_and_people_come_from_one_file(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path))
    for anchor in Anchor:
        assert load(str(trained), "torch", anchor=anchor).anchor is anchor
        assert load(str(trained), "openvino", anchor=anchor).anchor is anchor


def test_folded_batch_norms_change_nothing_but_the_rounding():
    file = weights.find("crowd-n.pt", kinds=(weights.PT,), download=False)
    plain, folded = (load_net(file, max_det=300, fuse=fuse)[0] for fuse in (False, True))
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    picture = torch.rand(1, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, two = plain(picture), folded(picture)
    assert (one[:, :4] - two[:, :4]).abs().max() < 0.01  # pixels
    assert (one[:, 4:] - two[:, 4:]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed: 3", "sede: 3"), "unknown sede"),
        (("crop_px: 96", "crop_px: 90"), "multiple of 32"),
        (("batch: 2", "batch: 0"), "batch: got 0"),
        (("steps: 4", "steps: -4"), "steps: got -4"),
        (("seed: 3", "jitter: 0.5"), r"jitter: got 0\.5"),
    ],
)
def test_a_recipe_with_a_fault_is_refused(home, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        run(home, tmp_path / "faulty", change)


def test_another_recipe_does_not_go_on_with_this_checkpoint(home, trained):
    path = home / "other.yaml"
    path.write_text((home / "recipe.yaml").read_text().replace("seed: 3", "seed: 4"), encoding="utf-8")
    with pytest.raises(ConfigError, match="belongs to another recipe"):
        train(read_recipe(path), home / "data", path, trained.parent)


@pytest.mark.parametrize("content", [{"state": {}}, {"crowd_yolo": 1, "state": {"base.x": torch.zeros(1)}}])
def test_weights_of_another_architecture_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(ModelError):
        load(str(tmp_path / "net.pt"), "torch")


def test_another_yolo_is_no_start(models_dir):
    base, _ = load_net(weights.find(models_dir / "yolo26n_recovered.pt"), max_det=300, fuse=False)
    with pytest.raises(ModelError, match="no YOLO11n"):
        CrowdYolo(base)
