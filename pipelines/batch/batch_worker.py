"""What runs on the workers of a batch job: one plugin that keeps the models, and one function that observes a chunk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from crowdwatch import config
from crowdwatch.config import EventFile
from crowdwatch.core import version
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.detectors.choose import has_gpu
from crowdwatch.drivers import build
from crowdwatch.drivers.batch import kept_in
from crowdwatch.drivers.build import Models
from crowdwatch.drivers.camera_faults import CameraFaults
from crowdwatch.errors import SourceError
from crowdwatch.store.chunks import ChunkFault, ChunkFolder

__all__ = ["ModelPlugin", "Observed", "Probe", "observe_and_keep", "observe_chunk", "probe", "with_threads"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a worker says of a chunk that it has kept.

    Args:
        chunk: the chunk.
        frames: observations kept.
        wall_s: seconds that it took.
        fault: why all or some of it is missing; empty when nothing is.
        failed: whether nothing was kept.
    """

    chunk: Chunk
    frames: int
    wall_s: float
    fault: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """What a worker can do.

    Args:
        version: of CrowdWatch there.
        missing: files of the job that it does not see as the driver does.
        memory_bytes: its limit; 0 is none.
        gpu: whether torch can use one there; None when that was not asked.
    """

    version: str
    missing: tuple[str, ...]
    memory_bytes: int
    gpu: bool | None = None


class ModelPlugin(WorkerPlugin):
    """Loads the models once per worker, through the composition root, and keeps them for every chunk.

    Args:
        run_id: names the plugin, so that two jobs on one cluster do not share models.
        config_json: the resolved event file.
        threads: of the networks on a CPU; None keeps what the event file says.
        prepare: called first; a function of a module.
    """

    def __init__(
        self, run_id: str, config_json: str, threads: int | None, prepare: Callable[[], None] | None = None
    ) -> None:
        self.name = _name(run_id)
        self.config_json = config_json
        self.threads = threads
        self.prepare = prepare
        self.event: EventFile | None = None
        self.models: Models | None = None

    def setup(self, worker: Worker) -> None:
        """Load what the cameras with filmed footage need."""
        if self.prepare is not None:
            self.prepare()
        self.event = config.from_json(self.config_json)
        site = config.to_site(self.event)
        self.models = Models(with_threads(self.event, self.threads), site)
        filmed = {camera.id for camera in self.event.cameras if camera.source.synthetic is None}
        for camera in site.cameras:
            if camera.camera_id in filmed:
                self.models.detector(camera)
                self.models.counter()

    def teardown(self, worker: Worker) -> None:
        """Give the models back."""
        if self.models is not None:
            self.models.close()


def _name(run_id: str) -> str:
    return f"crowdwatch-{run_id}"


def with_threads(event: EventFile, threads: int | None) -> EventFile:
    """The event with so many threads for each network that it does not set itself; None leaves all as it is."""
    if threads is None:
        return event
    parts = {
        key: getattr(event, key).model_copy(update={"threads": threads})
        for key in ("detector", "counter")
        if getattr(event, key).threads is None
    }
    return event.model_copy(update=parts)


def observe_chunk(run_id: str, folder: str, chunk: Chunk, batch_frames: int, sample_hz: float | None) -> Observed:
    """Observe one chunk and keep it; only its name and figures go back.

    Footage that cannot be read is a fault of the chunk, and so are pictures that cannot be analysed. A full disk ends
    the job.

    Args:
        run_id: whose plugin to use.
        folder: the run's folder.
        chunk: the chunk.
        batch_frames: frames that go through the detector together.
        sample_hz: of the fine pass; None as the event file says.

    Raises:
        StoreUnavailable, ModelError: the job cannot go on: no room, or no model.
    """
    plugin: Any = get_worker().plugins[_name(run_id)]
    return observe_and_keep(plugin.event, plugin.models, Path(folder), chunk, batch_frames, sample_hz)


def observe_and_keep(
    event: EventFile,
    models: Models,
    folder: Path,
    chunk: Chunk,
    batch_frames: int,
    sample_hz: float | None = None,
) -> Observed:
    """As :func:`observe_chunk`, without a worker."""
    began = time.monotonic()
    if sample_hz is not None:
        cameras = [camera.model_copy(update={"sample_hz": sample_hz}) for camera in event.cameras]
        event = event.model_copy(update={"cameras": cameras})
    camera = next(each for each in models.site.cameras if each.camera_id == chunk.camera_id)
    kept = ChunkFolder(folder, event.id)
    found: list[Observation] = []
    faults, broken = CameraFaults(), False
    missing: list[CameraFault] = []
    try:
        feed = build.open_feed(event, camera, models, kept_in(folder.parent))
        with closing(feed.source):
            for attempt in feed.attempt_span(chunk.from_ns, chunk.to_ns, batch_frames):
                if isinstance(attempt.event, Observation):
                    found.append(attempt.event)  # kept, whatever comes after
                else:
                    missing.append(attempt.event)
                    faults.add(attempt.event, attempt.error)
    except SourceError as error:
        broken = True
        faults.add(CameraFault(chunk.camera_id, chunk.from_ns, Code.FOOTAGE_BROKEN), error)
    reason = " ".join(str(each) for each in faults.all())
    missing_ns, codes = tuple(each.t_ns for each in missing), tuple(each.code.value for each in missing)
    fault = ChunkFault(reason, missing_ns=missing_ns, broken=broken, codes=codes) if reason else None
    if fault is not None and not found:
        kept.fail(chunk, fault)
    else:
        kept.commit(chunk, found, fault)
    return Observed(chunk, len(found), time.monotonic() - began, reason, fault is not None and not found)


def probe(files: list[tuple[str, int]], gpus: bool, dask_worker: Worker) -> Probe:
    """Look at what a worker sees.

    Args:
        files: path and bytes of every file that the job needs; a folder has -1 bytes.
        gpus: whether to look for a GPU.
        dask_worker: filled in by Dask.
    """
    limit = dask_worker.memory_manager.memory_limit or 0
    missing = tuple(path for path, size in files if not _seen(Path(path), size))
    return Probe(version.__version__, missing, int(limit), has_gpu() if gpus else None)


def _seen(path: Path, size: int) -> bool:
    try:
        return path.is_dir() if size < 0 else path.stat().st_size == size
    except OSError:
        return False
