"""A map of the ground as a picture that explains itself: zones, scale, north, time, legend, and whose numbers it shows.

The look is that of the page's map: densities in their fixed colours on the dark ground that was seen; ground that was
not seen is striped grey; what is not ground of the site is black. So nothing that is unknown can be taken for empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely import Polygon, maximum_inscribed_circle

from crowdwatch.core.records import FloatArray
from crowdwatch.core.site import Site, Zone
from crowdwatch.core.text import plain
from crowdwatch.errors import StoreUnavailable
from crowdwatch.rendering.palette import (
    BAND_COLOURS,
    BAND_EDGES_P_M2,
    GREY,
    GROUND,
    INK,
    OFF_SITE,
    UNSEEN,
    band_index,
    rgb,
)

__all__ = ["MapPicture", "scale_bar_m"]

U8 = NDArray[np.uint8]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

LONG_SIDE_PX = 1000
"""The longer side of the map, as near as whole pixels a cell allow."""
MOST_CELL_PX = 40
COMPRESSION = 3
"""Of PNG: a third of the time of Pillow's 6 for a tenth more bytes; an archive has a map a minute."""
PAD_PX, GAP_PX, LEGEND_PX, MARGIN_PX = 24, 20, 210, 12
STRIPE_PX = 12
TITLE, TEXT, SMALL = 24, 17, 14
NOTICE = "#ffd54f"
LIGHT_LINE, DARK_LINE = (247, 245, 242), (12, 12, 12)


def scale_bar_m(width_m: float) -> float:
    """A round length, at most a quarter of a width: 1, 2 or 5 times a power of ten.

    >>> [scale_bar_m(width) for width in (30.0, 24.0, 900.0, 3.0)]
    [5.0, 5.0, 200.0, 0.5]
    """
    most = width_m / 4
    decade = 10.0 ** np.floor(np.log10(most))
    return float(max(step * decade for step in (1.0, 2.0, 5.0) if step * decade <= most * 1.0000001))


