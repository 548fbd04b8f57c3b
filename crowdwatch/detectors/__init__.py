"""Where in the picture are people? Adapters of the ``Detector`` port, and :func:`load`, which chooses one."""

from crowdwatch.detectors.choose import load
from crowdwatch.detectors.recorded import RecordedDetector
from crowdwatch.detectors.tiled import TiledDetector, Tiling

__all__ = ["RecordedDetector", "TiledDetector", "Tiling", "load"]
