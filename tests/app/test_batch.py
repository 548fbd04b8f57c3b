"""The watch page on a batch that was really run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batches import event_of, options

from pipelines.observe_batch import run_batch


def test_a_finished_batch_is_shown_without_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Any
) -> None:
    event = event_of(tmp_path, "synthetic: plaza", hw=(576, 768))
    to_ns = event.cameras[0].source.start_ns + 45_000_000_000
    facts = run_batch(event, options(tmp_path, {"to_ns": to_ns})).facts
    assert facts is not None
    assert facts["alerts"]
    monkeypatch.setenv("CROWDWATCH_STORE", f"sqlite:///{tmp_path}/store.sqlite")
    page = open_page()
    assert "BATCH" in page.html
    assert "A batch makes no pictures" in page.html
    assert "THE ENGINE IS SILENT" not in page.html
    assert "In front of the stage" in page.html
    assert any(trace["type"] == "heatmap" for trace in page.figures[0]["data"])  # the field of its last tick
