"""Which phase of the event is in force: by the clock, or by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.core.reasons import Code
from crowdwatch.core.site import Phase, Site, ZoneLimits

__all__ = ["PhaseByHand", "chosen_by_hand", "phase_at", "phase_in_force"]


@dataclass(frozen=True, slots=True)
class PhaseByHand:
    """A phase that a person chose: in force from ``t_ns`` until a later phase of the run sheet begins."""

    phase_id: str
    t_ns: int


def phase_in_force(site: Site, t_ns: int, by_hand: PhaseByHand | None = None) -> Phase:
    """The newest phase that has started, else the first; or the one that was chosen by hand.

    What was chosen holds until, after that moment, the clock reaches the start of a phase that stands behind it.
    """
    started = [phase for phase in site.phases if phase.start_ns <= t_ns]
    by_clock = started[-1] if started else site.phases[0]
    if by_hand is None:
        return by_clock
    ids = [phase.phase_id for phase in site.phases]
    if by_hand.phase_id not in ids:
        return by_clock
    chosen = ids.index(by_hand.phase_id)
    due = [phase for phase in site.phases[chosen + 1 :] if by_hand.t_ns < phase.start_ns <= t_ns]
    return by_clock if due else site.phases[chosen]


def chosen_by_hand(events: Iterable[AlertEvent], t_ns: int) -> PhaseByHand | None:
    """The phase that was in force by hand at a time, from what happened; None where the clock decided."""
    changes = [event for event in events if event.transition == "phase" and event.t_ns <= t_ns]
    if not changes:
        return None
    last = max(changes, key=lambda event: (event.t_ns, event.seq))
    phases = [str(dict(reason.values)["phase"]) for reason in last.reasons if reason.code is Code.PHASE_BY_HAND]
    return PhaseByHand(phases[0], last.t_ns) if phases else None


def phase_at(site: Site, t_ns: int, by_hand: PhaseByHand | None = None) -> dict[str, ZoneLimits]:
    """The limits in force at a time, by zone."""
    return {limits.zone_id: limits for limits in phase_in_force(site, t_ns, by_hand).zone_limits}
