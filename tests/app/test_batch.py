"""The watch page on a batch that was really run.

Perfect models: its scene is drawn, and ``TruthDetector`` sees everybody in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from batches import event_of


def test_a_finished_batch_is_shown_without_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Any
) -> None:
    event_of(tmp_path, "synthetic: plaza, capture_rate_hz: 2", hw=(288, 384))
    store = f"sqlite:///{tmp_path}/store.sqlite"
    # a program of its own: a page under test stands as this process's __main__, which workers would start again
    command = [sys.executable, "-m", "crowdwatch", "batch", str(tmp_path / "event.yaml"), "--to", "0:00:45", "--json"]
    command += ["--runs", str(tmp_path / "runs"), "--store", store]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["alerts"]
    monkeypatch.setenv("CROWDWATCH_STORE", store)
    page = open_page()
    assert "BATCH" in page.html
    assert "A batch makes no pictures" in page.html
    assert "THE ENGINE IS SILENT" not in page.html
    assert "In front of the stage" in page.html
    assert any(trace["type"] == "heatmap" for trace in page.figures[0]["data"])  # the field of its last tick
