"""``python -m pipelines.benchmark_tiles``."""

import typer

from pipelines.benchmarks.benchmark_tiles import main

if __name__ == "__main__":
    typer.run(main)
