"""``python -m pipelines.train``."""

from pipelines.training.train import main

if __name__ == "__main__":
    main()
