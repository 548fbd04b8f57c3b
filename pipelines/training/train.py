"""Training: ``python -m pipelines.train counter models/counter-n/recipe.yaml --data DIR --out DIR``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line import err, run

app = typer.Typer(help="Train the shipped models.", no_args_is_help=True, add_completion=False)

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", exists=True, dir_okay=False, help="A recipe under models/.")]
Data = Annotated[Path, typer.Option("--data", help="Folder with ShanghaiTech's part_A and part_B.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for checkpoints, weights and curves; a killed run goes on.")]


@app.callback()
def _root() -> None:
    """Train the shipped models."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")


@app.command("counter")
def counter_command(
    recipe: Recipe,
    data: Data,
    out: Out,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
) -> None:
    """The crowd counter: hours on a CPU, minutes on a GPU. Stop it at will; the same command goes on."""
    import torch

    from pipelines.training import counter_training

    if threads is not None:
        torch.set_num_threads(threads)
    path = counter_training.train(counter_training.read_recipe(recipe), data, recipe, out)
    _say(path)


@app.command("crowd")
def crowd_command(
    recipe: Recipe,
    data: Data,
    out: Out,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
) -> None:
    """The crowd detector's branch for heads. Stop it at will; the same command goes on."""
    import torch

    from pipelines.training import crowd_training

    if threads is not None:
        torch.set_num_threads(threads)
    path = crowd_training.train(crowd_training.read_recipe(recipe), data, recipe, out)
    _say(path)


def _say(path: Path) -> None:
    from pipelines.training import curves

    err.print(f"weights: {path}\nlearning curve: {curves.draw(path.parent)}", markup=False)


@app.command("curves")
def curves_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Of models/, or an --out.")
    ],
) -> None:
    """Draw the learning curves of a model's logged runs."""
    from pipelines.training import curves

    err.print(f"curves: {curves.draw(folder)}", markup=False)


def main() -> None:
    """Run the command line."""
    run(app)
