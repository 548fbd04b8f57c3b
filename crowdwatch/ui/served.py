"""What ``crowdwatch ui`` serves: the page, and the one address beside it that keeps a sign-in over a reload."""

from __future__ import annotations

from pathlib import Path

from streamlit.starlette import App

from crowdwatch.ui.cookies import ROUTES

__all__ = ["app"]

app = App(Path(__file__).with_name("app.py"), routes=ROUTES)
