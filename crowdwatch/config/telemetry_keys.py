"""What a drone wrote beside its film, as the event file names it, and what a person adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from crowdwatch.assets.document import Document, KeyPath
from crowdwatch.calibration.drone_lenses import DRONES
from crowdwatch.config.calibration_keys import LensFile
from crowdwatch.config.fields import Metres, Number, Plain, Point3M, Positive
from crowdwatch.config.programs import Model
from crowdwatch.core.stream_url import VARIABLE, secret_in

__all__ = [
    "DroneModel",
    "GimbalFile",
    "GroundReferenceFile",
    "TelemetryFile",
    "TelemetrySigmas",
    "TerrainFile",
    "check_telemetry",
]


GROWING = (".srt", ".csv", ".tsv", ".txt")
"""Endings of files that grow."""


def _model(value: str) -> str:
    if value not in DRONES:
        raise ValueError(f"unknown model, need one of {', '.join(DRONES)}; or give the lens")
    return value


DroneModel = Annotated[Plain, AfterValidator(_model)]


class GimbalFile(Model):
    """Where the camera of a drone that hovered looked, where its telemetry does not say: a person measured it."""

    yaw_deg: Annotated[Number, Field(ge=-360, le=360)] | None = None
    """Direction of the view, clockwise from north."""
    pitch_deg: Annotated[Number, Field(ge=-120, le=30)] | None = None
    """Of the view: 0 is the horizon, -90 straight down."""
    roll_deg: Annotated[Number, Field(ge=-45, le=45)] | None = None
    """Of the view."""
    sigma_deg: Annotated[Positive, Field(le=30)] = Field(
        default=3.0, json_schema_extra={"source": "a direction read from a map by eye"}
    )
    """Standard error of what stands here."""


class TelemetrySigmas(Model):
    """Standard errors of telemetry; absent: as makers state them."""

    position_m: Positive | None = None
    """Of the position, east and north each."""
    height_m: Positive | None = None
    """Of the height."""
    yaw_deg: Positive | None = None
    """Of the direction."""
    pitch_deg: Positive | None = None
    """Of the pitch."""
    roll_deg: Positive | None = None
    """Of the roll."""
    focal_frac: Annotated[Positive, Field(le=0.5)] | None = None
    """Of the focal length, as a share of it."""


class GroundReferenceFile(Model):
    """A picture of the ground that a drone's pictures are laid on: exactly one of ``orthophoto``, a GeoTIFF or a
    picture with a world file in the site's map, and ``picture``, any picture of the scene, with its ``points_file``.

    ``sigma_m`` is the standard error of its own positions.
    """

    orthophoto: Plain | None = None
    """A GeoTIFF, or a picture with a world file, in the site's map."""
    picture: Plain | None = None
    """Any picture of the scene."""
    points_file: Plain | None = None
    """Control points of that picture."""
    sigma_m: Positive = Field(default=0.15, json_schema_extra={"source": "an orthophoto with surveyed ground points"})
    """Standard error of its own positions."""


class TerrainFile(Model):
    """Heights of the ground in the site's map, where the site is not flat."""

    file: Plain
    """A GeoTIFF of one band in metres; relative to the event file."""
    sigma_m: Positive = Field(
        default=0.5, json_schema_extra={"source": "airborne laser scanning, with steps and kerbs"}
    )
    """Standard error of its heights."""


class TelemetryFile(Model):
    """Telemetry of a drone's film."""

    file: Plain | None = None
    """Subtitles (`.srt`), a table (`.csv`), packets of MISB ST 0601 (`.klv`, `.bin`) or a film that holds them
    (`.ts`); relative to the event file. Of a live drone, subtitles or a table that another program writes on."""
    mqtt: Plain | None = None
    """Of a live drone, in place of `file`: `mqtt://USER:${NAME}@HOST:PORT/TOPIC`, or `mqtts`. Every message is a JSON
    object with the names that subtitles have (`latitude`, `longitude`, `rel_alt`, `gb_yaw`, `gb_pitch`, `gb_roll`;
    `t_s` is the stream's own time), or the text of a subtitle."""
    model: DroneModel | None = None
    """Of the drone, which gives its lens; exactly one of `model` and `lens`."""
    lens: LensFile | None = None
    """A calibration of its camera, for this size of picture."""
    takeoff_height_m: Metres | None = Field(default=None, json_schema_extra={"source": "level with the site, 2 m off"})
    """Of the place of take-off above the site's ground."""
    ground_elevation_m: Metres | None = None
    """Of the site's ground above the sea: for telemetry that has no height above take-off."""
    altitude: Literal["takeoff", "sea"] | None = None
    """What an `altitude` counts from of which telemetry does not say."""
    gps_order: Literal["lon_lat", "lat_lon"] | None = Field(default=None, json_schema_extra={"source": "by evidence"})
    """Of positions without names; by evidence where it is not told."""
    offset_s: Annotated[Number, Field(ge=-1e6, le=1e6)] | None = None
    """So much later than telemetry's own times each entry was written. With it, lengths and clocks of film and
    telemetry are not held against each other."""
    antenna_m: Point3M | None = None
    """From the antenna to the camera: forward, right, up."""
    gimbal: GimbalFile = Field(default_factory=GimbalFile)
    """What telemetry lacks."""
    sigmas: TelemetrySigmas = Field(default_factory=TelemetrySigmas)
    """Standard errors of what it has."""
    reference: GroundReferenceFile | None = None
    """A picture of the ground against which poses are refined."""
    terrain: TerrainFile | None = None
    """Heights of the ground where the site is not flat; not beside `reference`. The site's own zero is
    `ground_elevation_m`, or the median height of the walkable area."""

    @property
    def name(self) -> str:
        """For people."""
        return Path(self.file).name if self.file is not None else "of a broker"

    def files(self) -> list[Path]:
        """Every file that it names."""
        named = [] if self.file is None else [self.file]
        if self.reference is not None:
            named += [each for each in (self.reference.orthophoto, self.reference.picture, self.reference.points_file)
                      if each is not None]  # fmt: skip
        if self.terrain is not None:
            named.append(self.terrain.file)
        return [Path(each) for each in named]


