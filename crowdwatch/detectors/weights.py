"""Weights: where they are looked for, what they are called, and whether they are what they claim to be.

Order of search for a name such as ``yolo11n``: the models shipped with CrowdWatch, the folders named by
``$CROWDWATCH_MODELS``, ``$CROWDWATCH_DATA/weights``, the cache of earlier downloads, and last the file that
Ultralytics publishes. Within one folder ``yolo11n_openvino_model/`` comes first (it starts without torch and gives
the numbers of the published model), then ``yolo11n_int8_openvino_model/`` (twice as fast, slightly other numbers),
then ``yolo11n.pt`` (has to be exported once) and ``yolo11n.onnx``. Only whole names match: ``yolo11n_recovered.pt`` is
not ``yolo11n``.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crowdwatch.assets import fetching
from crowdwatch.assets.document import Document, read_document
from crowdwatch.assets.fetching import cache_dir, offline
from crowdwatch.assets.shipped import shipped
from crowdwatch.errors import ConfigError, ModelError, WeightsMismatch, WeightsNotFound

__all__ = [
    "COUNT",
    "DETECT",
    "OFFICIAL",
    "ONNX",
    "OPENVINO",
    "PT",
    "Asset",
    "WeightsFile",
    "default_model",
    "find",
    "read_yaml",
    "sha256_of",
    "xml_of",
]

Kind = Literal["pt", "openvino", "onnx"]
Task = Literal["count", "detect"]
COUNT: Task = "count"
DETECT: Task = "detect"
PT: Kind = "pt"
OPENVINO: Kind = "openvino"
ONNX: Kind = "onnx"
IR_SUFFIX = "_openvino_model"

_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


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
"""The weights that Ultralytics publishes and that are fetched into the user's cache."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights that were found, and what is known of them.

    Args:
        path: a ``.pt`` or ``.onnx`` file, or the folder of an OpenVINO model.
        name: the file's own name without its ending: ``yolo11n_int8`` for ``yolo11n_int8_openvino_model/``.
        kind: ``pt``, ``openvino`` or ``onnx``.
        sha256: of the file; for a folder, of its ``.xml`` followed by its ``.bin``
            (``cat yolo11n.xml yolo11n.bin | sha256sum`` gives the same).
        known_sha256: what it should be, None when nobody said.
        source: where it was found, in words.
    """

    path: Path
    name: str
    kind: Kind
    sha256: str
    known_sha256: str | None
    source: str

    def describe(self) -> str:
        """One line for the log: name, place, digest and whether that digest is confirmed."""
        check = "as published" if self.known_sha256 else "unknown: nothing to compare it with"
        return f"{self.name} ({self.source}: {self.path}), sha256 {self.sha256[:12]} ({check})"


def find(
    name_or_path: str | Path,
    *,
    search: Sequence[Path] | None = None,
    kinds: Sequence[Kind] = (OPENVINO, PT),
    download: bool = True,
) -> WeightsFile:
    """Find weights by name or path and check their sha256 where one is known.

    Args:
        name_or_path: ``yolo11n``, ``yolo11n.pt``, ``yolo11n_int8_openvino_model``, or a path.
        search: folders to look in instead of the standard ones; nothing is downloaded then.
        kinds: the kinds that the caller can use, the preferred one first.
        download: whether Ultralytics' published file may be fetched. ``CROWDWATCH_OFFLINE=1`` forbids it in any case.

    Raises:
        WeightsNotFound: not there; the message lists every place that was tried.
        WeightsMismatch: found, but its sha256 is not the known one.
        ModelError: found, but it is empty or no model.
    """
    text = str(name_or_path)
    path = Path(text).expanduser()
    if os.sep in text or path.is_absolute() or (path.exists() and _kind_of(path.name) is not None):
        return _explicit(path, kinds)
    tried: list[str] = []
    places: Sequence[tuple[str, Path | None]] = (
        _places() if search is None else [("given folder", folder) for folder in search]
    )
    for source, folder in places:
        if folder is None:
            tried.append(source)
            continue
        for candidate in _candidates(folder, text, kinds):
            if candidate.exists():
                return _checked(candidate, source)
        tried.append(f"{folder} ({source})")
    if search is None:
        fetched = _download(text, kinds, download, tried)
        if fetched is not None:
            return fetched
    raise WeightsNotFound(
        f"weights {text!r} ({' or '.join(kinds)}): not found. Tried, in this order:\n  "
        + "\n  ".join(tried)
        + "\nPut the file or folder into a directory and name that directory in CROWDWATCH_MODELS, or give its path."
    )


def default_model(search: Sequence[Path] | None = None, *, task: Task = "detect") -> str:
    """Name of the model to use when none is asked for: of the shipped ones whose ``model.yaml`` states this ``task``
    (``detect`` where it states none), the one that says ``default: true``; without any, yolo11n detects.

    Raises:
        ModelError: more than one shipped model claims to be the default.
        WeightsNotFound: none is shipped for a task other than ``detect``.
    """
    folders = search if search is not None else shipped_dirs()
    claims = [
        card.parent.name
        for folder in folders
        for card in sorted(folder.glob("*/model.yaml"))
        if (known := read_yaml(card)).get("default") is True and known.get("task", "detect") == task
    ]
    if len(claims) > 1:
        raise ModelError(
            f"shipped models {', '.join(claims)} all say 'default: true' for task {task}. Leave it in one model.yaml "
            "only."
        )
    if not claims and task != "detect":
        looked = ", ".join(str(folder) for folder in folders) or "no models folder"
        raise WeightsNotFound(f"no model of task {task} is shipped (looked in: {looked}). Name weights or give a path.")
    return claims[0] if claims else "yolo11n"


def shipped_dirs() -> list[Path]:
    """The ``models`` folders of this installation; see :func:`crowdwatch.assets.shipped.shipped`."""
    return shipped("models")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a small YAML file; every key is a text. Raises ModelError."""
    document = Document(path, "model's file", "Restore it, or export the model again.")
    try:
        content = read_document(document).raw
        if document.faults:
            raise document.error()
    except ConfigError as err:
        raise ModelError(f"{err}\nRestore the file, or export the model again.") from err
    if not isinstance(content, dict):
        raise ModelError(f"{path}: got {type(content).__name__}, need a mapping. Restore the file.")
    return content


