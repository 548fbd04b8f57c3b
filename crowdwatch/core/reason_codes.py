"""What a reason may say: its codes, the values that each carries, and what kinds of codes there are."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CAMERA_FAULTS", "ESTIMATOR_FAULTS", "NESTING", "OF_CAMERA", "TOO_FEW", "VALUES", "Code"]


class Code(StrEnum):
    """What a reason says. A stored code is never renamed; write a new one instead."""

    # readings: nothing is known
    NO_CAMERA = "no_camera"
    NO_PICTURE = "no_picture"
    UNHEALTHY = "unhealthy"
    NO_ESTIMATE_IN_CROWD = "no_estimate_in_crowd"
    CROWD_UNSEEN = "crowd_unseen"
    NO_READING = "no_reading"
    NO_ENGINE = "no_engine"
    # readings: doubts
    PARTLY_SEEN = "partly_seen"
    GROUND_LOST = "ground_lost"
    SUDDEN_FALL = "sudden_fall"
    COUNT_CAME_BACK = "count_came_back"
    FINDS_MORE = "finds_more"
    PARTLY_UNCLEAR = "partly_unclear"
    PERHAPS_FROZEN = "perhaps_frozen"
    UNCLEAR = "unclear"
    UNPROVEN = "unproven"
    NO_DETAIL = "no_detail"
    BLANK_GROUND = "blank_ground"
    UNLIKE_LEARNED = "unlike_learned"
    DETECTOR_LIMIT = "detector_limit"
    ESTIMATOR_FAILED = "estimator_failed"
    HEADS_NOT_PROJECTED = "heads_not_projected"
    NO_ESTIMATE = "no_estimate"
    TOO_CLOSE = "too_close"
    BOXES_ALONE = "boxes_alone"
    FACTOR_OUT_OF_RANGE = "factor_out_of_range"
    NOT_OBSERVED = "not_observed"
    FOOTAGE_BROKEN = "footage_broken"
    CONNECTION_LOST = "connection_lost"
    PICTURE_SIZE = "picture_size"
    NO_TELEMETRY = "no_telemetry"
    NO_GROUND = "no_ground"
    CALIBRATION_ERROR_UNKNOWN = "calibration_error_unknown"
    # readings: worth saying, no doubt
    SCALED = "scaled"
    CORRECTED = "corrected"
    NOT_LOWERED = "not_lowered"
    LEVEL_HELD = "level_held"
    # gates and the whole site
    GATE_UNSEEN = "gate_unseen"
    GATE_PARTLY_SEEN = "gate_partly_seen"
    GATE_FLOW_UNKNOWN = "gate_flow_unknown"
    GATE_UNCOUNTED = "gate_uncounted"
    NOT_ANCHORED = "not_anchored"
    # movement
    NO_VELOCITIES = "no_velocities"
    VELOCITIES_PARTLY = "velocities_partly"
    SPEED_IMPLAUSIBLE = "speed_implausible"
    # alarms
    BELOW_LIMITS = "below_limits"
    LIMIT_REACHED = "limit_reached"
    LIMIT_LIKELY = "limit_likely"
    LIMIT_UNKNOWN = "limit_unknown"
    NOT_COUNTED = "not_counted"
    SEEN_AGAIN = "seen_again"
    PHASE_CHANGED = "phase_changed"
    OFTEN_NOT_COUNTED = "often_not_counted"
    ACKNOWLEDGED = "acknowledged"
    # alarms: what rules say
    BUILDS_UP = "builds_up"
    NO_BUILD_UP = "no_build_up"
    REACHES_LIMIT = "reaches_limit"
    REACHES_NO_LIMIT = "reaches_no_limit"
    REACHED = "reached"
    EARLIER = "earlier"
    ABOVE_PLAN = "above_plan"
    AS_PLANNED = "as_planned"
    UNAUDITED = "unaudited"
    ILL_CALIBRATED = "ill_calibrated"
    CALIBRATED = "calibrated"
    SIGN = "sign"
    NO_SIGN = "no_sign"
    PRESENT = "present"
    NOBODY_PRESENT = "nobody_present"
    RULE_UNKNOWN = "rule_unknown"
    RULE_ENDED = "rule_ended"
    # alarms: what people and time do to them
    SHELVE_ASKED = "shelve_asked"
    SHELVED = "shelved"
    SHELF_OVER = "shelf_over"
    UNSHELVED = "unshelved"
    BROKE_THROUGH = "broke_through"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    ESCALATED = "escalated"
    SET_BY_HAND = "set_by_hand"
    HAND_OVER = "hand_over"
    HAND_OVERRULED = "hand_overruled"
    LATCHED = "latched"
    REPORTED = "reported"
    CLOSED = "closed"
    NOTED = "noted"
    PHASE_BY_HAND = "phase_by_hand"
    PHASE_BY_CLOCK = "phase_by_clock"
    # commands that are not carried out
    REFUSED_KIND = "refused_kind"
    REFUSED_VALUE = "refused_value"
    REFUSED_ZONE = "refused_zone"
    REFUSED_LEVEL = "refused_level"
    REFUSED_LIVE = "refused_live"
    REFUSED_UNIT = "refused_unit"
    UNIT_BUSY = "unit_busy"
    UNIT_FREE = "unit_free"
    UNIT_OFF = "unit_off"
    REFUSED_PLACE = "refused_place"
    NO_ALARM = "no_alarm"
    REFUSED_GATE = "refused_gate"
    REFUSED_ALARM = "refused_alarm"
    REFUSED_NAME = "refused_name"
    REFUSED_ROLE = "refused_role"
    REFUSED_LENGTH = "refused_length"
    REFUSED_REASON = "refused_reason"
    REFUSED_TIME = "refused_time"
    REFUSED_PHASE = "refused_phase"
    REFUSED_OVER = "refused_over"
    REFUSED_RISEN = "refused_risen"
    REFUSED_DONE = "refused_done"
    REFUSED_SECOND = "refused_second"
    REFUSED_STANDS = "refused_stands"
    REFUSED_LOWER = "refused_lower"
    REFUSED_MANY = "refused_many"
    # what speaks against a measure
    MEASURE_SEALS = "measure_seals"
    MEASURE_SENDS = "measure_sends"
    MEASURE_NO_WAY = "measure_no_way"
    # a sentence that was written before reasons had codes
    TEXT = "text"


_LIMIT = {"quantity": str, "limit": float, "unit": str, "delay_s": float}
_SAID: dict[str, type[str] | type[int] | type[float]] = {"actor": str, "text": str}

VALUES: dict[Code, dict[str, type[str] | type[int] | type[float]]] = {code: {} for code in Code} | {
    Code.UNHEALTHY: {"health": str},
    Code.CROWD_UNSEEN: {"people": float, "age_s": float},
    Code.PARTLY_SEEN: {"visible_frac": float},
    Code.GROUND_LOST: {"area_frac": float, "people": float, "age_s": float},
    Code.SUDDEN_FALL: {"people": float, "count": float},
    Code.FINDS_MORE: {"people": float},
    Code.PARTLY_UNCLEAR: {"loss": str},
    Code.UNCLEAR: {"kept": float},
    Code.BLANK_GROUND: {"area_frac": float},
    Code.UNLIKE_LEARNED: {"fewer": float, "more": float},
    Code.SCALED: {"factor": float, "audits": int},
    Code.CORRECTED: {"factor": float, "offset": float, "audits": int},
    Code.NOT_LOWERED: {"audits": int},
    Code.LEVEL_HELD: {"seconds": float},
    Code.VELOCITIES_PARTLY: {"measured_frac": float},
    Code.SPEED_IMPLAUSIBLE: {"speed": float, "usual": float},
    Code.LIMIT_REACHED: _LIMIT | {"value": float},
    Code.LIMIT_LIKELY: _LIMIT | {"value": float, "chance": float},
    Code.LIMIT_UNKNOWN: _LIMIT,
    Code.PHASE_CHANGED: {"phase": str},
    Code.OFTEN_NOT_COUNTED: {"share": float, "window_s": float},
    Code.ACKNOWLEDGED: {"actor": str},
    Code.BUILDS_UP: {"value": float, "low": float, "limit": float, "window_s": float},
    Code.NO_BUILD_UP: {"value": float, "window_s": float},
    Code.REACHES_LIMIT: {"quantity": str, "limit": float, "unit": str, "minutes": float, "low": float, "high": float},
    Code.EARLIER: {"minutes": float, "count": float, "planned": float},
    Code.ABOVE_PLAN: {"count": float, "planned": float},
    Code.UNAUDITED: {"cameras": str},
    Code.ILL_CALIBRATED: {"cameras": str},
    Code.SIGN: {
        "sign": str,
        "value": float,
        "limit": float,
        "unit": str,
        "held_s": float,
        "more": float,
    },
    Code.PRESENT: {"count": float, "limit": float},
    Code.SHELVE_ASKED: _SAID,
    Code.SHELVED: _SAID | {"seconds": float},
    Code.UNSHELVED: {"actor": str},
    Code.OUT_OF_SERVICE: _SAID,
    Code.IN_SERVICE: {"actor": str},
    Code.NOT_ACKNOWLEDGED: {"seconds": float},
    Code.ESCALATED: {"seconds": float, "role": str},
    Code.SET_BY_HAND: _SAID,
    Code.REPORTED: _SAID | {"kind": str},
    Code.CLOSED: _SAID,
    Code.NOTED: _SAID,
    Code.PHASE_BY_HAND: _SAID | {"phase": str},
    Code.PHASE_BY_CLOCK: {"actor": str},
    Code.REFUSED_ALARM: {"alarm": str},
    Code.REFUSED_ROLE: {"role": str},
    Code.REFUSED_LENGTH: {"length": int, "most": int},
    Code.REFUSED_TIME: {"seconds": float, "most": float},
    Code.REFUSED_PHASE: {"phase": str},
    Code.REFUSED_RISEN: {"level": str, "seen": str},
    Code.REFUSED_DONE: {"state": str},
    Code.REFUSED_SECOND: {"actor": str},
    Code.REFUSED_MANY: {"most": int},
    Code.REFUSED_VALUE: {"value": float},
    Code.REFUSED_ZONE: {"zone_id": str},
    Code.REFUSED_LEVEL: {"value": float},
    Code.REFUSED_UNIT: {"unit": str},
    Code.UNIT_BUSY: {"unit": str, "zone_id": str, "alarm": str},
    Code.UNIT_FREE: {"unit": str},
    Code.UNIT_OFF: {"unit": str},
    Code.NO_ALARM: {"zone_id": str, "alarm": str},
    Code.MEASURE_SEALS: {"zone_id": str},
    Code.MEASURE_SENDS: {"zone_id": str, "level": str},
    Code.MEASURE_NO_WAY: {"zone_id": str},
    Code.REFUSED_GATE: {"gate_id": str},
    Code.GATE_PARTLY_SEEN: {"visible_frac": float},
    Code.GATE_UNCOUNTED: {"gate_id": str},
    Code.TEXT: {"text": str},
}
"""The values that a reason of each code carries, all of them and no others. ``value`` and ``limit`` are in ``unit``;
``chance`` is the probability that the quantity is at least ``value``; ``delay_s`` is the limit's on-delay."""

