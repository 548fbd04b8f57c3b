"""One engine drives an event: a lease in the store, renewed while it runs, taken over when its holder is gone.

The holder is gone when its process has ended, which an engine on the same machine sees at once, or when it has not
renewed the lease for :data:`GONE_S` by the clock of whoever waits: no two machines' clocks are compared, and a wall
clock that jumps changes nothing. A holder that finds its lease taken ends at once.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Lease
from crowdwatch.drivers.board import Board
from crowdwatch.drivers.patience import patiently
from crowdwatch.errors import CrowdWatchError, StoreBusy, StoreError

__all__ = ["GONE_S", "LeaseKeeper", "take_lease"]

RENEW_S = 1.0

GONE_S = 5.0
"""A lease that is not renewed for so long is free: five renewals, and as long as a heartbeat may be late."""

LOOK_S = 0.25

WHAT = "lease"


def take_lease(
    store: Store,
    event_id: str,
    *,
    standby: bool = False,
    stop: threading.Event | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Lease | None:
    """Become the engine of an event.

    Args:
        store: where the lease lies.
        event_id: the event.
        standby: wait while another engine holds it.
        stop: ends the waiting.
        say: told once who holds it.

    Returns:
        The lease; None where ``stop`` was set before it could be had.

    Raises:
        StoreError: another engine holds it, and ``standby`` is False.
    """
    stop = stop or threading.Event()
    mine = Lease(event_id, uuid.uuid4().hex, this_host(), os.getpid(), started_of(os.getpid()) or 0)
    seen: Lease | None = None
    seen_at = time.monotonic()
    told = False
    while not stop.is_set():
        stands = patiently(lambda: store.lease(event_id), ended=stop.is_set)
        if stands is not None and stands != seen:
            if seen is not None and seen.holder == stands.holder and not standby:
                raise StoreError(_held(stands))
            seen, seen_at = stands, time.monotonic()
        if stands is None or is_gone(stands) or time.monotonic() - seen_at > GONE_S:
            if patiently(lambda found=stands: store.change_lease(found, mine), ended=stop.is_set):  # type: ignore[misc]
                return mine
            continue
        if standby and not told:
            say(f"{_held(stands, remedy=False)} This one stands by, and takes over when that one is gone.")
            told = True
        stop.wait(LOOK_S)
    return None


class LeaseKeeper:
    """Renews a lease while it is entered, in a thread of its own, and gives it back.

    Args:
        store: where it lies.
        lease: as of :func:`take_lease`.
        stop: set when another engine has taken it.
        board: where it is said that it cannot be renewed.
    """

    def __init__(self, store: Store, lease: Lease, stop: threading.Event, board: Board | None = None) -> None:
        self._store, self._lease, self._stop, self._board = store, lease, stop, board or Board()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self.taken = ""

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if not self.taken:
            with suppress(CrowdWatchError):
                self._store.change_lease(self._lease, None)

    def must_hold(self) -> None:
        """Raises StoreError: another engine has taken the lease."""
        if self.taken:
            raise StoreError(self.taken)

    def _run(self) -> None:
        while not self._ended.wait(RENEW_S):
            renewed = replace(self._lease, renewed=self._lease.renewed + 1)
            try:
                held = self._store.change_lease(self._lease, renewed)
                if not held:  # the answer to an earlier try may have been lost
                    stands = self._store.lease(self._lease.event_id)
                    held = stands is not None and stands.holder == self._lease.holder
                    renewed = stands if held and stands is not None else renewed
            except StoreBusy as error:
                self._board.ails(WHAT, f"the lease of the event cannot be renewed: {error}")
                continue
            except Exception as error:  # noqa: BLE001  said, and tried again: nobody has taken it as far as is known
                self._board.ails(WHAT, f"the lease of the event cannot be renewed: {error}")
                continue
            if not held:
                self.taken = (
                    f"event {self._lease.event_id!r}: another engine has taken it over, since this one did not renew "
                    f"its lease for {GONE_S:g} s. This one ends. Look at the machine and its way to the store."
                )
                self._board.ails(WHAT, self.taken)
                self._stop.set()
                return
            self._lease = renewed
            self._board.well(WHAT, "the lease of the event is renewed again.")


def is_gone(lease: Lease) -> bool:
    """Whether the holder's process has certainly ended: only a process of the same machine can know."""
    known = lease.pid_started != 0 and lease.host == this_host()
    return known and started_of(lease.pid) != lease.pid_started


def this_host() -> str:
    """The machine since it was booted, and the room of its process numbers: containers on it have their own."""
    boot = _text("/proc/sys/kernel/random/boot_id")
    room = ""
    with suppress(OSError):
        room = os.readlink("/proc/self/ns/pid")
    return f"{socket.gethostname()} {boot} {room}".strip()


def started_of(pid: int) -> int | None:
    """When a process began, in ticks since the machine was booted; None where there is none, or where it has ended and
    waits for its parent."""
    text = _text(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()  # the name before may hold anything
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return int(fields[19])


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _held(lease: Lease, remedy: bool = True) -> str:
    where = lease.host.split(" ")[0]
    text = f"event {lease.event_id!r}: another engine drives it live, process {lease.pid} on {where}."
    return f"{text} Stop that one, or start this one with --standby." if remedy else text
