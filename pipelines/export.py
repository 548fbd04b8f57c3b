"""``python -m pipelines.export``."""

from pipelines.training.export import main

if __name__ == "__main__":
    main()
