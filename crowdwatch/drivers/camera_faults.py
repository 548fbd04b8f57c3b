"""What went wrong with single cameras while the others went on: reported once each, with how often."""

from __future__ import annotations

from dataclasses import dataclass, field

from crowdwatch.config.times import format_time
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, LogEvent, Observation
from crowdwatch.drivers.board import Board
from crowdwatch.errors import CrowdWatchError

__all__ = ["CameraFaults", "Repeats"]


@dataclass(slots=True)
class CameraFaults:
    """The faults of the cameras of a run.

    Args:
        board: where it is said that a camera fails, and that it is well again.
    """

    board: Board = field(default_factory=Board)
    _broken: list[CrowdWatchError] = field(default_factory=list)
    _missed: dict[str, tuple[int, int, CrowdWatchError]] = field(default_factory=dict)

    def add(self, event: LogEvent, error: CrowdWatchError | None) -> None:
        """Take in what became of one picture, or of a camera's footage."""
        if isinstance(event, Observation):
            camera_id = event.stamp.camera_id
            self.board.well(_what(camera_id), f"camera {camera_id}: pictures are analysed again.")
        elif isinstance(event, CameraFault) and error is not None:
            self._note(event, error)

    def _note(self, fault: CameraFault, error: CrowdWatchError) -> None:
        camera_id = fault.camera_id
        if fault.code is Code.FOOTAGE_BROKEN:
            self._broken.append(error)
            self.board.ails(_what(camera_id), f"camera {camera_id}: {error}")
            return
        count, first_ns, first = self._missed.get(camera_id, (0, fault.t_ns, error))
        self._missed[camera_id] = count + 1, first_ns, first
        self.board.ails(_what(camera_id), f"camera {camera_id}: a picture could not be analysed: {error}")

    def all(self) -> list[CrowdWatchError]:
        """Every fault so far: footage that broke off, and per camera the pictures that could not be analysed."""
        missed = [
            type(error)(
                f"camera {camera_id!r}: {count} picture(s) could not be analysed, the first of "
                f"{format_time(first_ns)}: {error}"
            )
            for camera_id, (count, first_ns, error) in sorted(self._missed.items())
        ]
        return [*self._broken, *missed]


@dataclass(slots=True)
class Repeats:
    """Finds the faults that say nothing new: the same of the same camera, without an observation in between.

    Args:
        standing: per camera, the fault that was said last.
    """

    standing: dict[str, Code] = field(default_factory=dict)

    def new(self, event: Observation | CameraFault) -> bool:
        """Whether an event is to be logged; events come in their order."""
        if isinstance(event, Observation):
            self.standing.pop(event.stamp.camera_id, None)
            return True
        known = self.standing.get(event.camera_id) is event.code
        self.standing[event.camera_id] = event.code
        return not known


def _what(camera_id: str) -> str:
    return f"camera {camera_id}"
