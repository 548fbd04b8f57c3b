"""The configuration of a run: an event file with what was measured for it, as one value that the log holds.

What is measured are the error intervals of the models that run (``intervals.yaml`` beside their weights) and what hand
counts say of the cameras. A log that is folded again, or a run that goes on, keeps those that it
began with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from crowdwatch import config
from crowdwatch.analytics import audit
from crowdwatch.config import BiasSettings, EventFile, IntervalsSettings
from crowdwatch.core.ports import Store
from crowdwatch.core.site import Site
from crowdwatch.detectors import weights
from crowdwatch.drivers import hand_count
from crowdwatch.drivers.build import Models
from crowdwatch.errors import ModelError, WeightsNotFound

__all__ = ["RunConfiguration", "measured"]


@dataclass(frozen=True, slots=True)
class RunConfiguration:
    """Everything that a person decided and that was measured, for one run.

    Args:
        event: the event file, complete.
        site: the place and its rules, as the fold takes them.
        json: the text that the log and the store hold.
    """

    event: EventFile
    site: Site
    json: str

    @classmethod
    def of(cls, event: EventFile) -> RunConfiguration:
        """Of an event file that is complete."""
        return cls(event, config.to_site(event), event.model_dump_json())

    @classmethod
    def for_footage(cls, event: EventFile, store: Store, models: Models) -> RunConfiguration:
        """Of a run that begins: with what the store's hand counts say.

        Args:
            event: as of :func:`measured`.
            store: whose hand counts are meant.
            models: what will count.

        Raises:
            StoreUnavailable, ModelError, SourceUnavailable: what counts, or what was counted, is not known.
        """
        return cls.of(_audited(event, store, models))

    @classmethod
    def for_log(cls, event: EventFile | None, logged_json: str) -> RunConfiguration:
        """Of a run that folds what another one has logged, or goes on with it.

        Args:
            event: another event file; what it does not say itself is taken from the log. None for the log's own.
            logged_json: what the log holds.

        Raises:
            ConfigError: the log's is not the text of an event file.
        """
        logged = config.from_json(logged_json)
        return cls.of(logged if event is None else _as_logged(event, logged))


def measured(event: EventFile) -> EventFile:
    """Put the measured intervals of the models that will run into the event file, so that its log holds them.

    They stand in ``intervals.yaml`` in the model's folder; what the event file says itself is kept.

    Raises:
        ModelError: that file is damaged.
    """
    found: dict[str, IntervalsSettings | None] = {}
    for key, task in (("detector", weights.DETECT), ("counter", weights.COUNT)):
        settings = getattr(event, key)
        found[key] = settings.intervals
        if settings.intervals is not None or settings.model == "none":
            continue
        try:
            name = weights.default_model(task=task) if settings.model == "auto" else settings.model
        except WeightsNotFound:
            continue
        found[key] = _intervals(name)
    parts = {key: getattr(event, key).model_copy(update={"intervals": table}) for key, table in found.items()}
    return event.model_copy(update=parts)


def _intervals(name: str) -> IntervalsSettings | None:
    """What was measured of a shipped model; None where nothing was."""
    paths = [path for folder in weights.shipped_dirs() if (path := folder / name / "intervals.yaml").is_file()]
    if not paths:
        return None
    content = weights.read_yaml(paths[0])
    try:
        return IntervalsSettings.model_validate(
            {key: content[key] for key in ("spread", "between", "bands") if key in content}
        )
    except ValidationError as error:
        text = config.plainly(error)
        raise ModelError(f"{paths[0]}: is no table of intervals ({text}). Restore it, or fit it again.") from error


def _audited(event: EventFile, store: Store, models: Models) -> EventFile:
    """Put what hand counts say of the cameras into the event file, so that its log holds them.

    A camera that nobody audited has none; counts beside another program are not used; what the event file says
    itself is kept. Models are loaded only where a camera has been audited.

    Raises:
        StoreUnavailable, ModelError, SourceUnavailable: what counts, or what was counted, is not known.
    """
    entries = [] if event.readings.hand_counts == "none" else store.audits(event_id=event.id)
    known = {entry.camera_id for entry in entries}
    cameras = []
    for entry, camera in zip(event.cameras, models.site.cameras, strict=True):
        if entry.bias is None and entry.id in known:
            counted = audit.fitting(entry.id, entries, models.program(camera))
            if counted:
                # pictures whose logs are gone: ground so sparse that boxes count alone
                most_p_m2 = hand_count.densest_found(store, counted) or models.site.hand_over.low_p_m2
                lower = event.readings.hand_counts == "all"
                said = audit.applied(audit.bias(entry.id, counted), lower=lower, most_p_m2=most_p_m2)
                entry = entry.model_copy(update={"bias": BiasSettings(**asdict(said))})
        cameras.append(entry)
    return event.model_copy(update={"cameras": cameras})


def _as_logged(event: EventFile, logged: EventFile) -> EventFile:
    """An event file with what was measured for an earlier run where it says nothing itself: the intervals of the
    models that made the log, and what hand counts said of the cameras. How large the detector saw people is the log's:
    its pictures are not looked at again; so is the time between its ticks."""
    parts: dict[str, Any] = {}
    for key in ("detector", "counter"):
        settings = getattr(event, key)
        table = settings.intervals or getattr(logged, key).intervals
        parts[key] = settings.model_copy(update={"intervals": table})
    looked = {key: getattr(logged.detector, key) for key in ("image_px", "image_px_most")}
    parts["detector"] = parts["detector"].model_copy(update=looked)
    tick_s = event.readings.tick_s or logged.readings.tick_s
    parts["readings"] = event.readings.model_copy(update={"tick_s": tick_s})
    if event.readings.hand_counts != "none":
        biases = {camera.id: camera.bias for camera in logged.cameras}
        parts["cameras"] = [
            camera if camera.bias is not None else camera.model_copy(update={"bias": biases.get(camera.id)})
            for camera in event.cameras
        ]
    return event.model_copy(update=parts)
