"""``--gpus`` never waits and never computes on a CPU instead: what is missing is said before anything is submitted.

These tests need no GPU, and hide one: dask-cuda is stood in for, the Dask cluster behind it is real.
"""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from distributed import LocalCluster

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.detectors import torch_yolo
from crowdwatch.drivers.batch import GPU_FRAMES, JobSettings
from crowdwatch.errors import ClusterUnavailable, ConfigError, MissingPackage
from pipelines.batch.cluster import for_gpus
from pipelines.batch.observe_batch import BatchOptions, run_batch


@pytest.fixture
def event():
    return config.load(example("synthetic"))


def options(folder, **more):
    return BatchOptions(JobSettings(Path(folder)), f"sqlite:///{folder}/store.sqlite", gpus=True, **more)


@pytest.fixture
def asked(monkeypatch):
    """dask-cuda as far as it is used here: a cluster class that begins one worker; what it was asked for is kept."""
    kept = []

    class LocalCUDACluster(LocalCluster):
        def __init__(self, **settings):
            kept.append(settings)
            super().__init__(n_workers=1, **settings)

    module = ModuleType("dask_cuda")
    module.LocalCUDACluster = LocalCUDACluster
    monkeypatch.setitem(sys.modules, "dask_cuda", module)
    return kept


def untouched(folder):
    """No run was begun. (The store is opened first.)"""
    return not list(Path(folder).rglob("batch.json"))


def test_without_dask_cuda_it_says_what_to_install(event, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_cuda", None)  # as if it were not installed
    with pytest.raises(MissingPackage, match=r"dask-cuda.*pip install 'crowdwatch\[gpu\]'"):
        run_batch(event, options(tmp_path))
    assert untouched(tmp_path)


def test_without_a_gpu_it_says_so(event, tmp_path, asked, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    with pytest.raises(ClusterUnavailable, match=r"no usable NVIDIA GPU.*--scheduler"):
        run_batch(event, options(tmp_path))
    assert not asked
    assert untouched(tmp_path)


def test_a_worker_that_finds_no_gpu_is_named(event, tmp_path, asked, monkeypatch):
    """dask-cuda's class is the one that is begun, and its workers are looked at before anything is submitted."""
    monkeypatch.setattr("pipelines.batch.cluster.has_gpu", lambda: True)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi for the workers
    with pytest.raises(ClusterUnavailable, match=r"(?s)worker tcp://.*finds no usable GPU.*Nothing was submitted"):
        run_batch(event, options(tmp_path))
    assert [each["threads_per_worker"] for each in asked] == [1]
    assert not list(tmp_path.rglob("chunk-*"))


def test_what_runs_on_a_cpu_alone_is_refused(event):
    detector = event.detector.model_copy(update={"runtime": "openvino", "precision": "bf16"})
    with pytest.raises(ConfigError, match=r"runtime: openvino.*precision: bf16"):
        for_gpus(event.model_copy(update={"detector": detector}), "tcp://10.0.0.7:8786")


def test_networks_are_put_on_torch(event):
    """``auto`` would take OpenVINO, on the CPU, where only such weights are found."""
    chosen = for_gpus(event, "tcp://10.0.0.7:8786")
    assert (chosen.detector.runtime, chosen.counter.runtime) == ("torch", "torch")


def test_as_many_frames_together_as_the_detector_passes_at_once():
    assert GPU_FRAMES == torch_yolo.CUDA_BATCH
