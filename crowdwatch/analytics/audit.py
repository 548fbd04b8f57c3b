"""Hand counts against the program's: how far a camera's counts are off, and how sure that is.

A camera's counts are off by a factor of their own (height, light, dress, distance), by an offset of their own (lamp
posts and posters that are counted in every picture, a corner that is never seen), and from picture to picture by
chance. With few hand counts both are shrunk towards what is known of cameras in general, with many they are the
camera's own; pictures with few and with many people tell them apart.

With hand counts n_i and the program's m_i,

    y_i = ln(n_i + 1/2) = ln(f m_i + b + 1/2) + e_i,    e_i ~ N(0, v_i),    v_i = s^2 + 1 / (n_i + 1/2),

where s is the scatter between pictures of one camera; before any count ln f ~ N(0, t^2) with t of
``intervals.BETWEEN_CAMERAS``, and b ~ N(0, u^2) with u of :data:`FALSE_BOXES`. Factor and offset are the most probable
ones, found by Gauss-Newton steps; their errors are those of the normal distribution with the curvature there. Counts
that agree with the program correct nothing.

Source: normal-normal shrinkage, Gelman et al. 2013, "Bayesian Data Analysis", section 2.5, and normal approximation at
the mode, section 4.1; the half added to counts, Haldane 1956 / Anscombe 1956.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from crowdwatch.core.intervals import BETWEEN_CAMERAS, Z
from crowdwatch.core.ports import Store
from crowdwatch.core.records import FloatArray
from crowdwatch.core.runs import Audit
from crowdwatch.core.site import FACTOR_RANGE, Bias

__all__ = [
    "BETWEEN_PICTURES",
    "ENOUGH",
    "FALSE_BOXES",
    "CameraBias",
    "Program",
    "applied",
    "bias",
    "camera_biases",
    "fitting",
    "of_program",
    "program",
    "program_of",
    "standing",
    "table",
]

Program: TypeAlias = tuple[str, float]
"""What counted, and the score below which boxes are not counted: what a factor holds for."""

BETWEEN_PICTURES = 0.15
"""s: scatter of n / m between pictures of one camera; normalised absolute errors of 5 to 17 % in their own domain
(ZIP, arXiv 2506.19955)."""

ENOUGH = 30
"""Hand counts after which a camera is well audited: over a range of people found, what is known of cameras in general
then weighs little."""

_RUNTIME = re.compile(r"/(openvino|torch)-\w+")


FALSE_BOXES = 4.0
"""u, persons: what looks like a person in every picture of a camera, or is never seen, are a few. [design value: 30
counts of 6 where 9 were found then give an offset, and a factor that is near 1 still]"""

_STEPS, _HALVINGS = 100, 30
"""Bounds of the Gauss-Newton steps: from no correction on, a dozen are enough."""


@dataclass(frozen=True, slots=True)
class CameraBias:
    """What the audits of a camera say.

    Args:
        camera_id: the camera.
        audits: how many hand counts.
        counted, found: their sums.
        factor, low, high: true people for every one found, shrunk, and the 90 % interval.
        offset, offset_low, offset_high: people to add to every picture besides, shrunk, and the 90 % interval.
        correlation: of the errors of factor and offset.
        most_found: the most people found in one of the pictures.
        left_aside: hand counts beside another program's, which say nothing of this one.
    """

    camera_id: str
    audits: int
    counted: int
    found: float
    factor: float
    low: float
    high: float
    offset: float
    offset_low: float
    offset_high: float
    correlation: float
    most_found: float
    left_aside: int = 0

    @property
    def audited(self) -> bool:
        """Whether anybody ever counted."""
        return self.audits > 0


def bias(camera_id: str, audits: Iterable[Audit]) -> CameraBias:
    """A camera's factor and offset with their intervals. Audits of other cameras are not used.

    >>> never = bias("a", [])
    >>> round(never.factor, 6), round(never.low, 2), round(never.high, 2)
    (1.0, 0.72, 1.39)
    >>> lamp_posts = bias("a", [Audit("a", i, 6, 9.0) for i in range(30)])
    >>> round(lamp_posts.factor, 2), round(lamp_posts.offset, 1), round(lamp_posts.factor * 9 + lamp_posts.offset, 1)
    (0.95, -2.5, 6.0)
    """
    own = [audit for audit in audits if audit.camera_id == camera_id]
    counted = np.array([audit.counted for audit in own], dtype=np.float64)
    found = np.array([audit.found for audit in own], dtype=np.float64)
    (log_factor, offset), covariance = _most_probable(counted, found)
    of_factor, of_offset = np.sqrt(np.diag(covariance)).tolist()
    return CameraBias(
        camera_id, len(own), sum(audit.counted for audit in own), sum(audit.found for audit in own),
        math.exp(log_factor), math.exp(log_factor - Z * of_factor), math.exp(log_factor + Z * of_factor),
        offset, offset - Z * of_offset, offset + Z * of_offset, float(covariance[0, 1]) / (of_factor * of_offset),
        max((audit.found for audit in own), default=0.0),
    )  # fmt: skip


def _most_probable(counted: FloatArray, found: FloatArray) -> tuple[tuple[float, float], FloatArray]:
    """The most probable ln f and b, and (2, 2) the covariance of their errors."""
    y, weight = np.log(counted + 0.5), 1 / (BETWEEN_PICTURES**2 + 1 / (counted + 0.5))
    prior = np.array([BETWEEN_CAMERAS**-2, FALSE_BOXES**-2])

    def people(x: FloatArray) -> FloatArray:
        there: FloatArray = np.maximum(0.0, math.exp(x[0]) * found + x[1]) + 0.5
        return there

    def improbable(x: FloatArray) -> float:
        return float(weight @ (y - np.log(people(x))) ** 2 + prior @ x**2)

    x, worst = np.zeros(2), improbable(np.zeros(2))
    for _ in range(_STEPS):
        there = people(x)
        slope = np.stack([math.exp(x[0]) * found, np.ones(len(found))]) * (there > 0.5) / there
        curvature = (slope * weight) @ slope.T + np.diag(prior)
        step = np.linalg.solve(curvature, (slope * weight) @ (y - np.log(there)) - prior * x)
        halved = (step * 0.5**k for k in range(_HALVINGS))
        step = next((each for each in halved if improbable(x + each) < worst), np.zeros(2))
        x, worst = x + step, improbable(x + step)
        if np.abs(step).max() < 1e-9:
            break
    return (float(x[0]), float(x[1])), np.linalg.inv(curvature).astype(np.float64)


def standing(entries: Iterable[Audit]) -> list[Audit]:
    """The entries that hold, by camera and time: none that another corrects, and of a picture that was counted beside
    the same program in several runs the newest.

    >>> first = Audit("a", 5, 7, 6.0, run_id="r", audit_id=1)
    >>> [entry.audit_id for entry in standing([first, replace(first, counted=8, corrects=1, audit_id=2)])]
    [2]
    """
    entries = list(entries)
    corrected = {entry.corrects for entry in entries}
    held = [entry for entry in entries if entry.audit_id not in corrected]
    newest = {(entry.camera_id, entry.t_ns, program_of(entry)): entry for entry in sorted(held, key=_added)}
    return sorted(newest.values(), key=lambda entry: (entry.camera_id, entry.t_ns, entry.audit_id))


def _added(entry: Audit) -> int:
    return entry.audit_id


def program(detector_id: str, score_min: float, counter_id: str = "") -> Program:
    """A detector, and a counter where one runs beside it, as what a factor holds for.

    Runtimes are left out: those of one model agree within 0.01 of score and 0.001 persons a block.

    >>> program("n@640/openvino-f32/ab", 0.25, "c/torch-f32/12")
    ('n@640/ab + c/12', 0.25)
    """
    return _RUNTIME.sub("", " + ".join(filter(None, (detector_id, counter_id)))), score_min


def program_of(entry: Audit) -> Program:
    """What found the people that an entry compares with."""
    return program(entry.detector_id, entry.score_min)


def fitting(camera_id: str, entries: Sequence[Audit], wanted: Program | None = None) -> list[Audit]:
    """The standing entries of a camera beside one program; without one, beside that of its newest entry."""
    own = [entry for entry in standing(entries) if entry.camera_id == camera_id]
    if wanted is None and own:
        wanted = program_of(max(own, key=_added))
    return [entry for entry in own if program_of(entry) == wanted]


def of_program(camera_id: str, entries: Sequence[Audit], wanted: Program | None = None) -> CameraBias:
    """What hand counts say of a camera with one program; without one, with that of its newest entry.

    Args:
        camera_id: the camera.
        entries: every entry, corrected ones and other cameras' too.
        wanted: what it is wanted for.
    """
    fit = fitting(camera_id, entries, wanted)
    stand = sum(entry.camera_id == camera_id for entry in standing(entries))
    return replace(bias(camera_id, fit), left_aside=stand - len(fit))


def table(entries: Sequence[Audit], camera_ids: Iterable[str]) -> list[CameraBias]:
    """One row per camera: those of the event first, in their order, then others that were audited once."""
    ids = list(dict.fromkeys([*camera_ids, *sorted(entry.camera_id for entry in entries)]))
    return [of_program(camera_id, entries) for camera_id in ids]


def camera_biases(
    store: Store, event_id: str, camera_ids: Iterable[str], *, programs: Mapping[str, Program] | None = None
) -> dict[str, CameraBias]:
    """The factor of every camera of an event, from the hand counts of all its runs.

    Args:
        store: where the entries are.
        event_id: the event.
        camera_ids: its cameras; one that was never audited has the factor 1 with the interval of cameras in general.
        programs: by camera, what the factor is wanted for; a camera that is not in it takes its newest entry's.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    entries = store.audits(event_id=event_id)
    wanted = programs or {}
    return {camera_id: of_program(camera_id, entries, wanted.get(camera_id)) for camera_id in camera_ids}


