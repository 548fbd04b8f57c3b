"""Small batch jobs for tests: films of a few frames, an event that watches them, workers of a real cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from films import HW

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.drivers.batch import JobSettings
from pipelines.batch.observe_batch import BatchOptions

NAME = "gate-20260101T1200{:02d}Z"
"""A recording's name with its start, in seconds after noon."""


def event_of(folder: Path, source: str, hw=HW) -> EventFile:
    """The drawn square, watched by a camera with footage of its own; boxes alone, so that one network runs.

    With ``synthetic: plaza`` as its source no network runs: ``TruthDetector``, a perfect model, finds everybody.
    """
    text = example("synthetic").read_text(encoding="utf-8")
    pairs = [
        ("synthetic: plaza", source),
        ("[768, 576]", f"[{hw[1]}, {hw[0]}]"),
        ("centre_px: [384, 288]", f"centre_px: [{hw[1] // 2}, {hw[0] // 2}]"),
        ("focal_px: [520, 520]", f"focal_px: [{hw[1] * 0.7}, {hw[1] * 0.7}]"),
        ("version: 1\n", "version: 1\ncounter: {model: none}\n"),
    ]
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


def options(folder: Path, settings: dict | None = None, **more) -> BatchOptions:
    """A job whose run and store lie in ``folder``."""
    return BatchOptions(JobSettings(folder / "runs", **(settings or {})), f"sqlite:///{folder}/store.sqlite", **more)


@contextmanager
def dask(*words: str, wrap: tuple[str, ...] = ()) -> Iterator[subprocess.Popen]:
    """A program of Dask as somebody else started it, until the block ends."""
    command = [*wrap, sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=300)
