"""Trained weights become the files that are shipped: three forms, their digests, and nearly the same numbers."""

import shutil

import numpy as np
import openvino
import pytest
import torch
from photographs import write_both

from crowdwatch import counters
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.counters.network import CountingNet
from crowdwatch.detectors import weights
from crowdwatch.errors import ConfigError, ModelError
from pipelines.training import export


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    write_both(folder / "data")
    torch.manual_seed(1)
    net = CountingNet()
    with torch.no_grad():
        net.head[-1].weight.normal_(std=0.3)
    torch.save({"stride": 8, "width": 64, "state": net.state_dict()}, folder / "trained.pt")
    return folder


@pytest.fixture(scope="module")
def shipped(home):
    model = home / "models" / "net"
    model.mkdir(parents=True)
    (model / "model.yaml").write_text("# why\ntask: count\nprecision: int8\nsha256: {}\n", encoding="utf-8")
    # a few pictures: how well INT8 does is measured by pipelines.evaluate, not here
    export.CALIBRATION, kept = 4, export.CALIBRATION
    validation = home / "data" / "validation.txt"
    written = list(export.ship(home / "trained.pt", model, home / "data", validation, every=True))
    export.CALIBRATION = kept
    assert len(written) == 4
    return model


def test_the_card_names_every_form_and_keeps_its_words(shipped):
    text = (shipped / "model.yaml").read_text(encoding="utf-8")
    assert text.startswith("# why\n")
    listed = weights.read_yaml(shipped / "model.yaml")["sha256"]
    assert list(listed) == ["net_int8_openvino_model", "net_openvino_model", "net.pt"]  # the preferred one first
    assert all(weights.sha256_of(shipped / name) == digest for name, digest in listed.items())


def test_every_form_counts_nearly_the_same(shipped, monkeypatch):
    monkeypatch.setattr(weights, "shipped_dirs", lambda: [shipped.parent])
    frame = Frame(Stamp("c", 0, 0), np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8))
    opened = [counters.load("net", "openvino", precision=one) for one in ("auto", "f32", "bf16", "int8")]
    totals = [counter.count([frame])[0].total for counter in opened]
    assert opened[0].counter_id == opened[3].counter_id  # what the card says
    assert totals[0] == totals[3]
    forms = 3 if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else 2  # f32 for bf16
    assert len({counter.counter_id for counter in opened}) == forms
    assert totals == pytest.approx([totals[1]] * 4, rel=0.5)  # random weights quantise badly; noise would be far off
    assert counters.load("net", "torch").count([frame])[0].total == pytest.approx(totals[1], rel=1e-3)


def test_without_the_f32_folder_the_pt_is_exported(shipped, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "shipped_dirs", lambda: [tmp_path])
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(shipped, tmp_path / "net")
    shutil.rmtree(tmp_path / "net" / "net_openvino_model")
    frame = Frame(Stamp("c", 0, 0), np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8))
    made = counters.load("net", "openvino", precision="f32")
    assert "net_int8" not in made.counter_id
    assert made.count([frame])[0].total == pytest.approx(
        counters.load(str(shipped / "net_openvino_model"), precision="f32").count([frame])[0].total, rel=1e-5
    )


def test_a_damaged_form_is_refused(shipped, monkeypatch):
    monkeypatch.setattr(weights, "shipped_dirs", lambda: [shipped.parent])
    path = shipped / "net_int8_openvino_model" / "net_int8.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(ModelError, match="sha256"):
            counters.load("net", "openvino")
    finally:
        path.write_bytes(content)


def test_its_own_weights_are_exported_again(shipped, home, monkeypatch):
    monkeypatch.setattr(export, "CALIBRATION", 2)
    listed = weights.read_yaml(shipped / "model.yaml")["sha256"]
    list(export.ship(shipped / "net.pt", shipped, home / "data", home / "data" / "validation.txt", every=True))
    assert weights.read_yaml(shipped / "model.yaml")["sha256"]["net.pt"] == listed["net.pt"]


@pytest.mark.parametrize(
    ("content", "task", "error", "message"),
    [
        (b"no weights", "detect", ModelError, "no detection model"),
        (None, "detect", ConfigError, "holds a counter, but model.yaml says task detect"),
        (b"no weights", "count", ConfigError, "holds no counter"),
    ],
)
def test_what_was_shipped_stays_when_an_export_fails(shipped, home, tmp_path, content, task, error, message):
    model = tmp_path / "net"
    shutil.copytree(shipped, model)
    card = model / "model.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("task: count", f"task: {task}"), encoding="utf-8")
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    trained = home / "trained.pt"
    if content is not None:
        trained = tmp_path / "bad.pt"
        trained.write_bytes(content)
    with pytest.raises(error, match=message):
        list(export.ship(trained, model, home / "data", home / "data" / "validation.txt"))
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before


def test_a_folder_without_a_card_is_refused(home, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.yaml: is not there"):
        list(export.ship(home / "trained.pt", tmp_path, home / "data", home / "data" / "validation.txt"))


def test_calibration_leaves_those_kept_aside_alone(home, monkeypatch):
    read = []
    monkeypatch.setattr(export, "read_image", lambda path: read.append(path) or np.zeros((160, 192, 3), np.uint8))
    kept = frozenset({"part_A/train/IMG_1", "part_B/train/IMG_1", "part_A/train/IMG_4"})
    pictures = export.calibration(home / "data", kept, 64)
    assert len(pictures) == export.CALIBRATION
    assert pictures[0].shape == (1, 3, 64, 64)
    assert {path.stem for path in read if "part_A" in str(path)} == {"IMG_2", "IMG_3"}
    assert {path.stem for path in read if "part_B" in str(path)} == {"IMG_2", "IMG_3", "IMG_4"}