@dataclass(slots=True)
class MapPicture:
    """Draws maps of one site, all alike.

    Args:
        site: whose zones are drawn.
        origin_m: (2,) east and north of the south-west corner of cell (0, 0).
        cell_m: side of a cell.
        shape: rows and columns.
        foot: what stands below every map: the run, the bandwidth.
        cell_px: side of a cell in the picture.
    """

    site: Site
    origin_m: FloatArray
    cell_m: float
    shape: tuple[int, int]
    foot: str = ""
    cell_px: int = field(init=False)
    _off_site: U8 = field(init=False)
    _no_ground: U8 = field(init=False)
    _stripes: U8 = field(init=False)
    _plates: list[tuple[str, int, Box]] = field(init=False)

    def __post_init__(self) -> None:
        self.cell_px = min(MOST_CELL_PX, max(1, round(LONG_SIDE_PX / max(self.shape))))
        width, height = self._size
        walkable = np.zeros((height, width), np.uint8)
        cv2.fillPoly(walkable, [self._pixels(self.site.walkable_m)], 1)
        for ring in self.site.obstacles_m:
            cv2.fillPoly(walkable, [self._pixels(ring)], 0)
        self._off_site = (walkable == 0).astype(np.uint8)
        self._no_ground = np.full((height, width, 3), rgb(OFF_SITE), np.uint8)
        row, col = np.indices((height, width))
        striped = (row + col) % STRIPE_PX < STRIPE_PX / 3
        self._stripes = np.where(striped[:, :, None], rgb(GREY), rgb(UNSEEN)).astype(np.uint8)
        self._plates = self.plates()

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height of the map in pixels, with a margin, so that edges of the site are seen whole."""
        rows, cols = self.shape
        return cols * self.cell_px + 2 * MARGIN_PX, rows * self.cell_px + 2 * MARGIN_PX

    def png(self, rho_p_m2: FloatArray, what: str, span: str) -> bytes:
        """Draw one map.

        Args:
            rho_p_m2: (rows, cols) people per square metre, row 0 south; NaN where nothing is known.
            what: what it shows.
            span: the time that it covers.
        """
        ground = self._ground(rho_p_m2)
        height, width = ground.shape[:2]
        titles = self._titles(what, span)
        top = PAD_PX + sum(size + 9 for _, size, _ in titles) + 8
        legend_px = self._legend_height()
        body_px = max(height, legend_px)
        side = max(width + GAP_PX + LEGEND_PX, _longest([*titles, (self.foot, SMALL, INK)]))
        image = Image.new("RGB", (side + 2 * PAD_PX, top + body_px + 74), rgb("#171e26"))
        image.paste(Image.fromarray(ground), (PAD_PX, top))
        draw = ImageDraw.Draw(image)
        base = PAD_PX
        for text, size, colour in titles:
            draw.text((PAD_PX, base), text, font=_font(size), fill=rgb(colour))
            base += size + 9
        self._labels(draw, (PAD_PX, top))
        self._scale(draw, PAD_PX, top + body_px + 12, width)
        self._legend(draw, PAD_PX + width + GAP_PX, top)
        draw.text((PAD_PX, top + body_px + 48), self.foot, font=_font(SMALL), fill=rgb(GREY))
        file = BytesIO()
        try:
            image.save(file, "PNG", compress_level=COMPRESSION)
        except (OSError, ValueError, MemoryError) as error:
            raise StoreUnavailable(f"map {what!r}: cannot be written as PNG. Check the size of the site.") from error
        return file.getvalue()

    def _titles(self, what: str, span: str) -> list[tuple[str, int, str]]:
        labels = [plain(label) for label in self.site.labels if label.isascii()]
        name = _drawable(self.site.name.get("en", ""), self.site.event_id)
        return [
            (name, TITLE, INK), (f"{what}, people per square metre", TEXT, INK), (span, TEXT, INK),
            *([(" - ".join(labels), TEXT, NOTICE)] if labels else []),
        ]  # fmt: skip

    def _ground(self, rho_p_m2: FloatArray) -> U8:
        """(H, W, 3) RGB: the cells, what was not seen, what is no ground, and the outlines."""
        colours = np.array([rgb(UNSEEN), rgb(GROUND), *map(rgb, BAND_COLOURS)], dtype=np.uint8)
        band = (band_index(rho_p_m2[::-1]) + 2).astype(np.uint8)
        band = np.repeat(np.repeat(band, self.cell_px, axis=0), self.cell_px, axis=1)
        band = np.pad(band, MARGIN_PX)  # beyond the cells nothing is known
        ground: U8 = np.take(colours, band, axis=0)
        cv2.copyTo(self._stripes, (band == 0).astype(np.uint8), ground)
        cv2.copyTo(self._no_ground, self._off_site, ground)
        for ring in (self.site.walkable_m, *self.site.obstacles_m):
            cv2.polylines(ground, [self._pixels(ring)], True, rgb(GREY), 1, cv2.LINE_AA)
        for colour, wide in ((DARK_LINE, 5), (LIGHT_LINE, 2)):
            for zone in self.site.zones:
                cv2.polylines(ground, [self._pixels(zone.polygon_m)], True, colour, wide, cv2.LINE_AA)
        return ground

    def _pixels(self, xy_m: FloatArray) -> NDArray[np.int32]:
        """(N, 2) corners as pixels of the map."""
        at = (np.asarray(xy_m) - self.origin_m) / self.cell_m * self.cell_px
        at[:, 1] = self.shape[0] * self.cell_px - at[:, 1]
        return np.round(np.clip(at + MARGIN_PX, -1e6, 1e6)).astype(np.int32)

    def plates(self) -> list[tuple[str, int, Box]]:
        """What zones are called, in which size and where on the map: each where most of the zone is.

        Names that would cover each other move; where there is no place for a name, the id is tried. Pixels of the
        map, from its upper left corner.
        """
        found: list[tuple[str, int, Box]] = []
        for zone in sorted(self.site.zones, key=lambda each: each.usable_area_m2):
            circle = maximum_inscribed_circle(Polygon(zone.polygon_m), tolerance=self.cell_m / 4)
            u, v = self._pixels(np.array([circle.coords[0]]))[0].tolist()
            for text, size in self._names(zone, 2 * circle.length / self.cell_m * self.cell_px):
                box = _placed(text, size, (u, v), self._size, [taken for _, _, taken in found])
                if box is not None:
                    found.append((text, size, box))
                    break
        return found

    def _labels(self, draw: ImageDraw.ImageDraw, corner: tuple[int, int]) -> None:
        for text, size, (left, top, right, bottom) in self._plates:
            box = left + corner[0], top + corner[1], right + corner[0], bottom + corner[1]
            draw.rounded_rectangle(box, 4, fill=DARK_LINE)
            middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            draw.text(middle, text, font=_font(size), fill=rgb(INK), anchor="mm", align="center")

    @staticmethod
    def _names(zone: Zone, room_px: float) -> list[tuple[str, int]]:
        """What a zone may be called on the map, best first: its name where there is room for it, else its id."""
        name = _drawable(zone.name.get("en", ""), zone.zone_id)
        names = [(name, TEXT), (name, SMALL), (_halved(name), SMALL), (zone.zone_id, SMALL)]
        fitting = [(text, size) for text, size in names if _extent(text, size)[0] <= 1.3 * room_px]
        return [*fitting, *(each for each in names[1:] if each not in fitting)]

    def _scale(self, draw: ImageDraw.ImageDraw, left: int, top: int, width: int) -> None:
        """A bar of a round length below the map's left edge, and north beside it."""
        bar_m = scale_bar_m(max(width, 200) / self.cell_px * self.cell_m)
        bar_px = bar_m / self.cell_m * self.cell_px
        draw.rectangle((left, top + 8, left + bar_px, top + 13), fill=rgb(INK))
        draw.rectangle((left + 1, top + 9, left + bar_px / 2, top + 12), fill=rgb("#171e26"))
        draw.text((left + bar_px + 8, top), f"{bar_m:g} m", font=_font(TEXT), fill=rgb(INK))
        at = left + bar_px + 84
        draw.polygon([(at, top + 1), (at - 6, top + 18), (at, top + 13), (at + 6, top + 18)], fill=rgb(INK))
        draw.text((at + 12, top), "north", font=_font(TEXT), fill=rgb(INK))

    @staticmethod
    def _entries() -> list[tuple[str, str | None]]:
        """The legend from the densest band down; None is striped."""
        edges = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(BAND_EDGES_P_M2)]
        bands = list(zip([*edges, f"{BAND_EDGES_P_M2[-1]:g} and more"], BAND_COLOURS, strict=True))
        below = (f"seen, below {BAND_EDGES_P_M2[0]:g}", GROUND)
        return [*reversed(bands), below, ("not seen: unknown", None), ("not ground of the site", OFF_SITE)]

    def _legend_height(self) -> int:
        return 30 + 30 * len(self._entries())

    def _legend(self, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
        draw.text((left, top), "people / m2", font=_font(TEXT), fill=rgb(INK))
        for number, (text, colour) in enumerate(self._entries()):
            y = top + 32 + 30 * number
            draw.rectangle((left, y, left + 26, y + 20), fill=rgb(colour or UNSEEN), outline=rgb(GREY))
            if colour is None:
                for x in range(-20, 27, 10):
                    ends = [(max(x, 0), y + min(20, 20 + x)), (min(x + 20, 26), y + max(0, x - 6))]
                    draw.line([(left + a, b) for a, b in ends], fill=rgb(GREY), width=3)
            draw.text((left + 36, y + 1), text, font=_font(TEXT), fill=rgb(INK))


def _placed(
    text: str,
    size: int,
    at: tuple[int, int],
    picture: tuple[int, int],
    taken: Sequence[Box],
) -> Box | None:
    """The plate of a text at a place, or a line or two above or below it; None where it would cover another."""
    wide, high = _extent(text, size)
    for shift in (0.0, high + 2.0, -high - 2.0, 2 * high + 4.0, -2 * high - 4.0):
        u = min(max(at[0], wide / 2), max(picture[0] - wide / 2, wide / 2))
        v = min(max(at[1] + shift, high / 2), max(picture[1] - high / 2, high / 2))
        box = u - wide / 2, v - high / 2, u + wide / 2, v + high / 2
        if all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in taken):
            return box
    return None


