"""``python -m pipelines.benchmark``."""

from pipelines.benchmarks.benchmark import main

if __name__ == "__main__":
    main()
