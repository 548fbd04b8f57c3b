"""The sockets of the core. Adapters in ``sources/``, ``detectors/``, ``counters/`` and ``store/`` fill them; each port
has one contract suite in ``tests/contract`` that every adapter and every shipped fake passes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from crowdwatch.core.accounts import Account, By, Entry, EntryKind, Found, SignIn
from crowdwatch.core.dispatch import DispatchEvent
from crowdwatch.core.movement import FlowGrid, GateReading, SiteOccupancy, ZoneMovement
from crowdwatch.core.notices import Notification
from crowdwatch.core.outcomes import Alarm, AlertEvent, CameraHealth, DensityGrid, Outcome, ZoneReading
from crowdwatch.core.reasons import Reason
from crowdwatch.core.records import Anchor, CameraFault, Detections, Frame, FramePair, HeadMass
from crowdwatch.core.runs import Audit, Command, Lease, Run, RunState
from crowdwatch.core.sight import SiteSight

__all__ = ["Counter", "Detector", "Outgoing", "People", "Source", "Store"]


@runtime_checkable
class Source(Protocol):
    """Footage of one camera, in event time."""

    @property
    def camera_id(self) -> str:
        """The camera whose footage this is."""

    @property
    def span_ns(self) -> tuple[int, int]:
        """Event time of the first frame and of the end (exclusive): of the last frame that is there, or of a declared
        length where that is longer."""

    def pairs(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair]:
        """Yield the sampled frames with ``from_ns <= t < to_ns`` in time order, each with its predecessor.

        Which frames are sampled depends on absolute event time only, so that cutting the span changes nothing: the
        frames of two adjoining spans are those of the whole.

        Raises:
            SourceUnavailable: the footage cannot be opened or read.
            SourceTruncated: after the last good pair, when footage promised by the container is missing, or follows at
                a time that cannot be known.
        """

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[FramePair | CameraFault]:
        """The same, with a fault ``NOT_OBSERVED`` in the place of every damaged frame, which is in no pair."""

    def close(self) -> None:
        """Release files and connections; safe to call twice."""


@runtime_checkable
class Detector(Protocol):
    """Frames -> boxes. Boxes down to a low score are kept: the seam's other side applies the limit.

    ``detect`` may be called in several threads at once; what one call returns does not depend on the others.
    """

    @property
    def detector_id(self) -> str:
        """Name, runtime, precision and the first digits of the weights' sha256."""

    @property
    def anchor(self) -> Anchor:
        """The part of a person that its boxes locate on the ground."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one :class:`Detections` per frame, in order, boxes by falling score.

        Raises:
            ModelError: the model failed on the input.
        """

    def close(self) -> None:
        """Release the model; safe to call twice."""


@runtime_checkable
class Counter(Protocol):
    """Frames -> expected heads per pixel block, for crowds too dense to box.

    ``count`` may be called in several threads at once, as :class:`Detector`'s ``detect``.
    """

    @property
    def counter_id(self) -> str:
        """Name, input scale, runtime, precision and the first digits of the weights' sha256."""

    def count(self, frames: Sequence[Frame]) -> list[HeadMass]:
        """Return one :class:`HeadMass` per frame, in order.

        Raises:
            ModelError: the model failed on the input.
        """

    def close(self) -> None:
        """Release the model; safe to call twice."""


