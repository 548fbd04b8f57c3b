"""A small data set in ShanghaiTech's layouts, drawn: dark heads on a bright ground."""

import cv2
import numpy as np
from scipy.io import savemat


def drawn(rng, heads, hw=(160, 192)):
    """A photograph with that many dark discs, and their centres."""
    image = rng.integers(150, 200, (*hw, 3)).astype(np.uint8)
    points = rng.uniform(6, np.array(hw[::-1]) - 6, (heads, 2))
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 5, (30, 30, 40), -1)
    return image, points


def write_points(path, points):
    """An annotation as the data set has it: a struct in a cell."""
    inner = np.zeros((1, 1), dtype=[("location", "O"), ("number", "O")])
    inner["location"][0, 0], inner["number"][0, 0] = np.asarray(points, float), len(points)
    outer = np.empty((1, 1), object)
    outer[0, 0] = inner
    savemat(path, {"image_info": outer})


def write_split(folder, counts, seed=0, hw=(160, 192)):
    """Photographs IMG_1, IMG_2 ... with so many heads each, in ``folder/images`` and ``folder/ground_truth``."""
    rng = np.random.default_rng(seed)
    for inner in ("images", "ground_truth"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    for number, heads in enumerate(counts, start=1):
        image, points = drawn(rng, heads, hw)
        cv2.imwrite(str(folder / "images" / f"IMG_{number}.jpg"), image)
        write_points(folder / "ground_truth" / f"GT_IMG_{number}.mat", points)


def write_both(root, counts=(12, 30, 7, 21), seed=0):
    """Parts A and B with a training split, and the list of those kept aside: the last of each."""
    for index, part in enumerate("AB"):
        write_split(root / f"part_{part}" / "train", counts, seed + index)
    kept = "\n".join(f"part_{part}/train/IMG_{len(counts)}" for part in "AB")
    (root / "validation.txt").write_text(kept + "\n", encoding="utf-8")
    return root
