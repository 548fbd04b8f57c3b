"""How well a camera's faults are found: recordings with faults put in, and the same recordings without any.

Every recording is looked at twice: as it is, and encoded once more (H.264, a keyframe every two seconds), as a camera
would. A lead of good pictures is learned from; then each fault begins, lasts, and ends. No detector is needed: what is
judged are the measures of pictures alone (:mod:`crowdwatch.observation.evidence`), without knowing where people are.

Of a recording of at least 600 frames the first 200 are left to those who choose limits. Shorter ones go forth and
back.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np

from crowdwatch.analytics.health import CameraWatch
from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Evidence, Frame, FramePair, Stamp
from crowdwatch.errors import SourceUnavailable
from crowdwatch.observation.evidence import evidence
from crowdwatch.observation.observe import PROFILES_EVERY_S
from crowdwatch.observation.schedule import NS, first_of_span
from pipelines.evaluation.camera_drift import drift_frac
from pipelines.evaluation.health_faults import FAULTS, Fault, Picture

__all__ = ["FalseAlarms", "Found", "Recording", "false_alarms", "find_faults", "recordings", "summary"]

MOST_HZ = 6.0
"""Pictures a second that are looked at."""

CHOICES, LONG = 200, 600
LEAD_S, FAULT_S, BACK_S = 30.0, 14.0, 12.0
"""Seconds of good pictures, of the fault, and of good ones again."""

SAID_WITHIN_S = 10.0
SETTLED = 0.8
"""A fault is found that is said within ten seconds, and from then on in this share of its pictures."""

LIMIT_S = stale_limit_s(0.0)

HELD_FRAC = 0.005
"""A camera whose picture drifts by more of its width than this is held by hand. Of three recordings two drift by less
than 0.0002, the third by 0.012."""
CODINGS = ("as recorded", "encoded again")

JUDGEMENTS = sum(len(CODINGS) - fault.coded_only for fault in FAULTS)
"""Faults that are put into one recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Pictures of one camera.

    Args:
        name: of the file.
        hz: pictures a second.
        lead: pictures to learn from.
        rest: pictures behind them, to be spoiled.
    """

    name: str
    hz: Fraction
    lead: tuple[Picture, ...]
    rest: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """How one fault was found in one recording.

    Args:
        fault, recording, coding: which.
        said_s: seconds until it was said; None when it was not.
        settled: share of the fault's later pictures in which it was said.
        counted_s: seconds of spoiled pictures from which people would have been counted.
        share: mean share of the picture that was lost, from when it was said.
        kinds: what was said of the camera, with how often.
        over_s: seconds after its end until all was well; None when it never was.
    """

    fault: str
    recording: str
    coding: str
    said_s: float | None
    settled: float
    counted_s: float
    share: float
    kinds: dict[str, int]
    over_s: float | None

    @property
    def hit(self) -> bool:
        """Whether it was found in time and for as long as it lasted."""
        return self.said_s is not None and self.said_s <= SAID_WITHIN_S and self.settled >= SETTLED


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What was said of pictures in which nothing is wrong.

    Args:
        recording, coding: which.
        hours: that were judged, the recording again and again.
        blind: times that the camera was said to be ill.
        partly: times that a part of its picture was said to be lost.
        left_out: share of the pictures from which nobody was counted.
        untold_s: seconds in which it could not be told whether it was frozen.
        drift_frac: of the camera; one that drifts by :data:`HELD_FRAC` does not stand still, so that what
            is said of it is not false.
    """

    recording: str
    coding: str
    hours: float
    blind: int
    partly: int
    left_out: float
    untold_s: float
    drift_frac: float = 0.0

    @property
    def stands_still(self) -> bool:
        """Whether the camera is one that does not move."""
        return self.drift_frac < HELD_FRAC


