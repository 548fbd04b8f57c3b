"""``python -m pipelines.benchmark_scheduler``."""

from pipelines.benchmarks.benchmark_scheduler import main

if __name__ == "__main__":
    main()
