"""``python -m pipelines.intervals``."""

from pipelines.evaluation.intervals import main

if __name__ == "__main__":
    main()
