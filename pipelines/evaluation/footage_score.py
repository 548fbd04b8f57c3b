"""Is every frame of every kind of film read, at its own time, however the film is cut? Measured on drawn films."""

from __future__ import annotations

import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from crowdwatch.core.chunks import cut
from crowdwatch.core.records import FramePair
from crowdwatch.errors import CrowdWatchError, SourceTruncated
from crowdwatch.sources.recording import Recording
from pipelines.evaluation.footage_films import Film, number_of
from pipelines.evaluation.footage_kinds import Kind

__all__ = ["Row", "score", "summary"]

NS = 1_000_000_000
START_NS = 1_767_268_799_300_000_000
"""2026-01-01T11:59:59.3Z: chunks are cut at an hour that no second of the film falls on."""

CHUNKS_S = (0.7, 3.0, 13.0)
CUTS = (0.0, 0.13, 0.35, 0.5, 0.77)
"""Where ``--from`` and ``--to`` lie, as a share of the film."""

Seen = tuple[int, int, int | None, int, int]
"""Number of the frame, time in ns, number of the frame before, number that the picture shows, its checksum."""


@dataclass(slots=True)
class Row:
    """What became of one kind.

    Args:
        kind: its name.
        there, found: frames that can be shown, and those of them that were read.
        wrong: frames that were read and are none of them, or twice.
        time_error_s: the largest one.
        tick_s: of the container's clock.
        sigma_s: the largest standard error that was said.
        parts: spans and chunks that were read apart.
        parts_differ: those that are not a part of the whole.
        lost: damaged frames that were counted.
        said: faults and notes.
        silent: whether frames are missing and nothing was said, or something is odd and nothing was said.
        refused: why it could not be read.
        traceback: an error that is none of CrowdWatch's.
        not_made: why there is no film of this kind here.
    """

    kind: str
    there: int = 0
    found: int = 0
    wrong: int = 0
    time_error_s: float = 0.0
    tick_s: float = 0.0
    sigma_s: float = 0.0
    parts: int = 0
    parts_differ: int = 0
    lost: int = 0
    said: list[str] = field(default_factory=list)
    silent: bool = False
    refused: str = ""
    traceback: str = ""
    not_made: str = ""

    @property
    def missed(self) -> bool:
        """Whether a must is missed."""
        if self.not_made:
            return False
        off = self.time_error_s > self.tick_s + 1e-9
        return bool(
            self.found < self.there or self.wrong or off or self.parts_differ or self.silent or self.refused
            or self.traceback
        )  # fmt: skip


def score(kinds: Iterable[Kind], keep: Path | None = None) -> Iterator[Row]:
    """Make a film of every kind, and read it whole and in parts.

    Args:
        kinds: which.
        keep: a folder for the films; None removes them.
    """
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="crowdwatch-footage-") as folder:
            place = Path(folder) if keep is None else keep / re.sub(r"\W+", "-", kind.name)
            place.mkdir(exist_ok=True)
            try:
                film = kind.make(place)
            except (FFmpegError, UnknownCodecError, ValueError) as error:
                yield Row(kind.name, not_made=f"{type(error).__name__}: {error}")
                continue
            yield read(kind.name, film)


def read(name: str, film: Film, cuts: Sequence[float] = CUTS, chunks_s: Sequence[float] = CHUNKS_S) -> Row:
    """Read one film whole and in parts, and hold it against what is in it.

    Args:
        name: of its kind.
        film: the film.
        cuts: where ``--from`` and ``--to`` lie, as a share of it.
        chunks_s: lengths of chunks.
    """
    row = Row(name, there=len(film.numbers), tick_s=film.tick_s)
    try:
        _read(row, film, cuts, chunks_s)
    except CrowdWatchError as error:
        row.refused = str(error)
    except Exception as error:  # noqa: BLE001  that there is none is what is measured
        row.traceback = f"{type(error).__name__}: {error}"
    unsaid = not row.said and not row.lost and not row.refused
    row.silent = unsaid and (film.is_odd or row.found < row.there)
    return row


def _read(row: Row, film: Film, cuts: Sequence[float], chunks_s: Sequence[float]) -> None:
    source = _opened(film)
    whole, row.lost, fault = _span(source, None, None)
    row.said = [*source.notes, *fault]
    due = dict(zip(film.numbers, film.times_s, strict=True))
    shown = [each for each in whole if each[3] in due]
    row.found = len({each[3] for each in shown})
    row.wrong = len(whole) - row.found
    row.time_error_s = max((abs((each[1] - START_NS) / NS - due[each[3]]) for each in shown), default=0.0)
    row.sigma_s = max(source.sigmas_s.tolist(), default=0.0)
    if row.lost != film.lost:
        row.wrong += abs(row.lost - film.lost)
    begin, end = source.span_ns
    for share in cuts:
        at = begin + round(share * (end - begin))
        _part(row, film, whole, at, None)
        _part(row, film, whole, None, at)
    for chunk_s in chunks_s:
        joined: list[Seen] = []
        lost = 0
        for chunk in cut("c", [(begin, end)], round(chunk_s * NS)):
            seen, damaged, _ = _span(_opened(film), chunk.from_ns, chunk.to_ns)
            joined += seen
            lost += damaged
        row.parts += 1
        row.parts_differ += joined != whole or lost != row.lost


def _part(row: Row, film: Film, whole: list[Seen], from_ns: int | None, to_ns: int | None) -> None:
    seen, _, _ = _span(_opened(film), from_ns, to_ns)
    wanted = [each for each in whole if (from_ns or 0) <= each[1] < (to_ns or 1 << 62)]
    row.parts += 1
    row.parts_differ += seen != wanted


def _opened(film: Film) -> Recording:
    return Recording(film.path, camera_id="c", start_ns=START_NS, sample_hz=None)


def _span(source: Recording, from_ns: int | None, to_ns: int | None) -> tuple[list[Seen], int, list[str]]:
    """What is read of a span: frames, how many are damaged, and the fault at its end."""
    seen: list[Seen] = []
    lost, fault = 0, []
    try:
        for item in source.read(from_ns, to_ns):
            if not isinstance(item, FramePair):
                lost += 1
                continue
            stamp, before = item.current.stamp, item.previous
            image = item.current.image_bgr
            seen.append(
                (
                    stamp.seq,
                    stamp.t_ns,
                    None if before is None else before.stamp.seq,
                    number_of(image),
                    zlib.crc32(image.tobytes()),
                )
            )
    except SourceTruncated as error:
        fault = [str(error)]
    return seen, lost, fault


def summary(rows: list[Row]) -> dict[str, Any]:
    """The answer for programs."""
    made = [row for row in rows if not row.not_made]
    return {
        "kinds": len(made),
        "not_made": {row.kind: row.not_made for row in rows if row.not_made},
        "frames_there": sum(row.there for row in made),
        "frames_found": sum(row.found for row in made),
        "frames_wrong": sum(row.wrong for row in made),
        "largest_time_error_ticks": round(
            max((row.time_error_s / row.tick_s for row in made if row.tick_s), default=0), 3
        ),
        "parts": sum(row.parts for row in made),
        "parts_differ": sum(row.parts_differ for row in made),
        "silent_losses": sum(row.silent for row in made),
        "refused": sum(bool(row.refused) for row in made),
        "tracebacks": sum(bool(row.traceback) for row in made),
        "missed": [row.kind for row in made if row.missed],
        "rows": [asdict(row) for row in made],
    }