@runtime_checkable
class Store(Protocol):
    """What the page and the reports read. Engines write it; operators only add commands.

    Writing is idempotent: the same outcome twice leaves the same rows. Nothing in it can hold a picture.
    """

    def begin(self, run: Run, *, new: bool = False) -> bool:
        """Add a run, or bring an existing one with the same id back to RUNNING (resume).

        With ``new`` an existing one is left as it is. Returns whether the run was begun.
        """

    def write(self, run_id: str, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes in one transaction.

        Raises:
            StoreUnavailable: read-only, disk full, server gone. Nothing of the transaction is kept.
        """

    def beat(self, run_id: str, *, state: RunState, t_ns: int, wall_ns: int, speed: float, message: str = "") -> None:
        """Say that the engine lives (``wall_ns``), where it is in event time, how fast it plays, what ails it."""

    def run(self, run_id: str) -> Run:
        """Return one run. Raises RunNotFound."""

    def runs(self) -> list[Run]:
        """Every run, newest start first."""

    def readings(
        self, run_id: str, *, zone_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[ZoneReading]:
        """Readings with ``from_ns <= t <= to_ns`` by time, then zone."""

    def gate_readings(
        self, run_id: str, *, gate_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[GateReading]:
        """Readings of gates with ``from_ns <= t <= to_ns`` by time, then gate."""

    def occupancy(self, run_id: str, *, from_ns: int | None = None, to_ns: int | None = None) -> list[SiteOccupancy]:
        """How many were on the whole site with ``from_ns <= t <= to_ns``, by time."""

    def grid(self, run_id: str, at_ns: int) -> DensityGrid | None:
        """The newest grid with ``t <= at_ns``."""

    def flow_grid(self, run_id: str, at_ns: int) -> FlowGrid | None:
        """The newest velocity field with ``t <= at_ns``."""

    def sight(self, run_id: str, at_ns: int) -> SiteSight | None:
        """The newest sight with ``t <= at_ns``: ages of the ground, and footprints; of sites with moving cameras."""

    def movement(
        self, run_id: str, *, zone_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[ZoneMovement]:
        """Movement with ``from_ns <= t <= to_ns`` by time, then zone; of its signs those that were there."""

    def alerts(self, run_id: str, *, to_ns: int | None = None) -> list[AlertEvent]:
        """Transitions up to ``to_ns``, newest first."""

    def alarms(self, run_id: str, at_ns: int) -> list[Alarm]:
        """The alarms that were not NORMAL after the newest tick at or before ``at_ns``."""

    def health(self, run_id: str, at_ns: int) -> list[CameraHealth]:
        """Every camera's health after the newest tick at or before ``at_ns``."""

    def dispatches(self, run_id: str, *, to_ns: int | None = None) -> list[DispatchEvent]:
        """What happened to units up to ``to_ns``, oldest first."""

    def acted(self, run_id: str) -> list[Command]:
        """The commands that were carried out, oldest first: what people did, and at which tick."""

    def submit(self, command: Command) -> int:
        """Queue what an operator did and return its id. Raises RunNotFound."""

    def pending(self, run_id: str) -> list[Command]:
        """Commands that the engine has not sequenced yet, oldest first. A row that is damaged is one of them, as far as
        it can be read: of kind UNKNOWN, or with a value of NaN."""

    def sequenced(self, command_id: int, t_ns: int, refused: Reason | None = None) -> None:
        """Mark a command as taken into the order of events at event time ``t_ns``, or as refused there."""

    def refused(self, run_id: str) -> list[Command]:
        """The commands that the engine refused, newest first."""

    def add_audit(self, audit: Audit) -> int:
        """Keep one hand count and return its id. Entries are never changed or removed, also not by ``rewind``.

        Raises:
            RunNotFound: no such run.
            AuditRefused: the picture was counted before and the entry does not say which one it corrects, or what it
                corrects does not stand (unknown, of another picture, corrected already).
        """

    def audits(self, *, run_id: str | None = None, event_id: str | None = None) -> list[Audit]:
        """Every entry of a run, of all runs of an event, or of all, corrected ones too, oldest entry first."""

    def rewind(self, run_id: str, after_ns: int, journaled: Collection[int] = ()) -> None:
        """Go back to a tick (resume after a kill): forget what later ticks wrote, queue the actions that
        were sequenced since again, except ``journaled`` ones (by command id), which the engine applies at their own
        ticks. Commands that steered the driver are not repeated, nor are refused ones."""

    def lease(self, event_id: str) -> Lease | None:
        """Who drives an event live; None where nobody does, or gave it back."""

    def change_lease(self, old: Lease | None, new: Lease | None) -> bool:
        """Put ``new`` in the place of ``old``, where exactly ``old`` stands: to take a lease (``old`` is None or one
        that has run out), to renew it, to give it back (``new`` is None). Returns whether it stood there."""

    def close(self) -> None:
        """Release connections; safe to call twice."""


@runtime_checkable
class Outgoing(Protocol):
    """Notifications on their way: what a process that tells people keeps, so that a kill loses and doubles none.

    The alerts themselves are its inlet: what :meth:`unseen` gives is every alert event that a target has no row for. No
    cursor can pass over one that a resumed engine writes late, and no row comes twice.
    """

    def unseen(self, run_id: str, target_id: str) -> list[AlertEvent]:
        """The alert events of a run that a target has no notification of, in the order of their ticks."""

    def put(self, notifications: Sequence[Notification]) -> None:
        """Keep notifications in one transaction; one that is there stays as it is."""

    def followed(self, target_id: str) -> list[str]:
        """The runs of which a target has notifications."""

    def notifications(
        self, run_id: str, target_id: str | None = None, *, open_only: bool = False
    ) -> list[Notification]:
        """Notifications by tick, all or those that are not done."""

    def claim(self, notification: Notification, until_wall_ns: int) -> Notification | None:
        """Take a notification for one try: it is SENDING, with one attempt more, and nobody else takes it before
        ``until_wall_ns``. None where it does not stand as it was given: somebody else has it."""

    def settle(self, notification: Notification) -> None:
        """Write what became of a try: state, ``why``, ``next_wall_ns`` and ``done_wall_ns``."""

    def close(self) -> None:
        """Release connections; safe to call twice."""


@runtime_checkable
class People(Protocol):
    """Accounts, who is signed in, and the audit log. Every change writes its entry of the log in one transaction with
    itself, and nothing changes an entry that is written."""

    def accounts(self) -> list[Account]:
        """All accounts by name, disabled ones too."""

    def known(self, name: str) -> tuple[Account, str] | None:
        """An account and the hash of its password; None where there is none of that name."""

    def add(self, name: str, role: str, password_hash: str, by: By, now_ns: int) -> None:
        """Add an account. Raises ConfigError where a name that looks the same is taken."""

    def change(
        self, name: str, by: By, now_ns: int, *, role: str | None = None, disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> None:  # fmt: skip
        """Change an account and end all its sign-ins. Raises ConfigError: no such one, or no administrator would be
        left."""

    def begin(self, sign_in: SignIn, by: By, proof: str | None = None) -> bool:
        """Begin a sign-in. False where ``proof`` (the answer of an identity provider) served for one before."""

    def sign_in(self, token_hash: str, now_ns: int) -> SignIn | None:
        """The sign-in of a token, where it stands: not ended, not over, its account as it was."""

    def end(self, token_hash: str, by: By, now_ns: int, why: str) -> None:
        """End a sign-in, in every tab that has it."""

    def attempt(self, free: Mapping[str, int], now_ns: int) -> float:
        """Count one attempt to sign in before it is judged: 0, or the seconds to wait, and then it does not count.

        Args:
            free: how many failures in an hour cost nothing, by key (an account, an address).
            now_ns: clock time.
        """

    def forgive(self, keys: Sequence[str], forgotten: Sequence[str]) -> None:
        """An attempt was good: ``keys`` have one failure less, ``forgotten`` none any more."""

    def put_code(self, code_hash: str, ends_wall_ns: int) -> bool:
        """Keep the code of a first start in the place of earlier ones. False where there is an account."""

    def use_code(self, code_hash: str, name: str, password_hash: str, by: By, now_ns: int) -> bool:
        """Make the first account, an administrator, by the code, once. False: not this code, over, or not the first."""

    def record(self, kind: EntryKind, by: By, now_ns: int, detail: Mapping[str, Any]) -> Entry:
        """Add an entry to the audit log. Returns it."""

    def entries(self, last: int | None = None) -> list[Entry]:
        """The log by number: all, or the last ones."""

    def fault(self, expect: tuple[int, str] | None = None) -> Found | None:
        """The first entry that does not fit (:func:`crowdwatch.core.accounts.first_fault`); None where all do."""

    def close(self) -> None:
        """Release connections; safe to call twice."""
