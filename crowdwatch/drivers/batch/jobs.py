"""A batch job: what it set out to do, and where its pieces lie."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crowdwatch import config
from crowdwatch.analytics.coverage import SiteView, view_site
from crowdwatch.config import EventFile
from crowdwatch.core.chunks import Chunk, cut
from crowdwatch.core.runs import Run
from crowdwatch.store import files
from crowdwatch.store.chunks import ChunkFolder

__all__ = ["Job", "Plan"]

NS = 1_000_000_000
FINE_JSON, PLAN_JSON, SUMMARY_JSON = "fine.json", "batch.json", "summary.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job set out to do; it stands in the run's folder and a job that goes on keeps to it.

    Args:
        chunk_s: length of a chunk in event time.
        batch_frames: frames that go through the detector together.
        spans: per camera, the event time to observe, end exclusive.
        footage: per camera, its files as (path, bytes, time of last change in ns).
        fine_hz: sampling of the second pass of an adaptive job; None for one pass.
        near_frac: a zone at this share of a limit is looked at finely.
    """

    chunk_s: float
    batch_frames: int
    spans: dict[str, tuple[int, int]]
    footage: dict[str, list[tuple[str, int, int]]]
    fine_hz: float | None = None
    near_frac: float = 0.7

    @property
    def chunk_ns(self) -> int:
        """Length of a chunk."""
        return round(self.chunk_s * NS)

    def to_json(self) -> str:
        """The text of ``batch.json``."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The inverse of :meth:`to_json`."""
        found = json.loads(text)
        found["spans"] = {camera: tuple(span) for camera, span in found["spans"].items()}
        found["footage"] = {camera: [tuple(f) for f in each] for camera, each in found["footage"].items()}
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Job:
    """One batch run: what it set out to do, and where its pieces lie.

    Args:
        run: the run in the store.
        event: the event file that it was started with.
        plan: what it set out to do.
        view: the prepared site.
    """

    run: Run
    event: EventFile
    plan: Plan
    view: SiteView

    @classmethod
    def of(cls, run: Run) -> Job:
        """The job of a batch run in the store."""
        event = config.from_json(run.config_json)
        plan = Plan.from_json((Path(run.folder) / PLAN_JSON).read_text(encoding="utf-8"))
        return cls(run, event, plan, view_site(config.to_site(event)))

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.run.folder)

    @property
    def chunks(self) -> ChunkFolder:
        """The chunks that have been observed."""
        return ChunkFolder(self.folder, self.event.id)

    def planned(self) -> list[Chunk]:
        """The chunks of the first pass, in time order."""
        return _in_order(cut(camera, [span], self.plan.chunk_ns) for camera, span in self.plan.spans.items())

    @property
    def has_fine(self) -> bool:
        """Whether it has been decided what the second pass looks at."""
        return (self.folder / FINE_JSON).exists()

    def planned_fine(self) -> list[Chunk]:
        """The chunks of the second pass of an adaptive job; none before its spans have been written."""
        if self.plan.fine_hz is None or not self.has_fine:
            return []
        spans = json.loads((self.folder / FINE_JSON).read_text(encoding="utf-8"))
        return _in_order(cut(camera, each, self.plan.chunk_ns, fine=True) for camera, each in spans.items())

    def write_fine(self, spans: dict[str, list[tuple[int, int]]]) -> None:
        """Keep what the second pass is to look at, cut to what there is of each camera."""
        within = {
            camera: [(max(a, self.plan.spans[camera][0]), min(b, self.plan.spans[camera][1])) for a, b in each]
            for camera, each in spans.items()
        }
        self._write(
            FINE_JSON, json.dumps({camera: [s for s in each if s[0] < s[1]] for camera, each in within.items()})
        )

    def write_plan(self) -> None:
        """Write ``batch.json``. Raises StoreUnavailable."""
        self._write(PLAN_JSON, self.plan.to_json())

    def write_summary(self, facts: dict[str, Any]) -> None:
        """Write ``summary.json``. Raises StoreUnavailable."""
        self._write(SUMMARY_JSON, json.dumps(facts, indent=2))

    def read_summary(self) -> dict[str, Any] | None:
        """What a finished job wrote of itself."""
        path = self.folder / SUMMARY_JSON
        found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return found

    def _write(self, name: str, text: str) -> None:
        files.replace_file(self.folder / name, lambda file: file.write((text + "\n").encode()))


def _in_order(parts: Iterable[list[Chunk]]) -> list[Chunk]:
    return sorted((chunk for part in parts for chunk in part), key=lambda chunk: (chunk.from_ns, chunk.camera_id))
