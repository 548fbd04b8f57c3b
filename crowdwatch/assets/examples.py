"""Where the shipped example events lie, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from crowdwatch.assets.shipped import shipped
from crowdwatch.errors import ConfigError

__all__ = ["example"]


def example(name: str) -> Path:
    """Return the event file of a shipped example.

    Raises:
        ConfigError: there is no such example.
    """
    places = shipped("examples")
    for place in places:
        path = place / name / "event.yaml"
        if path.is_file():
            return path
    where = " or ".join(map(str, places)) or "this installation"
    raise ConfigError(f"example {name!r}: not found in {where}. Reinstall.")
