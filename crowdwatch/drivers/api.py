"""What a program that uses CrowdWatch calls. The package passes it on: ``crowdwatch.load_event``."""

from __future__ import annotations

from crowdwatch.assets.examples import example
from crowdwatch.config import EventFile
from crowdwatch.config import load as load_event
from crowdwatch.drivers.build import open_log as read_log
from crowdwatch.drivers.build import open_store
from crowdwatch.drivers.replay import Options as ReplayOptions
from crowdwatch.drivers.replay import Summary as ReplaySummary
from crowdwatch.drivers.replay import replay_log, replay_recording
from crowdwatch.errors import CrowdWatchError

__all__ = [
    "CrowdWatchError",
    "EventFile",
    "ReplayOptions",
    "ReplaySummary",
    "example",
    "load_event",
    "open_store",
    "read_log",
    "replay_log",
    "replay_recording",
]
