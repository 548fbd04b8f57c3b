"""What operators did, on the disk before anything follows from it: a line of JSON for each action, beside the log.

A part of the log is closed about once a minute; a kill in between loses what is open. Observations are made again from
the footage, but not what a person did. So an action is written here first, with the tick that it was sequenced for and
the level that was seen; a run that goes on applies it at that very tick. The file holds no more than the log does.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from crowdwatch.core.records import OperatorAction
from crowdwatch.store import files

__all__ = ["ActionJournal"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActionJournal:
    """The journal of one log.

    Args:
        folder: the log's folder.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """Its file; there is none before the first action."""
        return self.folder / "actions.jsonl"

    def add(self, action: OperatorAction) -> None:
        """Write one action; it is on the disk when this returns.

        Raises:
            StoreUnavailable: disk full, read-only.
        """
        text = json.dumps(asdict(action))
        line = json.dumps({"crc32": zlib.crc32(text.encode()), "action": text}).encode() + b"\n"
        with files.writable(self.path):
            files.make_folder(self.folder)
            new = not self.path.exists()
            with self.path.open("ab") as file:
                start = file.tell()
                if start and not self._ends_with_a_line():
                    line = b"\n" + line  # a kill tore the last one
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(start)
                    raise
            if new:
                files.sync(self.folder)

    def read(self) -> list[OperatorAction]:
        """Every action, in the order in which they were sequenced. A line that a kill tore or that is damaged is passed
        over: its command is in the store, and is sequenced anew."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found: dict[int, OperatorAction] = {}
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                held = json.loads(line)
                if zlib.crc32(held["action"].encode()) != held["crc32"]:
                    raise ValueError("its checksum is another")
                action = OperatorAction(**json.loads(held["action"]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                _log.warning("journal %s: line %d is passed over: %s.", self.path, number, error)
                continue
            found.setdefault(action.command_id, action)
        return list(found.values())

    def _ends_with_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