def xml_of(folder: Path) -> Path:
    """The one ``.xml`` of an OpenVINO folder, whose ``.bin`` and ``metadata.yaml`` are there too.

    Raises:
        ModelError: it is not such a folder.
    """
    found = sorted(folder.glob("*.xml"))
    if len(found) != 1:
        raise ModelError(f"{folder}: got {len(found)} .xml files, an OpenVINO model has one. Export the model again.")
    for need in (found[0].with_suffix(".bin"), folder / "metadata.yaml"):
        if not need.is_file() or need.stat().st_size == 0:
            raise ModelError(f"{folder}: {need.name} is missing or empty. Copy the whole folder or export it again.")
    return found[0]


def sha256_of(path: Path) -> str:
    """Digest of a file, or of the ``.xml`` followed by the ``.bin`` of an OpenVINO folder.

    Raises:
        ModelError: empty, unreadable, or not such a folder.
    """
    digest = hashlib.sha256()
    parts = [path]
    if path.is_dir():
        xml = xml_of(path)
        parts = [xml, xml.with_suffix(".bin")]
    for part in parts:
        try:
            content = part.read_bytes()
        except OSError as err:
            raise ModelError(f"weights {part}: cannot be read: {err.strerror}. Check the file's permissions.") from err
        if not content:
            raise ModelError(f"weights {part}: the file is empty. Fetch it again.")
        digest.update(content)
    return digest.hexdigest()


def _kind_of(name: str) -> Kind | None:
    for suffix, kind in ((".pt", PT), (".onnx", ONNX)):
        if name.endswith(suffix):
            return kind
    return OPENVINO if name.endswith(IR_SUFFIX) else None


def _stem(name: str) -> str:
    return name.removesuffix(".pt").removesuffix(".onnx").removesuffix(IR_SUFFIX)


def _places() -> list[tuple[str, Path | None]]:
    places: list[tuple[str, Path | None]] = [("shipped with CrowdWatch", folder) for folder in shipped_dirs()]
    named = [part for part in os.environ.get("CROWDWATCH_MODELS", "").split(os.pathsep) if part]
    places += [("CROWDWATCH_MODELS", Path(part)) for part in named] or [("CROWDWATCH_MODELS (not set)", None)]
    data = os.environ.get("CROWDWATCH_DATA", "")
    places.append(("CROWDWATCH_DATA", Path(data) / "weights") if data else ("CROWDWATCH_DATA (not set)", None))
    places.append(("earlier downloads", cache_dir() / "weights"))
    return places


