"""The loss keeps counts: at every size its least is where the expectation is the count."""

import pytest
import torch

from pipelines.training.counting_loss import multi_scale_poisson

BLOCKS = (1, 2, 4, 0)


def crops():
    generator = torch.Generator().manual_seed(1)
    return torch.poisson(torch.full((3, 8, 8), 0.7), generator=generator)


def test_the_truth_is_the_least():
    heads = crops()
    at_truth = multi_scale_poisson(heads[:, None] + 1e-6, heads, BLOCKS, 0.1)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert multi_scale_poisson(heads[:, None] * factor + 1e-6, heads, BLOCKS, 0.1) > at_truth
    assert at_truth < 1e-3


@pytest.mark.parametrize("size", [1, 2, 4, 0])
def test_a_uniform_answer_settles_at_the_count(size):
    heads = crops()
    level = torch.tensor(0.1, requires_grad=True)
    optimiser = torch.optim.Adam([level], lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        multi_scale_poisson(level.expand(3, 1, 8, 8), heads, (size,), 0.0).backward()
        optimiser.step()
    assert float(level.detach()) == pytest.approx(float(heads.mean()), rel=0.01)


def test_people_in_the_wrong_place_cost_at_fine_blocks_only():
    heads = torch.zeros(1, 8, 8)
    heads[0, 0, 0] = 4.0
    moved = torch.zeros(1, 1, 8, 8)
    moved[0, 0, 0, 1] = 4.0
    assert multi_scale_poisson(moved, heads, (1,), 1.0) > 1
    assert multi_scale_poisson(moved, heads, (2, 4, 0), 1.0) < 1e-3


def test_nobody_anywhere_is_finite():
    mass = torch.full((1, 1, 8, 8), 1e-9, requires_grad=True)
    loss = multi_scale_poisson(mass, torch.zeros(1, 8, 8), BLOCKS, 0.1)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(mass.grad).all()
