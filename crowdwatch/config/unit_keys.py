"""Keys of the event file: units on the ground."""

from __future__ import annotations

from crowdwatch.config.fields import Ident, Plain, PointM
from crowdwatch.config.programs import Model
from crowdwatch.core.dispatch import Unit, UnitKind

__all__ = ["UnitFile", "unit_of"]


class UnitName(Model):
    """A unit's name. Without ``zh`` the English text stands for both."""

    en: Plain
    zh: Plain | None = None


class UnitFile(Model):
    """A patrol, medics, or the dock of a drone, and where it begins."""

    id: Ident
    name: UnitName | None = None
    kind: UnitKind
    at_m: PointM


def unit_of(given: UnitFile) -> Unit:
    """The unit as a plain value."""
    en = given.id if given.name is None else given.name.en
    zh = en if given.name is None or given.name.zh is None else given.name.zh
    return Unit(given.id, {"en": en, "zh": zh}, given.kind, (given.at_m[0], given.at_m[1]))
