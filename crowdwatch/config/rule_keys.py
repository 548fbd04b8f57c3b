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
    """One rule where it is in force. Of several entries for one rule the last one that fits a zone and phase holds.

    Args:
        rule: its name; ``docs/alert_rules.md`` lists them.
        zones, kinds, phases: where it is in force; absent: everywhere.
        use: false switches it off there.
        parameters: in place of the rule's own.
        on_delay_s, off_delay_s: how long what it says must last before its alarm rises, and before it falls.
        latch: whether its alarm stays until a person closes it. ``crowding`` and ``blindness``, whose limits stand
            elsewhere, take this key alone.
    """

    rule: Ident
    zones: list[Ident] | None = Field(default=None, json_schema_extra={"source": "every zone"})
    kinds: list[ZoneKind] | None = Field(default=None, json_schema_extra={"source": "every kind"})
    phases: list[Ident] | None = Field(default=None, json_schema_extra={"source": "every phase"})
    use: Truth = True
    parameters: dict[str, Any] = Field(default_factory=dict)
    on_delay_s: Hour | None = Field(default=None, json_schema_extra={"source": "the rule's own"})
    off_delay_s: Hour | None = Field(default=None, json_schema_extra={"source": "the rule's own"})
    latch: Truth = False


class ExpectedFile(Model):
    """How many people are planned in a zone: [seconds after the event's start, people], straight lines between."""

    zone: Ident
    curve: Annotated[list[CurvePoint], Field(min_length=2, max_length=2000)]


class AlarmKeys(Model):
    """What becomes of an alarm that nobody acknowledges, and how long a second person has to confirm."""

    realarm_s: Hour = Field(default=120.0, json_schema_extra={"source": "design value; 0 for never"})
    escalate_s: Hour = Field(default=240.0, json_schema_extra={"source": "design value: the second time; 0 for never"})
    escalate_from: Step = Field(default="alert", json_schema_extra={"source": "design value"})
    second_s: Annotated[Number, Field(ge=10, le=600)] = Field(
        default=120.0, json_schema_extra={"source": "design value: as long as a re-alarm"}
    )
