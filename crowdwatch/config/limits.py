"""Limits: the default bands, and how the layers of an event file combine into the limits of one zone in one phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from crowdwatch.assets.document import KeyPath
from crowdwatch.config.fields import Step
from crowdwatch.config.schema import EventFile, Limits, LimitsByKind, PhaseFile, ZoneFile
from crowdwatch.core.outcomes import Level
from crowdwatch.core.site import MOST_P_M2, UNITS, Limit, Quantity, ZoneKind

__all__ = ["STEPS", "LimitStep", "Sourced", "event_limit_steps", "limit_step_fault", "limit_steps", "to_limit"]

STEPS: tuple[Step, ...] = get_args(Step)
LADDER_KEYS: dict[Quantity, str] = {
    Quantity.DENSITY: "density_p_m2",
    Quantity.PEAK: "peak_p_m2",
    Quantity.COUNT: "count_persons",
    Quantity.OCCUPANCY: "occupancy_frac",
}


DENSITY_P_M2: dict[ZoneKind, tuple[float, float, float, float]] = {
    ZoneKind.MOVING: (2.0, 3.0, 4.0, 5.0),
    ZoneKind.STANDING: (2.5, 3.5, 4.7, 6.0),
    ZoneKind.STAIRS: (1.5, 2.5, 3.5, 4.5),
}
"""10 s means over at least 10 m2. A proposal, anchored in: flow is greatest at 2 to 3 p/m2 and falls above (Still);
unstable above 4 p/m2 (UK councils), oscillation sets in at 4 (Gu et al. 2025); Green Guide 47 standing persons per
10 m2; Seoul 2023: 3 caution, 4 alert, 5 serious."""
PEAK_STEPS: tuple[Step, ...] = ("alert", "critical")
"""The densest place has limits of its own, by default those of the density from alert on. A Gaussian of bandwidth b
averages over 4 pi b^2: with the default of 1 m over 12.6 m2, so that a crush on 10 m2 of a large zone is not averaged
away. Watch and caution have none: people stand closer than that in every queue."""

DENSITY_SOURCE = {
    ZoneKind.MOVING: "Still: flow falls above 2 to 3 p/m2; Seoul 2023: 3, 4, 5 p/m2",
    ZoneKind.STANDING: "Green Guide: at most 4.7 p/m2 standing",
    ZoneKind.STAIRS: "0.5 p/m2 below level ground, as falls start there",
}
OCCUPANCY_FRAC = (0.6, 0.8, 0.9, 1.0)
OCCUPANCY_SOURCE = "LB/T 034-2014: announce at 80 % of capacity; local ladders 60, 80, 90, 100 %"
ON_DELAY_S = {"watch": 10.0, "caution": 10.0, "alert": 10.0, "critical": 5.0}
OFF_DELAY_S = 30.0
DELAY_SOURCE = "project's design value: 10 s, critical 5 s; off 30 s, so that alarms do not chatter"

DEADBAND_SHARE = 0.08
DEADBAND = {Quantity.DENSITY: 0.3, Quantity.PEAK: 0.3, Quantity.COUNT: 1.0, Quantity.OCCUPANCY: 0.0}
"""A limit clears this far below where it raises, or 8 % of it, whichever is more: p/m2, persons, share."""

MOST_OCCUPANCY_FRAC = 2.0
"""A share above twice the capacity is a percentage by mistake."""

Origin: TypeAlias = KeyPath | str
"""The key of the event file that a value comes from, or a sentence about where else."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number and where it comes from."""

    value: float
    origin: Origin


@dataclass(frozen=True, slots=True)
class LimitStep:
    """One step of one ladder of one zone in one phase, with the origin of every number."""

    phase_id: str
    zone_id: str
    quantity: Quantity
    step: Step
    raise_at: Sourced
    clear_below: Sourced
    on_delay_s: Sourced
    off_delay_s: Sourced


_Layer: TypeAlias = tuple[KeyPath, Limits]
_Field: TypeAlias = Literal["on_delay_s", "off_delay_s"]


def limit_steps(
    zone: ZoneFile,
    zone_path: KeyPath,
    phase: PhaseFile | None,
    phase_path: KeyPath,
    by_kind: LimitsByKind,
) -> Iterator[LimitStep]:
    """Combine default, kind, zone, phase and kind, phase and zone, in this order, into the steps in force.

    A later layer that sets where a step raises also sets where it clears: given there, else calculated anew.
    """
    layers: list[_Layer] = []
    for path, limits in (
        (("limits_by_kind", zone.kind.value), by_kind.of(zone.kind)),
        ((*zone_path, "limits"), zone.limits),
        ((*phase_path, "limits_by_kind", zone.kind.value), phase.limits_by_kind.of(zone.kind) if phase else None),
        ((*phase_path, "limits_by_zone", zone.id), phase.limits_by_zone.get(zone.id) if phase else None),
    ):
        if limits is not None:
            layers.append((path, limits))
    for quantity in LADDER_KEYS:
        if quantity is Quantity.OCCUPANCY and zone.capacity_persons is None:
            continue
        for number, step in enumerate(STEPS):
            raise_at, clear_below = _step(quantity, step, _default(zone.kind, quantity, number), layers)
            if raise_at is None:
                continue
            yield LimitStep(
                phase_id=phase.id if phase else "event",
                zone_id=zone.id,
                quantity=quantity,
                step=step,
                raise_at=raise_at,
                clear_below=clear_below or _calculated_clear(quantity, raise_at.value),
                on_delay_s=_delay("on_delay_s", step, ON_DELAY_S[step], layers),
                off_delay_s=_delay("off_delay_s", step, OFF_DELAY_S, layers),
            )


