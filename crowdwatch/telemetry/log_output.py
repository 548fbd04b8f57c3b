"""Where log messages go and how they look: for people, or one JSON object a line.

A message is of a camera where it begins with ``camera %s``, or is logged with ``extra={"camera": ID}``; it is of the
run that its process, or the one that started it, has named by :func:`of_run`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum

from crowdwatch.core.text import visible
from crowdwatch.errors import redact

__all__ = ["FORMAT_VARIABLE", "LEVEL_VARIABLE", "Format", "Level", "as_environment_says", "configure", "of_run"]

FORMAT_VARIABLE, LEVEL_VARIABLE = "CROWDWATCH_LOG_FORMAT", "CROWDWATCH_LOG_LEVEL"
RUN_VARIABLE = "CROWDWATCH_LOG_RUN"


OURS = ("crowdwatch", "pipelines")
"""Packages whose messages are said from the chosen level on."""


class Format(StrEnum):
    """How a message looks."""

    HUMAN = "human"
    JSON = "json"


class Level(StrEnum):
    """The least that is said."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(form: Format = Format.HUMAN, level: Level = Level.WARNING) -> None:
    """Send the messages of this process to stderr, and those of the processes that it starts; safe to call again.

    Args:
        form: how they look.
        level: from which on messages of CrowdWatch are said; of other packages, warnings and errors.
    """
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Stderr)]:
        root.removeHandler(handler)
    handler = _Stderr()
    handler.setFormatter(_Json() if form is Format.JSON else _Human())
    handler.addFilter(_loud)
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    os.environ.update({FORMAT_VARIABLE: form, LEVEL_VARIABLE: level})


def as_environment_says() -> None:
    """Configure a process that a command started, such as a worker of a batch, as that command is."""
    configure(
        Format(os.environ.get(FORMAT_VARIABLE, Format.HUMAN)), Level(os.environ.get(LEVEL_VARIABLE, Level.WARNING))
    )


@contextmanager
def of_run(run_id: str) -> Iterator[None]:
    """Meanwhile messages of this process, and of those that it starts, are of this run."""
    before = os.environ.get(RUN_VARIABLE)
    os.environ[RUN_VARIABLE] = run_id
    try:
        yield
    finally:
        if before is None:
            del os.environ[RUN_VARIABLE]
        else:
            os.environ[RUN_VARIABLE] = before


def _camera(record: logging.LogRecord) -> str:
    """The camera that a message is of; empty where it is of none."""
    args = record.args
    by_text = str(record.msg).startswith("camera %s") and isinstance(args, tuple) and bool(args)
    return str(getattr(record, "camera", "") or (args[0] if by_text and isinstance(args, tuple) else ""))


def _loud(record: logging.LogRecord) -> bool:
    """Whether a message is ours, or a warning: packages as distributed set their own loggers to less."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in OURS


class _Stderr(logging.Handler):
    """Writes to the stderr of the moment: a progress bar puts its own there and draws itself again below."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text, encoding = self.format(record), getattr(sys.stderr, "encoding", None) or "utf-8"
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001  as every handler of logging: a message never ends the run
            self.handleError(record)


class _Human(logging.Formatter):
    """``warning: what happened``; a message cannot draw on the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = redact(f"{record.levelname.lower()}: {record.getMessage()}")
        said = visible(text).replace("\n", "\\n")
        return f"{said}\n{redact(self.formatException(record.exc_info))}" if record.exc_info else said


class _Json(logging.Formatter):
    """An object with ``t_utc``, ``level``, ``logger``, ``message``, and where there is one ``run``, ``camera``,
    ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "t_utc": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        said |= {
            key: each for key, each in (("run", os.environ.get(RUN_VARIABLE)), ("camera", _camera(record))) if each
        }
        if record.exc_info:
            said["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False)