OF_CAMERA = frozenset(
    {
        Code.UNHEALTHY,
        Code.COUNT_CAME_BACK,
        Code.FINDS_MORE,
        Code.PARTLY_UNCLEAR,
        Code.PERHAPS_FROZEN,
        Code.UNCLEAR,
        Code.UNPROVEN,
        Code.NO_DETAIL,
        Code.BLANK_GROUND,
        Code.UNLIKE_LEARNED,
        Code.NO_ESTIMATE_IN_CROWD,
        Code.DETECTOR_LIMIT,
        Code.ESTIMATOR_FAILED,
        Code.HEADS_NOT_PROJECTED,
        Code.NO_ESTIMATE,
        Code.TOO_CLOSE,
        Code.BOXES_ALONE,
        Code.FACTOR_OUT_OF_RANGE,
        Code.NOT_OBSERVED,
        Code.FOOTAGE_BROKEN,
        Code.CONNECTION_LOST,
        Code.PICTURE_SIZE,
        Code.NO_TELEMETRY,
        Code.NO_GROUND,
        Code.CALIBRATION_ERROR_UNKNOWN,
        Code.SCALED,
        Code.CORRECTED,
        Code.NOT_LOWERED,
    }
)
"""Codes that name a camera; the others name none."""

ESTIMATOR_FAULTS = frozenset({Code.ESTIMATOR_FAILED, Code.HEADS_NOT_PROJECTED})
"""Why a density estimator that should have run gave nothing: what an observation may say of it."""

