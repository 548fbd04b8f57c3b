"""``python -m pipelines.margins``."""

from pipelines.evaluation.margins import main

if __name__ == "__main__":
    main()
