"""How far Dask's scheduler carries a batch job: ``python -m pipelines.benchmark_scheduler``.

A real scheduler, in a process of its own, hands out as many tasks as a large job has chunks. They travel with what a
chunk's task travels with, and sleep for as long as a chunk was measured to take, on workers of one thread each, many to
a process, because one machine cannot hold the processes of a cluster. What a chunk costs the scheduler is the time of
the processor that it used; its peak memory is read from the kernel.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Annotated, Any

import typer
from distributed import Client, Scheduler, Worker
from rich.console import Console
from rich.table import Table

from crowdwatch.core.chunks import Chunk
from crowdwatch.errors import ClusterUnavailable
from pipelines.batch.batch_worker import Observed
from pipelines.batch.observe_batch import IN_FLIGHT
from pipelines.benchmarks.child_process import SPAWN, check_alive
from pipelines.benchmarks.process_watch import cpu_s, peak_mb
from pipelines.command_line import print_json, run

app = typer.Typer(help="Measure what Dask's scheduler costs.", add_completion=False)

NS = 1_000_000_000
CAMERAS = (50, 500, 5000)
DAY_H = 24
POLL_S = 2.0
START_S = 300.0
"""Until all workers are there."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation found.

    Args:
        tasks, task_s, workers: how many, how long each sleeps, on how many workers of one thread.
        wall_s: until the last one was back at the client.
        ideal_s: what the sleeping alone takes on these workers.
        submit_s: until the client had handed over all of them.
        scheduler_cpu_s: time of the processor that the scheduler used for them.
        peak_mb: its peak memory; ``idle_mb`` before the first task.
    """

    tasks: int
    task_s: float
    workers: int
    wall_s: float
    ideal_s: float
    submit_s: float
    scheduler_cpu_s: float
    idle_mb: float
    peak_mb: float

    @property
    def cpu_ms_per_task(self) -> float:
        """What a task costs the scheduler."""
        return self.scheduler_cpu_s / self.tasks * 1e3

    @property
    def kb_per_task(self) -> float:
        """What a task adds to the scheduler's memory while all of them are known to it."""
        return (self.peak_mb - self.idle_mb) / self.tasks * 1024


def asleep(
    run_id: str, folder: str, chunk: Chunk, batch_frames: int, sample_hz: float | None, task_s: float
) -> Observed:
    """What stands in for observing a chunk: the same arguments and the same answer, and nothing but time between."""
    time.sleep(task_s)
    return Observed(chunk, 600, task_s)


def _scheduler(tell: Connection) -> None:
    logging.getLogger("distributed").setLevel(logging.ERROR)

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            tell.send(scheduler.address)
            await scheduler.finished()

    asyncio.run(serve())


def _workers(address: str, count: int) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # they are ended, not asked to end

    async def serve() -> None:
        workers = [Worker(address, nthreads=1, memory_limit=0, dashboard=False) for _ in range(count)]
        await asyncio.gather(*workers)
        await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(serve())


def _patiently(wait: Callable[..., Any], processes: Sequence[BaseProcess], most_s: float = math.inf) -> None:
    """Wait for Dask in short spans, until it is done, or one of these processes has ended, or the time is up."""
    began = time.monotonic()
    while True:
        check_alive(processes)
        try:
            wait(timeout=POLL_S)
        except TimeoutError:
            if time.monotonic() - began > most_s:
                raise
            continue
        return


