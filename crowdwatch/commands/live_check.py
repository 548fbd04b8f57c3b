"""``crowdwatch check --live``: what a trial of the cameras found, for people and for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from crowdwatch.commands.terminal import cell, complain, err, literal, out, progress_bars, stopping

if TYPE_CHECKING:
    from crowdwatch.config import EventFile
    from crowdwatch.drivers.live.trial import CameraTrial, Trial

__all__ = ["as_object", "say", "try_live"]

STAGES = ("detect", "count", "analyse")


def try_live(event: EventFile, seconds: float) -> Trial:
    """Try the cameras, with a bar on stderr; Ctrl-C ends the trial early."""
    from crowdwatch.drivers.live.trial import try_cameras

    def pace(passed_s: float, done: float) -> str:
        return f"{passed_s:.0f} s"

    with stopping() as stop, progress_bars() as show:
        trial = try_cameras(event, seconds, stop, lambda share: show("cameras", share, 1.0, pace))
    if stop.is_set():
        err.print("Stopped early: what follows was measured in a shorter time.")
    return trial


def say(trial: Trial) -> bool:
    """Print a table of the cameras, the machine, and READY or what to mend. Returns whether it is READY."""
    from rich.table import Table

    from crowdwatch.drivers.live.verdict import findings

    table = Table(box=None, pad_edge=False)
    for name in ("camera", "stream", "in/s", "done/s", "clock", "light", "people (map)", "late p95"):
        table.add_column(name, overflow="fold")
    for each in trial.cameras:
        table.add_row(*map(cell, _row(each, trial.seconds)))
    out.print(table)
    times = [
        f"{stage} {_ms(trial.stages.percentile(stage, 50))} (p95 {_ms(trial.stages.percentile(stage, 95))})"
        for stage in STAGES
        if not math.isnan(trial.stages.percentile(stage, 50))
    ]
    out.print(
        f"Machine: {trial.workers} pictures at once, {100 * trial.busy_frac:.0f} % busy over {trial.seconds:.0f} s; "
        f"a picture: {', '.join(times) or 'none was analysed'}."
    )
    found = findings(trial)
    for finding in found:
        where = f"camera {finding.camera_id}: " if finding.camera_id else ""
        if finding.fault:
            complain(f"{where}{finding.text}")
        else:
            out.print(f"[yellow]{literal(where + finding.text)}[/]")
    ready = not any(finding.fault for finding in found)
    out.print("[green]READY[/]" if ready else "[bold red]NOT READY[/]: mend what is listed, and check again.")
    return ready


def as_object(trial: Trial) -> dict[str, Any]:
    """The same for programs; what is not known is null."""
    from crowdwatch.drivers.live.verdict import findings

    found = findings(trial)
    return {
        "ready": not any(finding.fault for finding in found),
        "seconds": trial.seconds,
        "cameras": [_object(each, trial.seconds) for each in trial.cameras],
        "machine": {
            "workers": trial.workers,
            "busy_frac": trial.busy_frac,
            "stages_s": {
                stage: {f"p{percent}": _known(trial.stages.percentile(stage, percent)) for percent in (50, 95)}
                for stage in STAGES
            },
        },
        "findings": [{"camera": each.camera_id, "fault": each.fault, "text": each.text} for each in found],
    }  # fmt: skip


def _row(each: CameraTrial, seconds: float) -> tuple[str, ...]:
    status = each.status
    if status is None or not each.streams or status.image_hw is None:
        return each.camera.camera_id, "none", "", "", "", "", "", ""
    height, width = status.image_hw
    offset = "" if math.isnan(status.offset_s) else f"{status.offset_s:+.2f} s"
    return (
        each.camera.camera_id,
        f"{status.codec} {width}x{height}",
        "" if math.isnan(status.rate_hz) else f"{status.rate_hz:.1f}",
        f"{each.analysed / max(seconds, 1e-9):.1f}",
        offset,
        _of(each.luma, "{:.0f}"),
        _of(each.people, "{:.1f}") + (f" ({_of(each.heads, '{:.1f}')})" if each.heads else ""),
        f"{each.late_s:.2f} s" if each.latency_s else "",
    )


def _object(each: CameraTrial, seconds: float) -> dict[str, Any]:
    status = each.status
    said = {} if status is None else {
        "phase": status.phase.value,
        "codec": status.codec,
        "image_hw": status.image_hw,
        "rate_hz": _known(status.rate_hz),
        "offset_s": _known(status.offset_s),
        "sigma_s": status.sigma_s,
        "reconnects": status.reconnects,
        "message": status.message,
    }  # fmt: skip
    return {
        "camera": each.camera.camera_id,
        "live": each.live,
        "reachable": each.streams and each.status is not None and each.status.newest_ns is not None,
        **said,
        "calibrated_hw": None if each.camera.plane is None else each.camera.plane.image_hw,
        "wanted_hz": each.wanted_hz,
        "analysed_hz": each.analysed / max(seconds, 1e-9),
        "health": None if each.health is None else each.health.value,
        "reference": each.camera.reference is not None,
        "brightness": _mean(each.luma),
        "people": _mean(each.people),
        "people_by_map": _mean(each.heads),
        "latency_p95_s": each.late_s if each.latency_s else None,
    }


def _mean(values: list[float] | list[int]) -> float | None:
    return sum(values) / len(values) if values else None


def _of(values: list[float] | list[int], form: str) -> str:
    return form.format(sum(values) / len(values)) if values else ""


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"
