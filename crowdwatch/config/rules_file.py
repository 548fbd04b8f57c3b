"""Other limits for a log that is folded again: a whole event file, or a file that says only what is different.

A file without ``site`` and ``cameras`` is a fragment. It may hold, each written as in an event file::

    version: 1
    limits_by_kind: {standing: {density_p_m2: {alert: 4.2}}}
    limits_by_zone: {front-west: {on_delay_s: 20}}     # of a zone, in every phase that does not say otherwise
    phases: {egress: {limits_by_kind: {...}, limits_by_zone: {...}}}
    capacity_persons: {front-west: 4000}
    readings: {alert_probability: 0.2}

What it says is put over what the log's event file says, key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from crowdwatch.assets.document import Document, read_document
from crowdwatch.config.fields import Ident, Number, Positive
from crowdwatch.config.limits import LimitStep, event_limit_steps, limit_step_fault
from crowdwatch.config.loading import load
from crowdwatch.config.programs import Model
from crowdwatch.config.schema import EventFile, Limits, LimitsByKind
from crowdwatch.config.structure import structure_faults
from crowdwatch.core.site import Quantity

__all__ = ["load_rules"]


class PhaseRules(Model):
    """Other limits of a phase."""

    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    limits_by_zone: dict[Ident, Limits] = Field(default_factory=dict)


class ReadingRules(Model):
    """Another chance at which a limit counts as reached."""

    alert_probability: Annotated[Number, Field(gt=0, lt=1)] | None = None


class RulesFile(Model):
    """A fragment; see this module's heading."""

    version: Literal[1] = 1
    limits_by_kind: LimitsByKind = Field(default_factory=LimitsByKind)
    limits_by_zone: dict[Ident, Limits] = Field(default_factory=dict)
    phases: dict[Ident, PhaseRules] = Field(default_factory=dict)
    capacity_persons: dict[Ident, Positive] = Field(default_factory=dict)
    readings: ReadingRules = Field(default_factory=ReadingRules)


def load_rules(path: Path, logged: EventFile) -> EventFile:
    """The event file under whose limits a log is folded again.

    Args:
        path: an event file, or a fragment.
        logged: the log's own event file.

    Raises:
        ConfigError: every fault of the file at once.
    """
    document = read_document(Document(path, "file of limits", "docs/alerts.md shows one."))
    if isinstance(document.raw, Mapping) and ("site" in document.raw or "cameras" in document.raw):
        return load(path)
    rules = None
    try:
        rules = RulesFile.model_validate(document.raw)
    except ValidationError as error:
        structure_faults(document, error, RulesFile)
    if rules is not None:
        _known(document, rules, logged)
    if document.faults or rules is None:
        raise document.error()
    event = _put_over(rules, logged)
    _sound(document, event)
    if document.faults:
        raise document.error()
    return event


def _known(document: Document, rules: RulesFile, logged: EventFile) -> None:
    zones, phases = {zone.id for zone in logged.zones}, {phase.id for phase in logged.phases}
    named: list[tuple[tuple[str, ...], set[str]]] = [
        (("limits_by_zone",), set(rules.limits_by_zone)),
        (("capacity_persons",), set(rules.capacity_persons)),
        *((("phases", name, "limits_by_zone"), set(each.limits_by_zone)) for name, each in rules.phases.items()),
    ]
    for key, names in named:
        for name in sorted(names - zones):
            document.fault((*key, name), f"the log has no such zone, it has {', '.join(sorted(zones))}. Correct it.")
    for name in sorted(set(rules.phases) - phases):
        has = f"it has {', '.join(sorted(phases))}" if phases else "it has none"
        document.fault(("phases", name), f"the log has no such phase, {has}. Correct it.")


def _put_over(rules: RulesFile, logged: EventFile) -> EventFile:
    """The log's event file with what the fragment says."""
    values = logged.model_dump()
    said = rules.model_dump(exclude_unset=True)
    _merge(values["limits_by_kind"], said.get("limits_by_kind", {}))
    for zone in values["zones"]:
        if zone["id"] in said.get("limits_by_zone", {}):
            zone["limits"] = zone["limits"] or {}
            _merge(zone["limits"], said["limits_by_zone"][zone["id"]])
        zone["capacity_persons"] = said.get("capacity_persons", {}).get(zone["id"], zone["capacity_persons"])
    for phase in values["phases"]:
        _merge(phase, said.get("phases", {}).get(phase["id"], {}))
    _merge(values["readings"], said.get("readings", {}))
    return EventFile.model_validate(values)


def _merge(into: dict[str, Any], said: Mapping[str, Any]) -> None:
    for key, value in said.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _sound(document: Document, event: EventFile) -> None:
    """Judge every ladder; a fault is shown at the fragment, once."""
    below: dict[tuple[str, str, Quantity], LimitStep] = {}
    for step in event_limit_steps(event):
        key = (step.phase_id, step.zone_id, step.quantity)
        fault = limit_step_fault(step, below.get(key))
        below[key] = step
        if fault is not None:
            document.fault((), fault[1])
