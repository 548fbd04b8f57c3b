"""What tests need of colour science: how colours look to people with other colour vision, how far they are apart, and
how well text stands out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdwatch.rendering.palette import rgb

__all__ = ["VISIONS", "contrast", "delta_e", "seen"]

Array = NDArray[np.float64]

VISIONS: dict[str, Array] = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""On linear RGB, severity 1.0 (Machado, Oliveira and Fernandes 2009, IEEE TVCG 15:1291, table 1)."""

TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def _linear(colour: str) -> Array:
    part = np.array(rgb(colour)) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def seen(colour: str, vision: str) -> Array:
    """CIELAB (D65) of ``#rrggbb`` as somebody with this colour vision sees it."""
    xyz = TO_XYZ @ np.clip(VISIONS[vision] @ _linear(colour), 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio: (L1 + 0.05) / (L2 + 0.05)."""
    light, dark = sorted((float(TO_XYZ[1] @ _linear(each)) for each in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def delta_e(one: Array, other: Array) -> float:
    """CIEDE2000 of two CIELAB colours (Sharma, Wu and Dalal 2005, Color Res. Appl. 30:21)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c_bar = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = (1 - np.sqrt(c_bar**7 / (c_bar**7 + 25.0**7))) / 2
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_m, c_m, h_m = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = (
        1 - 0.17 * np.cos(np.radians(h_m - 30)) + 0.24 * np.cos(np.radians(2 * h_m))
        + 0.32 * np.cos(np.radians(3 * h_m + 6)) - 0.20 * np.cos(np.radians(4 * h_m - 63))
    )  # fmt: skip
    s_l = 1 + 0.015 * (l_m - 50) ** 2 / np.sqrt(20 + (l_m - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_m, 1 + 0.015 * c_m * t
    r = -np.sin(np.radians(60 * np.exp(-(((h_m - 275) / 25) ** 2)))) * 2 * np.sqrt(c_m**7 / (c_m**7 + 25.0**7))
    x, y, z = dl / s_l, dc / s_c, dh / s_h
    return float(np.sqrt(x * x + y * y + z * z + r * y * z))
