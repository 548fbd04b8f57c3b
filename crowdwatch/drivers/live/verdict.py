"""What a trial of the cameras says: READY, or what to mend, each with a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crowdwatch.core.outcomes import Health
from crowdwatch.drivers.live.trial import CameraTrial, Trial

__all__ = ["Finding", "carries", "findings"]

OFFSET_S = 1.0
"""A camera's own clock may be off by so much before it is said."""

SIGMA_S = 1.0
"""As near must the time of its pictures be known: two cameras over one place are then seconds apart at most."""

CARRIED_FRAC = 0.9
"""Share of the due pictures that must be analysed: a station yields below that."""

BUSY_FRAC = 0.85
"""Above that a denser crowd, which takes longer, may be too much."""

DIM_LUMA = 45.0
"""Mean brightness, of 255, below which people at the edge of the light are lost."""

LATE_S = 2.0
"""Pictures that arrive later are said: alarms are as late."""

HEALTH_SAYS = {
    Health.DARK: "the picture is dark. Switch the light or its infrared on, or raise its exposure.",
    Health.OVEREXPOSED: "the picture is overexposed. Lower its exposure, or turn it from the light.",
    Health.COVERED: "the picture shows next to nothing. Look at its lens: cover, dirt, fog.",
    Health.BLURRED: "the picture is blurred. Focus and clean its lens.",
    Health.NOISY: "the picture drowns in noise. Give it more light, or lower its gain.",
    Health.DAMAGED: "the picture is damaged. Look at its network: losses show so.",
    Health.MOVED: "it does not look where its reference picture does. Turn it back, or calibrate it anew.",
    Health.FROZEN: "the picture stands still. Start the camera or its encoder again.",
    Health.SILENT: "it has fallen silent. Look at its network.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is to be mended, or worth knowing.

    Args:
        camera_id: the camera; empty for the machine.
        fault: whether it keeps the event from being READY.
        text: what, and the remedy.
    """

    camera_id: str
    fault: bool
    text: str


def findings(trial: Trial) -> list[Finding]:
    """Everything that a trial found, faults of cameras first in their order, then the machine's."""
    found = [each for camera in trial.cameras for each in _of_camera(camera, trial.seconds)]
    return [*found, *_of_machine(trial)]


def carries(camera: CameraTrial, seconds: float) -> bool:
    """Whether as many pictures were analysed as were to be; one may have been under way at either end."""
    return camera.analysed + 1 >= CARRIED_FRAC * camera.due_hz * seconds


def _of_camera(camera: CameraTrial, seconds: float) -> Iterator[Finding]:
    def fault(text: str) -> Finding:
        return Finding(camera.camera.camera_id, True, text)

    def note(text: str) -> Finding:
        return Finding(camera.camera.camera_id, False, text)

    status = camera.status
    if not camera.placed:
        yield fault("it moves, and nothing live says from where it looks. Give url and telemetry, or leave it out.")
        return
    if status is None or not camera.streams or status.newest_ns is None:
        said = "" if status is None else status.message
        yield fault(said or "it has sent no picture. Look at its power, its network and its address.")
        return
    if not camera.live:
        yield note("it is recorded footage, played as if live.")
    if not camera.analysed:
        yield fault(f"none of its pictures could be analysed. {camera.error}".strip())
        return
    if camera.wanted_hz is not None and not status.rate_hz >= CARRIED_FRAC * camera.wanted_hz:
        yield fault(
            f"it sends {status.rate_hz:.1f} pictures a second, {camera.wanted_hz:g} are to be analysed. Raise its "
            f"frame rate, or lower sample_hz."
        )
    if camera.at_begin is not None and status.reconnects > camera.at_begin.reconnects:
        yield fault("its stream broke off while it was tried. Look at its network, its power and its other viewers.")
    yield from map(fault, _of_picture(camera))
    if status.sigma_s > SIGMA_S:
        yield fault(f"the time of its pictures is known to {status.sigma_s:.1f} s only. Look at its network.")
    if abs(status.offset_s) > OFFSET_S:
        yield note(f"its own clock is off by {status.offset_s:+.1f} s; it is not used. Set its NTP server.")
    brightness = float(np.mean(camera.luma))
    if brightness < DIM_LUMA and camera.health is Health.OK:
        yield note(f"it is dim: brightness {brightness:.0f} of 255. Look whether people at the edge are found.")
    if not any(camera.people):
        yield note("nobody was found. Let somebody walk through its view, near and far, and check again.")


def _of_picture(camera: CameraTrial) -> Iterator[str]:
    if camera.health is not None and camera.health is not Health.OK:
        yield HEALTH_SAYS[camera.health]


def _of_machine(trial: Trial) -> Iterator[Finding]:
    measured = [each for each in trial.cameras if each.streams and each.analysed]
    short = [each for each in measured if not math.isnan(each.due_hz) and not carries(each, trial.seconds)]
    if short:
        done = sum(each.analysed for each in measured) / max(trial.seconds, 1e-9)
        due = sum(each.due_hz for each in measured if not math.isnan(each.due_hz))
        names = ", ".join(each.camera.camera_id for each in short[:5]) + (", ..." if len(short) > 5 else "")
        yield Finding(
            "", True,
            f"the machine analyses {done:.1f} of {due:.1f} pictures a second that are due ({names}). Lower sample_hz, "
            f"count heads less often (counter: every_s), take a smaller model, or a faster machine.",
        )  # fmt: skip
    elif trial.busy_frac > BUSY_FRAC:
        yield Finding(
            "", False,
            f"the machine is {100 * trial.busy_frac:.0f} % busy: a denser crowd may be too much. Leave it room.",
        )  # fmt: skip
    late = [each for each in measured if each.arrival_s and float(np.percentile(each.arrival_s, 95)) > LATE_S]
    for each in late:
        late_s = float(np.percentile(each.arrival_s, 95))
        yield Finding(
            each.camera.camera_id, False,
            f"pictures are {late_s:.1f} s old when they arrive. Shorten its keyframe interval, look at its network.",
        )  # fmt: skip
