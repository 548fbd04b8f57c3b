"""CrowdWatch: people per square metre from video, and alerts before a crush. It counts; it never identifies anyone.

A program loads an event, replays its footage, and reads what was observed and what it means:

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import crowdwatch
    >>> event = crowdwatch.load_event(crowdwatch.example("synthetic"))
    >>> with TemporaryDirectory() as folder:
    ...     url = f"sqlite:///{folder}/store.sqlite"
    ...     end_ns = event.cameras[0].source.start_ns + 4_000_000_000
    ...     options = crowdwatch.ReplayOptions(Path(folder), url, to_ns=end_ns, pictures=False)
    ...     run = crowdwatch.replay_recording(event, options).run
    ...     log = crowdwatch.read_log(Path(run.folder))
    ...     store = crowdwatch.open_store(url)
    ...     log.complete, log.observation_count, [reading.zone_id for reading in store.readings(run.run_id)][:2]
    ...     store.close()
    (True, 20, ['stage', 'west-side'])

Everything in ``__all__`` stays; it is imported when it is first asked for, so that ``import crowdwatch`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdwatch.core.version import __version__

__all__ = [
    "CrowdWatchError",
    "EventFile",
    "ReplayOptions",
    "ReplaySummary",
    "__version__",
    "example",
    "load_event",
    "open_store",
    "read_log",
    "replay_log",
    "replay_recording",
]

if TYPE_CHECKING:
    from crowdwatch.drivers.api import (
        CrowdWatchError,
        EventFile,
        ReplayOptions,
        ReplaySummary,
        example,
        load_event,
        open_store,
        read_log,
        replay_log,
        replay_recording,
    )
else:

    def __getattr__(name: str) -> object:
        """Import a name of the public API when it is first asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("crowdwatch.drivers.api"), name)
