"""A drone's film with its telemetry: replayed, from its log and in a batch it is one and the same run. Its pictures lie
on the ground that they show, and where telemetry says nothing there is a fault with its reason: nobody has a place."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from crowdwatch import config
from crowdwatch.core.reasons import Code
from crowdwatch.core.records import CameraFault, Observation
from crowdwatch.drivers import build
from crowdwatch.drivers.batch import JobSettings
from crowdwatch.drivers.recordings import open_source
from crowdwatch.drivers.replay import Options, replay_log, replay_recording
from crowdwatch.errors import ConfigError, SourceUnavailable
from crowdwatch.ground import AerialPose, to_ground, to_image
from crowdwatch.sources.flight.place import SitePlace
from crowdwatch.store.log import LogReader
from pipelines.batch.observe_batch import BatchOptions, run_batch
from pipelines.evaluation.drawn_flight import DrawnFlight, TelemetryError, write_film, write_srt
from pipelines.evaluation.drawn_ground import drawn_ground

PLACE = SitePlace("EPSG:32650", (447500.0, 4418500.0))
RATE, FRAMES, HW = Fraction(2), 12, (360, 640)
ERROR = TelemetryError(1.2, -0.8, 0.9, 0.8)
LOST = range(6, 9)
"""Pictures without a fix."""

EVENT = """
version: 1
id: drone-film
name: {{en: Drone film}}
site:
  crs: EPSG:32650
  origin_m: [447500, 4418500]
  walkable_area_m: [[-30, 0], [30, 0], [30, 60], [-30, 60]]
zones:
  - {{id: square, kind: standing, polygon_m: [[-12, 25], [12, 25], [12, 45], [-12, 45]]}}
detector: {{image_px: 320}}
counter: {{model: none}}
cameras:
  - id: drone
    moves: true
    max_position_error_m: 5
    source:
      file: film.mp4
      start_time: "2026-01-01T12:00:00Z"
      telemetry: {{file: film.srt, model: mavic-3, takeoff_height_m: 0{more}}}
"""
REFERENCE = ", reference: {orthophoto: map.tif, sigma_m: 0.1}"


def pose(t_s):
    return AerialPose(-6 + 1.5 * t_s, -2.0, 45.0, 4.0 - t_s, -55.0, 0.0, 24.0 / 34.616 * HW[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flight")
    ground = drawn_ground(-50, -15, 50, 85)
    people = np.random.default_rng(5).uniform((-12, 25), (12, 45), (60, 2))
    flight = DrawnFlight(pose, HW, RATE, FRAMES, lambda _: people)
    write_film(folder / "film.mp4", flight, ground)
    write_srt(folder / "film.srt", flight, PLACE, ERROR)
    matrix = ground.image_to_ground
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32650)
    tags = [
        (33550, "d", 3, (matrix[0, 0], -matrix[1, 1], 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, matrix[0, 2] + PLACE.origin_m[0], matrix[1, 2] + PLACE.origin_m[1], 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    tifffile.imwrite(folder / "map.tif", ground.gray, extratags=tags)
    entries = (folder / "film.srt").read_text().split("\n\n")
    for number in LOST:
        head, _, tail = entries[number].partition("[latitude")
        entries[number] = f"{head}[latitude: 0.000000] [longitude: 0.000000{tail[tail.index('] [rel_alt') :]}"
    (folder / "film.srt").write_text("\n\n".join(entries))
    return folder


def event_of(folder, more=""):
    path = folder / f"event{len(more)}.yaml"
    path.write_text(EVENT.format(more=more))
    return config.load(path)


def planes(event, *span):
    site = config.to_site(event)
    return {
        pair.current.stamp.seq: pair.current.plane for pair in open_source(event, site, site.cameras[0]).pairs(*span)
    }


def errors_m(found):
    """How far people's feet come to lie from where they stand."""
    people = np.random.default_rng(5).uniform((-12, 25), (12, 45), (60, 2))
    flight = DrawnFlight(pose, HW, RATE, FRAMES, lambda _: people)
    return np.concatenate(
        [np.hypot(*(to_ground(p, to_image(flight.plane(flight.t_s(n)), people)) - people).T) for n, p in found.items()]
    )


