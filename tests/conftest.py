"""Fixtures that every test may use."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rtsp_server import RtspServer

if "PYTEST_XDIST_WORKER" in os.environ:  # beside others: threads of torch beyond the cores only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.setdefault(
    "CROWDWATCH_ACCESS", "demo"
)  # pages under test are open, on this machine; tests of sign-ins say so


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


@pytest.fixture(autouse=True)
def log_output_as_it_was() -> Iterator[None]:
    """A command that ran in this process leaves no levels and no handlers behind for the next test."""
    loggers = [logging.getLogger(name) for name in (None, "crowdwatch", "pipelines")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    variables = {
        name: os.environ.get(name) for name in ("CROWDWATCH_LOG_FORMAT", "CROWDWATCH_LOG_LEVEL", "CROWDWATCH_LOG_RUN")
    }
    yield
    for name, value in variables.items():
        os.environ.pop(f"CROWDWATCH_LOG_{name}", None)
        if value is not None:
            os.environ[f"CROWDWATCH_LOG_{name}"] = value
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def live_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 160 x 96 pixels, 10 pictures a second and a keyframe a second, for the RTSP server."""
    from rtsp_server import drawn_clip

    return drawn_clip(tmp_path_factory.mktemp("clips") / "drawn.clip")


@pytest.fixture
def rtsp(live_clip: Path) -> Iterator["RtspServer"]:
    """A real RTSP server on loopback that serves the clip at ``/a`` and ``/b``."""
    from rtsp_server import RtspServer

    with RtspServer({"/a": live_clip, "/b": live_clip}) as server:
        yield server
