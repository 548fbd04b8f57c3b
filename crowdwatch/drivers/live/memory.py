"""What the fold remembers, as bytes and back, so that an engine that was killed goes on within seconds.

The bytes are a pickle, since a state is a graph of nouns and arrays that only the code that made it understands. It is
read by that very code alone (:func:`program` names it), from a file that only the engine's user can read, and by an
unpickler that makes nothing but nouns of CrowdWatch, arrays and plain containers. Whatever is wrong with it, the log is
folded again instead: a snapshot saves time, and is never needed.

What follows from the event file (the prepared site and its views) is not in the bytes: it is referred to by name, so
that a state that is read back shares it with the engine, as it did.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import pyarrow as pa

from crowdwatch.analytics.coverage import SiteView
from crowdwatch.analytics.engine import State
from crowdwatch.core.version import __version__
from crowdwatch.errors import LogCorrupt

__all__ = ["program", "read_state", "state_bytes"]

ROOMS = ("crowdwatch.core.", "crowdwatch.analytics.", "crowdwatch.ground.")
"""Whose classes a state is made of."""

PLAIN = {
    ("builtins", "frozenset"),
    ("builtins", "set"),
    ("copyreg", "_reconstructor"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


ZSTD = pa.Codec("zstd", compression_level=1)
"""Most of a state is density fields. That of 4 cameras has 12 MB and becomes 1.1 MB in 18 ms, twelve times a minute."""

MOST_BYTES = 2**32
SIZE = 8


@cache
def program() -> str:
    """Names the code of the fold: a state is read only by the code that wrote it."""
    digest = hashlib.sha256(__version__.encode())
    for room in ("core", "ground", "analytics"):
        _digest(digest, files(f"crowdwatch.{room}"))
    return digest.hexdigest()


def _digest(digest: hashlib._Hash, folder: Traversable) -> None:
    """Take in every module of a room, those of its packages too."""
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.is_dir() and path.name != "__pycache__":
            _digest(digest, path)
        elif path.name.endswith(".py"):
            digest.update(path.name.encode() + path.read_bytes())


def state_bytes(state: State) -> bytes:
    """A state as bytes for :func:`read_state`."""
    known = {id(each): name for name, each in _named(state.view)}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return known.get(id(obj))

    file = io.BytesIO()
    Pickler(file, protocol=5).dump(state)
    return _packed(file.getvalue())


def read_state(content: bytes, view: SiteView) -> State:
    """The inverse of :func:`state_bytes`, over the same prepared site.

    Raises:
        LogCorrupt: these are no bytes of a state that this code can read.
    """
    known = dict(_named(view))

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return known[pid]

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in PLAIN and not module.startswith(ROOMS):
                raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
            found = super().find_class(module, name)
            if module.startswith(ROOMS) and not (isinstance(found, type) and found.__module__ == module):
                raise pickle.UnpicklingError(f"{module}.{name} is no noun")
            return found

    try:
        size = int.from_bytes(content[:SIZE], "big")
        if not 0 < size < MOST_BYTES:
            raise pickle.UnpicklingError(f"its size is said to be {size}")
        state = Unpickler(io.BytesIO(ZSTD.decompress(content[SIZE:], decompressed_size=size, asbytes=True))).load()
    except Exception as error:  # a pickle that is not what it should be may raise anything
        raise LogCorrupt(f"the snapshot of the state cannot be read ({type(error).__name__}: {error}).") from error
    if not isinstance(state, State):
        raise LogCorrupt(f"the snapshot of the state holds a {type(state).__name__}.")
    return state


def _packed(content: bytes) -> bytes:
    compressed: bytes = ZSTD.compress(content, asbytes=True)
    return len(content).to_bytes(SIZE, "big") + compressed


def _named(view: SiteView) -> Iterator[tuple[str, Any]]:
    """The parts of a prepared site that a state refers to, with names."""
    for name in ("site", "grid", "walkable", "zones", "cameras"):
        yield name, getattr(view, name)
    yield "view", view
    for camera in view.site.cameras:
        yield f"camera {camera.camera_id}", camera
    for camera_id, sight in view.cameras.items():
        yield f"sight {camera_id}", sight
