"""Navigation and pages: the script that Streamlit runs."""

from __future__ import annotations

import streamlit as st

from crowdwatch.ui import session, sign_in
from crowdwatch.ui.account_page import accounts
from crowdwatch.ui.controls import language
from crowdwatch.ui.pages.analyst import analyst_page
from crowdwatch.ui.pages.cameras import cameras_page
from crowdwatch.ui.pages.journal import journal_page
from crowdwatch.ui.pages.system import system_page
from crowdwatch.ui.pages.zone import zone_page
from crowdwatch.ui.setup.page import setup
from crowdwatch.ui.wall.page import wall
from crowdwatch.ui.watch import hand_counts, watch
from crowdwatch.words import t

__all__ = ["main"]

PAGES = (
    (watch, "watch", "watch", "visibility"),
    (zone_page, "zone", "zone", "select_all"),
    (cameras_page, "cameras", "cameras", "videocam"),
    (journal_page, "journal", "journal", "list_alt"),
    (analyst_page, "analyst", "analyst", "compare"),
    (hand_counts, "audits", "hand-counts", "tag"),
    (system_page, "system", "system", "monitor_heart"),
    (setup, "setup", "set-up", "architecture"),
)
"""What is drawn, the key of its name, its address, its sign. The first one is shown where none is named."""


def main() -> None:
    """Set the page up and run the chosen one, for those who are signed in."""
    st.set_page_config(page_title=t("en", "title"), page_icon="◉", layout="wide", initial_sidebar_state=230)
    chosen = language()
    if not sign_in.admit(chosen):
        return
    if st.query_params.get("view") == "wall":
        wall()
        return
    pages = [
        st.Page(
            draw, title=t(chosen, f"page.{name}"), icon=f":material/{icon}:", url_path=path, default=draw is PAGES[0][0]
        )
        for draw, name, path, icon in PAGES
    ]
    if not session.demo():
        pages.append(st.Page(accounts, title=t(chosen, "page.accounts"), icon=":material/person:", url_path="accounts"))
    st.navigation(pages).run()


if __name__ == "__main__":
    main()