def _halved(name: str) -> str:
    """A name on two lines, cut at the space nearest to its middle.

    >>> _halved("Main stage front")
    'Main stage\\nfront'
    """
    spaces = [at for at, sign in enumerate(name) if sign == " "]
    if not spaces:
        return name
    cut = min(spaces, key=lambda at: (abs(at - len(name) / 2), -at))
    return f"{name[:cut]}\n{name[cut + 1 :]}"


def _extent(text: str, size: int) -> tuple[float, float]:
    """Width and height of the plate of a text."""
    lines = text.split("\n")
    return max(_font(size).getlength(line) for line in lines) + 12, len(lines) * (size + 5) + 4


def _drawable(name: str, otherwise: str) -> str:
    """A name in the characters that the font has, shortened; else another one."""
    name = plain(name)
    if not name or not name.isascii():
        return otherwise
    return name if len(name) <= 60 else f"{name[:57]}..."


def _longest(lines: Sequence[tuple[str, int, str]]) -> int:
    return max(int(_font(size).getlength(text)) for text, size, _ in lines)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow brings along, so that a map looks the same on every machine."""
    found = _FONTS.get(size)
    if found is None:
        loaded = ImageFont.load_default(size)
        if not isinstance(loaded, ImageFont.FreeTypeFont):
            raise StoreUnavailable("maps: this Pillow has no FreeType to draw text. Run pip install --upgrade pillow.")
        found = _FONTS[size] = loaded
    return found


_FONTS: dict[int, ImageFont.FreeTypeFont] = {}
