"""A file of labelled incidents: what really happened on a recorded night, so that alerts can be scored against it.

::

    version: 1
    incidents:
      - id: build-up
        kind: build_up                          # free: it groups incidents of several nights
        from_time: "2026-12-31T23:10:00+08:00"  # of its cause
        to_time: "2026-12-31T23:40:00+08:00"    # of its end
        zones: [front-west]                     # where an alert counts as raised
        near: [promenade]                       # where it may spread: an alert there is not false
        harm_time: "2026-12-31T23:24:00+08:00"  # when people came to harm, or might have: lead time counts to it
        expects: alert                          # alert, none (nothing may be raised), or report (a person reports it)
        alarms: [crowding]                      # which alarms count; without it any does
        least_level: alert                      # from which level on; default alert
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from crowdwatch.assets.document import Document, read_document
from crowdwatch.config.fields import Ident, Plain, Step, Time
from crowdwatch.config.programs import Model
from crowdwatch.config.structure import structure_faults
from crowdwatch.config.times import parse_time

__all__ = ["Expects", "IncidentFile", "IncidentsFile", "load_incidents"]

Expects = Literal["alert", "none", "report"]


class IncidentFile(Model):
    """One labelled incident; see this module's heading."""

    id: Ident
    kind: Ident
    from_time: Time
    to_time: Time
    zones: Annotated[list[Ident], Field(min_length=1, max_length=500)]
    near: Annotated[list[Ident], Field(max_length=500)] = Field(default_factory=list)
    harm_time: Time | None = None
    expects: Expects = "alert"
    alarms: list[Ident] = Field(default_factory=list)
    least_level: Step = "alert"
    note: Plain | None = None

    @property
    def from_ns(self) -> int:
        """When its cause begins."""
        return parse_time(self.from_time)

    @property
    def to_ns(self) -> int:
        """When it is over."""
        return parse_time(self.to_time)

    @property
    def harm_ns(self) -> int | None:
        """When harm begins; None where the label does not say."""
        return None if self.harm_time is None else parse_time(self.harm_time)


class IncidentsFile(Model):
    """Every incident of a night."""

    version: Literal[1]
    incidents: Annotated[list[IncidentFile], Field(max_length=10_000)]


def load_incidents(path: Path) -> tuple[IncidentFile, ...]:
    """Read labelled incidents.

    Raises:
        ConfigError: every fault of the file at once, each with its line.
    """
    document = read_document(Document(path, "file of incidents", "docs/data.md shows one."))
    read = None
    try:
        read = IncidentsFile.model_validate(document.raw)
    except ValidationError as error:
        structure_faults(document, error, IncidentsFile)
    for number, each in enumerate(read.incidents if read is not None else ()):
        if not each.from_ns < each.to_ns:
            document.fault(("incidents", number, "to_time"), "need a time after from_time. Correct one of them.")
        if read is not None and [other.id for other in read.incidents].index(each.id) != number:
            document.fault(("incidents", number, "id"), f"got {each.id!r} twice, need one name each. Rename one.")
    if document.faults or read is None:
        raise document.error()
    return tuple(read.incidents)
