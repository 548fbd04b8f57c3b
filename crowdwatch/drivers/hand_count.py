"""An operator's hand count of one picture becomes an entry beside what the program found in it.

What was found is read from the observation log of the run: nothing is detected again, and an entry can be checked as
long as the log is there. It is what the program counts in the whole picture, as a person does: on the ground that the
camera sees, boxes and the density map after the hand-over, elsewhere boxes. No factor of earlier hand counts is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from crowdwatch import config
from crowdwatch.analytics.counting import Entry, densest, entry_of
from crowdwatch.analytics.coverage import CameraView, SiteView, view_camera, view_site
from crowdwatch.analytics.handover import heads_of
from crowdwatch.config.times import format_time
from crowdwatch.core.outcomes import Health
from crowdwatch.core.ports import Store
from crowdwatch.core.records import GroundMass, Observation
from crowdwatch.core.runs import Audit, Run, RunState
from crowdwatch.core.site import Camera, Site
from crowdwatch.drivers import build
from crowdwatch.errors import AuditRefused, CrowdWatchError

__all__ = [
    "MOST_COUNTED",
    "ObservationLog",
    "Picture",
    "add",
    "analysed",
    "check_count",
    "densest_found",
    "nearest",
    "people_found",
    "picture_at_tick",
]

NS = 1_000_000_000

MOST_COUNTED = 100_000
"""No picture shows more people that a person could count."""

ACTOR_LENGTH = 64


class ObservationLog(Protocol):
    """Where observations are read."""

    @property
    def last_tick_ns(self) -> int | None:
        """The newest tick in it."""

    def observations(
        self, camera_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
    ) -> Iterator[Observation]:
        """Those of a camera with ``from_ns <= t < to_ns``."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One analysed picture of one camera of a run: what a hand count is compared with.

    ``mass`` is the density map that stood for it, None where boxes counted alone.
    """

    run: Run
    site: Site
    camera: Camera
    observation: Observation
    mass: GroundMass | None = None

    @property
    def t_ns(self) -> int:
        """Its exposure, event time."""
        return self.observation.stamp.t_ns

    @property
    def found(self) -> float:
        """People that the program found in it."""
        return people_found(self.site, self.camera, self.observation, self.mass)

    @property
    def program_id(self) -> str:
        """What counted: the detector, and the counter where its density map stood for the picture."""
        detector_id = self.observation.detections.detector_id
        return detector_id if self.mass is None else f"{detector_id} + {self.mass.counter_id}"


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A camera of a run, and the run's log."""

    run: Run
    site: Site
    camera: Camera
    log: ObservationLog


def check_count(counted: int) -> int:
    """Return a hand count that can be one.

    Raises:
        AuditRefused: negative, or more than anybody could count in a picture.

    >>> check_count(7)
    7
    """
    if not 0 <= counted <= MOST_COUNTED:
        raise AuditRefused(
            f"audit: count: got {counted}, need 0 to {MOST_COUNTED:,} people in one picture. Count again."
        )
    return counted


def people_found(site: Site, camera: Camera, observation: Observation, mass: GroundMass | None) -> float:
    """People that the program found in a picture, as it counts them: boxes with at least the camera's ``score_min``,
    and the density map after the hand-over; see :class:`~crowdwatch.analytics.counting.Entry`."""
    plane = observation.plane or camera.plane
    if mass is None or plane is None:
        return float((observation.detections.score >= camera.score_min).sum())
    view = view_site(site)
    return _entry(view, view_camera(view, camera, plane), observation, mass).found


def _entry(view: SiteView, seen: CameraView, observation: Observation, mass: GroundMass | None) -> Entry:
    """A picture as the fold takes it in."""
    site = view.site
    heads = None if mass is None else heads_of(seen, mass, view.grid, site.bandwidth_m, site.hand_over)
    return entry_of(view, seen, observation, heads)


