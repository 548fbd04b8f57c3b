"""What every column of every file that CrowdWatch writes means: one text for ``docs/data.md`` and the Parquet files.

A Parquet file carries the texts of its own columns as JSON, under the key ``crowdwatch_columns``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

__all__ = ["KEY", "TABLES", "described", "markdown"]

KEY = "crowdwatch_columns"

_WHOSE = {
    "run_id": "the run",
    "event_id": "the event, by its id in the event file",
    "config_sha256": "first 12 hex digits of the sha256 of the run's configuration: equal means the same",
    "time_zone": "the event's time zone; UTC where it names none",
}
_ZONE = {
    "zone_id": "the zone, by its id in the event file",
    "name_en": "its name in English",
    "name_zh": "its name in Chinese",
    "kind": "moving, standing or stairs",
    "usable_area_m2": "area on which people can stand, square metres",
    "capacity_persons": "how many may be there; empty where nobody has said",
}
_NS = (
    "nanoseconds since 1970-01-01T00:00Z; as a timestamp: make_timestamp_ns(t_ns) in DuckDB, "
    "pd.to_datetime(t_ns, utc=True) in pandas"
)
_WHEN = {
    "t_utc": "the time in UTC, ISO 8601",
    "t_local": "the same time in the event's time zone, ISO 8601 with its offset",
    "t_ns": f"the same time: {_NS}",
}
_MASS = "of the density map on the ground; null where no density estimator ran"
_PLANE = "plane of a moving camera; null for one that stands, whose plane is in the configuration"
_FLOW = "one for each square metre with people in it whose velocity was measured; null where none was"
_BOX = "pixels of the box, from the upper left corner of the picture; one for each box"

TABLES: dict[str, dict[str, str]] = {
    "observations": {
        "log_seq": "place in the order of events",
        "camera_id": "the camera",
        "seq": "number of the picture in its footage",
        "t_ns": f"exposure of the picture: {_NS}",
        "t_source": "where the time comes from: container, capture_rate, arrival or estimated",
        "t_sigma_s": "standard error of the time, seconds; 0 where the picture has a time stamp of its own",
        "plane_id": "hash of the calibration that put pixels on the ground; empty where it is not known",
        "detector_id": "name, runtime, precision and weights of the detector",
        "anchor": "part of a person that boxes locate: feet or head",
        "image_height_px": "height of the picture, pixels",
        "image_width_px": "width of the picture, pixels",
        "saturated": "whether a limit of the detector may have cut boxes off",
        "frame_hash": "hash of the picture's content, 16 hex digits",
        "luma": "mean brightness, 0 to 255",
        "contrast": "standard deviation of the brightness",
        "sharpness": "variance of the Laplacian of the brightness",
        "change": "mean absolute difference to the picture before; NaN without one",
        "left_px": f"left edge, {_BOX}",
        "top_px": f"upper edge, {_BOX}",
        "right_px": f"right edge, {_BOX}",
        "bottom_px": f"lower edge, {_BOX}",
        "score": "confidence of each box, 0 to 1, down to the detector's floor: the working limit comes later",
        "class_id": "0 a person, 1 a head; one for each box",
        "east_m": "metres east of the site's own (0, 0), one for each box; NaN off valid ground",
        "north_m": "metres north of the site's own (0, 0), one for each box; NaN off valid ground",
        "sigma_m": "standard error of each position, metres; NaN likewise",
        "position_score": "score of each position; null where it is that of its box",
        "counter_fault": "why a density estimator that should have run gave nothing; empty otherwise",
        "counter_id": "name, runtime, precision and weights of the density estimator; null where none ran",
        "mass_east_m": f"east edge of the south-west cell, metres, {_MASS}",
        "mass_north_m": f"north edge of the south-west cell, metres, {_MASS}",
        "mass_cell_m": f"side of a cell, metres, {_MASS}",
        "mass_rows": f"rows, from south to north, {_MASS}",
        "mass_cols": f"columns, from west to east, {_MASS}",
        "mass_beyond": f"persons on ground outside the site's cells, {_MASS}",
        "mass_unseen": f"persons in pixels without valid ground, {_MASS}",
        "mass_cell": f"numbers of the cells that are not 0, row by row from the south-west, {_MASS}",
        "mass": f"persons in each of these cells, {_MASS}",
        "plane_height_px": f"height of the picture, {_PLANE}",
        "plane_width_px": f"width of the picture, {_PLANE}",
        "plane_head_m": f"height of the plane of the heads, metres, {_PLANE}",
        "plane_rmse_m": f"error on the ground, metres, {_PLANE}",
        "plane_hull_reach": f"up to how many times the hull it is valid, {_PLANE}",
        "plane_max_sigma_m": f"largest position error that is used, metres, {_PLANE}",
        "plane_pixel_sigma_px": f"standard error of a pixel, {_PLANE}",
        "plane_image_to_ground": f"3 x 3 homography row by row, {_PLANE}",
        "plane_centre_m": f"the camera's place: east, north, up, metres, {_PLANE}",
        "plane_hull_east_m": f"corners of the hull of control points, metres east, {_PLANE}",
        "plane_hull_north_m": f"corners of the hull of control points, metres north, {_PLANE}",
        "plane_homography_cov": f"9 x 9 covariance of the homography row by row, {_PLANE}",
        "lens_model": f"opencv, fisheye or tsai, {_PLANE}",
        "lens_camera_matrix": f"3 x 3 row by row, pixels, {_PLANE}",
        "lens_coefficients": f"of the lens model, {_PLANE}",
        "block_luma": "brightness of 12 x 16 blocks row by row from the upper left, 0 to 255; null where not measured",
        "block_sharpness": "structure of each block, round(16 sqrt(grey levels)); null where not measured",
        "block_change": "change of each block since the picture before, likewise coded; null without one",
        "block_profiles": "gradient profiles of four tiles, likewise coded; null in most pictures",
        "mass_fewer_frac": "share by which fewer people may be there for the picture's state; NaN where not measured",
        "mass_more_frac": "share by which more people may be there for the picture's state; NaN where not measured",
        "flow_span_s": "seconds between the two pictures that velocities are measured from; null where none were",
        "flow_east_m": f"metres east of the site's own (0, 0), {_FLOW}",
        "flow_north_m": f"metres north of the site's own (0, 0), {_FLOW}",
        "flow_v_east_m_s": f"velocity to the east, metres a second, {_FLOW}",
        "flow_v_north_m_s": f"velocity to the north, metres a second, {_FLOW}",
        "flow_sigma_m_s": f"standard error of both, metres a second, {_FLOW}",
    },
    "timeline": {
        "log_seq": "place in the order of events",
        "kind": "observation, tick, action or fault",
        "t_ns": f"event time: {_NS}",
        "camera_id": "of an observation or a fault",
        "seq": "of an observation: number of the picture",
        "included_camera_id": "of a tick: the cameras of the observations that it folds, in the order of folding",
        "included_seq": "of a tick: their numbers",
        "command_id": "of an action: its number in the store",
        "action": "of an action: what was done; of a fault: its code",
        "zone_id": "of an action: the zone",
        "alarm": "of an action: the alarm",
        "actor": "of an action: who; free text",
        "seen_level": "of an action: the level that the operator saw, -1 unknown to 4 critical",
        "role": "of an action: the role in which it was done",
        "subject": "of an action: what else it is about: a unit, a gate, a message, a phase, a kind of report",
        "text": "of an action: why, or what was reported; free text",
        "value": "of an action: a number, as its kind says: a level, people who were counted; 0 where it needs none",
        "duration_s": "of an action: for how long, seconds; 0 where it needs none",
    },
    "heatmap_minutes": {
        "t_ns": f"beginning of the minute: {_NS}",
        "t_utc": _WHEN["t_utc"],
        "rho_p_m2": "mean density of each cell over the known part of the minute, people per square metre, row by row "
        "from the south-west; NaN where nothing is known",
        "known_s": "seconds of the minute in which each cell was known",
        "t": "beginning of the minute as a timestamp",
    },
    "heatmap_maps": {
        "map": "mean, maximum, p50 or p95: of the whole run",
        "rho_p_m2": "density of each cell, people per square metre, row by row from the south-west; NaN where "
        "nothing is known",
        "known_s": "seconds of the run in which each cell was known",
    },
    "zones": {
        **_WHOSE,
        "phase_id": "the part of the event in force",
        **_ZONE,
        **_WHEN,
        "window_s": "seconds that the reading averages over, up to the time",
        "count": "mean number of people seen in the zone; empty where unknown",
        "count_low": "lower end of its 90 % interval, people",
        "count_high": "upper end of its 90 % interval, with ground that is not seen now, people",
        "density_p_m2": "people seen for each square metre of usable area seen",
        "density_low": "lower end of its 90 % interval, p/m2",
        "density_high": "upper end of its 90 % interval, p/m2",
        "peak_p_m2": "density of the densest place, p/m2, with the bandwidth beside it",
        "bandwidth_m": "standard deviation of the Gaussian kernel behind the peak, metres",
        "visible_frac": "share of the zone's walkable area that healthy cameras see",
        "age_s": "seconds since the newest picture that contributes; inf where there never was one",
        "quality": "good, degraded, stale or blind",
        "level": "unknown, normal, watch, caution, alert or critical",
        "occupancy_frac": "count as a share of the capacity; empty without one",
        "limit_*": "one column for each limit of the event: where it is raised in the phase in force; p_m2, persons "
        "or a share",
        "reasons": "why the quality is not good, and what else is worth saying, in English",
    },
    "gates": {
        **_WHOSE,
        "gate_id": "the gate, by its id in the event file",
        "name_en": "its name in English",
        "name_zh": "its name in Chinese",
        "usable_width_m": "width that people can walk through, metres",
        "stairs": "true or false: stairs have a lower capacity",
        **_WHEN,
        "window_s": "seconds that the rates are over, up to the time",
        "ingress_p_min": "people who come in, a minute; empty where unknown",
        "ingress_low": "lower end of its 90 % interval",
        "ingress_high": "upper end of its 90 % interval",
        "egress_p_min": "people who go out, a minute; empty where unknown",
        "egress_low": "lower end of its 90 % interval",
        "egress_high": "upper end of its 90 % interval",
        "ingress_total": "people who came in since the run began, gaps not among them",
        "egress_total": "people who went out since the run began, gaps not among them",
        "capacity_frac": "flow both ways as a share of what the usable width carries",
        "queue": "people who wait in front of it",
        "watched_frac": "share of the gate that healthy cameras see",
        "quality": "good, degraded, stale or blind",
        "reasons": "why the quality is not good, in English",
    },
    "movement": {
        "zone_id": "the zone, by its id in the event file",
        "t_utc": _WHEN["t_utc"],
        "window_s": "seconds that the means are over, up to the time",
        "speed_m_s": "mean speed of the people, metres a second; empty where unknown",
        "speed_low": "lower end of its 90 % interval",
        "speed_high": "upper end of its 90 % interval",
        "direction_rad": "direction of the mean velocity, radians from the east towards the north",
        "moving_frac": "share of the people who walk, 0.15 m/s or more",
        "specific_flow_p_m_s": "density times speed, people a metre and second",
        "inflow_p_s": "people who come in over the zone's edge, a second",
        "outflow_p_s": "people who go out over the zone's edge, a second",
        "counter_flow_frac": "share of those who walk against the main direction, 0 to 0.5",
        "pressure_s2": "density times the variance of the velocity at the worst place, 1/s2",
        "measured_frac": "share of the zone's people whose velocities are known",
        "signs": "JSON: the signs that are there, and for how many seconds",
        "reasons": "JSON: codes of why something is unknown or doubtful, with their values",
    },
    "flow": {
        "t_ns": f"the time: {_NS}",
        "t_utc": _WHEN["t_utc"],
        "west_m": "west edge of the south-west cell, metres on the site's map",
        "south_m": "south edge of the south-west cell, metres on the site's map",
        "cell_m": "side of a cell, metres",
        "rows": "rows, from south to north",
        "cols": "columns, from west to east",
        "v_east_m_s": "mean velocity to the east of each cell, metres a second, row by row from the south-west; NaN "
        "where nothing is known",
        "v_north_m_s": "mean velocity to the north of each cell, likewise",
        "variance_m2_s2": "variance of both components of each cell together, less that of its measurement",
        "n": "velocities of each cell",
        "age_s": "seconds since the newest velocity of each cell; inf where there was none",
    },
    "alerts": {
        **_WHOSE,
        "alert_id": "id of the transition: equal transitions have equal ids",
        **_WHEN,
        "alarm": "which alarm: crowding, blindness and others",
        **_ZONE,
        "transition": "raised, level_up, level_down, cleared, acknowledged and others",
        "from_state": "state of the alarm before",
        "to_state": "state of the alarm after",
        "level": "level after the transition: normal, watch, caution, alert or critical",
        "quantity": "what was compared with a limit",
        "value": "the measurement, in the unit; empty where there is none",
        "limit": "the limit that decided, in the unit; empty where there is none",
        "unit": "of value and limit",
        "reasons": "why, in English",
        "cause": "the rule, or who acted",
    },
}
"""Table -> column -> what it means."""


def described(names: Iterable[str]) -> dict[str, str]:
    """The metadata of a Parquet file with these columns. One that nobody has described is left out, so that a log is
    written whatever its columns; a test holds that none is.

    >>> json.loads(described(["map", "known_s"])[KEY])["map"]
    'mean, maximum, p50 or p95: of the whole run'
    """
    names = list(names)
    texts = max(TABLES.values(), key=lambda each: len(each.keys() & set(names)))
    return {KEY: json.dumps({name: texts[name] for name in names if name in texts}, ensure_ascii=False)}


def markdown(table: str) -> str:
    """One table as ``docs/data.md`` shows it."""
    rows = [f"| `{name}` | {text} |" for name, text in TABLES[table].items()]
    return "\n".join(["| column | what |", "|---|---|", *rows])
