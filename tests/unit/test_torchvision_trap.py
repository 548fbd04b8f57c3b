"""torchvision from the package registry beside a CPU build of torch: importing and predicting must work."""

import os
import subprocess
import sys

import cv2
import numpy as np
import torch

from crowdwatch.detectors import torchvision_ops

PREDICT = """
import sys
from crowdwatch.detectors import ultralytics_setup
ultralytics_setup.prepare()
import numpy as np, torch, torchvision
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]])
print(torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5).tolist())
from ultralytics import YOLO
found = YOLO(sys.argv[1]).predict(np.full((64, 64, 3), 128, dtype=np.uint8), conf=0.001, device="cpu", verbose=False)
print("predicted", len(found))
"""


def test_import_and_predict_work_in_a_fresh_process(models_dir, tmp_path):
    environment = os.environ | {"CROWDWATCH_CACHE": str(tmp_path)}
    environment.pop("YOLO_CONFIG_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(models_dir / "yolo11n_recovered.pt")],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "[1, 2]" in done.stdout  # the first box overlaps the better second one by 81/119 = 0.68
    assert "predicted 1" in done.stdout
    assert (tmp_path / "ultralytics").is_dir()  # its settings went here, not into the home folder


def test_ours_is_used_only_where_the_native_ones_do_not_load():
    assert torchvision_ops.ensure() is not torchvision_ops.native_ops_load()
    assert torchvision_ops.ensure() is not torchvision_ops.native_ops_load()  # twice is once


def test_nms_agrees_with_opencv():
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 200, (400, 2))
    size = rng.uniform(10, 60, (400, 2))
    score = rng.permutation(np.linspace(0.1, 0.9, 400))
    for limit in (0.2, 0.5, 0.8):
        theirs = cv2.dnn.NMSBoxes(np.hstack([corner, size]), score, 0.0, limit)
        boxes = torch.from_numpy(np.hstack([corner, corner + size]))
        ours = torchvision_ops.nms(boxes, torch.from_numpy(score), limit)
        assert ours.tolist() == list(theirs)
        assert 10 < len(ours) < 400


def test_nms_of_nothing_and_of_points():
    assert torchvision_ops.nms(torch.empty(0, 4), torch.empty(0), 0.5).tolist() == []
    points = torch.zeros(3, 4)  # without area: 0/0 overlaps nothing, as in torchvision
    assert torchvision_ops.nms(points, torch.tensor([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]
