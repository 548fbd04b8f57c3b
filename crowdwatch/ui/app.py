"""Navigation and pages: the script that Streamlit runs."""

from __future__ import annotations

import streamlit as st

from crowdwatch.ui.controls import language
from crowdwatch.ui.setup.page import setup
from crowdwatch.ui.watch import hand_counts, journal, watch
from crowdwatch.words import t

__all__ = ["main"]


def main() -> None:
    """Set the page up and run the chosen one."""
    st.set_page_config(page_title=t("en", "title"), page_icon="◉", layout="wide", initial_sidebar_state=230)
    chosen = language()
    pages = [
        st.Page(watch, title=t(chosen, "page.watch"), icon=":material/visibility:", url_path="watch", default=True),
        st.Page(journal, title=t(chosen, "page.journal"), icon=":material/list_alt:", url_path="journal"),
        st.Page(hand_counts, title=t(chosen, "page.audits"), icon=":material/tag:", url_path="hand-counts"),
        st.Page(setup, title=t(chosen, "page.setup"), icon=":material/architecture:", url_path="set-up"),
    ]
    st.navigation(pages).run()


if __name__ == "__main__":
    main()
