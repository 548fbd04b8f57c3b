"""``python -m crowdwatch``."""

from crowdwatch.commands.cli import main

main()
