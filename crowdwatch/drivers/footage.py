"""What there is of every camera's footage, and what is odd with it, said before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from crowdwatch.analytics.staleness import stale_limit_s
from crowdwatch.config.times import format_time
from crowdwatch.core.ports import Source
from crowdwatch.core.site import Camera
from crowdwatch.errors import SourceUnavailable
from crowdwatch.sources.recording import Recording
from crowdwatch.sources.sequence import RecordingSequence

__all__ = ["check_gaps", "notes_of", "recordings_of"]

NS = 1_000_000_000

LONGEST_GAP_NS = 7 * 86_400 * NS
"""Recordings of one event lie closer together: a longer gap is a clock that was not set. Every second is a tick."""


def recordings_of(source: Source) -> tuple[Recording, ...]:
    """The files of a source; none for a scene that is drawn."""
    if isinstance(source, RecordingSequence):
        return source.recordings
    return (source,) if isinstance(source, Recording) else ()


def notes_of(camera: Camera, source: Source) -> Iterator[str]:
    """What is odd with a camera's footage and stops nothing, for people."""
    recordings = recordings_of(source)
    for each in recordings:
        if each.fault is not None:
            yield f"{each.fault} The time without footage will be UNKNOWN."
        yield from each.notes
    codecs = sorted({each.codec for each in recordings})
    if len(codecs) > 1:
        yield f"camera {camera.camera_id!r}: its recordings use several codecs ({', '.join(codecs)}). Each is decoded."
    slow_s = max((each.step_s for each in recordings), default=0.0)
    limit_s = stale_limit_s(camera.sample_interval_s)
    if slow_s > limit_s:
        yield (
            f"camera {camera.camera_id!r}: has a picture every {slow_s:.1f} s, and is silent {limit_s:g} "
            f"s after each, so that its zones are STALE in between. State sample_hz: {_hz(slow_s)} for it: it is then "
            f"awaited three times as long."
        )


def check_gaps(sources: Sequence[Source]) -> None:
    """Refuse footage whose parts lie so far apart that a clock must have been wrong.

    Raises:
        SourceUnavailable: names the two files at either side of every such gap.
    """
    spans = sorted((*each.span_ns, each.path) for source in sources for each in recordings_of(source))
    faults = []
    end_ns, last = spans[0][1:] if spans else (0, Path())
    for from_ns, to_ns, path in spans[1:]:
        if from_ns - end_ns > LONGEST_GAP_NS:
            faults.append(_gap(last, end_ns, path, from_ns))
        if to_ns > end_ns:
            end_ns, last = to_ns, path
    if faults:
        raise SourceUnavailable("\n".join(faults))


def _gap(one: Path, end_ns: int, other: Path, from_ns: int) -> str:
    days = (from_ns - end_ns) / (86_400 * NS)
    return (
        f"recordings: between {one} (to {format_time(end_ns // NS * NS)}) and {other} (from {format_time(from_ns)}) "
        f"lie {days:,.0f} days without footage. Was a recorder's clock not set? Correct the start_time of one of them, "
        f"or make two event files."
    )


def _hz(step_s: float) -> str:
    return f"{1 / step_s:.2g}"
