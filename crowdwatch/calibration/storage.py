"""What stands in a file of a calibration, whatever its form: XML, YAML or JSON as OpenCV, ROS and Kalibr write them.

The form is told by the content, never by the file's ending. Names are compared without case and underscores, because
programs spell one thing in many ways: ``camera_matrix``, ``Camera_Matrix`` (OpenCV 2.4), ``cameraMatrix``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException

from crowdwatch.assets.document import Document, read_document
from crowdwatch.errors import CalibrationError, ConfigError

__all__ = ["LARGEST_FILE_BYTES", "finite", "named", "no_number", "numbers_of", "read_storage", "small_text", "xml_root"]

LARGEST_FILE_BYTES = 4_000_000
"""No calibration is larger; a larger file is something else."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")


def read_storage(path: Path) -> dict[str, Any]:
    """Read a file of named values.

    Returns:
        Texts, numbers, lists and mappings by :func:`named` names. A matrix is a mapping with ``data``.

    Raises:
        CalibrationError: the file cannot be read, or is neither XML, YAML nor JSON, or is Tsai's.
    """
    text = small_text(path)
    if text.lstrip().startswith("<"):
        root = xml_root(path)
        if root.find("Intrinsic") is not None or root.find("Geometry") is not None:
            raise CalibrationError(f"{path}: is a Tsai calibration, not OpenCV's. Name it with tsai_file: {path.name}.")
        return {named(child.tag): _of_element(child) for child in root}
    try:
        document = read_document(Document(path, "calibration", "Export the calibration again."))
        if document.faults:
            raise document.error()
    except ConfigError as error:
        raise CalibrationError(str(error)) from error
    if not isinstance(document.raw, Mapping):
        raise CalibrationError(f"{path}: is neither XML nor YAML with names and values. Export the calibration again.")
    return {named(key): _of_value(value) for key, value in document.raw.items()}


def named(name: str) -> str:
    """The name by which a value is found.

    >>> named("Camera_Matrix"), named("cameraMatrix")
    ('cameramatrix', 'cameramatrix')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def numbers_of(value: Any) -> list[Any]:
    """The entries of a matrix or list, row by row: numbers, or the words in their place.

    >>> numbers_of({"rows": 1, "data": [1, 2.5]}), numbers_of("1. 2."), numbers_of([[1, 2], [3, 4]])
    ([1, 2.5], ['1.', '2.'], [1, 2, 3, 4])
    """
    if isinstance(value, Mapping):
        value = value.get("data")
    if isinstance(value, str):
        words = value.split()  # a list may be written with commas; a comma within a word is no separator
        return [word.rstrip(",") for word in words] if len(words) > 1 else words
    if isinstance(value, list):
        return [entry for item in value for entry in (numbers_of(item) if isinstance(item, list) else [item])]
    return [] if value is None else [value]


def _of_element(element: Element) -> Any:
    if len(element):
        return {named(child.tag): _of_element(child) for child in element}
    return (element.text or "").strip()


def _of_value(value: Any) -> Any:
    return {named(key): _of_value(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def small_text(path: Path) -> str:
    """Return the text of a calibration file.

    Raises:
        CalibrationError: it cannot be read, is too large to be one, or is not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise CalibrationError(f"{path}: {path.stat().st_size} bytes is no calibration. Give the right file.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error


def xml_root(path: Path) -> Element:
    """The root of an XML file.

    Raises:
        CalibrationError: as :func:`small_text`, or it is no plain XML.
    """
    text = small_text(path)
    # an encoding declared inside has been dealt with by reading the file as text
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text
    try:
        root: Element = defusedxml.ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise CalibrationError(f"{path}: is not a plain XML file ({error}). Export the calibration again.") from error
    return root


def finite(text: Any) -> float | None:
    """Return the finite number that a text or value stands for, or None.

    >>> finite("2.5"), finite("nan"), finite(True)
    (2.5, None, None)
    """
    if isinstance(text, bool) or text is None:
        return None
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if np.isfinite(value) else None


def no_number(value: Any) -> str:
    """What to do about a value that :func:`finite` refuses.

    >>> no_number("5,55"), no_number("five")
    ('Write decimals with a point: 5.55.', 'Write a finite number.')
    """
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        return f"Write decimals with a point: {value.strip().replace(',', '.')}."
    return "Write a finite number."