def applied(found: CameraBias, *, lower: bool, most_p_m2: float | None = None) -> Bias:
    """What a run applies: the factor within ``FACTOR_RANGE``; with ``lower`` false nothing is lowered until the camera
    is well audited, since a few hand counts may hide a crowd. The interval still holds what the counts say.

    Args:
        found: what the hand counts say.
        lower: whether counts may be lowered at once.
        most_p_m2: the highest density that the program had found in the pictures that were counted; None for no bound.

    >>> few = bias("a", [Audit("a", 1, 10, 20.0)])
    >>> applied(few, lower=True).lowers, applied(few, lower=False).lowers, applied(few, lower=False).most_found
    (True, False, 20.0)
    >>> applied(bias("a", [Audit("a", i, 1000, 20.0) for i in range(3)]), lower=True).factor
    2.0
    """
    least, most = FACTOR_RANGE
    factor = round(min(max(found.factor, least), most), 4)
    offset = round(found.offset, 4)
    return Bias(
        factor, min(_floor(found.low), factor), max(_ceil(found.high), factor), found.audits,
        offset, min(_floor(found.offset_low), offset), max(_ceil(found.offset_high), offset),
        round(found.correlation, 4), _ceil(found.most_found), None if most_p_m2 is None else _ceil(most_p_m2),
        lower or found.audits >= ENOUGH,
    )  # fmt: skip


def _floor(value: float) -> float:
    """To four digits after the point, as what a run applies is kept."""
    return math.floor(value * 1e4) / 1e4


def _ceil(value: float) -> float:
    return math.ceil(value * 1e4) / 1e4
