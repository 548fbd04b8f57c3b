"""``python -m pipelines.screenshots``."""

from pipelines.benchmarks.screenshots import main

if __name__ == "__main__":
    main()
