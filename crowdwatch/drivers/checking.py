"""What ``crowdwatch check`` says of an event that loads: its footage is opened, its ground is looked over."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from crowdwatch import config
from crowdwatch.analytics.advice import standing_doubts
from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.gate_gaps import gate_gaps
from crowdwatch.analytics.known_gaps import known_gaps
from crowdwatch.config.heights import ZoneHeights, zone_heights
from crowdwatch.core.site import Site
from crowdwatch.drivers import recordings
from crowdwatch.errors import SourceError
from crowdwatch.words import reason_text

__all__ = ["Judged", "judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of an event.

    Args:
        site: its plain values.
        faults: what must be mended, a sentence each.
        notes: what should be known.
        heights: how tall people look in each zone.
    """

    site: Site
    faults: list[str]
    notes: list[str]
    heights: list[ZoneHeights]


def judged(event: config.EventFile) -> Judged:
    """Hold an event against its footage and its cameras' views.

    Raises:
        CrowdWatchError: it gives no site.
    """
    site = config.to_site(event)
    view = view_site(site)
    origin_m = event.site.origin_m
    notes = [
        *config.left_out(event),
        *config.live_cameras(event),
        *known_gaps(view),
        *gate_gaps(view),
        *config.learned_first(event),
        *config.map_notes(event.site.crs, None if origin_m is None else (origin_m[0], origin_m[1])),
        *_playbook_notes(event, site),
    ]
    return Judged(site, _footage_faults(event, site), notes, zone_heights(event, site))


def _playbook_notes(event: config.EventFile, site: Site) -> list[str]:
    """What speaks against measures of the playbook, by geometry alone."""
    doubts = standing_doubts(site, config.playbook_of(event.playbook))
    return [f"playbook measure {n + 1}, zone {zone}: {reason_text('en', (why,))}." for n, zone, why in doubts]


def _footage_faults(event: config.EventFile, site: Site) -> list[str]:
    """What is wrong with footage that lies here: it cannot be read, or is not what was calibrated."""
    said = []
    for entry, camera in zip(event.cameras, site.cameras, strict=True):
        if entry.source.file is None and entry.source.recordings is None:
            continue  # drawn, or a sample that is obtained when a run needs it
        try:
            with closing(recordings.open_source(event, site, camera)):
                pass
        except SourceError as error:
            said.append(str(error))
    return said
