"""The synthetic example with fewer and smaller pictures: the same crowd and alarms for a third of the work."""

from __future__ import annotations

from pathlib import Path

from crowdwatch.assets.examples import example

RATE_HZ = 2
START = "2026-01-01T12:00:00Z"
SMALLER = [
    (f'start_time: "{START}"}}', f'start_time: "{START}", capture_rate_hz: {RATE_HZ}}}'),
    ("focal_px: [520, 520]", "focal_px: [260, 260]"),
    ("centre_px: [384, 288]", "centre_px: [192, 144]"),
    ("image_size_px: [768, 576]", "image_size_px: [384, 288]"),
]


def drawn_square(folder: Path) -> Path:
    """Write the event file; within 70 s of event time the crowd reaches every level."""
    text = example("synthetic").read_text(encoding="utf-8")
    for old, new in SMALLER:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return path
