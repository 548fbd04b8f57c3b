"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


def _folder(variable: str) -> Path:
    value = os.environ.get(variable, "")
    if value and Path(value).is_dir():
        return Path(value).resolve()
    reason = f"{variable} does not name a folder: got {value!r}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real footage and annotations."""
    return _folder("CROWDWATCH_DATA")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of weights."""
    return _folder("CROWDWATCH_MODELS")
