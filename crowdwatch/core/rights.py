"""Who may do what: the one table of roles and rights.

A role may do what the roles below it may. The page asks before it does anything (``crowdwatch/ui/session.py``), and
:func:`crowdwatch.core.commands.judge` asks again, where a command is queued and where the engine takes it.

=============== ==================================================================================================
role            may
=============== ==================================================================================================
viewer          look at everything that is coarsened, change the own password
operator        act on alarms and units, report, count by hand, export, steer and start replays
commander       set levels and phases, take alarms out of service, stop a live run, see a clear picture
administrator   set events up, administer accounts, read the audit log
=============== ==================================================================================================
"""

from __future__ import annotations

from enum import StrEnum

from crowdwatch.core.runs import STEERING, CommandKind

__all__ = ["COMMANDER_KINDS", "LEAST", "ROLES", "Right", "at_least", "may", "right_of"]

ROLES = ("viewer", "operator", "commander", "administrator")
"""From the least to the most. An empty role is an operator's, as before there were roles."""


class Right(StrEnum):
    """Something that not everybody may do."""

    WATCH = "watch"
    OWN_PASSWORD = "own_password"
    OPERATE = "operate"
    HAND_COUNT = "hand_count"
    EXPORT = "export"
    STEER = "steer"
    START_REPLAY = "start_replay"
    DECIDE = "decide"
    STOP_LIVE = "stop_live"
    CLEAR_PICTURE = "clear_picture"
    SET_UP = "set_up"
    ACCOUNTS = "accounts"
    AUDIT_LOG = "audit_log"


LEAST: dict[Right, str] = {
    Right.WATCH: "viewer",
    Right.OWN_PASSWORD: "viewer",
    Right.OPERATE: "operator",
    Right.HAND_COUNT: "operator",
    Right.EXPORT: "operator",
    Right.STEER: "operator",
    Right.START_REPLAY: "operator",
    Right.DECIDE: "commander",
    Right.STOP_LIVE: "commander",
    Right.CLEAR_PICTURE: "commander",
    Right.SET_UP: "administrator",
    Right.ACCOUNTS: "administrator",
    Right.AUDIT_LOG: "administrator",
}
"""The least role that has each right."""

COMMANDER_KINDS = frozenset(
    {CommandKind.SET_LEVEL, CommandKind.OUT_OF_SERVICE, CommandKind.IN_SERVICE, CommandKind.PHASE}
)
"""Commands that need :data:`Right.DECIDE`."""


def at_least(role: str, least: str) -> bool:
    """Whether a role may do what ``least`` may.

    >>> at_least("commander", "operator"), at_least("", "commander"), at_least("king", "operator")
    (True, False, False)
    """
    role = role or "operator"
    return role in ROLES and ROLES.index(role) >= ROLES.index(least)


def may(role: str, right: Right) -> bool:
    """Whether a role has a right. Whoever has no role has none.

    >>> may("viewer", Right.WATCH), may("viewer", Right.OPERATE), may("", Right.WATCH)
    (True, False, False)
    """
    return role in ROLES and at_least(role, LEAST[right])


def right_of(kind: CommandKind, *, live: bool = False) -> Right:
    """The right that a command needs.

    >>> right_of(CommandKind.STOP).value, right_of(CommandKind.STOP, live=True).value
    ('steer', 'stop_live')
    """
    if kind in STEERING:
        return Right.STOP_LIVE if live and kind is CommandKind.STOP else Right.STEER
    return Right.DECIDE if kind in COMMANDER_KINDS else Right.OPERATE
