"""A real laboratory bottleneck: our zone readings against PedPy, the field's reference."""

from dataclasses import replace

import numpy as np
import pedpy
import pytest
from scenes import T0, S, camera, fold, see, square, started

from crowdwatch.core.records import Tick
from crowdwatch.sources.synthetic import looking_down

AREA = [(-0.4, 0.5), (0.4, 0.5), (0.4, 1.3), (-0.4, 1.3)]


@pytest.fixture(scope="module")
def walk(data_dir):
    path = data_dir / "pedpy" / "bottleneck_040_c_56_h.txt"
    return pedpy.load_trajectory_from_txt(trajectory_file=path, default_unit=pedpy.TrajectoryUnit.METER)


def test_zone_density_is_pedpys_classic_density(walk):
    """In front of the door, up to 11 persons per square metre: the same number in every frame."""
    expected = pedpy.compute_classic_density(traj_data=walk, measurement_area=pedpy.MeasurementArea(AREA))
    site = square(
        cameras=[camera(plane=looking_down((0, -9, 12), (0, 2)))],
        walkable=[[-5, -4], [5, -4], [5, 8], [-5, 8]],
        zone=[list(corner) for corner in AREA],
        area_m2=0.64,
    )
    state = started(replace(site, window_s=0.5))
    checked = []
    for number, (frame, people) in enumerate(list(walk.data.groupby("frame"))[::25]):
        seen = see(T0 + number * S, people[["x", "y"]].to_numpy())
        state, (outcome,) = fold(state, [seen, Tick(seen.stamp.t_ns, (seen.stamp.id,))])
        density = expected.loc[expected.frame == frame, "density"].item()
        # the same people over the same area: rounding only
        assert outcome.readings[0].density_p_m2 == pytest.approx(density, abs=1e-9)
        checked.append(density)
    assert len(checked) > 50
    assert np.max(checked) > 6
