"""How many cameras of 1080p25 this machine carries, and what limits them: against bare decoding and bare inference."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from crowdwatch import config
from crowdwatch.core.records import Frame, Stamp
from crowdwatch.drivers import build
from pipelines.benchmarks.live_figures import Measured, kinds
from pipelines.benchmarks.live_process import Engine
from pipelines.benchmarks.live_site import KEYFRAME_S, pictures_of_sample, row_of_cameras, write_event
from pipelines.benchmarks.live_steady import STOP_S, rates_of, start, steady_part, ways_to_store
from pipelines.benchmarks.live_watch import StoreWatch
from pipelines.benchmarks.rtsp_server import RtspServer, encoded_clip
from pipelines.command_line import err, progress

__all__ = ["HD", "measure_hd"]

HD, HD_HZ = (1080, 1920), 25
"""The recording, stretched, and played 2.5 times as fast as it was taken."""

CLIP_S = 12
SAMPLE_HZ, COUNT_HZ = 2.0, 1.0
STEADY_S = 15
"""Of each try: 30 pictures of each camera are due."""

BARE_S = 4.0
"""So long each network runs alone."""

CARRIED_FRAC = 0.95
"""Of the wanted pictures: a machine that analyses so many of each camera carries them."""

FULL_FRAC = 0.9
"""Of the cores: where more are at work, the processor limits."""


def measure_hd(found: Measured) -> None:
    """Find the most cameras of 1080p25 that this machine carries.

    Raises:
        ConfigError: something ended, or did not happen in its time.
        SampleUnavailable: the recording can be had from nowhere.
    """
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        clip = hd_clip(Path(name) / "hd.clip")
        decode_s, detect_s, count_s = _bare(clip)
        bare = cores / (HD_HZ * decode_s + SAMPLE_HZ * detect_s + COUNT_HZ * count_s)
        figure = f"{1e3 * decode_s:.1f} / {1e3 * detect_s:.0f} / {1e3 * count_s:.0f} ms"
        costs = {"decode_s": decode_s, "detect_s": detect_s, "count_s": count_s}
        found.add("hd_bare_s", costs, "1080p25: core time of bare decoding, detector, estimator, a picture", figure)
        found.add("hd_bare_cameras", bare, "1080p25: cameras that these alone would allow", f"{bare:.1f}")
        tries = _search(clip, max(1, int(bare)))
    carried = [each for each in tries if each["carried"]]
    most = max((each["cameras"] for each in carried), default=0)
    found.values["hd_tries"] = tries
    share = most / bare
    figure = f"{most} ({share:.0%} of what bare decoding and inference allow)"
    what = f"1080p25: cameras carried, {SAMPLE_HZ:g} pictures a second analysed of each"
    found.add("hd_cameras", most, what, figure, "say", "90 %")
    short = next((each for each in tries if each["cameras"] == most + 1), tries[-1])
    found.add("hd_limit", short["limit"], f"1080p25: what limits, at {short['cameras']} cameras", short["limit"])


def hd_clip(path: Path) -> Path:
    """The recording as 1080p25 for the RTSP server. Raises SampleUnavailable."""
    number = CLIP_S * HD_HZ
    shown = progress(islice(pictures_of_sample(), number), "encoding 1080p25", number)
    stretched = (cv2.resize(each, HD[::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8) for each in shown)
    return encoded_clip(path, stretched, HD, HD_HZ, gop=HD_HZ * KEYFRAME_S)


def _search(clip: Path, begin: int) -> list[dict[str, Any]]:
    """Tries with more cameras while these are carried, and with fewer while they are not."""
    tries = [_try(clip, begin)]
    step = 1 if tries[0]["carried"] else -1
    while begin + step > 0:
        begin += step
        tries.append(_try(clip, begin))
        if tries[-1]["carried"] != (step > 0):
            break
    return tries


def _try(clip: Path, cameras: int) -> dict[str, Any]:
    """A live run of so many cameras."""
    err.print(f"1080p25: {cameras} cameras")
    found = Measured({"cameras": cameras}, [])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mounts = {f"/cam-{number + 1}": clip for number in range(cameras)}
        server = stack.enter_context(RtspServer(mounts))
        event = row_of_cameras([server.url(mount) for mount in mounts], sample_hz=SAMPLE_HZ, hw=HD)
        path = write_event(event, folder / "event.yaml")
        tick_s = config.load(path).tick_s
        engine = stack.enter_context(Engine(path, folder / "live"))
        watch = stack.enter_context(StoreWatch(engine))
        start(engine, watch, [zone["id"] for zone in event["zones"]], found)
        steady = steady_part(engine, watch, server, STEADY_S, cameras, tick_s, found)
        begun = {mount.removeprefix("/"): began_s for mount, began_s in server.begun().items()}
        engine.stop(STOP_S)
        ways = ways_to_store(engine, watch, steady, begun, 1 / HD_HZ, found)
        least_hz = rates_of(ways, cameras, SAMPLE_HZ, found)
        found.values["messages"] = kinds(watch.messages)
    values = {key: value for key, value in found.values.items() if key != "memory_mb_by_s"}
    values["carried"] = least_hz >= CARRIED_FRAC * SAMPLE_HZ and values["unknown_frac"] == 0
    values["limit"] = _limit(values)
    return values


def _limit(values: dict[str, Any]) -> str:
    """What a try needed most of."""
    cores, roles = len(os.sched_getaffinity(0)), values["cores_by_role"]
    parts = ", ".join(f"{role} {each:.2f}" for role, each in sorted(roles.items(), key=lambda each: -each[1]))
    used = values["cores"] + values["server_cores"]
    if values["other_cores"] > 1 - FULL_FRAC:
        return f"other programs took {values['other_cores']:.2f} cores: measure on an idle machine ({parts})"
    if used < FULL_FRAC * cores:
        return f"not the processor: {used:.2f} of {cores} cores are at work ({parts})"
    what = {"reader": "decoding", "station": "analysing"}.get(max(roles, key=roles.__getitem__), "the fold")
    return f"the processor, most of it for {what} ({parts} of {cores} cores)"


def _bare(clip: Path) -> tuple[float, float, float]:
    """Core seconds of a decoded picture, of one in the detector, and of one in the density estimator, without anything
    else."""
    pictures, decode_s = _decoded(clip)
    with tempfile.TemporaryDirectory() as name:
        event = config.load(
            write_event(row_of_cameras(["rtsp://127.0.0.1/a"], sample_hz=SAMPLE_HZ, hw=HD), Path(name) / "event.yaml")
        )
    site = config.to_site(event)
    (camera,), cores = site.cameras, len(os.sched_getaffinity(0))
    models = build.Models(event, site, cameras=cores)
    frames = [Frame(Stamp(camera.camera_id, number, number), each) for number, each in enumerate(pictures)]
    try:
        detector, counter = models.detector(camera), models.counter()[0]
        detect_s = _core_s(lambda frame: detector.detect([frame]), frames)
        count_s = 0.0 if counter is None else _core_s(lambda frame: counter.count([frame]), frames)
    finally:
        models.close()
    return decode_s, detect_s, count_s


def _decoded(clip: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """Some pictures of a clip, and the core seconds of decoding one, on one thread."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    began, number, kept = time.thread_time(), 0, []
    for content in _packets(clip):
        for frame in decoder.decode(av.Packet(content)):
            number += 1
            if number % HD_HZ == 0:
                kept.append(frame)
    took_s = (time.thread_time() - began) / max(number, 1)
    return [each.to_ndarray(format="bgr24").astype(np.uint8, copy=False) for each in kept], took_s


def _packets(clip: Path) -> Iterable[bytes]:
    with clip.open("rb") as file:
        file.readline()
        while entry := file.read(12):
            yield file.read(int.from_bytes(entry[8:], "big"))


def _core_s(look: Callable[[Frame], object], frames: list[Frame]) -> float:
    """Core seconds of one picture, as many at once as there are cores."""
    cores = len(os.sched_getaffinity(0))
    look(frames[0])  # what is prepared once
    ends_s = time.monotonic() + BARE_S

    def work(first: int) -> int:
        done = 0
        while time.monotonic() < ends_s:
            look(frames[(first + done) % len(frames)])
            done += 1
        return done

    began_s = time.process_time()
    with ThreadPoolExecutor(cores) as pool:
        done = sum(pool.map(work, range(cores)))
    return (time.process_time() - began_s) / done
