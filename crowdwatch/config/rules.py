"""From the keys on rules to the settings in force in every zone and phase, and what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from crowdwatch.analytics.rules import REGISTRY
from crowdwatch.analytics.rules.parameters import faults, plain
from crowdwatch.assets.document import KeyPath
from crowdwatch.config.rule_keys import AlarmKeys, ExpectedFile, RuleFile
from crowdwatch.config.schema import EventFile, ZoneFile
from crowdwatch.core.outcomes import Level
from crowdwatch.core.site import AlarmSettings, Expected, RuleSetting

__all__ = ["alarm_settings", "expected", "expected_faults", "rule_faults", "rules_of"]

_HAZARD = RuleFile(rule="presence")
"""A zone where nobody should be has this rule without being told."""


def rules_of(event: EventFile, zone: ZoneFile, phase_id: str) -> tuple[RuleSetting, ...]:
    """The rules that are in force in a zone in a phase, by name."""
    found: dict[str, RuleFile] = {"presence": _HAZARD} if zone.hazard else {}
    for each in event.rules:
        if (
            (each.zones is None or zone.id in each.zones)
            and (each.kinds is None or zone.kind in each.kinds)
            and (each.phases is None or phase_id in each.phases)
        ):
            found[each.rule] = each
    return tuple(_setting(found[name]) for name in sorted(found) if found[name].use)


def _setting(entry: RuleFile) -> RuleSetting:
    rule = REGISTRY[entry.rule]
    on_s = rule.on_delay_s if entry.on_delay_s is None else entry.on_delay_s
    off_s = rule.off_delay_s if entry.off_delay_s is None else entry.off_delay_s
    return RuleSetting(rule.name, plain(entry.parameters), on_s, off_s, entry.latch)


def expected(event: EventFile) -> tuple[Expected, ...]:
    """The planned numbers of people, in event time."""
    return tuple(
        Expected(
            each.zone,
            tuple(event.start_ns + round(offset_s * 1e9) for offset_s, _ in each.curve),
            tuple(count for _, count in each.curve),
        )
        for each in event.expected
    )


def alarm_settings(keys: AlarmKeys) -> AlarmSettings:
    """What becomes of alarms that nobody acknowledges."""
    return AlarmSettings(keys.realarm_s, keys.escalate_s, Level[keys.escalate_from.upper()], keys.second_s)


def rule_faults(
    rules: Mapping[int, RuleFile], zones: Collection[str], phases: Collection[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the entries of ``rules``: (where, sentence)."""
    for number, entry in rules.items():
        path: KeyPath = ("rules", number)
        if entry.rule not in REGISTRY:
            yield (*path, "rule"), f"got {entry.rule!r}, there is no such rule. {_close(entry.rule, REGISTRY)}"
            continue
        for name, text in faults(REGISTRY[entry.rule].parameters, entry.parameters):
            yield (*path, "parameters", name), text
        if REGISTRY[entry.rule].judge is None and (entry.on_delay_s is not None or entry.off_delay_s is not None):
            yield path, f"the delays of {entry.rule} stand with its limits. Remove them here."
        if REGISTRY[entry.rule].judge is None and not entry.use:
            yield (*path, "use"), f"{entry.rule} is not switched off here: use limits, or watch_blindness of the zone."
        for key, given, known in (("zones", entry.zones, zones), ("phases", entry.phases, phases)):
            for place, name in enumerate(given or ()):
                if name not in known:
                    yield (*path, key, place), f"there is no {key[:-1]} {name}. {_close(name, known)}"


def expected_faults(curves: Mapping[int, ExpectedFile], zones: Collection[str]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the planned numbers of people."""
    seen: set[str] = set()
    for number, entry in curves.items():
        path: KeyPath = ("expected", number)
        if entry.zone not in zones:
            yield (*path, "zone"), f"there is no zone {entry.zone}. {_close(entry.zone, zones)}"
        elif entry.zone in seen:
            yield (*path, "zone"), f"zone {entry.zone} has a curve already. Keep one."
        seen.add(entry.zone)
        for place, (before, after) in enumerate(pairwise(entry.curve), 1):
            if after[0] <= before[0]:
                text = f"got {after[0]:g} s after {before[0]:g} s: times must rise. Reorder the points."
                yield (*path, "curve", place), text


def _close(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known)) or 'none'}."
