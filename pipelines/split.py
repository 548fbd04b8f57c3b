"""``python -m pipelines.split``."""

from pipelines.evaluation.split import main

if __name__ == "__main__":
    main()
