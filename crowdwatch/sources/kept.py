"""What was found in recordings, on the disk: an archive is read once, and not once by every process of a batch.

Arrays in NumPy's own format, without pickles. A file that is damaged or of another version is read as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from crowdwatch.assets.fetching import written_whole
from crowdwatch.sources.decoding import Footage
from crowdwatch.sources.findings import Findings
from crowdwatch.sources.index import PacketIndex, Shown

__all__ = ["keep", "recall"]

_log = logging.getLogger(__name__)

VERSION = 1
"""Of how a recording is read, and of this form: another one is read anew."""

ARRAYS = ("pts", "dts", "duration", "size", "pos", "mark", "key", "hidden")
FRACTIONS = ("time_base", "declared_rate", "declared_s", "end_s", "aspect")
PLAIN = ("name", "codec", "declared_frames", "reorders", "disordered")


def _file_of(folder: Path, path: Path, number: int | None, told: tuple[int, ...]) -> Path:
    name = f"{VERSION}|{path.resolve()}|{number}|{told}".encode()
    return folder / f"{hashlib.sha256(name).hexdigest()[:32]}.npz"


def keep(folder: Path, found: Findings) -> None:
    """Write what was found in a recording, where it is not kept yet; a disk that takes no more costs only the time to
    read the recording again."""
    path, index = found.footage.path, found.footage.index
    try:
        status = path.stat()
    except OSError:
        return
    file = _file_of(folder, path, found.footage.number, (status.st_size, status.st_mtime_ns))
    if file.exists():
        return
    facts: dict[str, Any] = {name: getattr(index, name) for name in PLAIN}
    facts |= {name: None if getattr(index, name) is None else str(getattr(index, name)) for name in FRACTIONS}
    facts |= {
        "first": found.footage.first, "decoded_hw": found.decoded_hw, "turns": found.turns,
        "shown_aspect": str(found.aspect), "version": VERSION,
    }  # fmt: skip
    arrays = {name: getattr(index, name) for name in ARRAYS}
    if index.shown is not None:
        arrays["order"] = index.shown.order
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    try:
        with written_whole(file) as out:
            np.savez_compressed(out, facts=text, **arrays)
    except OSError as error:
        _log.warning("what was found in %s is not kept: %s", path, error)


def recall(folder: Path, path: Path, number: int | None, told: tuple[int, ...]) -> Findings | None:
    """What was found before in a recording; None where nothing whole is kept.

    Args:
        folder: where what was found is kept.
        path, number: the recording and its stream.
        told: its size and the time of its last change in nanoseconds.
    """
    file = _file_of(folder, path, number, told)
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            facts = json.loads(held["facts"].tobytes())
            arrays: dict[str, Any] = {name: held[name] for name in ARRAYS}
            shown = Shown(held["order"]) if "order" in held else None
        if facts["version"] != VERSION or len({len(each) for each in arrays.values()}) != 1:
            return None
        values: dict[str, Any] = {name: facts[name] for name in PLAIN}
        values |= {name: None if facts[name] is None else Fraction(facts[name]) for name in FRACTIONS}
        index = PacketIndex(**arrays, **values, shown=shown)
        height, width = facts["decoded_hw"]
        footage = Footage(path, number, index, first=int(facts["first"]))
        return Findings(footage, (height, width), int(facts["turns"]), Fraction(facts["shown_aspect"]))
    except FileNotFoundError:
        return None
    except OSError as error:  # another user's, or a disk that is away: not ours to remove
        _log.warning("%s: what was found in %s before cannot be opened (%s). It is read again.", file, path, error)
        return None
    except (BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        _log.warning("%s: what was found in %s before cannot be read (%s). It is read again.", file, path, error)
        with suppress(OSError):
            file.unlink()
        return None