def _mass(place: _Place, found: Observation) -> GroundMass | None:
    """The density map that stood for a picture: the newest that was not older than the camera holds it; of a camera
    that moves, the picture's own."""
    if not place.camera.counts_heads:
        return None
    if place.camera.moves:
        return found.mass
    t_ns = found.stamp.t_ns
    held = place.log.observations(place.camera.camera_id, t_ns - round(place.camera.heads_hold_s * NS), t_ns + 1)
    newest = max((each for each in held if each.mass is not None), key=lambda each: each.stamp.t_ns, default=None)
    return None if newest is None else newest.mass


def nearest(log: ObservationLog, camera_id: str, t_ns: int, within_ns: int) -> Observation | None:
    """The observation of a camera that is nearest to a time and not further away than ``within_ns``; of two that are
    equally near the earlier."""
    found = log.observations(camera_id, t_ns - within_ns, t_ns + within_ns + 1)
    return min(found, key=lambda each: (abs(each.stamp.t_ns - t_ns), each.stamp.t_ns), default=None)


def _nearest_at_all(place: _Place, t_ns: int) -> Observation | None:
    """The nearest one however far away: looks four times as far each time, so that little is read in vain."""
    reach_ns = max(abs(t_ns - place.run.from_ns), abs(t_ns - place.run.to_ns)) + 60 * NS
    within_ns = NS
    while True:
        found = nearest(place.log, place.camera.camera_id, t_ns, within_ns)
        if found is not None or within_ns > reach_ns:
            return found
        within_ns *= 4


def _place(store: Store, run_id: str, camera_id: str) -> _Place:
    run = store.run(run_id)
    site = config.to_site(config.from_json(run.config_json))
    camera = next((each for each in site.cameras if each.camera_id == camera_id), None)
    if camera is None:
        has = ", ".join(each.camera_id for each in site.cameras)
        raise AuditRefused(f"audit: camera {camera_id!r}: run {run_id!r} has none of that id. It has {has}.")
    return _Place(run, site, camera, build.open_log(Path(run.folder)))


def analysed(store: Store, run_id: str, camera_id: str, t_ns: int) -> Picture:
    """The analysed picture that a time means: the nearest one, at most half a sampling interval away.

    Args:
        store: where the run is.
        run_id: the run.
        camera_id: the camera.
        t_ns: event time.

    Raises:
        RunNotFound, LogCorrupt: the run or its log cannot be read.
        AuditRefused: no such camera, or no picture of it at that time; the message names the nearest.
    """
    place = _place(store, run_id, camera_id)
    half_ns = round(place.camera.sample_interval_s * NS / 2)
    found = nearest(place.log, camera_id, t_ns, half_ns)
    if found is None:
        raise AuditRefused(_no_picture(place, t_ns, f"within {half_ns / NS:.3g} s"))
    return Picture(place.run, place.site, place.camera, found, _mass(place, found))


def picture_at_tick(store: Store, run_id: str, camera_id: str, tick_ns: int) -> Picture:
    """The picture that the page shows for a tick: the newest one up to it.

    Raises:
        RunNotFound, LogCorrupt, AuditRefused: see :func:`analysed`.
    """
    place = _place(store, run_id, camera_id)
    first_ns = tick_ns - round(place.site.tick_s * NS) + 1
    since = place.log.observations(camera_id, first_ns, tick_ns + 1)
    found = max(since, key=lambda each: each.stamp.t_ns, default=None)
    if found is None:
        raise AuditRefused(_no_picture(place, tick_ns, f"in the {place.site.tick_s:g} s before"))
    return Picture(place.run, place.site, place.camera, found, _mass(place, found))


