"""Hand counts against the program's: a camera's bias and how sure it is.

A camera's counts are off by a factor of their own (height, light, dress, distance), and from picture to picture by
chance. With few hand counts the factor is shrunk towards 1, what is known of cameras in general; with many it is the
camera's own.

With hand counts n_i and the program's m_i, y_i = ln((n_i + 1/2) / (m_i + 1/2)) has variance v_i = s^2 + 1 / (n_i +
1/2), where s is the scatter between pictures of one camera. The factor f has ln f ~ N(0, t^2) before any count, where t
is ``intervals.BETWEEN_CAMERAS``, and

    ln f ~ N(B, V),    1/V = 1/t^2 + sum 1/v_i,    B = V sum y_i / v_i    afterwards.

Source: normal-normal shrinkage, Gelman et al. 2013, "Bayesian Data Analysis", section 2.5; the half added to counts,
Haldane 1956 / Anscombe 1956.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from crowdwatch.core.intervals import BETWEEN_CAMERAS, Z
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Audit
from crowdwatch.core.site import FACTOR_RANGE, Bias

__all__ = [
    "BETWEEN_PICTURES",
    "ENOUGH",
    "CameraBias",
    "Program",
    "applied",
    "bias",
    "camera_biases",
    "of_program",
    "program",
    "program_of",
    "standing",
    "table",
]

Program: TypeAlias = tuple[str, float]
"""What counted, and the score below which boxes are not counted: what a factor holds for."""

BETWEEN_PICTURES = 0.15
"""s: scatter of ln(n / m) between pictures of one camera; normalised absolute errors of 5 to 17 % in their own domain
(ZIP, arXiv 2506.19955)."""

ENOUGH = 30
"""Hand counts after which a camera is well audited: what is known of cameras in general then weighs under 3 %."""

_RUNTIME = re.compile(r"/(openvino|torch)-\w+")


@dataclass(frozen=True, slots=True)
class CameraBias:
    """What the audits of a camera say.

    Args:
        camera_id: the camera.
        audits: how many hand counts.
        counted, found: their sums.
        factor: true people for every one found, shrunk.
        low, high: 90 % interval of the factor.
        left_aside: hand counts beside another program's, which say nothing of this one.
    """

    camera_id: str
    audits: int
    counted: int
    found: float
    factor: float
    low: float
    high: float
    left_aside: int = 0

    @property
    def audited(self) -> bool:
        """Whether anybody ever counted."""
        return self.audits > 0


def bias(camera_id: str, audits: Iterable[Audit]) -> CameraBias:
    """A camera's factor with its interval. Audits of other cameras are left aside.

    >>> never = bias("a", [])
    >>> never.factor, round(never.low, 2), round(never.high, 2)
    (1.0, 0.72, 1.39)
    >>> thirty = bias("a", [Audit("a", i, 120, 100.0) for i in range(30)])
    >>> round(thirty.factor, 2), round(thirty.low, 2), round(thirty.high, 2)
    (1.19, 1.13, 1.26)
    """
    own: Sequence[Audit] = [audit for audit in audits if audit.camera_id == camera_id]
    weight, pull = 1 / BETWEEN_CAMERAS**2, 0.0
    for audit in own:
        variance = BETWEEN_PICTURES**2 + 1 / (audit.counted + 0.5)
        weight += 1 / variance
        pull += math.log((audit.counted + 0.5) / (audit.found + 0.5)) / variance
    mean, sigma = pull / weight, weight**-0.5
    return CameraBias(
        camera_id, len(own), sum(audit.counted for audit in own), sum(audit.found for audit in own),
        math.exp(mean), math.exp(mean - Z * sigma), math.exp(mean + Z * sigma),
    )  # fmt: skip


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


def of_program(camera_id: str, entries: Sequence[Audit], wanted: Program | None = None) -> CameraBias:
    """A camera's factor for one program; without one for that of its newest entry.

    Args:
        camera_id: the camera.
        entries: every entry, corrected ones and other cameras' too.
        wanted: what the factor is wanted for.
    """
    own = [entry for entry in standing(entries) if entry.camera_id == camera_id]
    if wanted is None and own:
        wanted = program_of(max(own, key=_added))
    fit = [entry for entry in own if program_of(entry) == wanted]
    return replace(bias(camera_id, fit), left_aside=len(own) - len(fit))


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


def applied(found: CameraBias, *, lower: bool) -> Bias:
    """The factor that a run applies: within ``FACTOR_RANGE``, and with ``lower`` false no less than 1 until the camera
    is well audited, since a few hand counts may hide a crowd. The interval still holds what the counts say.

    >>> few = bias("a", [Audit("a", 1, 10, 20.0)])
    >>> applied(few, lower=True).factor < 1, applied(few, lower=False).factor, applied(few, lower=False).low < 1
    (True, 1.0, True)
    >>> applied(bias("a", [Audit("a", i, 1000, 20.0) for i in range(3)]), lower=True).factor
    2.0
    """
    least, most = FACTOR_RANGE
    if not lower and found.audits < ENOUGH:
        least = 1.0
    factor = min(max(found.factor, least), most)
    ends = min(found.low, factor), max(found.high, factor)
    return Bias(round(factor, 4), math.floor(ends[0] * 1e4) / 1e4, math.ceil(ends[1] * 1e4) / 1e4, found.audits)
