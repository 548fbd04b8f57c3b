"""Text that people wrote, as one line that draws nothing but its own characters."""

from __future__ import annotations

__all__ = ["plain"]

_JOINERS = "\u200c\u200d"
"""Zero-width joiners, which Persian and Indic scripts and some emoji need. They move nothing."""


def plain(text: str) -> str:
    """Control characters, line breaks, marks of direction and half characters become spaces, runs of spaces one.

    What stays can neither break a line, nor drive a terminal, nor turn the text beside it around.

    >>> plain(" North\\n\\x1b[31mgate\\u202e "), plain("人民广场 3\\ud800")
    ('North [31mgate', '人民广场 3')
    """
    return " ".join("".join(each if each.isprintable() or each in _JOINERS else " " for each in text).split())
