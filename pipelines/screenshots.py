"""``python -m pipelines.screenshots``: pictures of the demonstration; see :mod:`pipelines.benchmarks.screenshots`."""

from pipelines.benchmarks.screenshots import main

if __name__ == "__main__":
    main()
