"""Recipes of trainings: a YAML file becomes a frozen dataclass, or every fault of the file is listed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from crowdwatch.detectors import weights
from crowdwatch.errors import ConfigError, ModelError

__all__ = ["FORBID", "AtLeast0", "AtLeast1", "Decay", "Rate", "Share", "read"]

FORBID = ConfigDict(extra="forbid", allow_inf_nan=False)
"""What a recipe's dataclass says as ``__pydantic_config__``: a key that it does not know is an error."""

AtLeast0 = Annotated[int, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]

Recipe = TypeVar("Recipe")


def read(path: Path, kind: type[Recipe]) -> Recipe:
    """Read a recipe.

    Args:
        path: of the YAML file.
        kind: the dataclass; its annotations are the limits.

    Raises:
        ConfigError: it cannot be read, or keys are unknown, missing, of the wrong type or out of their limits.
    """
    try:
        values = weights.read_yaml(path)
    except ModelError as err:
        raise ConfigError(f"recipe {err}") from err
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as err:
        faults = "; ".join(_fault(one) for one in err.errors(include_url=False))
        raise ConfigError(f"recipe {path}: {faults}. See {kind.__name__} in {kind.__module__}.") from err


def _fault(one: Any) -> str:
    key = ".".join(str(part) for part in one["loc"])
    if one["type"] == "unexpected_keyword_argument":
        return f"unknown {key}"
    if one["type"] in ("missing", "missing_argument"):
        return f"{key} is missing"
    need = str(one["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    where = f"{key}: " if key else ""
    return f"{where}got {one['input']!r}, need {need}"
