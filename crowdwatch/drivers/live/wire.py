"""What is said between a station and the engine, as bytes: JSON, with Arrow for observations. Nothing is unpickled.

A letter is the length of its JSON head (4 bytes, big endian), the head, and what follows it: the compressed Arrow
stream of an observation, or the JPEG of a coarse picture.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from crowdwatch.core.live import CoarsePicture, LiveMessage, StreamStatus
from crowdwatch.core.records import CameraFault, Observation, Stamp
from crowdwatch.errors import RecordError
from crowdwatch.store.columns import as_now, observation_table, observations

__all__ = ["MOST_BYTES", "camera_of", "decode", "encode", "pack", "unpack", "warm_up"]

MOST_BYTES = 8_000_000
"""Of one letter. An observation with 3,000 boxes and a density map of 250 x 250 m takes 3 MB, a coarse picture of 8k
2 MB."""

HEAD = 4

ZSTD = pa.Codec("zstd", compression_level=1)
"""0.1 ms for an observation, which is 2.5 to 3 times smaller then. Arrow's own compression, buffer by buffer, takes 2
ms and makes small ones larger."""

_STATUS, _FAULT, _STAMP = (TypeAdapter[Any](noun) for noun in (StreamStatus, CameraFault, Stamp))


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """A head and a body as one letter."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return len(text).to_bytes(HEAD, "big") + text + body


def unpack(letter: bytes) -> tuple[dict[str, Any], bytes]:
    """The inverse of :func:`pack`.

    Raises:
        RecordError: it is no letter.

    >>> unpack(pack({"heard": 3}, b"..."))
    ({'heard': 3}, b'...')
    """
    ends = HEAD + int.from_bytes(letter[:HEAD], "big")
    if len(letter) < HEAD or ends > len(letter):
        raise RecordError(f"letter of {len(letter)} bytes: its head is not complete.")
    try:
        head = json.loads(letter[HEAD:ends])
    except (ValueError, RecursionError) as error:
        raise RecordError(f"letter of {len(letter)} bytes: its head is not JSON ({type(error).__name__}).") from error
    if not isinstance(head, dict):
        raise RecordError(f"letter of {len(letter)} bytes: got a head of {type(head).__name__}, need keys with values.")
    return head, letter[ends:]


def camera_of(message: LiveMessage) -> str:
    """The camera that a message is about."""
    return message.stamp.camera_id if isinstance(message, Observation | CoarsePicture) else message.camera_id


def encode(message: LiveMessage) -> tuple[dict[str, Any], bytes]:
    """A message as head and body."""
    match message:
        case Observation():
            table = observation_table([(0, message)])
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            content = sink.getvalue()
            return {"kind": "observation", "size": content.size}, ZSTD.compress(content, asbytes=True)
        case CoarsePicture():
            return {"kind": "picture", "of": asdict(message.stamp)}, message.jpeg
        case CameraFault():
            return {"kind": "fault", "of": asdict(message)}, b""
        case StreamStatus():
            return {"kind": "status", "of": asdict(message)}, b""


def decode(head: dict[str, Any], body: bytes) -> LiveMessage:
    """The inverse of :func:`encode`.

    Raises:
        RecordError: it is no message of this version.
    """
    kind = head.get("kind")
    try:
        match kind:
            case "observation":
                return _observation(body, head.get("size"))
            case "picture":
                return CoarsePicture(_STAMP.validate_python(head.get("of")), body)
            case "fault":
                return _known(_FAULT.validate_python(head.get("of")))
            case "status":
                return _known(_STATUS.validate_python(head.get("of")))
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, OSError, pa.ArrowException) as error:
        first = (str(error).splitlines() or [""])[0]
        raise RecordError(f"message of kind {kind!r} cannot be read ({type(error).__name__}: {first}).") from error
    raise RecordError(f"message: got kind {str(kind)[:40]!r}, need observation, picture, fault or status.")


def warm_up() -> None:
    """Encode nothing: pyarrow imports pandas, where it is installed, with the first table, which takes 0.7 s."""
    observation_table([])


def _known(message: Any) -> LiveMessage:
    assert isinstance(message, StreamStatus | CameraFault)
    return message


def _observation(body: bytes, size: object) -> Observation:
    if not isinstance(size, int) or not 0 < size <= MOST_BYTES:
        raise RecordError(f"got size {str(size)[:20]!r}, need 1 to {MOST_BYTES}")
    with pa.ipc.open_stream(ZSTD.decompress(body, decompressed_size=size)) as stream:
        table = stream.read_all()
    table.validate(full=True)
    now = as_now(table)
    if now is None or now.num_rows != 1:
        raise RecordError(f"{table.num_rows} rows of {table.num_columns} columns, need one observation of this version")
    ((_, found),) = observations(now)
    return found