TOO_FEW = frozenset(
    {
        Code.GROUND_LOST,
        Code.SUDDEN_FALL,
        Code.COUNT_CAME_BACK,
        Code.FINDS_MORE,
        Code.PARTLY_UNCLEAR,
        Code.PERHAPS_FROZEN,
        Code.UNCLEAR,
        Code.UNPROVEN,
        Code.NO_DETAIL,
        Code.BLANK_GROUND,
        Code.UNLIKE_LEARNED,
        Code.DETECTOR_LIMIT,
        Code.ESTIMATOR_FAILED,
        Code.HEADS_NOT_PROJECTED,
        Code.NO_ESTIMATE,
        Code.TOO_CLOSE,
        Code.BOXES_ALONE,
        Code.NOT_OBSERVED,
        Code.FOOTAGE_BROKEN,
        Code.CONNECTION_LOST,
        Code.PICTURE_SIZE,
        Code.NO_TELEMETRY,
        Code.NO_GROUND,
    }
)
"""Codes of readings that may have counted too few people, nobody knows how many: they clear no alarm."""

CAMERA_FAULTS = frozenset(
    {
        Code.NOT_OBSERVED,
        Code.FOOTAGE_BROKEN,
        Code.CONNECTION_LOST,
        Code.PICTURE_SIZE,
        Code.NO_TELEMETRY,
        Code.NO_GROUND,
    }
)
"""Why a camera has no observation where one was due: what a :class:`~crowdwatch.core.records.CameraFault` may say."""

NESTING = frozenset({Code.NOT_COUNTED, Code.OFTEN_NOT_COUNTED})
"""Codes that carry further reasons; the others carry none."""
