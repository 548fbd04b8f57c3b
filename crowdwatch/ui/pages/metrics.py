"""What the engine of a live run says of its cameras by its metrics, where ``$CROWDWATCH_METRICS`` names their address
(``crowdwatch live --metrics-port``)."""

from __future__ import annotations

import math
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, replace

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["METRICS_VARIABLE", "CameraCounts", "counts_in", "counts_of", "metrics_address"]

METRICS_VARIABLE = "CROWDWATCH_METRICS"
WAIT_S, MOST_BYTES = 1.0, 4_000_000
NAMES = {
    "crowdwatch_camera_pictures_received": "received",
    "crowdwatch_camera_pictures_analysed": "analysed",
    "crowdwatch_camera_pictures_replaced": "replaced",
    "crowdwatch_camera_reconnects": "reconnects",
}


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """Of one camera since the run began: pictures decoded, analysed, given up for a newer one; times the stream was
    opened again. NaN where it is not said."""

    received: float = math.nan
    analysed: float = math.nan
    replaced: float = math.nan
    reconnects: float = math.nan


def metrics_address() -> str:
    """Where the metrics are, or empty."""
    address = os.environ.get(METRICS_VARIABLE, "")
    return address if address.startswith(("http://", "https://")) else ""


def counts_of(address: str, run_id: str) -> tuple[dict[str, CameraCounts], str]:
    """The counts of every camera of a run, and why they are not known, or an empty text."""
    try:
        with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
            text = answer.read(MOST_BYTES).decode("utf-8", errors="replace")
        return counts_in(text, run_id)
    except (OSError, ValueError, urllib.error.URLError) as error:
        return {}, str(error)


def counts_in(text: str, run_id: str) -> tuple[dict[str, CameraCounts], str]:
    """The same from the text of the metrics.

    >>> said = 'crowdwatch_run_info{run="r"} 1\\n# TYPE crowdwatch_camera_pictures_received counter\\n'
    >>> said += 'crowdwatch_camera_pictures_received_total{camera="a"} 12\\n'
    >>> counts_in(said, "r")[0]["a"].received, counts_in(said, "other")
    (12.0, ({}, "run 'r'"))
    """
    found: dict[str, CameraCounts] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "crowdwatch_run_info" and sample.labels.get("run") != run_id:
                return {}, f"run {sample.labels.get('run')!r}"
            name = NAMES.get(sample.name.removesuffix("_total"))
            if name is not None and "camera" in sample.labels:
                camera_id = sample.labels["camera"]
                found[camera_id] = replace(found.get(camera_id, CameraCounts()), **{name: float(sample.value)})
    return found, ""
