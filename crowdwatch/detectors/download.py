"""Fetch the weights that Ultralytics publishes: two files, by their address, into the user's cache."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crowdwatch.errors import WeightsMismatch

__all__ = ["OFFICIAL", "Asset", "fetch"]

_log = logging.getLogger(__name__)

_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
TIMEOUT_S = 20.0
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A published file: its address and its sha256."""

    url: str
    sha256: str


OFFICIAL = {
    # Ultralytics prints no digests. These two were read, alike, in several unrelated public repositories that pin
    # the files by address and digest (for yolo11n both the v8.3.0 and the v8.4.0 release address).
    "yolo11n.pt": Asset(f"{_RELEASE}/yolo11n.pt", "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1"),
    "yolo26n.pt": Asset(f"{_RELEASE}/yolo26n.pt", "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef"),
}


def fetch(asset: Asset, target: Path) -> Path:
    """Download an asset to ``target``; the name appears only once the whole file is there and checked.

    Raises:
        OSError: no connection, a refusal by the server, or a folder that cannot be written.
        WeightsMismatch: what arrived is not the published file; it is thrown away.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _log.info("downloading %s to %s", asset.url, target)
    digest = hashlib.sha256()
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(asset.url, timeout=TIMEOUT_S) as reply:
            while block := reply.read(CHUNK_BYTES):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != asset.sha256:
            raise WeightsMismatch(
                f"{asset.url}: sha256 of what arrived is {digest.hexdigest()}, the published file has {asset.sha256}. "
                "Try again on another network, or copy the file by hand."
            )
        os.replace(part, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)
    _log.info("downloaded %s", target)
    return target