def simulate(tasks: int, task_s: float, workers: int, hosts: int) -> Simulated:
    """Run so many sleeping tasks through a scheduler.

    Args:
        tasks: as many as chunks.
        task_s: as long as a chunk takes.
        workers: of one thread.
        hosts: processes that hold them.
    """
    told, tell = SPAWN.Pipe(duplex=False)
    scheduler = SPAWN.Process(target=_scheduler, args=(tell,), name="Dask's scheduler", daemon=True)
    scheduler.start()
    tell.close()
    try:
        address = told.recv()
    except EOFError as error:
        scheduler.join()
        raise ClusterUnavailable(
            f"Dask's scheduler ended with exit code {scheduler.exitcode} before it listened. Its last words stand "
            "above."
        ) from error
    counts = [len(range(host, workers, hosts)) for host in range(hosts)]
    crowd = [
        SPAWN.Process(target=_workers, args=(address, count), name="a process of workers", daemon=True)
        for count in counts
    ]
    for process in crowd:
        process.start()
    try:
        with Client(address, timeout=60) as client:
            _patiently(partial(client.wait_for_workers, workers), [*crowd, scheduler], START_S)
            pid = scheduler.pid or 0
            idle_mb, cpu_before = peak_mb(pid), cpu_s(pid)
            began = time.perf_counter()
            spans = ((f"camera-{n % 50:04d}", n // 50 * 300) for n in range(tasks))
            chunks = [Chunk(camera, from_s * NS, (from_s + 300) * NS) for camera, from_s in spans]
            name, folder = "run-20260101T000000", "/archive/runs/run-20260101T000000"
            futures = [
                client.submit(asleep, name, folder, chunk, 1, None, task_s, pure=False, retries=1) for chunk in chunks
            ]
            submit_s = time.perf_counter() - began
            for future in futures:
                _patiently(future.result, [*crowd, scheduler])
            wall_s = time.perf_counter() - began
            used_s, top_mb = cpu_s(pid) - cpu_before, peak_mb(pid)
    finally:
        for process in (*crowd, scheduler):
            process.terminate()
            process.join()
    ideal_s = -(-tasks // workers) * task_s
    return Simulated(tasks, task_s, workers, wall_s, ideal_s, submit_s, used_s, idle_mb, top_mb)


def cameras(found: Simulated, chunk_s: float, cost_s: float, log_mb: float, mbit_s: float) -> list[dict[str, float]]:
    """Work the measurements out for archives of a day.

    Args:
        found: of the simulation.
        chunk_s: event time of a chunk.
        cost_s: seconds of one core for an hour of one camera; a worker has one.
        log_mb: observation log of an hour of one camera.
        mbit_s: of a camera's footage.

    Returns:
        For each number of cameras: chunks, workers that finish in eight hours, what they read from the archive by then,
        the scheduler's load (share of one core), its memory (a job hands over at most IN_FLIGHT chunks at once), the
        same with all of them at once, and the log. The fold grows with sites, not with cameras: ``benchmark --fold``.
    """
    rows = []
    for count in CAMERAS:
        hours = count * DAY_H
        chunks = hours * 3600 / chunk_s
        rows.append(
            {
                "cameras": count,
                "camera_hours": hours,
                "chunks": chunks,
                "workers_for_8_h": hours * cost_s / (8 * 3600),
                "read_gb_s": hours * 3600 * mbit_s / 8 / 1e3 / (8 * 3600),
                "scheduler_load": chunks * found.cpu_ms_per_task / 1e3 / (8 * 3600),
                "scheduler_mb": found.idle_mb + min(chunks, IN_FLIGHT) * found.kb_per_task / 1024,
                "all_at_once_mb": found.idle_mb + chunks * found.kb_per_task / 1024,
                "log_gb": hours * log_mb / 1024,
            }
        )
    return rows


@app.command()
def main_command(
    tasks: Annotated[int, typer.Option(min=1, help="Chunks.")] = 10_000,
    task_s: Annotated[float, typer.Option(min=0, help="Seconds that a chunk takes, as measured.")] = 5.0,
    workers: Annotated[int, typer.Option(min=1, help="Workers of one thread.")] = 256,
    hosts: Annotated[int, typer.Option(min=1, help="Processes that hold them.")] = 4,
    chunk_s: Annotated[float, typer.Option(min=1, help="Event time of a chunk, for the table.")] = 300.0,
    cost_s: Annotated[float | None, typer.Option(help="CPU seconds per camera-hour; prints the table.")] = None,
    log_mb: Annotated[float, typer.Option(help="Log of a camera-hour in MB, for the table.")] = 0.0,
    mbit_s: Annotated[float, typer.Option(help="A camera's footage in Mbit/s, for the table.")] = 6.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a task costs the scheduler, and what follows for many cameras."""
    found = simulate(tasks, task_s, workers, hosts)
    rows = [] if cost_s is None else cameras(found, chunk_s, cost_s=cost_s, log_mb=log_mb, mbit_s=mbit_s)
    if as_json:
        print_json({**asdict(found), "cpu_ms_per_task": found.cpu_ms_per_task, "kb_per_task": found.kb_per_task,
                    "cameras": rows})  # fmt: skip
        return
    console = Console(width=150)
    console.print(
        f"{tasks} tasks of {task_s:g} s on {workers} workers: {found.wall_s:.1f} s, the sleeping alone "
        f"{found.ideal_s:.1f} s; handed over in {found.submit_s:.1f} s"
    )
    console.print(
        f"scheduler: {found.cpu_ms_per_task:.2f} ms of the processor a task, {found.kb_per_task:.1f} kB a task, memory "
        f"{found.idle_mb:.0f} MB before, at most {found.peak_mb:.0f} MB"
    )
    if rows:
        table = Table(*rows[0], title="a day of every camera, done in 8 hours")
        for row in rows:
            table.add_row(*(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in row.values()))
        console.print(table)


def main() -> None:
    """Run the command line."""
    run(app)
