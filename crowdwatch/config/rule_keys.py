"""Keys of the event file on rules beside the limits, on the planned number of people, and on alarms nobody answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from crowdwatch.config.fields import Ident, NotNegative, Number, Step, Truth
from crowdwatch.config.programs import Model
from crowdwatch.core.site import ZoneKind

__all__ = ["AlarmKeys", "ExpectedFile", "RuleFile"]

Hour = Annotated[Number, Field(ge=0, le=3600)]
CurvePoint = Annotated[list[NotNegative], Field(min_length=2, max_length=2)]


class RuleFile(Model):
    """One rule where it is in force. Of several entries for one rule the last one that fits a zone and phase holds."""

    rule: Ident
    """Its name; `docs/alert_rules.md` lists them."""
    zones: list[Ident] | None = Field(default=None, json_schema_extra={"source": "every zone"})
    """Where it is in force; absent: everywhere."""
    kinds: list[ZoneKind] | None = Field(default=None, json_schema_extra={"source": "every kind"})
    """Where it is in force; absent: everywhere."""
    phases: list[Ident] | None = Field(default=None, json_schema_extra={"source": "every phase"})
    """Where it is in force; absent: everywhere."""
    use: Truth = True
    """False switches it off there."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """In place of the rule's own."""
    on_delay_s: Hour | None = Field(default=None, json_schema_extra={"source": "the rule's own"})
    """How long what it says must last before its alarm rises, and before it falls."""
    off_delay_s: Hour | None = Field(default=None, json_schema_extra={"source": "the rule's own"})
    """How long what it says must last before its alarm rises, and before it falls."""
    latch: Truth = False
    """Whether its alarm stays until a person closes it. `crowding` and `blindness`, whose limits stand elsewhere, take
    this key alone."""


class ExpectedFile(Model):
    """How many people are planned in a zone: [seconds after the event's start, people], straight lines between."""

    zone: Ident
    """The zone."""
    curve: Annotated[list[CurvePoint], Field(min_length=2, max_length=2000)]
    """Points [seconds after the start of the event, people], straight lines between."""


class AlarmKeys(Model):
    """What becomes of an alarm that nobody acknowledges, and how long a second person has to confirm."""

    realarm_s: Hour = Field(default=120.0, json_schema_extra={"source": "design value; 0 for never"})
    """After how long an alarm that nobody acknowledged calls again."""
    escalate_s: Hour = Field(default=240.0, json_schema_extra={"source": "design value: the second time; 0 for never"})
    """After how long it goes to the next role."""
    escalate_from: Step = Field(default="alert", json_schema_extra={"source": "design value"})
    """From which level on."""
    second_s: Annotated[Number, Field(ge=10, le=600)] = Field(
        default=120.0, json_schema_extra={"source": "design value: as long as a re-alarm"}
    )
    """How long a second person has to confirm what one may not do alone."""
