"""Trained weights -> the files that are shipped: ``python -m pipelines.export PT models/NAME --data DIR``.

Writes ``NAME.pt`` and the OpenVINO folder of the precision that ``model.yaml`` names into the model's folder, and their
digests into ``model.yaml``; with ``--all`` both folders, f32 and INT8, to be measured. INT8 is calibrated by NNCF on
photographs that the training learned from.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import openvino as ov
import typer
from numpy.typing import NDArray
from ruamel.yaml import YAML

from crowdwatch.counters import choose, exporting, preparing
from crowdwatch.detectors import boxes, openvino_export, weights
from crowdwatch.detectors.weights import IR_SUFFIX, WeightsFile, xml_of
from crowdwatch.errors import ConfigError
from pipelines.command_line import err, run
from pipelines.evaluation.shanghaitech import Photograph, photographs, read_image, read_list
from pipelines.training.crops import cut

CALIBRATION = 120
"""Pictures that INT8 is calibrated on."""
CROP_PX = 512
SEED = 1
ANSWERS = [r"__module\.base\.model\.23.*", r"__module\.heads.*"]
"""Operations of a detector's answers, by the names that tracing gives them: of people, of heads."""
HEAD_LAYERS = 3
"""Convolutions of a counter's head, the last ones of its network."""

app = typer.Typer(add_completion=False)


def calibration(data: Path, kept_aside: frozenset[str], side_px: int) -> list[NDArray[np.float32]]:
    """Seeded crops (1, 3, side, side) of training photographs of both parts, none of them kept aside."""
    learned = [
        [photo for photo in photographs(data, part, "train") if photo.name not in kept_aside] for part in ("A", "B")
    ]
    rng = np.random.default_rng(SEED)
    pictures = []
    for index in range(CALIBRATION):
        part: list[Photograph] = learned[index % 2]
        photo = part[int(rng.integers(len(part)))]
        square, _ = cut(read_image(photo.path), rng, float(rng.uniform(0.8, 1.6)), side_px)
        pictures.append(preparing.picture(square))
    return pictures


def quantise(folder: Path, pictures: list[NDArray[np.float32]], to: Path) -> None:
    """Write an f32 OpenVINO folder again with INT8 arithmetic, ranges taken from pictures.

    The last convolutions and what follows them (boxes, scores, softplus) stay at f32: with them at INT8, positions on
    PETS2009 were off by 0.17 m instead of 0.14 in the median, and the count by 0.45 persons instead of 0.34.
    """
    import nncf  # slow to import, and needed here only

    model = ov.Core().read_model(xml_of(folder))
    convolutions = [op.get_friendly_name() for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    head = convolutions[-HEAD_LAYERS:] if weights.read_yaml(folder / "metadata.yaml")["task"] == "count" else []
    small: Any = nncf.quantize(
        model,
        nncf.Dataset(pictures),
        subset_size=len(pictures),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=head, patterns=ANSWERS, validate=False),
    )
    to.mkdir()
    ov.save_model(small, to / f"{to.name.removesuffix(IR_SUFFIX)}.xml", compress_to_fp16=False)
    shutil.copy(folder / "metadata.yaml", to / "metadata.yaml")


def _exported(found: WeightsFile, task: str, to: Path) -> int:
    """Write the f32 folder; return the side of the pictures that calibrate it."""
    if (counts := choose.is_counter(found)) != (task == weights.COUNT):
        known = "a counter" if counts else "no counter"
        raise ConfigError(f"{found.path.name}: holds {known}, but model.yaml says task {task}. Give other weights.")
    to.mkdir()
    if counts:
        exporting.export(found, to)
        return CROP_PX
    image_px = 640
    source = openvino_export.exported(found, image_px=image_px, max_det=boxes.BoxLimits().max_det)
    for file in source.iterdir():
        shutil.copy(file, to / file.name)
    return image_px


def ship(trained: Path, model: Path, data: Path, validation: Path, *, every: bool = False) -> Iterator[str]:
    """Put trained weights into a model's folder; yields what was written. The folder keeps what it had when it fails.

    Args:
        trained: the ``.pt``; the folder's own one is exported again.
        model: the folder.
        data: of ShanghaiTech, for the calibration.
        validation: list of photographs that it leaves alone.
        every: both OpenVINO folders, not only the one that ``model.yaml`` prefers.

    Raises:
        ConfigError: the folder has no ``model.yaml``, or one of another task.
        ModelError: ``model.yaml`` cannot be read, or no model of ours is in the file.
    """
    card = model / "model.yaml"
    if not card.is_file():
        raise ConfigError(f"{card}: is not there. Write it first: see models/README.md.")
    known = weights.read_yaml(card)
    int8 = known.get("precision") == "int8"
    name = model.name
    with TemporaryDirectory(dir=model, prefix=".part-") as made_in:
        part = Path(made_in)
        plain, small = part / f"{name}{IR_SUFFIX}", part / f"{name}_int8{IR_SUFFIX}"
        copied = part / f"{name}.pt"
        shutil.copy(trained, copied)
        found = WeightsFile(copied, name, weights.PT, weights.sha256_of(copied), None, "just copied")
        side_px = _exported(found, str(known.get("task", weights.DETECT)), plain)
        if int8 or every:
            quantise(plain, calibration(data, read_list(validation), side_px), small)
        if int8 and not every:
            shutil.rmtree(plain)
        for old in (plain, small):
            shutil.rmtree(model / old.name, ignore_errors=True)
        made = [path for path in ((small, plain) if int8 else (plain, small)) if path.is_dir()] + [copied]
        listed = [path.replace(model / path.name) for path in made]
    _list(listed, card)
    yield from (str(path) for path in (*listed, card))


def _list(files: list[Path], card: Path) -> None:
    """Write the files' digests into ``model.yaml`` and leave its other lines as they were."""
    yaml = YAML()
    yaml.width = 4096
    content = yaml.load(card)
    content["sha256"] = {path.name: weights.sha256_of(path) for path in files}
    yaml.dump(content, card)


@app.command()
def main_command(
    trained: Annotated[Path, typer.Argument(metavar="PT", exists=True, dir_okay=False, help="Trained weights.")],
    model: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="models/NAME.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with ShanghaiTech's part_A and part_B.")],
    every: Annotated[bool, typer.Option("--all", help="OpenVINO at f32 and at INT8, to be measured.")] = False,
) -> None:
    """Write trained weights as .pt and OpenVINO, with their digests."""
    for written in ship(trained, model, data, model.parent / "validation.txt", every=every):
        err.print(f"wrote {written}", markup=False)


def main() -> None:
    """Run the command line."""
    run(app)
