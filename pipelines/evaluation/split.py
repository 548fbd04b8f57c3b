"""Which training photographs are kept aside for validation: ``python -m pipelines.split DIR > models/validation.txt``.

A seeded fifth of the training split, drawn by place: photographs that show the same place fall on one side, or the
validation would reward remembering it. Two photographs show one place when enough of their SIFT features agree on
one homography (Lowe 2004; ratio test and RANSAC), and so do those that a chain of such pairs connects.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.command_line import progress, run
from pipelines.evaluation.shanghaitech import Photograph, photographs, read_image

app = typer.Typer(help="Draw the photographs that are kept aside.", add_completion=False)

SEED = 20261124
SHARE = 0.2
INLIERS = 20
"""Agreeing features that make one place."""
WIDTH_PX = 512
FEATURES = 400

Features = tuple[NDArray[np.float32], NDArray[np.float32]]


def features(photograph: Photograph) -> Features:
    """Positions (N, 2) and unit descriptors (N, 128) of a photograph's strongest SIFT features."""
    grey = cv2.cvtColor(read_image(photograph.path), cv2.COLOR_BGR2GRAY)
    scale = WIDTH_PX / grey.shape[1]
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    key_points, found = cv2.SIFT_create(nfeatures=FEATURES).detectAndCompute(small, None)  # type: ignore[attr-defined]
    if found is None or len(key_points) < 4:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    norm = np.linalg.norm(found, axis=1, keepdims=True)
    return np.array([point.pt for point in key_points], np.float32), (found / np.maximum(norm, 1e-6)).astype(np.float32)


def agreeing(one: Features, other: Features) -> int:
    """How many features of two photographs lie on one homography."""
    if min(len(one[0]), len(other[0])) < INLIERS:
        return 0
    similar = one[1] @ other[1].T
    best = np.argpartition(-similar, 1, axis=1)[:, :2]
    first, second = np.take_along_axis(similar, best, axis=1).T
    swap = second > first
    nearest = np.where(swap, best[:, 1], best[:, 0])
    first, second = np.maximum(first, second), np.minimum(first, second)
    clear = np.sqrt(np.maximum(2 - 2 * first, 0)) < 0.75 * np.sqrt(np.maximum(2 - 2 * second, 0))
    if clear.sum() < INLIERS:
        return 0
    _, mask = cv2.findHomography(one[0][clear], other[0][nearest[clear]], cv2.RANSAC, 5.0)
    return 0 if mask is None else int(mask.sum())


def groups(pairs: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
    """Connected groups of 0..count-1, by their first member.

    >>> groups([(0, 2), (2, 3)], 5)
    [[0, 2, 3], [1], [4]]
    """
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for member in range(count):
        members[int(group[member])].append(member)
    return list(members.values())


def draw(places: Sequence[Sequence[int]], heads: Sequence[int], rng: np.random.Generator) -> list[int]:
    """About a fifth of the members, whole places at a time, spread over the range of head counts.

    Places are sorted by their mean count and taken from every stretch of five, so that sparse and dense ones are
    both there; a place is passed over when it would overshoot the fifth.
    """
    order = sorted(places, key=lambda place: float(np.mean([heads[member] for member in place])))
    wanted, taken = round(SHARE * sum(len(place) for place in places)), list[int]()
    stretches = [list(order[start : start + 5]) for start in range(0, len(order), 5)]
    for turn in range(5):
        for stretch in stretches if turn == 0 else [stretches[i] for i in rng.permutation(len(stretches))]:
            if len(stretch) > turn:
                if turn == 0:
                    rng.shuffle(stretch)
                if len(taken) + len(stretch[turn]) <= wanted:
                    taken += stretch[turn]
    return sorted(taken)


def places(pictures: Sequence[Photograph], label: str) -> list[list[int]]:
    """Photographs grouped by place."""
    seen = [features(picture) for picture in progress(pictures, f"{label}: features")]
    every = list(combinations(range(len(pictures)), 2))

    def same(pair: tuple[int, int]) -> bool:
        cv2.setRNGSeed(0)  # RANSAC draws from it
        return agreeing(seen[pair[0]], seen[pair[1]]) >= INLIERS

    with ThreadPoolExecutor() as pool:
        found = list(progress(pool.map(same, every), f"{label}: pairs", len(every)))
    return groups([pair for pair, yes in zip(every, found, strict=True) if yes], len(pictures))


def _lines(root: Path, part: str, rng: np.random.Generator) -> list[str]:
    pictures = photographs(root, part, "train")
    grouped = places(pictures, f"part {part}")
    kept = draw(grouped, [len(picture.heads_px) for picture in pictures], rng)
    sizes: Any = sorted((len(place) for place in grouped), reverse=True)
    head = f"# part {part}: {len(kept)} of {len(pictures)} photographs; {len(grouped)} places, largest {sizes[:5]}"
    return [head, *(pictures[index].name for index in kept)]


@app.command()
def main_command(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with part_A and part_B.")]) -> None:
    """Print the validation list."""
    rng = np.random.default_rng(SEED)
    lines = [f"# python -m pipelines.split DIR; seed {SEED}, grouped by place"]
    for part in ("A", "B"):
        lines += _lines(folder, part, rng)
    typer.echo("\n".join(lines))


def main() -> None:
    """Run the command line."""
    run(app)