def _no_picture(place: _Place, t_ns: int, where: str) -> str:
    """Why a time has no picture, and which one is near."""
    run = place.run
    what = f"audit: camera {place.camera.camera_id!r} at {format_time(t_ns)}"
    written_ns = place.log.last_tick_ns
    waits = (written_ns is None or written_ns < t_ns) and t_ns <= run.t_ns
    if waits and run.state in (RunState.RUNNING, RunState.PAUSED):
        so_far = "not written yet" if written_ns is None else f"written up to {format_time(written_ns)}"
        return (
            f"{what}: the run goes on, and its log is {so_far}: about a minute of event time at once. Keep the picture "
            "and enter the count again in a minute."
        )
    other = _nearest_at_all(place, t_ns)
    if other is None:
        return f"{what}: run {run.run_id!r} has no picture of this camera in its log. Count another camera or run."
    return (
        f"{what}: no picture was analysed {where}. The nearest is that of {format_time(other.stamp.t_ns)}, "
        f"{abs(other.stamp.t_ns - t_ns) / NS:.3f} s away. Count that one, and give its time."
    )


def add(store: Store, picture: Picture, counted: int, *, wall_ns: int, actor: str = "", corrects: int = 0) -> Audit:
    """Enter a hand count beside what the program found in the same picture.

    Args:
        store: where it is kept.
        picture: from :func:`analysed` or :func:`picture_at_tick`.
        counted: people counted by hand.
        wall_ns: clock time.
        actor: who counted.
        corrects: the entry that this one replaces; 0 for none.

    Returns:
        The entry, with its id.

    Raises:
        AuditRefused: a count that cannot be one, a picture that the program does not count from, or one that was
            counted before.
        RunNotFound, StoreUnavailable: it cannot be kept.
    """
    check_count(counted)
    _fit(store, picture)
    plain = "".join(character for character in actor if character.isprintable()).strip()[:ACTOR_LENGTH]
    camera = picture.camera
    entry = Audit(
        camera_id=camera.camera_id, t_ns=picture.t_ns, counted=counted, found=picture.found,
        actor=plain or "operator", wall_ns=wall_ns, run_id=picture.run.run_id,
        detector_id=picture.program_id, score_min=camera.score_min, corrects=corrects,
    )  # fmt: skip
    return replace(entry, audit_id=store.add_audit(entry))


def densest_found(store: Store, entries: Iterable[Audit]) -> float | None:
    """The highest density, in people per m2, that the program had found in the pictures of hand counts of one camera;
    see :func:`~crowdwatch.analytics.counting.densest`. A picture whose log is gone is left out; None where all are.

    Args:
        store: where the runs are.
        entries: of one camera.
    """
    of_run: dict[str, list[Audit]] = {}
    for entry in entries:
        of_run.setdefault(entry.run_id, []).append(entry)
    known: list[float] = []
    for run_id, counted in of_run.items():
        try:
            place = _place(store, run_id, counted[0].camera_id)
            view = view_site(place.site)
            known += [p_m2 for entry in counted if (p_m2 := _densest(place, view, entry.t_ns)) is not None]
        except CrowdWatchError:
            continue
    return max(known, default=None)


def _densest(place: _Place, view: SiteView, t_ns: int) -> float | None:
    observation = nearest(place.log, place.camera.camera_id, t_ns, 0)
    plane = None if observation is None else observation.plane or place.camera.plane
    if observation is None or plane is None:
        return None
    seen = view.cameras.get(place.camera.camera_id) or view_camera(view, place.camera, plane)
    return densest(view, seen, _entry(view, seen, observation, _mass(place, observation)))


def _fit(store: Store, picture: Picture) -> None:
    """Refuse a picture that was judged unfit: nobody is counted from it, so it says nothing of the counting."""
    camera_id, t_ns = picture.camera.camera_id, picture.t_ns
    at_ns = t_ns + round(picture.site.tick_s * NS) - 1  # by then the tick has come that took the picture in
    for camera in store.health(picture.run.run_id, at_ns):
        if camera.camera_id == camera_id and camera.t_ns >= t_ns and camera.health is not Health.OK:
            raise AuditRefused(
                f"audit: camera {camera_id!r} at {format_time(t_ns)}: the picture was {camera.health.value}, and "
                "nobody is counted from such a one. Count another picture."
            )
