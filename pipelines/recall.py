"""``python -m pipelines.recall``."""

from pipelines.evaluation.recall import main

if __name__ == "__main__":
    main()
