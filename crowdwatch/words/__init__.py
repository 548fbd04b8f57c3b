"""What do we say, and in which language? One module per language holds every text of the page, and joins those of
reasons and of what follows an alert.

A language has ``PAGE`` (texts of the page by key), ``REASONS`` (a text per code), ``TERMS`` (words among the values of
reasons) and ``SEPARATOR``. A test holds the languages against each other and against the codes. The command line,
tables and logs speak English; the page speaks the language that is chosen there.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from crowdwatch.core.reasons import Reason
from crowdwatch.words import chinese, english

__all__ = ["LANGUAGES", "MODULES", "joined", "reason_text", "t", "term"]

LANGUAGES: dict[str, str] = {"en": "English", "zh": "中文"}

MODULES: dict[str, ModuleType] = {"en": english, "zh": chinese}


def t(language: str, key: str, **values: object) -> str:
    """The page's text of ``key`` in a language, with its values filled in.

    >>> t("en", "alarms_unacked", n=2), t("zh", "alarms_unacked", n=2)
    ('2 not acknowledged', '2 条未确认')
    """
    text: str = MODULES[language].PAGE[key]
    return text.format(**values) if values else text


def term(language: str, kind: str, word: str) -> str:
    """A word among the values of reasons; what has no translation stays as it is.

    >>> term("zh", "quantity", "density"), term("zh", "actor", "anna")
    ('密度', 'anna')
    """
    found: str = MODULES[language].TERMS.get(kind, {}).get(word, word)
    return found


def reason_text(language: str, reasons: Iterable[Reason]) -> str:
    """Reasons as a sentence in a language; empty without any.

    >>> from crowdwatch.core.reasons import Code
    >>> reasons = Reason.of(Code.UNHEALTHY, "north", health="frozen"), Reason.of(Code.PARTLY_SEEN, visible_frac=0.4)
    >>> reason_text("en", reasons)
    'camera north: the picture is frozen; 40% of the zone is seen'
    >>> reason_text("zh", reasons)
    '摄像机 north：画面冻结；仅可见该区域的 40%'
    """
    return joined(language, (_one(language, reason) for reason in reasons))


def joined(language: str, sentences: Iterable[str]) -> str:
    """Sentences one behind the other; empty ones are left out."""
    separator: str = MODULES[language].SEPARATOR
    return separator.join(filter(None, sentences))


def _one(language: str, reason: Reason) -> str:
    values = {name: term(language, name, each) if isinstance(each, str) else each for name, each in reason.values}
    text: str = MODULES[language].REASONS[reason.code]
    because = reason_text(language, reason.because)
    return text.format(camera_id=reason.camera_id, because=because, **values)
