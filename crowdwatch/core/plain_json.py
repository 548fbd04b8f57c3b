"""JSON for programs: what is not defined is null, so that every reader takes it."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["defined", "to_json"]


def to_json(value: Any) -> str:
    """A value as indented JSON; NaN and the infinities are null.

    >>> to_json([float("nan")])
    '[\\n  null\\n]'
    """
    return json.dumps(defined(value), indent=2, ensure_ascii=False, allow_nan=False, default=str)


def defined(value: Any) -> Any:
    """A value that JSON knows: NaN and the infinities become None, inside lists and mappings too.

    >>> defined({"mae": float("nan"), "bias": [0.1, float("inf")]})
    {'mae': None, 'bias': [0.1, None]}
    """
    if isinstance(value, dict):
        return {key: defined(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [defined(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
