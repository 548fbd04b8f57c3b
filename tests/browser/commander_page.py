"""The page as a commander sees it, for tests: who acts is asked in one place."""

from crowdwatch.ui import session

session.actor = lambda: session.Actor("ann", "commander")

from crowdwatch.ui.app import main  # noqa: E402

main()
