"""``python -m pipelines.benchmark_tiles``."""

from pipelines.benchmarks.benchmark_tiles import main

if __name__ == "__main__":
    main()
