"""Training the counter on a small drawn data set: it goes on after a kill as if nothing had been, and refuses what is
at fault."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import write_both, write_points

from crowdwatch.counters.network import CountingNet
from crowdwatch.detectors.weights import read_yaml
from crowdwatch.errors import ConfigError, ModelError
from pipelines.training import checkpoints, counter_training
from pipelines.training import train as train_command
from pipelines.training.counter_training import read_recipe, train

RECIPE = """
start: first.pt
validation: data/validation.txt
seed: 3
steps: 6
warmup: 2
validate_every: 2
crops: {crop_px: 64, batch: 2}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a data set, first weights and a recipe."""
    folder = tmp_path_factory.mktemp("training")
    write_both(folder / "data")
    torch.manual_seed(0)
    torch.save({"stride": 8, "width": 64, "state": CountingNet().state_dict()}, folder / "first.pt")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def learned(path):
    return torch.load(path, weights_only=True)["state"]


def run(home, out, *, text=RECIPE, steps=None):
    path = home / f"{out.name}.yaml"
    path.write_text(text, encoding="utf-8")
    return train(read_recipe(path), home / "data", path, out, steps=steps)


def equal(one, two):
    return all(torch.equal(value, two[key]) for key, value in one.items())


def test_a_run_that_stops_and_goes_on_ends_where_an_uninterrupted_one_does(home, tmp_path):
    whole = learned(run(home, tmp_path / "whole"))
    for _ in range(3):
        last = run(home, tmp_path / "parts", steps=2)
    assert equal(whole, learned(last))
    first = learned(home / "first.pt")
    assert not equal(whole, first)
    logs = [(tmp_path / name / "validation.json").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert logs[0].count('"step"') == 3


def test_a_killed_run_goes_on(home, tmp_path, monkeypatch, caplog):
    """SIGKILL in the middle, from outside; then the same command ends on the weights of a run that nobody killed."""
    text = RECIPE.replace("steps: 6", "steps: 12").replace("validate_every: 2", "validate_every: 3")
    recipe = home / "killed.yaml"
    recipe.write_text(text, encoding="utf-8")
    out = tmp_path / "killed"
    words = ["counter", str(recipe), "--data", str(home / "data"), "--out", str(out), "--threads", "1"]
    command = [sys.executable, "-m", "pipelines.train", *words]
    environment = {**os.environ, "CROWDWATCH_CACHE": str(tmp_path / "cache")}
    where = Path(counter_training.__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=where, env=environment, stderr=subprocess.PIPE) as process:
        for _ in range(1200):
            if (out / "checkpoint.pt").exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (out / "counter.pt").exists()
    before = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["train", *words])
    caplog.set_level("INFO")
    with pytest.raises(SystemExit) as caught:
        train_command.main()
    assert not caught.value.code
    assert "going on from step" in caplog.text
    straight = train(read_recipe(recipe), home / "data", recipe, tmp_path / "straight")
    torch.set_num_threads(before)
    assert equal(learned(out / "counter.pt"), learned(straight))


def test_the_averaged_network_of_a_checkpoint_is_a_counter(home, tmp_path):
    path = run(home, tmp_path / "run")
    net = CountingNet.read(path.parent / "checkpoint.pt")
    assert equal(learned(path), net.state_dict())


def test_stride_4_teacher_and_frozen_layers(home, tmp_path):
    text = RECIPE + "stride: 4\nblocks: [1, 2, 4, 0]\nfrozen_layers: 3\n"
    state = learned(run(home, tmp_path / "fine", text=text))
    first = learned(home / "first.pt")
    kept = [key for key in first if key.startswith(("features.0.", "features.1.", "features.2.")) and "weight" in key]
    assert kept
    assert all(torch.equal(first[key], state[key]) for key in kept)
    assert not torch.equal(first["features.4.cv1.conv.weight"], state["features.4.cv1.conv.weight"])
    shutil.copy(tmp_path / "fine" / "counter.pt", home / "fine.pt")
    for teacher in ("first.pt", "fine.pt"):
        text = RECIPE + f"teacher: {{weights: {teacher}, weight: 0.5}}\n"
        taught = learned(run(home, tmp_path / f"taught by {teacher}", text=text, steps=1))
        assert not equal(taught, first)


def test_layers_of_context_start_without_effect_and_then_learn(home, tmp_path):
    text = RECIPE + "context: [2, 4]\n"
    path = run(home, tmp_path / "context", text=text, steps=2)
    net = CountingNet.read(path).eval()
    assert bool(net.context[0].add.weight.any())
    plain, wider = CountingNet().eval(), CountingNet(context=(2, 4)).eval()
    plain.load(learned(home / "first.pt"), "first")
    wider.load_state_dict(plain.state_dict(), strict=False)
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    assert torch.equal(plain(picture), wider(picture))


def test_starting_from_a_detector(home, tmp_path, models_dir):
    text = RECIPE.replace("first.pt", str(models_dir / "yolo11n_recovered.pt"))
    state = learned(run(home, tmp_path / "start", text=text, steps=1))
    assert all(torch.isfinite(value).all() for value in state.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed: 3", "sede: 3"), "unknown sede"),
        (("batch: 2", "batches: 2"), r"unknown crops\.batches"),
        (("crop_px: 64", "crop_px: 65"), "multiple of 64"),
        (("crop_px: 64", "crop_px: big"), r"crops\.crop_px: got 'big'"),
        (("crops: {crop_px: 64, batch: 2}", "crops:"), "crops: got None"),
        (("crops: {crop_px: 64, batch: 2}", "crops: {scale_min: 2, scale_max: 1}"), "at most scale_max"),
        (("start: first.pt", ""), "start is missing"),
        (("seed: 3", "seed: -3"), "seed: got -3"),
        (("steps: 6", "steps: 0"), "steps: got 0"),
        (("steps: 6", "steps: many"), "steps: got 'many'"),
        (("validate_every: 2", "validate_every: 0"), "validate_every: got 0"),
        (("seed: 3", "learning_rate: .nan"), "learning_rate: got nan"),
        (("seed: 3", "hold_frac: 1.1"), r"hold_frac: got 1\.1"),
        (("seed: 3", "stride: 16"), "stride: got 16, need one of 4, 8"),
        (("seed: 3", "blocks: [1, 3]"), "got 3, need divisors of a crop's 8 cells"),
        (("seed: 3", "frozen_layers: 99"), "frozen_layers: got 99"),
        (("seed: 3", "teacher: {weight: 0.5}"), r"teacher\.weights is missing"),
        (("seed: 3", "teacher: {weights: first.pt, weight: 2}"), r"teacher\.weight: got 2"),
        ((RECIPE, "- a list"), "need a mapping"),
        ((RECIPE, "a: ["), "is not YAML"),
    ],
)
def test_a_recipe_with_a_fault_is_refused(home, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        run(home, tmp_path / "faulty", text=RECIPE.replace(*change))


def test_every_fault_of_a_recipe_is_listed_at_once(home, tmp_path):
    text = RECIPE.replace("seed: 3", "sede: 3").replace("steps: 6", "steps: -6").replace("batch: 2", "batch: 0")
    with pytest.raises(ConfigError) as caught:
        run(home, tmp_path / "faulty", text=text)
    assert all(piece in str(caught.value) for piece in ("unknown sede", "steps: got -6", "crops.batch: got 0"))


def test_a_shipped_recipe_says_what_it_said(home):
    """A checkpoint belongs to the text of its recipe: were a value read otherwise, no run would go on."""
    for path in sorted((Path(counter_training.__file__).parents[2] / "models" / "counter-n").glob("run*.yaml")):
        recipe, values = read_recipe(path), read_yaml(path)
        values["crops"] = {**values["crops"], "stride": recipe.stride}
        told = json.loads(json.dumps(asdict(recipe)))
        assert {key: told[key] for key in values if key != "crops"} == {k: v for k, v in values.items() if k != "crops"}
        assert told["crops"].items() >= values["crops"].items()


def test_a_teacher_with_coarser_blocks_is_refused(home, tmp_path):
    text = RECIPE + "stride: 4\nblocks: [1, 0]\nteacher: {weights: first.pt}\n"
    with pytest.raises(ModelError, match="blocks of 8 px, need 4 or finer"):
        run(home, tmp_path / "run", text=text)


def test_a_folder_that_cannot_be_written_is_said_without_a_traceback(home, tmp_path, monkeypatch, capsys):
    path = home / "unwritable.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    words = ["train", "counter", str(path), "--data", str(home / "data"), "--out", str(tmp_path / "file" / "out")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as caught:
        train_command.main()
    assert caught.value.code == 1
    assert "Not a directory. Check the path and the disk." in " ".join(capsys.readouterr().err.split())


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoints.write({"step": 1}, tmp_path / "checkpoint.pt")
    monkeypatch.setattr(
        torch, "save", lambda state, file: (file.write(b"half"), (_ for _ in ()).throw(OSError(28, "full")))
    )
    with pytest.raises(OSError, match="full"):
        checkpoints.write({"step": 2}, tmp_path / "checkpoint.pt")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_log_is_json_where_figures_are_not_defined(home, tmp_path):
    path = run(home, tmp_path / "run", steps=2)

    def refuse(constant):
        raise AssertionError(constant)

    (entry,) = json.loads((path.parent / "validation.json").read_text(), parse_constant=refuse)
    assert entry["correlation_A"] is None  # of one photograph
    assert entry["bias_by_fifth_A"][1:] == [None] * 4


def test_another_recipe_does_not_go_on_with_this_checkpoint(home, tmp_path):
    run(home, tmp_path / "run", steps=2)
    with pytest.raises(ConfigError, match="belongs to another recipe"):
        run(home, tmp_path / "run", text=RECIPE.replace("seed: 3", "seed: 4"))


@pytest.mark.parametrize("content", [b"", b"junk", b"rubbish"])
def test_a_damaged_checkpoint_is_an_error_with_a_remedy(home, tmp_path, content):
    out = tmp_path / "run"
    out.mkdir()
    (out / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt: cannot be read"):
        run(home, out)


def test_weights_that_do_not_fit_are_refused(home, tmp_path):
    torch.save({"stride": 8, "width": 64, "state": {"other": torch.zeros(1)}}, home / "foreign.pt")
    with pytest.raises(ModelError, match="no layer of it fits"):
        run(home, tmp_path / "run", text=RECIPE.replace("first.pt", "foreign.pt"))


def test_a_list_of_other_photographs_is_refused(home, tmp_path):
    (home / "other.txt").write_text("part_A/train/IMG_99\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="1 of its names are not in"):
        run(home, tmp_path / "run", text=RECIPE.replace("data/validation.txt", "other.txt"))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ("part_A/train/IMG_4\n", "part B: it names nothing"),
        ("", "part A: it names nothing"),
        ("part_A/train/IMG_4\npart_B/train/IMG_4\npart_C/train/IMG_1\n", "part_C/train/IMG_1: no photographs"),
        ("".join(f"part_{p}/train/IMG_{n}\n" for p in "AB" for n in (1, 2, 3, 4)), "every photograph is kept aside"),
    ],
)
def test_a_list_that_leaves_nothing_to_judge_or_to_learn_is_refused_first(home, tmp_path, kept, message):
    (home / "bad.txt").write_text(kept, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        run(home, tmp_path / "run", text=RECIPE.replace("data/validation.txt", "bad.txt"))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_photographs_without_people_are_learned_from(home, tmp_path):
    data = tmp_path / "empty" / "data"
    write_both(data, counts=(0, 5, 0, 3))
    write_points(data / "part_A" / "train" / "ground_truth" / "GT_IMG_4.mat", np.empty((0, 2)))
    recipe = home / "empty.yaml"
    recipe.write_text(RECIPE.replace("data/validation.txt", str(data / "validation.txt")), encoding="utf-8")
    path = train(read_recipe(recipe), data, recipe, tmp_path / "run", steps=2)
    assert all(torch.isfinite(value).all() for value in learned(path).values())
