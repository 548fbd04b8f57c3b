"""Levels and densities cannot be taken for each other, whatever colour vision somebody has."""

from itertools import combinations, product

import numpy as np
import pytest
from colour_science import VISIONS, contrast, delta_e, seen

from crowdwatch.rendering.palette import BAND_COLOURS, LEVEL_STYLES, OFF_SITE

LEAST_LEVELS, LEAST_BANDS = 15.0, 8.0
"""CIEDE2000: levels must be told apart at a glance; a level from a density beside it, which has other marks too."""


def test_colour_science_gives_the_published_values() -> None:
    # Sharma, Wu and Dalal 2005, table 1, pairs 1 and 31
    pairs = (
        ([50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425),
        ([22.7233, 20.0904, -46.6940], [23.0331, 14.9730, -42.5619], 2.0373),
    )
    for one, other, published in pairs:
        assert delta_e(np.array(one), np.array(other)) == pytest.approx(published, abs=5e-5)
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


def test_every_pair_of_levels_is_told_apart_by_everybody() -> None:
    for vision in VISIONS:
        looks = {level: seen(style.colour, vision) for level, style in LEVEL_STYLES.items()}
        near = {(a.name, b.name): delta_e(looks[a], looks[b]) for a, b in combinations(looks, 2)}
        assert min(near.values()) >= LEAST_LEVELS, (vision, min(near.items(), key=lambda each: each[1]))


def test_no_level_looks_like_a_density() -> None:
    for vision, style, band in product(VISIONS, LEVEL_STYLES.values(), BAND_COLOURS):
        assert delta_e(seen(style.colour, vision), seen(band, vision)) >= LEAST_BANDS, (vision, style.colour, band)


def test_text_on_every_level_is_readable() -> None:
    for level, style in LEVEL_STYLES.items():
        assert contrast(style.colour, style.ink) >= 4.5, level
    assert contrast("#f2f5f7", OFF_SITE) >= 4.5
