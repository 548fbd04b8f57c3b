"""Keys of the event file: units on the ground."""

from __future__ import annotations

from crowdwatch.config.fields import Ident, Plain, PointM
from crowdwatch.config.programs import Model
from crowdwatch.core.dispatch import Unit, UnitKind

__all__ = ["UnitFile", "unit_of"]


class UnitName(Model):
    """A unit's name. Without ``zh`` the English text stands for both."""

    en: Plain
    """English."""
    zh: Plain | None = None
    """Chinese; the English text stands for both without it."""


class UnitFile(Model):
    """A patrol, medics, or the dock of a drone, and where it begins."""

    id: Ident
    """Short name."""
    name: UnitName | None = None
    """Name for people."""
    kind: UnitKind
    """What it is: a patrol, medics, a drone dock."""
    at_m: PointM
    """Where it stands at first: east and north."""


def unit_of(given: UnitFile) -> Unit:
    """The unit as a plain value."""
    en = given.id if given.name is None else given.name.en
    zh = en if given.name is None or given.name.zh is None else given.name.zh
    return Unit(given.id, {"en": en, "zh": zh}, given.kind, (given.at_m[0], given.at_m[1]))
