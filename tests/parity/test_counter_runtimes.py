"""At f32, OpenVINO and torch count the same: over photographs' sizes, every block within 1e-3 persons.

The largest difference met over random weights and noise was 3e-5; f32 sums in another order explain it. A wrong border,
channel order or size is far above the limit.
"""

import numpy as np
import pytest

from crowdwatch import counters
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.detectors import weights


@pytest.fixture(scope="module")
def runtimes(tmp_path_factory):
    """The shipped weights on torch and, exported once for all sizes, on OpenVINO."""
    pt = weights.shipped_dirs()[0] / "counter-n" / "counter-n.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROWDWATCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return [counters.load(str(pt), runtime, precision="f32") for runtime in ("torch", "openvino")]


@pytest.mark.parametrize("hw", [(96, 128), (225, 310), (590, 874)])
def test_every_block(hw, runtimes):
    image = np.random.default_rng(5).integers(0, 256, (*hw, 3)).astype(np.uint8)
    frame = Frame(Stamp("c", 0, 0), image)
    (one,), (two,) = (runtime.count([frame]) for runtime in runtimes)
    assert one.total > 0
    assert np.abs(one.mass - two.mass).max() < 1e-3
