"""Text that people wrote, such as names, so that it draws nothing but its own characters, wherever it is shown.

What a medium reads as more than text (markup of a terminal, HTML, Markdown) is escaped where it is written:
:mod:`crowdwatch.commands.terminal`, :mod:`crowdwatch.ui.writing`.
"""

from __future__ import annotations

__all__ = ["plain", "visible"]

_JOINERS = "\u200c\u200d"
"""Zero-width joiners, which Persian and Indic scripts and some emoji need. They move nothing."""


def plain(text: str) -> str:
    """Control characters, line breaks, marks of direction and half characters become spaces, runs of spaces one.

    What stays can neither break a line, nor drive a terminal, nor turn the text beside it around.

    >>> plain(f" North{chr(10)} gate{chr(0x202E)} "), plain("人民广场 3")
    ('North gate', '人民广场 3')
    """
    return " ".join("".join(each if each.isprintable() or each in _JOINERS else " " for each in text).split())


def visible(text: str) -> str:
    """The same for messages of several lines: what would drive a terminal or turn the text around is shown by its code.

    >>> visible(chr(27) + "[31mgate" + chr(0x202E))
    '\\\\x1b[31mgate\\\\u202e'
    """
    return "".join(each if each.isprintable() or each in _KEPT else ascii(each)[1:-1] for each in text)


_KEPT = f"\n{_JOINERS}"
