"""Fixes Ultralytics' manners before it is imported; every module that imports it calls :func:`prepare` first."""

from __future__ import annotations

import os

from crowdwatch.assets.fetching import cache_dir
from crowdwatch.detectors import torchvision_ops

__all__ = ["prepare"]


def prepare() -> None:
    """Make importing Ultralytics safe: no downloads, no installs, nothing in the home folder, no code from a
    pickle, no torchvision trap. Call it before the first ``import ultralytics``; safe to call again."""
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["YOLO_AUTOINSTALL"] = "0"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "1"  # whatever the environment says: a pickle may carry code
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = cache_dir() / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
    torchvision_ops.ensure()