def _candidates(folder: Path, name: str, kinds: Sequence[Kind]) -> list[Path]:
    """Paths to try in one folder: what a model's card lists, then the customary names, each by order of kinds."""
    stem, asked = _stem(name), _kind_of(name)
    names = [name] if asked else [f"{stem}{IR_SUFFIX}", f"{stem}_int8{IR_SUFFIX}", f"{stem}.pt", f"{stem}.onnx"]
    customary = [folder / item for item in names] + [folder / stem / item for item in names]
    card = folder / stem / "model.yaml"
    listed = [folder / stem / item for item in _listed(card)] if asked is None and card.is_file() else []
    return _usable(listed, kinds) + _usable(customary, kinds)


def _usable(paths: list[Path], kinds: Sequence[Kind]) -> list[Path]:
    usable = [(path, kind) for path in paths if (kind := _kind_of(path.name)) in kinds]
    return [path for path, _ in sorted(usable, key=lambda pair: kinds.index(pair[1]))]


def _listed(card: Path) -> dict[str, str]:
    listed = read_yaml(card).get("sha256") or {}
    if not isinstance(listed, dict):
        raise ModelError(f"{card}: sha256: got {listed!r}, need a mapping of file or folder name to digest.")
    return {str(key): str(value).lower() for key, value in listed.items()}


def _explicit(path: Path, kinds: Sequence[Kind]) -> WeightsFile:
    if not path.exists():
        raise WeightsNotFound(
            f"weights {path}: no such file or folder. Check the path, or give a name such as yolo11n."
        )
    if path.is_file() and path.suffix == ".xml":
        path = path.parent
    kind = OPENVINO if path.is_dir() else _kind_of(path.name)
    if kind is None:
        raise ModelError(
            f"weights {path}: no model. Give an Ultralytics .pt file, the folder of an OpenVINO model or a .onnx file."
        )
    if kind not in kinds:
        raise ModelError(
            f"weights {path}: this is {kind}, the runtime needs {' or '.join(kinds)}. Choose another runtime."
        )
    return _checked(path, "given path")


def _checked(path: Path, source: str) -> WeightsFile:
    digest = sha256_of(path)
    card = path.parent / "model.yaml"
    known = _listed(card).get(path.name) if card.is_file() else None
    told_by = str(card)
    if known is None and path.name in OFFICIAL:
        known, told_by = OFFICIAL[path.name].sha256, "Ultralytics' published file"
    if known is not None and known != digest:
        raise WeightsMismatch(
            f"weights {path}: sha256 is {digest}, but {told_by} has {known}. The file is damaged or another one: "
            "fetch it again, or give weights of your own a name of their own."
        )
    kind = OPENVINO if path.is_dir() else _kind_of(path.name) or PT
    return WeightsFile(path.resolve(), _stem(path.name), kind, digest, known, source)


def _download(name: str, kinds: Sequence[Kind], allowed: bool, tried: list[str]) -> WeightsFile | None:
    file_name = f"{_stem(name)}.pt"
    asset = OFFICIAL.get(file_name)
    if asset is None or PT not in kinds or _kind_of(name) in (OPENVINO, ONNX):
        tried.append("Ultralytics' downloads (not one of " + ", ".join(sorted(OFFICIAL)) + ")")
    elif not allowed:
        tried.append(f"{asset.url} (not tried: downloads are switched off)")
    elif offline():
        tried.append(f"{asset.url} (not tried: CROWDWATCH_OFFLINE is set)")
    else:
        _log.info("downloading %s", asset.url)
        try:
            path = fetching.download(asset.url, cache_dir() / "weights" / file_name, asset.sha256)
        except fetching.AnotherContentError as err:
            raise WeightsMismatch(
                f"{asset.url}: sha256 of what arrived is {err.sha256}, the published file has {asset.sha256}. "
                "Try again on another network, or copy the file by hand."
            ) from err
        except OSError as err:
            tried.append(f"{asset.url} (failed: {err})")
        else:
            return _checked(path, "downloaded from Ultralytics")
    return None