def to_limit(limit_step: LimitStep) -> Limit:
    """The plain limit that the core works with."""
    return Limit(
        quantity=limit_step.quantity,
        level=Level[limit_step.step.upper()],
        raise_at=limit_step.raise_at.value,
        clear_below=limit_step.clear_below.value,
        on_delay_s=limit_step.on_delay_s.value,
        off_delay_s=limit_step.off_delay_s.value,
    )


def limit_step_fault(limit_step: LimitStep, below: LimitStep | None) -> tuple[Origin, str] | None:
    """Say what is wrong with a step, given the step below it in the same ladder: (where, sentence), or None."""
    unit = UNITS[limit_step.quantity]
    what = f"zone {limit_step.zone_id}, phase {limit_step.phase_id}, {limit_step.quantity.value} {limit_step.step}"
    raise_at, clear = limit_step.raise_at, limit_step.clear_below
    if limit_step.quantity is Quantity.OCCUPANCY and raise_at.value > MOST_OCCUPANCY_FRAC:
        return raise_at.origin, (
            f"{what}: got {raise_at.value:g}, need a share of capacity <= {MOST_OCCUPANCY_FRAC:g}. Write 80 % as 0.8."
        )
    if limit_step.quantity in (Quantity.DENSITY, Quantity.PEAK) and raise_at.value > MOST_P_M2:
        return raise_at.origin, (
            f"{what}: got {raise_at.value:g} {unit}, need <= {MOST_P_M2:g}: nobody can stand closer, so it would "
            "never be reached. Lower it, or write 'off' to do without this step."
        )
    if below is not None and not raise_at.value > below.raise_at.value:
        # the fault is shown at the value that a person wrote
        place = raise_at.origin if not isinstance(raise_at.origin, str) else below.raise_at.origin
        text = (
            f"{what}: got {raise_at.value:g} {unit}, need > {below.raise_at.value:g}, where {below.step} raises. "
            "Limits rise from watch over caution and alert to critical; write 'off' to do without a step."
        )
        return place, text
    if clear.value > raise_at.value:
        place = clear.origin if not isinstance(clear.origin, str) else raise_at.origin
        return place, (
            f"{what}: clears below {clear.value:g} {unit}, need <= {raise_at.value:g}, where it raises. "
            "Lower the clear limit."
        )
    if not clear.value > 0:
        key = f"clear_{LADDER_KEYS[limit_step.quantity]}"
        return raise_at.origin, (
            f"{what}: got {raise_at.value:g} {unit}, which would clear below {clear.value:g}, that is never. "
            f"Give {key}: {{{limit_step.step}: ...}} between 0 and {raise_at.value:g}."
        )
    return None


def _default(kind: ZoneKind, quantity: Quantity, number: int) -> Sourced | None:
    if quantity is Quantity.DENSITY:
        return Sourced(DENSITY_P_M2[kind][number], f"default ({DENSITY_SOURCE[kind]})")
    if quantity is Quantity.PEAK and STEPS[number] in PEAK_STEPS:
        return Sourced(DENSITY_P_M2[kind][number], f"default: as the density ({DENSITY_SOURCE[kind]})")
    if quantity is Quantity.OCCUPANCY:
        return Sourced(OCCUPANCY_FRAC[number], f"default ({OCCUPANCY_SOURCE})")
    return None


def _step(
    quantity: Quantity, step: Step, default: Sourced | None, layers: list[_Layer]
) -> tuple[Sourced | None, Sourced | None]:
    key = LADDER_KEYS[quantity]
    raise_at, clear_below = default, None
    for path, limits in layers:
        ladder: dict[Step, float | None] = getattr(limits, key)
        if step in ladder:
            value = ladder[step]
            raise_at = None if value is None else Sourced(value, (*path, key, step))
            clear_below = None
        clears: dict[Step, float] = getattr(limits, f"clear_{key}")
        if step in clears:
            clear_below = Sourced(clears[step], (*path, f"clear_{key}", step))
    return raise_at, clear_below


def _calculated_clear(quantity: Quantity, raise_at: float) -> Sourced:
    """T - max(deadband, 8 % of T), to the millionth: 4.0 p/m2 clears below 3.68, 2.0 below 1.7."""
    band = DEADBAND[quantity]
    value = round(raise_at - max(band, DEADBAND_SHARE * raise_at), 6)
    least = f"the larger of {band:g} and " if band else ""
    return Sourced(value, f"calculated from the raise limit less {least}{DEADBAND_SHARE:.0%}")


def _delay(key: _Field, step: Step, default: float, layers: list[_Layer]) -> Sourced:
    found = Sourced(default, f"default ({DELAY_SOURCE})")
    for path, limits in layers:
        delays: dict[Step, float] = getattr(limits, key)
        if step in delays:
            found = Sourced(delays[step], (*path, key, step))
    return found


def event_limit_steps(event: EventFile) -> Iterator[LimitStep]:
    """Every step in force, phase by phase and zone by zone."""
    phases: list[tuple[PhaseFile | None, KeyPath]] = [(p, ("phases", i)) for i, p in enumerate(event.phases)]
    for phase, path in phases or [(None, ())]:
        for number, zone in enumerate(event.zones):
            yield from limit_steps(zone, ("zones", number), phase, path, event.limits_by_kind)
