"""Files that leave by the page: made when somebody asks for one, if they may, and written into the audit log."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from crowdwatch.core.rights import Right
from crowdwatch.errors import NotAllowed
from crowdwatch.ui.session import allowed, bearer, chosen_language
from crowdwatch.words import t

__all__ = ["offer"]


def offer(
    label: str, make: Callable[[], bytes], *, file_name: str, mime: str, what: str, key: str, help: str | None = None
) -> None:
    """A button that downloads a file. Nothing is made, and nothing lies at an address, before it is pressed.

    Args:
        label: on the button; Markdown, so that names in it go through ``writing.markdown``.
        make: makes the file's bytes.
        file_name: as it is saved.
        mime: its kind.
        what: what the audit log says was taken, e.g. ``"journal of run r1 as CSV"``.
        key: of the button.
        help: what is said of it.
    """
    language = chosen_language()
    may = allowed(Right.EXPORT)
    who = bearer() if may else None

    def made() -> bytes:
        """The file. It is made outside of the page's script, which is why it knows who asked when it was drawn."""
        if who is None:
            raise NotAllowed(t(language, "rights.ended"))
        who.require(Right.EXPORT, {"what": what, "file": file_name})
        return make()

    reason = help if may else t(language, "rights.denied", role=t(language, "role.operator"))
    st.download_button(
        label, made, file_name=file_name, mime=mime, key=key, disabled=not may, help=reason, on_click="ignore"
    )
