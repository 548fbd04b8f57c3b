"""``python -m pipelines.split``."""

import typer

from pipelines.evaluation.split import main

if __name__ == "__main__":
    typer.run(main)
