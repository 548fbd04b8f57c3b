"""Kernel density against closed forms and against PedPy."""

import math

import numpy as np
import pandas as pd
import pedpy
import pytest
import shapely
from scipy.special import erf

from crowdwatch.analytics.density import area_share, smooth
from crowdwatch.ground import make_grid
from crowdwatch.sources.synthetic import lattice


def test_one_person_reads_the_gaussian():
    grid = make_grid(shapely.box(-6, -6, 6, 6), 0.5)
    rho = smooth(grid, np.array([[0.25, 0.25]]), np.ones(grid.shape), 1.0)
    east, north = np.meshgrid(*grid.centres())
    expected = np.exp(-((east - 0.25) ** 2 + (north - 0.25) ** 2) / 2) / (2 * math.pi)
    assert rho == pytest.approx(expected, abs=3e-6)  # lines of an eighth of b: 2e-5 of the peak, 1 / (2 pi)


def test_mass_is_the_number_of_people_far_from_walls():
    grid = make_grid(shapely.box(-20, -20, 20, 20), 0.25)
    xy = np.random.default_rng(3).uniform(-8, 8, (137, 2))
    rho = smooth(grid, xy, np.ones(grid.shape), 1.0)
    # 12 bandwidths to the border, cells a quarter of the bandwidth: the midpoint sum is exact to far below 1e-6; 7e-6
    # of the kernel lies beyond its reach on each axis
    assert rho.sum() * grid.cell_m**2 == pytest.approx(137, rel=2e-5)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.2])
def test_share_at_a_wall_is_the_normal_distribution(angle):
    """A half plane at distance d: s = Phi(d / b), whatever the wall's direction."""
    normal = np.array([math.cos(angle), math.sin(angle)])
    along = np.array([-normal[1], normal[0]])
    wall = shapely.Polygon([40 * along, 40 * along - 80 * normal, -40 * along - 80 * normal, -40 * along])
    big = make_grid(shapely.box(-10, -10, 10, 10), 0.5)
    share = area_share(big, wall, 1.0)
    east, north = np.meshgrid(*big.centres())
    distance = -(east * normal[0] + north * normal[1])
    expected = (1 + erf(distance / math.sqrt(2))) / 2
    inner = (np.abs(east) < 4) & (np.abs(north) < 4) & (distance > 0)
    # 4 x 4 sub-cells: the error that the module states
    assert share[inner] == pytest.approx(expected[inner], abs=0.002)
    assert np.isnan(share[distance < -0.01]).all()


def test_a_uniform_crowd_reads_its_density_up_to_the_walls():
    """Rule 4: a plain kernel reads a quarter of the truth in a corner; the corrected one reads the truth."""
    room = shapely.box(0, 0, 10, 8)
    grid = make_grid(room, 0.5)
    xy = lattice(4.0, 0, 0, 10, 8)
    corrected = smooth(grid, xy, area_share(grid, room, 1.0), 1.0)
    plain = smooth(grid, xy, np.ones(grid.shape), 1.0)
    # a lattice of 0.5 m against a bandwidth of 1 m: its ripple is exp(-2 pi^2 b^2 / step^2) < 1e-30; what is left is
    # the sub-cell error of the share at the walls
    assert corrected == pytest.approx(np.full(grid.shape, 4.0), rel=0.01)
    assert plain[0, 0] < 1.6


def test_unknown_outside_and_in_a_crack():
    area = shapely.box(0, 0, 10, 5) | shapely.box(10, 2.2, 14, 2.3)
    grid = make_grid(shapely.box(0, 0, 14, 6), 0.5)
    share = area_share(grid, area, 1.0)
    assert np.isnan(share[11]).all()
    assert np.isnan(share[4, 26])  # its centre lies in the crack, which holds 4 % of the kernel
    assert np.isfinite(share[4, 3])


def test_helbing_kernel_agrees_with_pedpy():
    """PedPy's Gaussian of full width 1.665 m is Helbing's R = 1 m, that is b = 1 / sqrt(2)."""
    xy = np.random.default_rng(5).uniform(3, 9, (40, 2))
    frame = pd.DataFrame({"id": range(40), "frame": 0, "x": xy[:, 0], "y": xy[:, 1]})
    traj = pedpy.TrajectoryData(frame, frame_rate=1.0)
    walkable = pedpy.WalkableArea([(0, 0), (12, 0), (12, 12), (0, 12)])
    (profile,) = pedpy.compute_density_profile(
        data=traj.data,
        walkable_area=walkable,
        grid_size=0.5,
        density_method=pedpy.DensityMethod.GAUSSIAN,
        gaussian_width=2 * math.sqrt(math.log(2)),
    )
    grid = make_grid(shapely.box(0, 0, 12, 12), 0.5)
    ours = smooth(grid, xy, np.ones(grid.shape), 1 / math.sqrt(2))
    # PedPy stores rows from north to south. A person's kernel is exact to 7e-5 of its peak, 1 / pi, with lines of
    # 0.18 b; it is cut off at 4.5 b, where it is 4e-5 of that
    assert ours[::-1] == pytest.approx(np.asarray(profile), rel=1e-4, abs=5e-5)
