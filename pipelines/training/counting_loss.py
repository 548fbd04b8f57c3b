"""The counter's loss: it keeps counts, from a block up to the whole crop."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["multi_scale_poisson"]

EMPTY = 1e-6
"""Least expectation of a block: keeps the logarithm finite."""


def multi_scale_poisson(
    mass: torch.Tensor, heads: torch.Tensor, blocks: tuple[int, ...], total_weight: float
) -> torch.Tensor:
    """How unlikely the heads are, block by block at several sizes, plus the error of the total.

    For every size, blocks of m x m cells hold n heads where L are expected; a Poisson law gives the deviance
    L - n + n ln(n / L), zero when L = n. The sums over a crop are averaged over the batch and the sizes; the absolute
    error of the crop's total, times ``total_weight``, is added. At L = n every term is least, at every size: counts are
    kept.

    Args:
        mass: (N, 1, h, w) expected persons per cell, positive.
        heads: (N, h, w) heads per cell.
        blocks: sizes m in cells, each a divisor of h and w; 0 is the whole crop.
        total_weight: of the absolute error.

    Returns:
        A scalar.

    Source: Cameron and Trivedi 1998, "Regression Analysis of Count Data", section 5.3 (Poisson deviance, halved).

    >>> n = torch.tensor([[[2.0, 0.0], [1.0, 1.0]]])
    >>> float(multi_scale_poisson(n[:, None] + 0.0, n, (1, 2), 1.0)) < 1e-4
    True
    >>> round(float(multi_scale_poisson(torch.full((1, 1, 2, 2), 1.0), n, (2,), 1.0)), 6)
    0.0
    """
    expected, seen = mass.float(), heads[:, None].float()
    loss = total_weight * (expected.sum((1, 2, 3)) - seen.sum((1, 2, 3))).abs().mean()
    for size in blocks:
        if size == 0:
            block, n = expected.sum((2, 3), keepdim=True), seen.sum((2, 3), keepdim=True)
        else:
            block, n = (functional.avg_pool2d(x, size) * size**2 if size > 1 else x for x in (expected, seen))
        block = block.clamp_min(EMPTY)
        deviance = block - n + torch.xlogy(n, n) - n * block.log()
        loss = loss + deviance.sum((1, 2, 3)).mean() / len(blocks)
    return loss
