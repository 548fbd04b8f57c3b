"""Work that fails in a process of its own; a child finds it by the name of this module."""

import os

from crowdwatch.errors import WeightsNotFound


def refuse() -> None:
    raise WeightsNotFound("weights 'net': not found. Name a folder.")


class Unreadable(Exception):
    """An error that pickle writes and cannot read: its arguments are not those of ``__init__``."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


def raise_unreadable() -> None:
    raise Unreadable("the net", "the sea")


def vanish(*args: object) -> None:
    os._exit(7)