def url(folder):
    return f"sqlite:///{folder}/store.sqlite"


@pytest.fixture(scope="module")
def laid(folder):
    """The planes of all pictures, laid on the reference."""
    return planes(event_of(folder, REFERENCE))


def test_every_picture_lies_on_the_ground_within_its_error_and_on_a_reference_far_better(folder, laid):
    told = planes(event_of(folder))
    assert sorted(told) == sorted(laid) == [number for number in range(FRAMES) if number not in LOST]
    assert 0.5 < np.median(errors_m(told)) < 3.0
    assert np.median(errors_m(laid)) < 0.15
    assert np.percentile(errors_m(laid), 90) < 0.4
    assert max(plane.rmse_m for plane in laid.values()) < 0.5 < min(plane.rmse_m for plane in told.values())


def test_a_picture_is_placed_the_same_wherever_the_film_is_cut(folder, laid):
    event = event_of(folder, REFERENCE)
    cut = planes(event, event.start_ns + 1_100_000_000, event.start_ns + 2_100_000_000)
    assert sorted(cut) == [3, 4]
    assert all(plane.plane_id == laid[number].plane_id for number, plane in cut.items())


def test_replay_log_and_batch_are_one_run(folder, tmp_path):
    event = event_of(folder)
    for name in ("replay", "log", "batch"):
        (tmp_path / name).mkdir()
    replayed, logged = (Options(tmp_path / name, url(tmp_path / name), pictures=False) for name in ("replay", "log"))
    summary = replay_recording(event, replayed)
    assert replay_log(Path(summary.run.folder), logged, event).digest == summary.digest
    settings = JobSettings(tmp_path / "batch", chunk_s=3.0)
    result = run_batch(event, BatchOptions(settings, url(tmp_path / "batch"), workers=1))
    assert result.facts["alerts_digest"] == summary.digest
    found = []
    for name, run in (("replay", summary.run), ("batch", result.summary.run)):
        store = build.open_store(url(tmp_path / name))
        found.append(repr(store.readings(run.run_id)))
        store.close()
        events = list(LogReader(Path(run.folder)).events())
        assert Code.NO_TELEMETRY in [each.code for each in events if isinstance(each, CameraFault)], name
        seen = [each for each in events if isinstance(each, Observation)]
        assert len(seen) == FRAMES - len(LOST)
        assert all(each.plane is not None for each in seen)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("model: mavic-3", "model: nothing-9"), "unknown model, need one of air-2s"),
        (("model: mavic-3, ", ""), "need exactly one of model, lens"),
        (("file: film.srt", "file: none.srt"), "no such file"),
        (("moves: true", "moves: false"), "belongs to a camera that moves"),
        (
            ("crs: EPSG:32650\n  origin_m: [447500, 4418500]", "crs: local"),
            "is in degrees, and the site lies on no map",
        ),
        (("file: film.mp4", "synthetic: plaza"), "belongs to one film"),
    ],
)
def test_what_is_wrong_in_the_event_file_is_listed(folder, change, what):
    path = folder / "faulty.yaml"
    text = EVENT.format(more="")
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=what):
        config.load(path)


@pytest.mark.parametrize(
    ("name", "what"), [("film.mp4", "cannot be read as a picture"), ("plain.png", "has no georeference")]
)
def test_a_reference_without_a_place_is_refused(folder, name, what):
    cv2.imwrite(str(folder / "plain.png"), np.zeros((20, 20), np.uint8))
    event = event_of(folder, f", reference: {{orthophoto: {name}}}")
    site = config.to_site(event)
    with pytest.raises(SourceUnavailable, match=what):
        open_source(event, site, site.cameras[0])
