"""Where a batch job keeps the observations of its chunks until the fold has put them in order.

::

    chunks/<main|fine>/event=<id>/camera=<id>/hour=<YYYYMMDDTHH>/chunk-<from_ns>-<to_ns>.parquet      observations
    chunks/<main|fine>/.../chunk-<from_ns>-<to_ns>.fault.json                          why some or all are missing

A chunk is done once its Parquet file has its name, and has failed when it has a fault that kept nothing. Both are
written whole or not at all, and the same chunk gives the same bytes, so that writing it twice, also by two workers at
once, is writing it once.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from crowdwatch.core.chunks import Chunk
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.errors import LogCorrupt, RecordError
from crowdwatch.store import files
from crowdwatch.store.columns import SCHEMA_VERSION, as_now, observation_table, observations, write_parquet

__all__ = ["ChunkFault", "ChunkFolder", "Standing"]

ROWS_AT_ONCE = 256
"""Observations of a chunk in memory while it is read: 1 MB at 100 people in a frame."""

_NAME = re.compile(r"chunk-(\d+)-(\d+)\.(parquet|fault\.json)")


@dataclass(frozen=True, slots=True)
class ChunkFault:
    """Why all or some of a chunk is missing.

    Args:
        reason: for people.
        kept: whether there are observations beside it.
        missing_ns: exposure of the pictures that could not be analysed.
        broken: whether its footage cannot be read, or not to its end.
        codes: why each of those pictures could not be; empty: none of them was observed.
    """

    reason: str
    kept: bool = False
    missing_ns: tuple[int, ...] = ()
    broken: bool = True
    codes: tuple[str, ...] = ()

    def missing(self, camera_id: str) -> list[CameraFault]:
        """A fault for each of those pictures."""
        codes = self.codes or (Code.NOT_OBSERVED.value,) * len(self.missing_ns)
        return [CameraFault(camera_id, t_ns, Code(code)) for t_ns, code in zip(self.missing_ns, codes, strict=True)]

    def to_json(self) -> str:
        """The text of a fault's file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ChunkFault:
        """The inverse of :meth:`to_json`. Raises ValueError, TypeError, KeyError: it is none."""
        found = json.loads(text)
        missing_ns = tuple(int(each) for each in found.get("missing_ns", ()))
        codes = tuple(str(each) for each in found.get("codes", ()))
        return cls(str(found["reason"]), bool(found["kept"]), missing_ns, bool(found.get("broken", True)), codes)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a job has come: chunks that are done, and the faults of those that lack something."""

    done: frozenset[Chunk]
    faults: dict[Chunk, ChunkFault] = field(default_factory=dict)

    @property
    def failed(self) -> dict[Chunk, str]:
        """Chunks without any observation, and why."""
        return {chunk: each.reason for chunk, each in self.faults.items() if not each.kept and chunk not in self.done}

    @property
    def partial(self) -> dict[Chunk, str]:
        """Chunks that lack a part, and why."""
        return {chunk: each.reason for chunk, each in self.faults.items() if chunk in self.done}


@dataclass(frozen=True, slots=True)
class ChunkFolder:
    """The chunks of one job.

    Args:
        folder: the run's folder.
        event_id: the event.
    """

    folder: Path
    event_id: str

    @property
    def root(self) -> Path:
        """The folder that holds them."""
        return self.folder / "chunks"

    def path(self, chunk: Chunk) -> Path:
        """The file of a chunk's observations."""
        hour = datetime.fromtimestamp(chunk.from_ns // 1_000_000_000, UTC).strftime("%Y%m%dT%H")
        keys = (f"event={quote(self.event_id, safe='')}", f"camera={quote(chunk.camera_id, safe='')}", f"hour={hour}")
        name = f"chunk-{chunk.from_ns}-{chunk.to_ns}.parquet"
        return self.root.joinpath("fine" if chunk.fine else "main", *keys, name)

    def commit(self, chunk: Chunk, found: Sequence[Observation], fault: ChunkFault | None = None) -> None:
        """Keep what was observed of a chunk; ``fault`` says why the rest of it is missing.

        Raises:
            StoreUnavailable: disk full, read-only.
        """
        if fault is not None:
            self._write_fault(chunk, replace(fault, kept=True))
        table = observation_table(list(enumerate(found)))
        facts = {"crowdwatch_chunk": json.dumps({"schema": SCHEMA_VERSION, "observations": len(found)})}
        files.replace_file(self.path(chunk), lambda file: write_parquet(table, file, facts), by=_writer())

    def fail(self, chunk: Chunk, fault: ChunkFault) -> None:
        """Say why a chunk cannot be observed at all. Raises StoreUnavailable."""
        self._write_fault(chunk, replace(fault, kept=False))

    def forget_failures(self, changed: Collection[str] = ()) -> int:
        """Make what failed, whole or in part, be observed again, and all of the cameras whose footage has changed.

        Returns:
            How many chunks had failed.
        """
        standing = self.standing()
        again = {*standing.failed, *standing.partial}
        for chunk in again | {chunk for chunk in standing.done if chunk.camera_id in changed}:
            files.remove(self.path(chunk))
            files.remove(_fault_path(self.path(chunk)))
        return len(again)

    def standing(self) -> Standing:
        """Look at what is there: by names alone, but for the few faults."""
        done, faults = set(), {}
        for path in self.root.rglob("chunk-*"):
            match = _NAME.fullmatch(path.name)
            if match is None:
                continue
            chunk = self._chunk(path, int(match[1]), int(match[2]))
            if match[3] == "parquet":
                done.add(chunk)
            else:
                faults[chunk] = _read_fault(path)
        return Standing(frozenset(done), faults)

    def read(self, chunk: Chunk, from_ns: int) -> Iterator[Observation]:
        """Yield a chunk's observations with ``t >= from_ns``, a few in memory at a time.

        Raises:
            LogCorrupt: the file is damaged.
        """
        path = self.path(chunk)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                if as_now(file.schema_arrow.empty_table()) is None:
                    raise LogCorrupt(f"chunk {path}: its columns are not those of schema {SCHEMA_VERSION}. {_MEND}")
                for batch in file.iter_batches(ROWS_AT_ONCE):
                    for _, observation in observations(as_now(pa.Table.from_batches([batch]))):
                        if observation.stamp.t_ns >= from_ns:
                            yield observation
        except (OSError, pa.ArrowException, RecordError, ValueError) as error:
            if isinstance(error, LogCorrupt):
                raise
            raise LogCorrupt(f"chunk {path}: cannot be read: {' '.join(str(error).split())}. {_MEND}") from error

    def sweep(self) -> None:
        """Remove what interrupted writers left behind."""
        for path in self.root.rglob(".*"):
            if path.is_file() and files.is_scratch(path):
                files.remove(path)

    def _write_fault(self, chunk: Chunk, fault: ChunkFault) -> None:
        text = fault.to_json() + "\n"
        files.replace_file(_fault_path(self.path(chunk)), lambda file: file.write(text.encode()), by=_writer())

    def _chunk(self, path: Path, from_ns: int, to_ns: int) -> Chunk:
        camera = next(part for part in path.parts[::-1] if part.startswith("camera="))
        fine = path.relative_to(self.root).parts[0] == "fine"
        return Chunk(unquote(camera.removeprefix("camera=")), from_ns, to_ns, fine)


_MEND = "Delete this file and run the batch again: it is observed anew."


def _read_fault(path: Path) -> ChunkFault:
    """The fault in a file; a file that is damaged is a fault itself: nobody knows what of the chunk is missing."""
    try:
        return ChunkFault.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        return ChunkFault(
            f"chunk {path}: it failed, and the file that says why is damaged ({what}). Try again with --retry-failed."
        )


def _fault_path(path: Path) -> Path:
    return path.with_suffix(".fault.json")


def _writer() -> str:
    """A name that no other writer of the same file has."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
