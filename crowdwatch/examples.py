"""Where the shipped example events lie, in a checkout and in an installed wheel."""

from __future__ import annotations

import sys
from pathlib import Path

from crowdwatch.errors import ConfigError

__all__ = ["example"]


def example(name: str) -> Path:
    """Return the event file of a shipped example.

    Raises:
        ConfigError: there is no such example.
    """
    checkout = Path(__file__).resolve().parents[1]
    places = [Path(sys.prefix) / "share" / "crowdwatch"]
    if (checkout / "pyproject.toml").is_file():
        places.insert(0, checkout)
    for place in places:
        path = place / "examples" / name / "event.yaml"
        if path.is_file():
            return path
    raise ConfigError(f"example {name!r}: not found in {' or '.join(str(p / 'examples') for p in places)}. Reinstall.")
