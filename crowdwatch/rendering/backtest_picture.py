"""A night under two sets of limits as a picture: two bars for each zone, coloured by level over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crowdwatch.core.outcomes import Level
from crowdwatch.core.text import plain
from crowdwatch.errors import StoreUnavailable
from crowdwatch.rendering.palette import GREY, INK, LEVEL_STYLES, rgb

__all__ = ["LevelBars", "SweepCurve", "backtest_png"]

BACKGROUND = "#171e26"
WIDTH_PX, NAME_PX, PAD_PX, BAR_PX, ROW_PX = 1200, 200, 20, 14, 44
TITLE, TEXT, SMALL = 22, 15, 12
MOST_HOURS_MARKS = 12
CURVE_PX = 220
FIRST, SECOND = "#f68f44", "#7ab8f5"


@dataclass(frozen=True, slots=True, eq=False)
class LevelBars:
    """The levels of zones over time.

    Args:
        name: of the limits, as ``old``.
        t_ns: (ticks,) times.
        levels: (ticks, zones) numbers of :class:`~crowdwatch.core.outcomes.Level`.
    """

    name: str
    t_ns: Sequence[int]
    levels: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SweepCurve:
    """A limit's trade-off: what was tried, and two figures for each value: alarms, and recall where it is known."""

    title: str
    values: tuple[float, ...]
    alarms: tuple[float, ...]
    recall: tuple[float, ...] | None = None


def backtest_png(
    title: str, zones: Sequence[str], sides: Sequence[LevelBars], zone: tzinfo, curve: SweepCurve | None = None
) -> bytes:
    """Draw it.

    Args:
        title: what it shows.
        zones: names, in the order of the columns.
        sides: one set of limits, or two.
        zone: time zone of the axis.
        curve: drawn below, where there is one.

    Raises:
        StoreUnavailable: it cannot be drawn.
    """
    row_px = ROW_PX if len(sides) > 1 else ROW_PX - BAR_PX - 2
    top = PAD_PX + 62
    height = top + row_px * len(zones) + 54 + (CURVE_PX + 60 if curve is not None else 0)
    image = Image.new("RGB", (WIDTH_PX, height), rgb(BACKGROUND))
    draw = ImageDraw.Draw(image)
    draw.text((PAD_PX, PAD_PX), plain(title), font=_font(TITLE), fill=rgb(INK))
    _legend(draw, PAD_PX + 34)
    left, right = PAD_PX + NAME_PX, WIDTH_PX - PAD_PX
    for row, name in enumerate(zones):
        y = top + row * row_px
        draw.text((PAD_PX, y + 2), _short(name), font=_font(TEXT), fill=rgb(INK))
        for number, side in enumerate(sides):
            bar = _bar(side.levels[:, row], right - left)
            image.paste(Image.fromarray(bar), (left, y + number * (BAR_PX + 2)))
            if row == 0:
                draw.text((left - 34, y + number * (BAR_PX + 2)), side.name, font=_font(SMALL), fill=rgb(GREY))
    _axis(draw, sides[0].t_ns, zone, (left, right), top, top + row_px * len(zones))
    if curve is not None:
        _curve(draw, curve, (left, top + row_px * len(zones) + 70, right, height - 40))
    file = BytesIO()
    try:
        image.save(file, "PNG")
    except (OSError, ValueError, MemoryError) as error:
        raise StoreUnavailable(f"picture {title!r}: cannot be written as PNG. Try fewer zones.") from error
    return file.getvalue()


def _bar(levels: NDArray[np.int8], width: int) -> NDArray[np.uint8]:
    """(BAR_PX, width, 3): of the ticks under a column of pixels the highest level is shown; unknown where one is."""
    colours = np.array([rgb(LEVEL_STYLES[level].colour) for level in sorted(Level)], dtype=np.uint8)
    edges = np.linspace(0, len(levels), width + 1)
    shown = np.empty(width, dtype=np.int64)
    for column in range(width):
        first = min(int(edges[column]), len(levels) - 1)
        part = levels[first : max(int(edges[column + 1]), first + 1)]
        shown[column] = int(part.max()) if part.max() > Level.NORMAL else int(part.min())
    row: NDArray[np.uint8] = np.repeat(colours[shown + 1][None], BAR_PX, axis=0)
    return row


def _legend(draw: ImageDraw.ImageDraw, y: int) -> None:
    x = PAD_PX
    for level in sorted(Level):
        draw.rectangle((x, y + 2, x + 18, y + 16), fill=rgb(LEVEL_STYLES[level].colour))
        text = level.name.lower()
        draw.text((x + 24, y), text, font=_font(TEXT), fill=rgb(INK))
        x += 40 + int(_font(TEXT).getlength(text))


def _axis(
    draw: ImageDraw.ImageDraw, t_ns: Sequence[int], zone: tzinfo, across: tuple[int, int], top: int, bottom: int
) -> None:  # fmt: skip
    first, last = t_ns[0] // 10**9, t_ns[-1] // 10**9
    span = max(last - first, 1)
    step = next((s for s in (60, 300, 600, 900, 1800, 3600, 7200, 14_400) if span / s <= MOST_HOURS_MARKS), 86_400)
    for at in range(-(-first // step) * step, last + 1, step):
        x = across[0] + (at - first) / span * (across[1] - across[0])
        draw.line((x, top - 4, x, bottom), fill=rgb("#3a4753"))
        text = datetime.fromtimestamp(at, zone).strftime("%H:%M")
        draw.text((x, bottom + 6), text, font=_font(SMALL), fill=rgb(GREY), anchor="ma")
    name = datetime.fromtimestamp(first, zone)
    draw.text((PAD_PX, bottom + 6), f"{name:%Y-%m-%d} {zone}", font=_font(SMALL), fill=rgb(GREY))


def _curve(draw: ImageDraw.ImageDraw, curve: SweepCurve, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    draw.text((left, top - 26), plain(curve.title), font=_font(TEXT), fill=rgb(INK))
    draw.rectangle(box, outline=rgb("#3a4753"))
    low, high = curve.values[0], curve.values[-1]
    xs = [left + 20 + (value - low) / max(high - low, 1e-9) * (right - left - 40) for value in curve.values]
    for x, value in zip(xs, curve.values, strict=True):
        draw.text((x, bottom + 6), f"{value:g}", font=_font(SMALL), fill=rgb(GREY), anchor="ma")
    most = max(*curve.alarms, 1.0)
    lines = [("alarms", curve.alarms, most, FIRST)]
    if curve.recall is not None:
        lines.append(("recall", curve.recall, 1.0, SECOND))
    for number, (name, values, top_value, colour) in enumerate(lines):
        points = [
            (x, bottom - 8 - value / top_value * (bottom - top - 16)) for x, value in zip(xs, values, strict=True)
        ]
        if len(points) > 1:
            draw.line(points, fill=rgb(colour), width=3)
        for x, y in points:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=rgb(colour))
        text = f"{name}, 0 to {top_value:g}"
        draw.text((right - 150, top + 8 + 18 * number), text, font=_font(SMALL), fill=rgb(colour))


def _short(name: str) -> str:
    name = plain(name)
    return name if len(name) <= 20 else f"{name[:18]}.."


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings along, so that a picture looks the same on every machine."""
    return ImageFont.load_default(size)
