"""Where the files lie that ship beside the program: examples and models."""

from __future__ import annotations

import sysconfig
from pathlib import Path

__all__ = ["shipped"]


def shipped(name: str) -> list[Path]:
    """The folders of that name in this installation, the nearest first; empty when there is none.

    In a checkout it stands beside the package. A wheel puts it under ``share/crowdwatch`` of the environment, of the
    user's base (``pip install --user``), or beside the package (``--target``).
    """
    beside = Path(__file__).resolve().parents[2]
    bases = [beside, *(Path(sysconfig.get_path("data", scheme)) for scheme in _schemes())]
    found = [base / "share" / "crowdwatch" / name for base in bases]
    if (beside / "pyproject.toml").is_file():  # site-packages/models would be somebody else's
        found.insert(0, beside / name)
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def _schemes() -> tuple[str, str]:
    return sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")
