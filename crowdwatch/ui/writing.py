"""How the page writes numbers, times and names. The texts stand in :mod:`crowdwatch.words`.

Text that people wrote goes through the one function of its medium, so that it stays text: :func:`safe` in HTML,
:func:`markdown` in labels and tables of Streamlit, :func:`figure` in plotly, ``plain`` where a widget shows text as it
is (options of a select box, data frames, values, ``alt``).
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from crowdwatch.core.outcomes import Level
from crowdwatch.core.service import level_of_service
from crowdwatch.core.site import ZoneKind
from crowdwatch.core.text import plain
from crowdwatch.rendering.markdown import markdown
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.words import t

__all__ = [
    "both",
    "clock",
    "columns",
    "density_text",
    "duration",
    "figure",
    "interval",
    "label_text",
    "level_text",
    "local",
    "markdown",
    "name_of",
    "number",
    "offset_of",
    "safe",
    "service_text",
    "short",
    "table",
]

KNOWN_LABELS = ("synthetic", "demonstration", "exercise")
"""Labels of an event that are said in the language of the page."""

_TIME, _SHAPE = "%H:%M:%S", "%Y-%m-%d %H:%M:%S"


def number(value: float, digits: int = 1, unknown: str = "?") -> str:
    """A number, or ``?`` when it is unknown; never an empty place that reads as zero.

    >>> number(3.14159, 2), number(float("nan")), number(float("inf"))
    ('3.14', '?', '?')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else unknown


def service_text(language: str, kind: ZoneKind, density_p_m2: float) -> str:
    """The level of service of a density in a zone of a kind; empty where nothing is known.

    >>> service_text("en", ZoneKind.MOVING, 1.0), service_text("zh", ZoneKind.STAIRS, 1.0)
    ('LOS D', '服务水平 C')
    """
    letter = level_of_service(kind, density_p_m2)
    return t(language, "service", letter=letter) if letter else ""


def density_text(language: str, kind: ZoneKind, density_p_m2: float) -> str:
    """A density with its unit and its level of service.

    >>> density_text("en", ZoneKind.STANDING, 4.2), density_text("en", ZoneKind.STANDING, float("nan"))
    ('4.20 p/m² (LOS E)', '? p/m²')
    """
    said, letter = (
        f"{number(density_p_m2, 2)} {t(language, 'unit.density')}",
        service_text(language, kind, density_p_m2),
    )
    return f"{said} ({letter})" if letter else said


def interval(low: float, high: float) -> str:
    """An interval of persons, widened to whole persons.

    >>> interval(7.4, 9.1), interval(7.4, float("nan"))
    ('7 – 10', '7 – ?')
    """
    ends = (str(math.floor(low)) if math.isfinite(low) else "?", str(math.ceil(high)) if math.isfinite(high) else "?")
    return " – ".join(ends)


def duration(seconds: float) -> str:
    """A time span in at most two units.

    >>> duration(0.4), duration(75), duration(7265), duration(float("inf"))
    ('0.4 s', '1 min 15 s', '2 h 01 min', '?')
    """
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def clock(t_ns: int, *, date: bool = False) -> str:
    """Event time of day, in UTC.

    >>> clock(1_262_304_000_000_000_000), clock(1_262_304_000_000_000_000, date=True)
    ('00:00:00', '2010-01-01 00:00:00')
    """
    return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).strftime(_SHAPE if date else _TIME)


def both(t_ns: int, zone: tzinfo, *, date: bool = False) -> str:
    """Event time as people at the event read it, with UTC beside it where that is another one.

    >>> from zoneinfo import ZoneInfo
    >>> both(1_262_304_000_000_000_000, ZoneInfo("Asia/Shanghai")), both(1_262_304_000_000_000_000, UTC)
    ('08:00:00 (00:00:00 UTC)', '00:00:00 UTC')
    >>> both(1_262_304_000_000_000_000, ZoneInfo("America/New_York"), date=True)
    '2009-12-31 19:00:00 (2010-01-01 00:00:00 UTC)'
    """
    utc = datetime.fromtimestamp(t_ns // 1_000_000_000, UTC)
    local = utc.astimezone(zone)
    shape = _SHAPE if date else _TIME
    if not local.utcoffset():
        return f"{utc.strftime(shape)} UTC"
    beside = _SHAPE if date and local.date() != utc.date() else _TIME
    return f"{local.strftime(shape)} ({utc.strftime(beside)} UTC)"


def local(t_ns: int, zone: tzinfo) -> str:
    """Event time of day in a zone, as it is said to people there.

    >>> from zoneinfo import ZoneInfo
    >>> local(1_262_304_000_000_000_000, ZoneInfo("Asia/Shanghai"))
    '08:00:00'
    """
    return datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).astimezone(zone).strftime(_TIME)


def offset_of(zone: tzinfo, t_ns: int) -> tuple[tzinfo, str]:
    """The offset that a zone has at a time, for an axis on which no hour may come twice, and its name.

    >>> from zoneinfo import ZoneInfo
    >>> offset_of(ZoneInfo("Asia/Shanghai"), 0)[1], offset_of(UTC, 0)[1]
    ('UTC+08:00', 'UTC')
    """
    passed = datetime.fromtimestamp(t_ns // 1_000_000_000, UTC).astimezone(zone).utcoffset() or timedelta()
    fixed = timezone(passed)
    return fixed, str(fixed) if passed else "UTC"


def columns(text: str) -> int:
    """Width of a text in columns; a Chinese character is two wide.

    >>> columns("ab城")
    4
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def short(text: str, most: int = 18) -> str:
    """Cut a name to a width in columns.

    >>> short("north gate"), short("the very long name of a gate"), short("人民广场东北角出口通道")
    ('north gate', 'the very long nam…', '人民广场东北角出…')
    """
    if columns(text) <= most:
        return text
    kept, used = "", 1
    for character in text:
        used += columns(character)
        if used > most:
            break
        kept += character
    return kept.rstrip() + "…"


def name_of(names: Mapping[str, str], fallback: str, language: str) -> str:
    """The name in the language, else in English, else any, else the id; without control characters.

    >>> name_of({"en": "North gate"}, "g1", "zh")
    'North gate'
    """
    name = names.get(language) or names.get("en") or next((v for v in names.values() if v), "") or fallback
    return plain(name) or fallback


def safe(text: str) -> str:
    """Text in HTML.

    >>> safe("<b>gate</b> & more")
    '&lt;b&gt;gate&lt;/b&gt; &amp; more'
    """
    return html.escape(plain(text), quote=True)


def figure(text: str) -> str:
    """Text in plotly, which reads a part of HTML, and mathematics between two dollars.

    >>> figure("<b>$x$")
    '&lt;b&gt;&#36;x&#36;'
    """
    return safe(text).replace("$", "&#36;")


def level_text(level: Level, language: str) -> str:
    """A level as sign and word.

    >>> level_text(Level.ALERT, "en")
    '▲ ALERT'
    """
    return f"{LEVEL_STYLES[level].sign} {t(language, f'level.{level.name.lower()}')}"


def table(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows for ``st.table``, which reads Markdown in every cell and heading."""
    return [{markdown(key): markdown(value) for key, value in row.items()} for row in rows]


def label_text(label: str, language: str) -> str:
    """A label of an event: those that are known in the language of the page, others as they stand.

    >>> label_text("Exercise", "zh"), label_text("Drill 3", "zh")
    ('演练', 'Drill 3')
    """
    known = label.strip().lower()
    return t(language, f"label.{known}") if known in KNOWN_LABELS else label
