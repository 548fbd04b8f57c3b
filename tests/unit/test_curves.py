"""Learning curves: every logged run is drawn; a log that is none is an error."""

import json

import cv2
import pytest

from crowdwatch.errors import ConfigError
from pipelines.training.curves import draw


def log(path, start):
    entries = [{"step": step, "mae_A": start - step / 20, "mae_B": start / 8} for step in (500, 1000)]
    path.write_text(json.dumps(entries), encoding="utf-8")


def test_every_run_is_drawn(tmp_path):
    log(tmp_path / "run1.json", 100.0)
    one = draw(tmp_path).read_bytes()
    log(tmp_path / "run2.json", 200.0)
    path = draw(tmp_path)
    assert path == tmp_path / "curves.png"
    assert path.read_bytes() != one
    assert cv2.imread(str(path)).std() > 5


def test_a_run_s_own_folder_is_drawn_too(tmp_path):
    log(tmp_path / "validation.json", 100.0)
    assert draw(tmp_path).stat().st_size > 5000


@pytest.mark.parametrize("text", ["", "[{}]", "no json", '{"step": 1}', '[{"step": 1, "mae_A": null, "mae_B": 2}]'])
def test_a_log_that_is_none(tmp_path, text):
    (tmp_path / "run1.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run1\.json: no log"):
        draw(tmp_path)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ConfigError, match=r"no run\*\.json"):
        draw(tmp_path)