def recordings(folder: Path) -> list[Recording]:
    """The recordings in a folder and the folders in it.

    Raises:
        SourceUnavailable: there is none, or one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".avi", ".mp4"))
    if not paths:
        raise SourceUnavailable(f"{folder}: holds no recording (.avi, .mp4). Name the folder with vtest.avi.")
    return [_recording(path) for path in paths]


def _recording(path: Path) -> Recording:
    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate or Fraction(10)
            step = max(1, round(rate / Fraction(MOST_HZ)))
            pictures = [_picture(frame) for number, frame in enumerate(container.decode(video=0)) if number % step == 0]
    except av.FFmpegError as error:
        raise SourceUnavailable(f"{path}: cannot be read ({error}). Restore it.") from error
    hz = Fraction(rate) / step
    lead, rest = round(LEAD_S * hz), round((FAULT_S + BACK_S) * hz)
    if len(pictures) * step >= LONG:
        pictures = pictures[CHOICES // step :]
    turns = _forth_and_back(len(pictures))
    order = [next(turns) for _ in range(lead + rest)]
    return Recording(path.name, hz, tuple(pictures[n] for n in order[:lead]), tuple(pictures[n] for n in order[lead:]))


def _picture(frame: av.VideoFrame) -> Picture:
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _forth_and_back(count: int) -> Iterator[int]:
    """0, 1, ..., count - 1, count - 2, ..., 1, 0, 1, ...: pictures in an order without a jump."""
    yield from itertools.cycle([*range(count), *range(count - 2, 0, -1)])


def encoded(pictures: Sequence[Picture], hz: Fraction) -> Iterator[Picture]:
    """The pictures as they come out of an encoder and a decoder."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=hz.limit_denominator(1000))
        stream.height, stream.width = (side // 2 * 2 for side in pictures[0].shape[:2])
        stream.pix_fmt, stream.gop_size = "yuv420p", max(1, round(2 * hz))
        stream.options = {"crf": "26", "preset": "veryfast"}
        for picture in pictures:
            even = np.ascontiguousarray(picture[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="bgr24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as decoded:
        for frame in decoded.decode(video=0):
            yield _picture(frame)


def _measured(pictures: Iterable[Picture], hz: Fraction, first: int = 0) -> Iterator[tuple[int, Evidence]]:
    """The time and the evidence of every picture, each paired with the one before."""
    previous: Frame | None = None
    for number, picture in enumerate(pictures, start=first):
        frame = Frame(Stamp("c", number, int(number * NS / hz)), picture)
        before_ns = None if previous is None else previous.stamp.t_ns
        profiles = first_of_span(PROFILES_EVERY_S, before_ns, frame.stamp.t_ns, None)
        yield frame.stamp.t_ns, evidence(FramePair(previous, frame), profiles=profiles)
        previous = frame


def _watched(watch: CameraWatch, measured: Iterable[tuple[int, Evidence]]) -> Iterator[CameraWatch]:
    for t_ns, seen in measured:
        watch = watch.see(t_ns, seen, None, LIMIT_S)
        yield watch


def find_faults(
    recording: Recording, faults: Sequence[Fault] = FAULTS, shown: Callable[[str], None] = lambda text: None
) -> list[Found]:
    """Put every fault into a recording and see how it is found."""
    found = []
    for coding in CODINGS:
        coded = coding == CODINGS[1]
        lead = encoded(recording.lead, recording.hz) if coded else iter(recording.lead)
        *_, learned = _watched(CameraWatch(), _measured(lead, recording.hz))
        for fault in faults:
            if coded or not fault.coded_only:
                shown(f"{recording.name}, {coding}: {fault.name}")
                found.append(_find(recording, fault, coding, learned))
    return found


def _find(recording: Recording, fault: Fault, coding: str, learned: CameraWatch) -> Found:
    hz, last = recording.hz, recording.lead[-1]
    count = round(FAULT_S * hz)
    shown = [fault.of(picture, number, last) for number, picture in enumerate(recording.rest[:count])]
    shown += recording.rest[count:]
    run_in = 0
    if coding == CODINGS[1]:
        run_in = round(2 * hz)
        shown = list(itertools.islice(encoded([*recording.lead[-run_in:], *shown], hz), run_in, None))
    *_, before = recording.lead
    measured = itertools.islice(_measured([before, *shown], hz, len(recording.lead) - 1), 1, None)
    watches = list(_watched(learned, measured))
    spoiled, after = watches[:count], watches[count:]
    bad = [number for number in range(count) if not fault.every or number % fault.every < fault.every // 2]
    said = [_says(fault, spoiled[number]) for number in bad]
    first = said.index(True) if any(said) else None
    later = said[first:] if first is not None else []
    shares = [spoiled[number].loss.lost.mean() for number in bad[first or 0 :]]
    well = [watch.picture is Health.OK and watch.partly is Health.OK for watch in after]
    over = next((n for n in range(len(well)) if all(well[n:])), None)
    wrong = [
        number for number in bad if spoiled[number].counted and (fault.says or not spoiled[number].loss.lost.any())
    ]
    return Found(
        fault.name, recording.name, coding,
        None if first is None else round(float((bad[first] + 1) / hz), 1),
        round(sum(later) / len(later), 2) if later else 0.0,
        round(float(len(wrong) / hz), 1),
        round(float(np.mean(shares)), 2),
        dict(Counter((w.picture if w.picture is not Health.OK else w.partly).value for w in spoiled)),
        None if over is None else round(float(over / hz), 1),
    )  # fmt: skip


def _says(fault: Fault, watch: CameraWatch) -> bool:
    """Whether what is wrong is said: of the whole camera, or of a part of its picture."""
    if fault.says:
        return watch.picture.value in fault.says
    if watch.picture is not Health.OK:
        return False
    lost = float(watch.loss.lost.mean())
    return watch.loss.doubtful or 0.6 * fault.share <= lost <= min(1.0, 1.2 * fault.share)


def false_alarms(recording: Recording, hours: float) -> list[FalseAlarms]:
    """What is said of a recording in which nothing is wrong, looked at forth and back for so many hours."""
    whole = [*recording.lead, *recording.rest]
    result, drift = [], round(drift_frac(whole, recording.hz), 4)
    for coding in CODINGS:
        pictures = encoded(whole, recording.hz) if coding == CODINGS[1] else iter(whole)
        measured = [seen for _, seen in _measured(pictures, recording.hz)]
        result.append(replace(_false(recording, coding, measured, hours), drift_frac=drift))
    return result


def _false(recording: Recording, coding: str, measured: list[Evidence], hours: float) -> FalseAlarms:
    profiles = [each.blocks.profiles for each in measured if each.blocks is not None]
    known = [next((p for p in profiles[n::-1] if p is not None), None) for n in range(len(profiles))]
    count = max(len(measured), round(hours * 3600 * recording.hz))
    watch, second = CameraWatch(), -1
    blind = partly = left_out = untold = 0
    was_blind = was_partly = False
    for number, at in zip(range(count), _forth_and_back(len(measured)), strict=False):
        seen, t_ns = measured[at], int(number * NS / recording.hz)
        if seen.blocks is not None:
            shown = known[at] if t_ns // NS != second else None
            seen = replace(seen, blocks=replace(seen.blocks, profiles=shown), frame_hash=f"{number:016x}")
        second = t_ns // NS
        watch = watch.see(t_ns, seen, None, LIMIT_S)
        is_blind, is_partly = watch.picture is not Health.OK, bool(watch.loss.lost.any())
        blind += is_blind and not was_blind
        partly += is_partly and not was_partly
        left_out += not watch.counted
        untold += watch.untold
        was_blind, was_partly = is_blind, is_partly
    hz = float(recording.hz)
    return FalseAlarms(
        recording.name, coding, round(count / hz / 3600, 4), blind, partly, round(left_out / count, 5),
        round(untold / hz, 1),
    )  # fmt: skip


def summary(found: Sequence[Found], false: Sequence[FalseAlarms]) -> dict[str, Any]:
    """All of it as plain values, with the sums that count; false alarms are those of cameras that stand still."""
    still = [each for each in false if each.stands_still]
    hours = sum(each.hours for each in still)
    names = list(dict.fromkeys(each.fault for each in found))
    by_fault = {}
    for name in names:
        own = [each for each in found if each.fault == name]
        said = [each.said_s for each in own if each.said_s is not None]
        by_fault[name] = {
            "hits": sum(each.hit for each in own), "of": len(own), "said_s": max(said, default=None),
            "counted_s": max(each.counted_s for each in own),
        }  # fmt: skip
    return {
        "faults": by_fault,
        "hits": sum(each.hit for each in found),
        "of": len(found),
        "hours": round(hours, 3),
        "false_blind_per_h": round(sum(each.blind for each in still) / hours, 3) if hours else None,
        "false_partly_per_h": round(sum(each.partly for each in still) / hours, 3) if hours else None,
        "held_by_hand": sorted({each.recording for each in false if not each.stands_still}),
        "found": [asdict(each) | {"hit": each.hit} for each in found],
        "unspoiled": [asdict(each) for each in false],
    }
