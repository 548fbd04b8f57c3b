"""A Dask cluster for a batch job: begun here or reached, and looked at before anything is submitted."""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from crowdwatch.config import EventFile
from crowdwatch.core.version import __version__
from crowdwatch.detectors.choose import has_gpu
from crowdwatch.drivers.batch import Job
from crowdwatch.errors import ClusterUnavailable, ConfigError, MissingPackage
from pipelines.batch.batch_worker import ModelPlugin, Probe, probe

__all__ = ["check_workers", "for_gpus", "models_on", "open_client"]

ANSWER_S = 10
"""How long a scheduler or its first worker may take to answer."""

MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": 64 * 1024**2,
    "MALLOC_MMAP_THRESHOLD_": 5 * 1024**2,
    "MALLOC_ARENA_MAX": 2,
}
"""How glibc keeps memory in a worker. Dask's own threshold of 64 kB gives every picture back to the system, and to
prepare the next one takes three times as long. Kept instead: what comes again with every frame, such as a network's
input; given back at once: what is larger, pictures of 1080p and more. Threads share two heaps."""

LEAST_BYTES = 700 * 1024**2
"""Memory that a worker needs: models and a chunk."""

LEAST_BYTES_GPU = 1600 * 1024**2
"""The same beside a GPU, most of it CUDA's: a process took 1,516 MB on an H100 (docs/benchmarks.md)."""


def for_gpus(event: EventFile, scheduler: str | None) -> EventFile:
    """The event with its networks on the GPU for certain: one that would quietly run on a CPU is refused here.

    Args:
        event: the event file.
        scheduler: address of a running scheduler, whose workers are asked later; None needs a GPU on this machine.

    Raises:
        MissingPackage: dask-cuda is not installed here.
        ClusterUnavailable: torch finds no GPU here.
        ConfigError: the event file asks for what runs on a CPU alone.
    """
    if scheduler is None:
        _cuda_cluster()
        if not has_gpu():
            raise ClusterUnavailable(
                "--gpus: torch finds no usable NVIDIA GPU on this machine. Install the driver and a CUDA build of "
                "torch, name a cluster that has GPUs with --scheduler, or leave out --gpus."
            )
    faults = [
        f"{key}: {{runtime: openvino}} runs on a CPU"
        for key in ("detector", "counter")
        if getattr(event, key).runtime == "openvino"
    ]
    if event.detector.precision != "f32":
        faults.append(f"detector: {{precision: {event.detector.precision}}} is OpenVINO's, torch knows f32")
    if faults:
        raise ConfigError(f"--gpus: {'; '.join(faults)}. Correct the event file, or leave out --gpus.")
    parts = {key: getattr(event, key).model_copy(update={"runtime": "torch"}) for key in ("detector", "counter")}
    return event.model_copy(update=parts)


def _cuda_cluster() -> Any:
    """dask-cuda's cluster: a worker process per GPU, each seeing its own first."""
    try:
        return importlib.import_module("dask_cuda").LocalCUDACluster
    except ImportError as error:
        raise MissingPackage(
            f"--gpus: dask-cuda cannot be used ({error}). Run: pip install 'crowdwatch[gpu]'"
        ) from error


@contextmanager
def open_client(workers: int, scheduler: str | None, *, gpus: bool = False, profile: bool = False) -> Iterator[Client]:
    """Reach a scheduler, or begin a cluster of processes on this machine.

    Args:
        workers: processes of a local cluster without GPUs.
        scheduler: address of a running scheduler, as in ``tcp://10.0.0.7:8786``; None begins a local cluster.
        gpus: whether a local cluster has one process for each GPU.
        profile: whether its workers look every 10 ms at what they are doing, for Dask's report.

    Raises:
        ClusterUnavailable: the scheduler does not answer, or has no worker.
    """
    if scheduler is None:
        settings = {
            "distributed.worker.daemon": True,
            "distributed.scheduler.allowed-failures": 2,
            "distributed.worker.profile.enabled": profile,
            **{f"distributed.nanny.pre-spawn-environ.{key}": value for key, value in MALLOC.items()},
        }
        # an error of a chunk is told by the job, in one sentence: not by each worker with its traceback too
        common = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
        with (
            dask.config.set(settings),
            _cuda_cluster()(**common) if gpus else LocalCluster(n_workers=workers, processes=True, **common) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=ANSWER_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterUnavailable(
            f"scheduler {scheduler}: does not answer within {ANSWER_S} s. Check the address and that `dask scheduler` "
            f"runs there, or leave out --scheduler to use this machine."
        ) from error
    with client:
        yield client


def check_workers(client: Client, job: Job, *, gpus: bool = False) -> int:
    """Look whether every worker can run the chunks of a job; returns how many there are.

    Raises:
        ClusterUnavailable: there is no worker, or one cannot: other version, too little memory, files out of reach, no
            GPU where ``gpus`` asks for one.
    """
    deadline = time.monotonic() + ANSWER_S
    while not client.nthreads():
        if time.monotonic() > deadline:
            address = client.scheduler_info()["address"]
            raise ClusterUnavailable(f"scheduler {address}: has no worker. Start some: dask worker {address}")
        time.sleep(0.2)
    files = [(path, size) for each in job.plan.footage.values() for path, size, _ in each]
    files.append((str(job.folder), -1))
    found = client.run(probe, files, gpus, on_error="return")
    faults = [f"worker {address}: {fault}" for address, each in sorted(found.items()) if (fault := _fault(each, gpus))]
    if faults:
        raise ClusterUnavailable(
            "\n".join(faults) + "\nMend or stop these workers, then run the same command again. Nothing was submitted."
        )
    return len(found)


@contextmanager
def models_on(
    client: Client, job: Job, workers: int, *, local: bool, prepare: Callable[[], None] | None = None
) -> Iterator[None]:
    """Load the models once on every worker, and take them away again: a cluster outlives the job, and whoever joins it
    later would load them too. On this machine the workers share its cores, and ``prepare`` is called in each.

    Raises:
        ModelError: as of the composition root, on a worker.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // workers) if local else None
    plugin = ModelPlugin(job.run.run_id, job.event.model_dump_json(), threads, prepare if local else None)
    client.register_plugin(plugin)
    try:
        yield
    finally:
        if not local:
            with suppress(OSError, TimeoutError):  # the scheduler may be what failed
                client.unregister_worker_plugin(plugin.name)


def _fault(found: Probe | BaseException, gpus: bool) -> str:
    if isinstance(found, BaseException):
        return f"cannot run CrowdWatch ({found}). Install the same version there."
    if found.version != __version__:
        return f"has CrowdWatch {found.version}, here is {__version__}. Install the same version there."
    if found.missing:
        more = f" and {len(found.missing) - 1} more" if len(found.missing) > 1 else ""
        return f"does not see {Path(found.missing[0])}{more} as it is here. Mount the same folder at the same path."
    least = LEAST_BYTES_GPU if gpus else LEAST_BYTES
    if 0 < found.memory_bytes < least:
        return (
            f"may use {found.memory_bytes / 1024**2:.0f} MB, need {least / 1024**2:.0f}. "
            f"Start fewer workers, or raise --memory-limit."
        )
    if found.gpu is False:
        return "finds no usable GPU. Start it with dask-cuda, `dask cuda worker ADDRESS`, or leave out --gpus."
    return ""
