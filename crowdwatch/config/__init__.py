"""What did a person decide about this event? The event file: one YAML file with the unit in every key.

* :func:`load` reads it and lists every fault at once.
* :func:`to_site` gives the plain values that the core works with.
* :func:`plainly` says what is wrong with a part of one that stands elsewhere.
* :func:`explain` says of every value where it came from (:func:`explained` for programs), :func:`learned_first` what a
  run has to learn by itself, :func:`map_notes` where on Earth the site lies.
* :func:`recording_times` says when every recording begins, :func:`left_out` what of a folder is not read.
* :func:`load_incidents` reads what really happened on a night, to score alerts against.
* :func:`load_rules` reads other limits, to fold a log under them.
* :func:`targets_of` says who is told of alerts, :func:`playbook_of` what is to be done,
  :func:`voice_rules` how messages are spoken.
* ``event.model_dump_json()`` and :func:`from_json` carry it through a log.
"""

from crowdwatch.config.explaining import explain, explained, learned_first, left_out, live_cameras, recording_times
from crowdwatch.config.incidents import IncidentFile, IncidentsFile, load_incidents
from crowdwatch.config.loading import from_json, load
from crowdwatch.config.maps import map_notes
from crowdwatch.config.notify_keys import targets_of
from crowdwatch.config.playbook_keys import playbook_of
from crowdwatch.config.programs import BiasSettings, IntervalsSettings
from crowdwatch.config.rules_file import load_rules
from crowdwatch.config.schema import EventFile
from crowdwatch.config.sites import to_site
from crowdwatch.config.structure import plainly
from crowdwatch.config.voice_keys import voice_rules

__all__ = [
    "BiasSettings",
    "EventFile",
    "IncidentFile",
    "IncidentsFile",
    "IntervalsSettings",
    "explain",
    "explained",
    "from_json",
    "learned_first",
    "left_out",
    "live_cameras",
    "load",
    "load_incidents",
    "load_rules",
    "map_notes",
    "plainly",
    "playbook_of",
    "recording_times",
    "targets_of",
    "to_site",
    "voice_rules",
]
