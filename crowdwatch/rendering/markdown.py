"""Text in Markdown as Streamlit reads it, with its own icons, colours, formulas and arrows."""

from __future__ import annotations

import re

from crowdwatch.core.text import plain

__all__ = ["markdown"]

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#~$|&!]|^[-+=](?=\s|$|[-+=])|^\d{1,9}[.)](?=\s|$)")
_READ_LATER = re.compile(r":(?=[A-Za-z_/+]|-?\d+:)|@|(?i:www)(?=\.)|(?<![-<>~=])[-<>~=](?=\\?[-<>~=])")
_JOINER = "\u2060"
"""Between two characters, unseen: what Streamlit reads in finished text (icons, addresses, arrows) is broken by it."""


def markdown(text: str) -> str:
    """Text in a label or a table of Streamlit, which read Markdown with pictures, formulas, colours and icons.

    >>> print(markdown("**VIP** ![](a.png) $5"))
    \\*\\*VIP\\*\\* \\!\\[\\](a.png) \\$5
    """
    kept = _READ_LATER.sub(lambda found: found[0] + _JOINER, plain(text))
    return _SPECIAL.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", kept)