def check_telemetry(document: Document, path: KeyPath, source: Mapping[str, Any], crs: Any) -> None:
    """Add a fault for every key of telemetry that excludes another one or lacks one, as it stands in the file.

    Args:
        document: the event file.
        path: of ``telemetry`` in it.
        source: the camera's source.
        crs: the site's map, sound or not.
    """
    told = source.get("telemetry")
    live = any(source.get(key) is not None for key in ("url", "device"))
    if source.get("file") is None and not live:
        text = "belongs to one film: name it with file. Of a drone that filmed several, each is a camera."
        document.fault(path, text)
    if source.get("capture_rate_hz") is not None:
        text = "means nothing beside telemetry, whose times are those of the film. Remove one of the two."
        document.fault((*path[:-1], "capture_rate_hz"), text)
    if crs in (None, "local"):
        text = "is in degrees, and the site lies on no map. Give site.crs an EPSG code, and origin_m."
        document.fault(path, text)
    if not isinstance(told, Mapping):
        return
    document.one_of(path, told, ("model", "lens"))
    _where_from(document, path, told, live=live)
    reference = told.get("reference")
    if isinstance(reference, Mapping):
        where = (*path, "reference")
        document.one_of(where, reference, ("orthophoto", "picture"))
        if (reference.get("picture") is None) != (reference.get("points_file") is None):
            document.fault(where, "picture and points_file belong together. Give both.")
    if reference is not None and told.get("terrain") is not None:
        document.fault((*path, "terrain"), "a reference is taken for flat ground. Remove one of the two.")
    for key, name in _files(told):
        if live and key == ("file",):
            continue  # it may come when the drone takes off
        if isinstance(name, str) and name.strip() and not Path(name).is_file():
            text = f"no such file: {name}. Copy it there or correct the path; it counts from the event file."
            document.fault((*path, *key), text)


def _where_from(document: Document, path: KeyPath, told: Mapping[str, Any], *, live: bool) -> None:
    """A film's telemetry is a file; a live drone's is a file that grows, or comes from a broker."""
    document.one_of(path, told, ("file", "mqtt"))
    mqtt, file = told.get("mqtt"), told.get("file")
    if mqtt is not None and not live:
        document.fault((*path, "mqtt"), "belongs to a live drone. Name the file that was written beside the film.")
    elif isinstance(mqtt, str):
        try:
            parts = urlsplit(VARIABLE.sub("x", mqtt))
            sound = (
                parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and parts.path.strip("/") and parts.port != 0
            )
        except ValueError:
            sound = False
        if not sound:
            document.fault((*path, "mqtt"), "need mqtt://HOST:PORT/TOPIC. Correct it.")
        elif secret_in(mqtt):
            text = "holds a password as it is, and every run keeps this file. Write ${NAME} in its place."
            document.fault((*path, "mqtt"), text)
    if live and isinstance(file, str) and Path(file).suffix.lower() not in GROWING:
        text = f"need a file that grows line by line: {', '.join(GROWING)}. Packets of a stream are not read live."
        document.fault((*path, "file"), text)


def _files(told: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Every key of a file, and what stands there."""
    found: list[tuple[tuple[str, ...], Any]] = [(("file",), told.get("file"))]
    reference = told.get("reference")
    if isinstance(reference, Mapping):
        found += [(("reference", key), reference.get(key)) for key in ("orthophoto", "picture", "points_file")]
    terrain = told.get("terrain")
    if isinstance(terrain, Mapping):
        found.append((("terrain", "file"), terrain.get("file")))
    return found
