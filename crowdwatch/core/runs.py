"""The nouns of a run: one pass of an engine over one event, and what operators ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crowdwatch.core.reasons import Reason

__all__ = ["ON_ALARMS", "STEERING", "Audit", "Command", "CommandKind", "Lease", "Mode", "Run", "RunState"]


class Mode(StrEnum):
    """How the run was driven, said on every screen."""

    LIVE = "live"
    REPLAY = "replay"
    BATCH = "batch"


class RunState(StrEnum):
    """Where a run stands. STOPPED was asked for and can be resumed; FAILED says why in ``message``."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class CommandKind(StrEnum):
    """What an operator may ask. PAUSE, RESUME, SPEED and STOP steer the driver (:data:`STEERING`); the others are
    actions, which are logged and reach ``advance``. UNKNOWN is a row of the store whose kind this version does not
    know: it can be refused and nothing else."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    ACCEPT = "accept"
    ARRIVE = "arrive"
    RELEASE = "release"
    UNIT = "unit"
    CONFIRM = "confirm"
    SILENCE = "silence"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    SET_LEVEL = "set_level"
    REPORT = "report"
    CLOSE = "close"
    NOTE = "note"
    PHASE = "phase"
    PAUSE = "pause"
    RESUME = "resume"
    SPEED = "speed"
    STOP = "stop"
    GATE_COUNT = "gate_count"
    UNKNOWN = "unknown"


ON_ALARMS = frozenset(
    {
        CommandKind.ACKNOWLEDGE,
        CommandKind.SHELVE,
        CommandKind.UNSHELVE,
        CommandKind.OUT_OF_SERVICE,
        CommandKind.IN_SERVICE,
        CommandKind.SET_LEVEL,
        CommandKind.REPORT,
        CommandKind.CLOSE,
        CommandKind.NOTE,
        CommandKind.PHASE,
    }
)
"""What is done to alarms, levels and phases (:mod:`crowdwatch.analytics.alarm_actions`)."""

STEERING = frozenset({CommandKind.PAUSE, CommandKind.RESUME, CommandKind.SPEED, CommandKind.STOP})
"""Commands to the driver. What they do is not an event of the log."""


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over one event.

    Args:
        run_id: unique in the store.
        event_id: the event.
        mode: how it was driven.
        config_json: the resolved event file, so that the page needs nothing else.
        folder: where the observation log and the coarsened pictures lie.
        from_ns, to_ns: the span of event time that it set out to cover.
        started_wall_ns: clock time of its start.
        state, t_ns, beat_wall_ns, speed, message: as of its last heartbeat; speed 0 means as fast as it can.
    """

    run_id: str
    event_id: str
    mode: Mode
    config_json: str
    folder: str
    from_ns: int
    to_ns: int
    started_wall_ns: int
    state: RunState = RunState.RUNNING
    t_ns: int = 0
    beat_wall_ns: int = 0
    speed: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator did on the page, before and after the engine has sequenced it.

    ``value`` is the speed for SPEED, the alarm level that the operator saw for what is done to an alarm, and otherwise
    what the kind says. ``role``, ``subject``, ``text`` and ``duration_s`` are as in
    :class:`~crowdwatch.core.actions.OperatorAction`. ``refused`` says why the engine did not carry it out
    (:func:`crowdwatch.core.commands.judge`); empty otherwise.
    """

    run_id: str
    kind: CommandKind
    actor: str
    wall_ns: int
    zone_id: str = ""
    alarm: str = ""
    value: float = 0.0
    command_id: int = 0
    sequenced_t_ns: int | None = None
    refused: tuple[Reason, ...] = ()
    role: str = ""
    subject: str = ""
    text: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Audit:
    """One hand count, beside what the program found in the same picture. Entries are added and never changed: a
    correction is a new one that names the old.

    Args:
        camera_id: the camera.
        t_ns: exposure of the picture, event time.
        counted: people counted by hand.
        found: people by the program, before any correction.
        actor: who counted; free text.
        wall_ns: clock time of the entry.
        run_id: the run whose log says ``found``.
        detector_id: what found them: a factor holds for this program alone.
        score_min: detections below were not counted.
        corrects: the entry that this one replaces; 0 for none.
        audit_id: given by the store.
    """

    camera_id: str
    t_ns: int
    counted: int
    found: float
    actor: str = ""
    wall_ns: int = 0
    run_id: str = ""
    detector_id: str = ""
    score_min: float = 0.0
    corrects: int = 0
    audit_id: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """Says which engine drives an event live: one at a time. It is renewed about once a second.

    Nobody's clock is asked whether it has run out: who waits for it sees that ``renewed`` stays as it is, by a clock of
    its own.

    Args:
        event_id: the event.
        holder: a name that no other engine has.
        host: the machine, and what its process numbers belong to, so that an engine on the same one can see at once
            that the holder is gone.
        pid: its process there.
        pid_started: when that process began, in the machine's own count, since numbers come again.
        renewed: how often it was.
    """

    event_id: str
    holder: str
    host: str
    pid: int
    pid_started: int
    renewed: int = 0
