"""Where a data set lies: the folder that a command was given, or the one inside of it that has the data set's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["PetsFolder", "ShanghaiTechFolder", "UcfFolder", "data_set"]


def data_set(folder: Path, name: str, holds: str) -> Path:
    """The folder that holds a data set; what was given where neither does, so that the fault is said of that.

    Args:
        folder: the data set's own folder, or that of all data sets.
        name: of the data set's folder.
        holds: a file or folder that every copy has, as a pattern.
    """
    return folder / name if not any(folder.glob(holds)) and any((folder / name).glob(holds)) else folder


def _folder(name: str, holds: str, what: str) -> Any:
    """The argument of a command that reads a data set."""
    return typer.Argument(
        metavar="DIR",
        help=f"Folder with {what}, or the one that has it as {name}.",
        callback=lambda folder: data_set(folder, name, holds),
    )


PetsFolder = Annotated[Path, _folder("pets2009", "vtest.avi", "vtest.avi and annotations_s2l1.xml")]
ShanghaiTechFolder = Annotated[Path, _folder("shanghaitech", "part_*", "part_A and part_B, or part_A_final ...")]
UcfFolder = Annotated[Path, _folder("ucf_cc_50", "*_ann.mat", "N.jpg and N_ann.mat")]
