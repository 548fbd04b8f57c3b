"""Keys of the event file: who is told of alerts."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from crowdwatch.config.fields import Ident, Plain, Step, Truth
from crowdwatch.config.programs import Model
from crowdwatch.core.notices import Form, Quiet, Target, TargetKind
from crowdwatch.core.outcomes import Level
from crowdwatch.core.stream_url import VARIABLE, secret_in

__all__ = ["NotifySettings", "QuietFile", "Role", "RouteFile", "TargetFile", "minutes_of", "targets_of"]

Role = Literal["viewer", "operator", "commander", "administrator"]

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f'got {value!r}, need a time of the day as "22:30"')
    return value


def _sender(value: str) -> str:
    if re.search(r"[\s,<&]", value):
        raise ValueError(f"got {value!r}, need a name or address without spaces, commas, < and &")
    return value


Clock = Annotated[str, Field(strict=True), AfterValidator(_clock)]
SenderName = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_sender)]
Secret = Annotated[str, Field(strict=True, pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")]


def minutes_of(clock: str) -> int:
    """Minutes after midnight.

    >>> minutes_of("22:30")
    1350
    """
    return int(clock[:2]) * 60 + int(clock[3:])


class QuietFile(Model):
    """Hours of the day in which a target hears only of levels from ``level`` on."""

    from_time: Clock
    """Beginning, as "22:30", in the time zone of the event."""
    to_time: Clock
    """End; it may be on the next day."""
    level: Step = "critical"
    """From which level on it is heard all the same."""


class RouteFile(Model):
    """What the targets of one role hear of, unless they say otherwise themselves."""

    level: Step | None = None
    """From which level on they hear of an alarm."""
    alarms: list[Ident] | None = None
    """Names of the alarms that they hear of."""
    cleared: Truth | None = None
    """Whether they hear that an alarm is over."""
    acknowledged: Truth | None = None
    """Whether they hear that an alarm was acknowledged."""
    quiet: list[QuietFile] | None = None
    """Hours of the day in which they hear only of high levels."""


class TargetFile(Model):
    """Somebody or something that is told. Exactly one of ``address`` and ``secret_file``."""

    id: Ident
    """Short name."""
    kind: TargetKind
    """The way: `apprise` (e-mail, SMS, chat), `webhook`, `mqtt` or `file`."""
    form: Form | None = None
    """What is sent: words, JSON, a CAP message or a line for the radio."""
    address: Plain | None = None
    """Where to; `${NAME}` is put in from the environment."""
    secret_file: Plain | None = None
    """File with mode 600 whose first line is the address."""
    key: Secret | None = None
    """Of a webhook: `${NAME}` of the key that signs what is sent."""
    languages: Annotated[list[Literal["en", "zh"]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: list[Literal["en", "zh"]](["en"])
    )
    """Languages of the words."""
    role: Role | None = None
    """The role of who reads it: it hears what `roles` says of it, and of alarms that are passed on to that role."""
    level: Step = "alert"
    """From which level on it hears of an alarm."""
    alarms: list[Ident] = Field(default_factory=list)
    """Names of the alarms that it hears of; none named: all."""
    cleared: Truth = True
    """Whether it hears that an alarm is over."""
    acknowledged: Truth = False
    """Whether it hears that an alarm was acknowledged."""
    quiet: list[QuietFile] = Field(default_factory=list)
    """Hours of the day in which it hears only of high levels."""
    topic: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "crowdwatch"
    """Of MQTT: the beginning of its topics."""
    discovery: Truth = False
    """Of MQTT: whether Home Assistant is told of the zones."""

    @model_validator(mode="after")
    def _address(self) -> TargetFile:
        if (self.address is None) == (self.secret_file is None):
            raise ValueError("need exactly one of address and secret_file")
        if self.address is not None:
            bare = self.kind is TargetKind.APPRISE and not self.address.startswith("mailto")
            if secret_in(self.address) or (bare and not VARIABLE.search(self.address)):
                raise ValueError(
                    "address: holds a secret as it is. Put it into the environment and write ${NAME}, or name a "
                    "secret_file with mode 600"
                )
        return self


class NotifySettings(Model):
    """Who is told, and in whose name."""

    sender: SenderName = "crowdwatch"
    """Who sends, in CAP messages."""
    sender_name: Plain | None = None
    """The same for people."""
    scope: Literal["Public", "Restricted"] = "Restricted"
    """Of CAP messages."""
    restriction: Plain = "staff of the event"
    """For whom they are, where the scope is `Restricted`."""
    roles: dict[Role, RouteFile] = Field(default_factory=dict)
    """What the targets of each role hear of. What a target says itself goes before it."""
    targets: Annotated[list[TargetFile], Field(max_length=200)] = Field(default_factory=list)
    """Who is told."""

    @model_validator(mode="before")
    @classmethod
    def _routed(cls, given: Any) -> Any:
        """Put into each target what its role hears of, where it does not say so itself."""
        roles, targets = (given.get(name) for name in ("roles", "targets")) if isinstance(given, dict) else (None, None)
        if not isinstance(roles, dict) or not isinstance(targets, list):
            return given
        routed = []
        for target in targets:
            route = roles.get(str(target.get("role"))) if isinstance(target, dict) else None
            own = {name: said for name, said in route.items() if said is not None} if isinstance(route, dict) else {}
            routed.append({**own, **target} if own else target)
        return {**given, "targets": routed}

    @model_validator(mode="after")
    def _once(self) -> NotifySettings:
        ids = [target.id for target in self.targets]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            raise ValueError(f"targets: the id {', '.join(twice)} is given twice. Rename one of them")
        nobody = sorted(set(self.roles) - {target.role for target in self.targets})
        if nobody:
            raise ValueError(f"roles: no target has the role {', '.join(nobody)}. Give one that role, or leave it out")
        return self


FORMS = {
    TargetKind.APPRISE: Form.TEXT,
    TargetKind.WEBHOOK: Form.JSON,
    TargetKind.MQTT: Form.JSON,
    TargetKind.FILE: Form.TEXT,
}


def targets_of(settings: NotifySettings) -> tuple[Target, ...]:
    """The targets as plain values."""
    return tuple(_target(each) for each in settings.targets)


def _target(given: TargetFile) -> Target:
    quiet = tuple(
        Quiet(minutes_of(each.from_time), minutes_of(each.to_time), Level[each.level.upper()]) for each in given.quiet
    )
    return Target(
        given.id, given.kind, given.form or FORMS[given.kind], given.address or "", given.secret_file or "",
        given.key or "", tuple(given.languages), given.role or "", Level[given.level.upper()], tuple(given.alarms),
        given.cleared, given.acknowledged, quiet, given.topic, given.discovery,
    )  # fmt: skip
