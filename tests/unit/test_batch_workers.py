"""A running cluster that cannot run the job is told so, worker by worker, before anything is submitted.

A perfect model: the jobs that run watch the drawn scene, where ``TruthDetector`` finds everybody.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from batches import dask, event_of, options
from films import film

from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import ClusterUnavailable
from pipelines.batch import cluster, observe_batch
from pipelines.batch.observe_batch import run_batch


def isolated():
    """Words that start a program with mounts of its own, which nobody else sees."""
    words = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        reason = "this machine does not allow mounts of one's own (unshare)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return words


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """A scheduler that somebody else started, without workers."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    with dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)) as it:
        for line in it.stdout:
            if found := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
                break
        yield found[1]


@pytest.fixture
def worker(scheduler):
    """Begin a worker; it is there when this returns. Without a nanny it is one process and starts in half the time."""
    begun = []

    def begin(*words, wrap=()):
        process = dask("worker", scheduler, "--nthreads", "1", "--no-dashboard", *words, wrap=wrap)
        begun.append(process)
        for line in process.__enter__().stdout:
            if "Registered to" in line:
                return

    yield begin
    for each in begun:
        each.__exit__(None, None, None)


@pytest.fixture
def event(tmp_path):
    """The drawn scene, boxes alone, two pictures a second."""
    return event_of(tmp_path, "synthetic: plaza, capture_rate_hz: 2", hw=(288, 384))


def end_ns(event):
    """Far enough for the first alarms, so that equal digests say something."""
    return event.cameras[0].source.start_ns + 45_000_000_000


def replay(event, folder):
    url = f"sqlite:///{folder}/replay.sqlite"
    return replay_recording(event, Options(folder / "replay", url, to_ns=end_ns(event), pictures=False))


def refused(event, tmp_path, scheduler, pattern):
    with pytest.raises(ClusterUnavailable, match=pattern):
        run_batch(event, options(tmp_path, scheduler=scheduler))
    assert not list(tmp_path.rglob("chunk-*"))


def test_an_address_that_is_no_scheduler_is_named(event, tmp_path):
    refused(event, tmp_path, "10.0.0.7 8786", "does not answer.*Check the address")


def test_a_scheduler_without_workers_says_how_to_start_some(event, tmp_path, scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_S", 1)
    refused(event, tmp_path, scheduler, f"has no worker. Start some: dask worker {scheduler}")


def test_a_running_cluster_does_the_job(event, tmp_path, scheduler, worker, monkeypatch):
    """Two workers of somebody else's, who are handed two chunks at a time; the result is the replay's."""
    monkeypatch.setattr(observe_batch, "IN_FLIGHT", 2)
    worker()
    worker()
    notes = []
    asked = options(tmp_path, {"to_ns": end_ns(event), "chunk_s": 10.0}, scheduler=scheduler, say=notes.append)
    facts = run_batch(event, asked).facts
    replayed = replay(event, tmp_path)
    assert replayed.totals.alerts
    assert facts["alerts_digest"] == replayed.digest
    assert any(note.startswith("2 workers") for note in notes)


def test_a_worker_of_another_version_is_named(event, tmp_path, scheduler, worker):
    other = tmp_path / "other.py"
    other.write_text("from crowdwatch.core import version\nversion.__version__ = '0.0.7'\n", encoding="utf-8")
    worker("--no-nanny", "--preload", str(other))
    refused(event, tmp_path, scheduler, r"worker tcp://\S+: has CrowdWatch 0\.0\.7, here is")


def test_a_worker_without_crowdwatch_is_named(event, tmp_path, scheduler, worker):
    other = tmp_path / "other.py"
    other.write_text("import sys\nsys.modules['crowdwatch'] = sys.modules['pipelines'] = None\n", encoding="utf-8")
    worker("--no-nanny", "--preload", str(other))
    refused(event, tmp_path, scheduler, r"worker tcp://\S+: cannot run CrowdWatch")


def test_a_worker_with_too_little_memory_is_named(event, tmp_path, scheduler, worker):
    worker("--no-nanny", "--memory-limit", "300 MiB")
    refused(event, tmp_path, scheduler, r"worker tcp://\S+: may use 300 MB, need 700.*--memory-limit")


def test_a_worker_that_does_not_see_the_footage_is_named(tmp_path, scheduler, worker):
    """It has another disk mounted where the footage lies here."""
    folder = tmp_path / "footage"
    folder.mkdir()
    event = event_of(folder, f"file: {film(folder / 'a.mp4')}")
    script = f'mount -t tmpfs tmpfs {folder} && exec "$@"'
    worker("--no-nanny", wrap=(*isolated(), "sh", "-c", script, "sh"))
    refused(event, tmp_path, scheduler, rf"worker tcp://\S+: does not see {re.escape(str(folder / 'a.mp4'))}.*Mount")


def test_a_full_disk_stops_a_job_and_it_goes_on(event, tmp_path):
    """A disk of 64 kB for the chunks, then a larger one."""
    runs, url = tmp_path / "runs", f"sqlite:///{tmp_path}/store.sqlite"
    runs.mkdir()
    batch = f"{sys.executable} -m crowdwatch batch {tmp_path}/event.yaml --to 45 --chunk-s 5 --workers 1"
    words = f"{batch} --runs {runs} --store {url}"
    script = (
        f"mount -t tmpfs -o size=64k tmpfs {runs} && {{ {words}; echo ended with $?; "
        f"mount -o remount,size=64m {runs}; {words} --json; }}"
    )
    done = subprocess.run([*isolated(), "sh", "-c", script], capture_output=True, text=True, timeout=600)
    first, _, second = done.stdout.partition("ended with ")
    assert "The disk is full: free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert second.startswith("1\n"), first
    assert done.returncode == 0, done.stderr
    assert replay(event, tmp_path).digest in second
