"""The UCF_CC_50 photographs: very dense crowds, all grey, with the points of their heads.

``N.jpg`` and ``N_ann.mat``. The data is for research only and never part of this project. Source: Idrees et al. 2013,
"Multi-Source Multi-Scale Counting in Extremely Dense Crowd Images", CVPR.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from crowdwatch.errors import ConfigError
from pipelines.evaluation.shanghaitech import Photograph, read_image

__all__ = ["photographs"]


def photographs(root: Path) -> list[Photograph]:
    """Every photograph of the folder, by number. Points outside a picture are moved to its edge.

    Raises:
        ConfigError: there are none, or annotations are missing or broken; all of them are listed.
    """
    images = sorted(root.glob("*.jpg"), key=lambda path: (len(path.stem), path.stem))
    if not images:
        raise ConfigError(f"{root}: no .jpg files. Give the folder of UCF_CC_50.")
    found, faults = [], []
    for path in images:
        truth = path.with_name(f"{path.stem}_ann.mat")
        try:
            points = np.asarray(loadmat(truth)["annPoints"], dtype=np.float64)
        except (OSError, KeyError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
            faults.append(f"{truth.name}: cannot be read ({type(error).__name__}).")
            continue
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            faults.append(f"{truth.name}: holds no (N, 2) points.")
            continue
        try:
            height, width = read_image(path).shape[:2]
        except ConfigError as error:
            faults.append(str(error))
            continue
        inside = np.clip(points, 0, np.nextafter([width, height], 0))
        stray = float((inside != points).any(axis=1).mean()) if len(points) else 0.0
        found.append(Photograph(f"ucf_cc_50/{path.stem}", path, (height, width), inside, stray))
    if faults:
        raise ConfigError(f"{root}: {len(faults)} faults, {len(images)} photographs:\n  " + "\n  ".join(faults))
    return found
