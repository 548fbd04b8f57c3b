"""``python -m pipelines.evaluate``."""

from pipelines.evaluation.evaluate import main

if __name__ == "__main__":
    main()
