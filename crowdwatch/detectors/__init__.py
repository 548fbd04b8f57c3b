"""Adapters of the ``Detector`` port, and :func:`load`, which chooses one."""

from crowdwatch.detectors.choose import load
from crowdwatch.detectors.recorded import RecordedDetector

__all__ = ["RecordedDetector", "load"]
