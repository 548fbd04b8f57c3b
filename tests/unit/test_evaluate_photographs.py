"""``pipelines.evaluate shanghaitech``: its figures over a small drawn data set, and what it refuses."""

import json
import shutil

import cv2
import pytest
import torch
from photographs import write_both, write_split
from typer.testing import CliRunner

from crowdwatch.counters.network import CountingNet
from crowdwatch.errors import ConfigError, CrowdWatchError
from pipelines.evaluation.evaluate import app

FIGURES = {
    "mae", "rmse", "nae", "game1", "game2", "game3", "total_ratio", "correlation", "bias_by_fifth", "mae_interval_95",
    "images_per_s", "parameters", "gflops", "photographs", "heads", "model",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_both(folder)
    write_split(folder / "part_B_final" / "test_data", [4, 9, 14], seed=5)
    torch.manual_seed(0)
    torch.save({"stride": 8, "width": 64, "state": CountingNet().state_dict()}, folder / "net.pt")
    return folder


@pytest.fixture
def evaluate(data, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path_factory.getbasetemp() / "evaluate-cache"))

    def call(*words):
        result = CliRunner().invoke(app, ["shanghaitech", str(data), *words])
        if isinstance(result.exception, CrowdWatchError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


def test_every_figure_of_the_published_layout(evaluate, data):
    words = ("--part", "B", "--split", "test", "--model", str(data / "net.pt"), "--json")
    figures = json.loads(evaluate(*words))
    assert figures.keys() >= FIGURES
    assert (figures["part"], figures["split"], figures["photographs"], figures["heads"]) == ("B", "test", 3, 27)
    assert figures["mae_interval_95"][0] <= figures["mae"] <= figures["mae_interval_95"][1]
    assert len(figures["bias_by_fifth"]) == 5
    assert 1e6 < figures["parameters"] < 5e6
    assert figures["gflops"] > 1


def test_precisions_take_turns(evaluate, data):
    words = ("--part", "A", "--split", "train", "--model", str(data / "net.pt"), "--runtime", "openvino")
    found = json.loads(evaluate(*words, "--precision", "f32,bf16", "--json"))
    assert len(found) == 2
    assert "openvino-f32" in found[0]["model"]
    assert found[0]["mae"] == pytest.approx(found[1]["mae"], rel=0.2)


def test_both_parts_and_several_scales(evaluate, data):
    words = ("--split", "train", "--model", str(data / "net.pt"), "--json")
    one = json.loads(evaluate(*words))
    two = json.loads(evaluate(*words, "--scales", "1.0,1.5"))
    assert set(one) == {"split", "A", "B"}
    # convolutions grow with the area, attention with its square
    assert one["A"]["gflops"] * (1 + 1.5**2) <= two["A"]["gflops"] < one["A"]["gflops"] * (1 + 1.5**2.5)


def test_photographs_are_counted_under_conditions(evaluate, data):
    words = ("--split", "train", "--model", str(data / "net.pt"), "--every", "2", "--conditions", "night,rain")
    found = json.loads(evaluate(*words, "--json"))
    assert found["photographs"] == {"A": 2, "B": 2}
    assert set(found["clean"]) == {"A", "B"}
    assert {kind: set(strengths) for kind, strengths in found["conditions"].items()} == {
        "night": {"1", "2", "3"}, "rain": {"1", "2", "3"}
    }  # fmt: skip
    middle = {kind: found["conditions"][kind]["2"] for kind in ("night", "rain")}
    times = {kind: sum(middle[kind][p]["mae"] / found["clean"][p]["mae"] for p in "AB") / 2 for kind in middle}
    summary = found["summary"]
    assert summary["learned"]["mae_over_clean_worst"] == pytest.approx(times["night"], abs=1e-3)
    assert summary["kept_out"]["kinds"] == ["rain"]
    assert summary["kept_out"]["mae_over_clean_mean"] == pytest.approx(times["rain"], abs=1e-3)
    kind, part = summary["worst_ratio_of"].split()
    ratios = [abs(each["total_ratio"] - 1) for parts in middle.values() for each in parts.values()]
    assert abs(middle[kind][part]["total_ratio"] - 1) == pytest.approx(max(ratios))
    assert "rain *" in evaluate(*words)


def test_people_of_a_detector_are_counted_too(evaluate, models_dir):
    model = str(models_dir / "yolo11n_int8_openvino_model")
    figures = json.loads(evaluate("--part", "A", "--split", "train", "--model", model, "--json"))
    assert "person >= 0.25" in figures["model"]
    tiled = json.loads(
        evaluate("--part", "A", "--split", "train", "--model", model, "--tile-px", "96", "--overlap-px", "32", "--json")
    )
    assert tiled["gflops"] > figures["gflops"]
    with pytest.raises(CrowdWatchError, match="takes none"):
        evaluate("--model", model, "--scales", "1.0", "--split", "train")


def test_the_table_is_for_people(evaluate, data):
    text = evaluate("--split", "train", "--model", str(data / "net.pt"))
    assert "part A" in text
    assert "mae_interval_95" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--part", "C"), "need A or B"),
        (("--scales", "big", "--split", "train"), "need numbers with commas"),
        (("--scales", "1.0,", "--split", "train"), "need numbers with commas"),
        (("--scales", "0", "--split", "train"), r"scale: got 0\.0"),
        (("--split", "test", "--part", "A"), "no images folder. Only its split train is there"),
        (("--split", "validation", "--part", "A"), "names are not in"),
        (("--split", "train", "--precision", "int4"), "need one of"),
        (("--split", "train", "--runtime", "abacus"), "need one of"),
    ],
)
def test_what_is_wrong_is_said(evaluate, data, words, message):
    with pytest.raises(CrowdWatchError, match=message):
        evaluate("--model", str(data / "net.pt"), *words)


@pytest.mark.parametrize("words", [("--score", "7"), ("--threads", "0"), ("--tile-px", "-1"), ("--split", "final")])
def test_a_number_out_of_its_range_is_no_use(data, words):
    result = CliRunner().invoke(app, ["shanghaitech", str(data), *words])
    assert result.exit_code == 2
    assert words[0] in result.output


def test_a_folder_of_no_known_task_is_an_error(evaluate, data, tmp_path, models_dir):
    folder = tmp_path / "other_openvino_model"
    shutil.copytree(models_dir / "yolo11n_int8_openvino_model", folder)
    (folder / "metadata.yaml").write_text("task: classify\n", encoding="utf-8")
    with pytest.raises(CrowdWatchError, match="need task detect"):
        evaluate("--model", str(folder), "--split", "train")


def test_weights_that_are_not_there(evaluate):
    with pytest.raises(CrowdWatchError, match="not found"):
        evaluate("--model", "no-such-model", "--split", "train")


def test_a_photograph_under_each_condition_is_shown_with_its_count(evaluate, data, tmp_path):
    words = ("--split", "train", "--part", "B", "--model", str(data / "net.pt"), "--conditions", "night,rain,dirt")
    evaluate(*words, "--picture", str(tmp_path / "sheet.png"))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (360 + 28), 3 * 480, 3)  # as it is and three kinds
    assert sheet[-100:, 500:].max() == 0
    with pytest.raises(ConfigError, match="ends with"):
        evaluate(*words, "--picture", str(tmp_path / "sheet.txt"))
    with pytest.raises(ConfigError, match="cannot be written"):
        evaluate(*words, "--picture", str(tmp_path / "no" / "sheet.png"))
