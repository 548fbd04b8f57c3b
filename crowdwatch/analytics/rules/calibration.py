"""Uncalibrated: a zone whose cameras nobody has audited, or whose calibration is uncertain. What is counted there may
be far off, and the commander should know before relying on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crowdwatch.analytics.rules.base import Inputs, Rule, Verdict
from crowdwatch.analytics.rules.parameters import parameter
from crowdwatch.core.outcomes import Level
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.site import Camera

__all__ = ["UNCALIBRATED", "Uncalibrated"]


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """How many hand counts a camera needs, and how uncertain its calibration may be."""

    least_audits: float = parameter(1.0, "hand counts", most=1000.0, source="without one the interval is a guess")
    most_error_m: float = parameter(0.5, "m", most=10.0, source="twice that is the largest position error used")


def _judge(inputs: Inputs, settings: Uncalibrated) -> Verdict:
    fixed = [camera for camera in inputs.cameras if not camera.moves]
    if not inputs.cameras:
        return Verdict(Level.UNKNOWN, Reason.of(Code.RULE_UNKNOWN), "calibration")
    errors = {camera.camera_id: _error_m(camera) for camera in fixed}
    ill = sorted(name for name, error in errors.items() if not error <= settings.most_error_m)
    never = sorted(c.camera_id for c in inputs.cameras if _audits(c) < settings.least_audits)
    if ill:
        reason, level, worst = Reason.of(Code.ILL_CALIBRATED, cameras=", ".join(ill)), Level.CAUTION, ill
    elif never:
        reason, level, worst = Reason.of(Code.UNAUDITED, cameras=", ".join(never)), Level.WATCH, never
    else:
        return Verdict(Level.NORMAL, Reason.of(Code.CALIBRATED), "calibration")
    known = [error for error in errors.values() if math.isfinite(error)]
    value = max(known, default=math.nan) if ill else math.nan
    limit = settings.most_error_m if ill else math.nan
    return Verdict(level, reason, "calibration", value, limit, "m", f"calibration:{','.join(worst)}")


def _error_m(camera: Camera) -> float:
    return math.nan if camera.plane is None else camera.plane.rmse_m


def _audits(camera: Camera) -> int:
    return 0 if camera.bias is None else camera.bias.audits


UNCALIBRATED = Rule("uncalibrated", Uncalibrated, _judge, on_delay_s=30.0, off_delay_s=30.0, needs_sight=False)
