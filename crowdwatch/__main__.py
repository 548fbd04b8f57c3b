"""``python -m crowdwatch``."""

from crowdwatch.cli import main

main()
