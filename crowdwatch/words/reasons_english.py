"""Why a reading or an alarm is as it is, in English: a text per code, and the words among its values."""

from __future__ import annotations

from crowdwatch.core.reasons import Code

__all__ = ["REASONS", "TERMS"]

REASONS: dict[Code, str] = {
    # readings: nothing is known
    Code.NO_CAMERA: "no camera sees this zone",
    Code.NO_PICTURE: "no picture yet",
    Code.UNHEALTHY: "camera {camera_id}: {health}",
    Code.NO_ESTIMATE_IN_CROWD: (
        "camera {camera_id}: the density estimator has given no recent estimate where people stand close"
    ),
    Code.CROWD_UNSEEN: "about {people:.0f} people were last seen on ground that no camera sees now ({age_s:.0f} s ago)",
    Code.NO_READING: "no reading at this time",
    Code.NO_ENGINE: "the engine does not answer",
    # readings: doubts
    Code.PARTLY_SEEN: "{visible_frac:.0%} of the zone is seen",
    Code.GROUND_LOST: (
        "{area_frac:.0%} of the zone has not been seen for {age_s:.0f} s; {people:.0f} people were last seen there"
    ),
    Code.SUDDEN_FALL: (
        "the count fell faster than people can walk: {people:.0f} cannot have left, {count:.0f} are counted"
    ),
    Code.COUNT_CAME_BACK: (
        "camera {camera_id}: its count fell and came back faster than people can walk; "
        "the pictures between are not counted"
    ),
    Code.FINDS_MORE: "camera {camera_id} finds {people:.0f} more people on ground that other cameras count",
    Code.PARTLY_UNCLEAR: "camera {camera_id}: a part of the picture is {loss}",
    Code.PERHAPS_FROZEN: (
        "camera {camera_id}: nothing moves in the picture, so that it cannot be told whether it is frozen"
    ),
    Code.UNCLEAR: "camera {camera_id}: the picture shows {kept:.0%} of its usual structure, people may be missing",
    Code.UNPROVEN: (
        "camera {camera_id}: nobody has been found since it began, and it has no reference picture: "
        "it cannot be told whether it shows what it should"
    ),
    Code.NO_DETAIL: (
        "camera {camera_id}: the picture shows so little detail that its lens may be out of focus, and it has no "
        "reference picture: people may be missing"
    ),
    Code.BLANK_GROUND: (
        "camera {camera_id}: nothing was ever seen on {area_frac:.0%} of the zone: it is plain ground, or covered"
    ),
    Code.UNLIKE_LEARNED: (
        "camera {camera_id}: the density estimator is unsure of pictures like these, there may be {more:.0%} more "
        "people than it counts, or {fewer:.0%} fewer"
    ),
    Code.DETECTOR_LIMIT: "camera {camera_id}: the detector reached its limit, people may be missing",
    Code.ESTIMATOR_FAILED: "camera {camera_id}: the density estimator failed",
    Code.HEADS_NOT_PROJECTED: "camera {camera_id}: its calibration cannot project heads to the ground",
    Code.NO_ESTIMATE: "camera {camera_id}: the density estimator has given no recent estimate",
    Code.TOO_CLOSE: "camera {camera_id}: people stand too close for the detector alone",
    Code.BOXES_ALONE: (
        "camera {camera_id}: at least so many; without a density estimator a dense crowd can read the same"
    ),
    Code.FACTOR_OUT_OF_RANGE: "camera {camera_id}: hand counts are too far from the program's",
    Code.NOT_OBSERVED: "camera {camera_id}: a picture could not be analysed",
    Code.FOOTAGE_BROKEN: "camera {camera_id}: its footage cannot be read any further",
    Code.CONNECTION_LOST: "camera {camera_id}: the connection is lost",
    Code.PICTURE_SIZE: "camera {camera_id}: its pictures do not have the calibrated size",
    Code.NO_TELEMETRY: "drone {camera_id}: its telemetry does not say where it was",
    Code.NO_GROUND: "drone {camera_id}: no ground in its picture is known well enough",
    Code.CALIBRATION_ERROR_UNKNOWN: "camera {camera_id}: calibration error unknown",
    # readings: worth saying, no doubt
    Code.SCALED: "camera {camera_id}: counts multiplied by {factor:.2f}, from {audits} hand counts",
    Code.CORRECTED: (
        "camera {camera_id}: counts multiplied by {factor:.2f}, and {offset:+.1f} people in every picture, "
        "from {audits} hand counts"
    ),
    Code.NOT_LOWERED: (
        "camera {camera_id}: {audits} hand counts found fewer people than the program, but in sparser scenes: "
        "the count is not lowered"
    ),
    Code.LEVEL_HELD: "the level stays: not seen well enough for {seconds:.0f} s to lower it",
    # gates and the whole site
    Code.GATE_UNSEEN: "no camera sees both sides of the gate",
    Code.GATE_PARTLY_SEEN: "both sides of {visible_frac:.0%} of the gate are seen",
    Code.GATE_FLOW_UNKNOWN: "people stand too close to be followed, and their speed is unknown",
    Code.GATE_UNCOUNTED: "gate {gate_id} is not counted",
    Code.NOT_ANCHORED: "nobody has counted how many were there in the beginning",
    # movement
    Code.NO_VELOCITIES: "movement unknown: no velocities are measured here",
    Code.VELOCITIES_PARTLY: "movement of {measured_frac:.0%} of the people is measured",
    Code.SPEED_IMPLAUSIBLE: (
        "{speed:.2f} m/s is faster than people walk at this density, usual is {usual:.2f} m/s: "
        "the density or the speed is wrong"
    ),
    # alarms
    Code.BELOW_LIMITS: "below all limits",
    Code.LIMIT_REACHED: "{quantity} {value:.2f}{unit}, limit {limit:g}{unit} for {delay_s:g} s",
    Code.LIMIT_LIKELY: (
        "{quantity} at least {value:.2f}{unit} with probability {chance:g}, limit {limit:g}{unit} for {delay_s:g} s"
    ),
    Code.LIMIT_UNKNOWN: "{quantity} unknown, limit {limit:g}{unit} for {delay_s:g} s",
    Code.NOT_COUNTED: "people here are not counted: {because}",
    Code.SEEN_AGAIN: "the zone is seen again",
    Code.PHASE_CHANGED: "phase {phase} has other limits",
    Code.OFTEN_NOT_COUNTED: "nobody was counted here for {share:.0%} of the last {window_s:.0f} s: {because}",
    Code.ACKNOWLEDGED: "acknowledged by {actor}",
    # alarms: what rules say
    Code.BUILDS_UP: (
        "density rises by {value:.2f} p/m2 a minute (at least {low:.2f}), limit {limit:g}, over {window_s:.0f} s"
    ),
    Code.NO_BUILD_UP: "density no longer rises fast ({value:.2f} p/m2 a minute over {window_s:.0f} s)",
    Code.REACHES_LIMIT: (
        "{quantity} reaches {limit:g}{unit} in about {minutes:.0f} min (between {low:.0f} and {high:.0f})"
    ),
    Code.REACHES_NO_LIMIT: "no limit will be reached soon",
    Code.REACHED: "the limit is reached: the crowding alarm says so",
    Code.EARLIER: "{count:.0f} people, {minutes:.0f} min earlier than planned ({planned:.0f} planned now)",
    Code.ABOVE_PLAN: "{count:.0f} people, more than planned for the whole event ({planned:.0f} at most)",
    Code.AS_PLANNED: "as many people as planned",
    Code.UNAUDITED: "nobody has counted pictures of {cameras} by hand: how far off it counts is not known",
    Code.ILL_CALIBRATED: "the calibration of {cameras} is uncertain: places and densities may be wrong",
    Code.CALIBRATED: "cameras are audited and calibrated",
    Code.SIGN: (
        "sign in movement: {sign} ({value:.2g}{unit}, from {limit:g}) for {held_s:.0f} s; other signs at the same "
        "time: {more:.0f}"
    ),
    Code.NO_SIGN: "no sign in movement",
    Code.PRESENT: "{count:.1f} people where nobody should be, limit {limit:g}",
    Code.NOBODY_PRESENT: "nobody is there",
    Code.RULE_UNKNOWN: "the rule has no sight to decide by",
    Code.RULE_ENDED: "the rule is not in force in this phase",
    # alarms: what people and time do to them
    Code.SHELVE_ASKED: "{actor} asks to shelve it ({text}); a second person must confirm",
    Code.SHELVED: "shelved by {actor} for {seconds:.0f} s: {text}",
    Code.SHELF_OVER: "the time is over",
    Code.UNSHELVED: "given back by {actor}",
    Code.BROKE_THROUGH: "above the level that was silenced",
    Code.OUT_OF_SERVICE: "taken out of service by {actor}: {text}",
    Code.IN_SERVICE: "put into service again by {actor}",
    Code.NOT_ACKNOWLEDGED: "not acknowledged for {seconds:.0f} s",
    Code.ESCALATED: "not acknowledged for {seconds:.0f} s: now also for the {role}",
    Code.SET_BY_HAND: "level set by hand by {actor}: {text}",
    Code.HAND_OVER: "the level that was set by hand is over",
    Code.HAND_OVERRULED: "evidence has risen since the level was set by hand",
    Code.LATCHED: "stays until a person closes it",
    Code.REPORTED: "{kind}, reported by {actor}: {text}",
    Code.CLOSED: "closed by {actor}: {text}",
    Code.NOTED: "{actor}: {text}",
    Code.PHASE_BY_HAND: "phase {phase} by {actor}: {text}",
    Code.PHASE_BY_CLOCK: "phases follow the clock again ({actor})",
    # commands that are not carried out
    Code.REFUSED_KIND: "this version does not know what was asked",
    Code.REFUSED_VALUE: "its value {value:g} cannot be used",
    Code.REFUSED_ZONE: "the event has no zone {zone_id}",
    Code.REFUSED_GATE: "the event has no gate {gate_id}",
    Code.REFUSED_LEVEL: "{value:g} is no alarm level",
    Code.REFUSED_LIVE: "a live run cannot be held up or made faster",
    Code.REFUSED_UNIT: "the event has no unit {unit}",
    Code.UNIT_BUSY: "unit {unit} is assigned to {zone_id} ({alarm}) already: release it first",
    Code.UNIT_FREE: "unit {unit} is assigned to nothing",
    Code.UNIT_OFF: "unit {unit} is off duty",
    Code.REFUSED_PLACE: "its place cannot be read: need metres east and north as 12.5,-3.0, or off or on",
    Code.NO_ALARM: "{zone_id} has no alarm {alarm} that stands",
    Code.REFUSED_ALARM: "there is no alarm {alarm}",
    Code.REFUSED_NAME: "nobody's name stands with it",
    Code.REFUSED_ROLE: "it needs the role of a {role}",
    Code.REFUSED_LENGTH: "its text has {length} characters, at most {most} are taken",
    Code.REFUSED_REASON: "it needs a text that says why",
    Code.REFUSED_TIME: "{seconds:g} s cannot be used, need 1 to {most:g} s",
    Code.REFUSED_PHASE: "the event has no phase {phase}",
    Code.REFUSED_OVER: "the alarm is over",
    Code.REFUSED_RISEN: "the alarm is at {level}, and {seen} was seen",
    Code.REFUSED_DONE: "the alarm is already: {state}",
    Code.REFUSED_SECOND: "{actor} asked for it: another person must confirm",
    Code.REFUSED_STANDS: "what is measured stands: it is over when the measurement is, not by hand",
    Code.REFUSED_LOWER: "to lower a level needs a reason and an end time",
    Code.REFUSED_MANY: "more than {most} reports are open: close some",
    # what speaks against a measure
    Code.MEASURE_SEALS: "this leaves the people in {zone_id} no way out: hold people before they enter instead",
    Code.MEASURE_SENDS: "this sends people to {zone_id}, which is not green ({level})",
    Code.MEASURE_NO_WAY: "{zone_id} cannot be reached on foot while these gates are held",
    # a sentence that was written before reasons had codes
    Code.TEXT: "{text}",
}

_LEVELS = {
    "NORMAL": "NORMAL",
    "WATCH": "WATCH",
    "CAUTION": "CAUTION",
    "ALERT": "ALERT",
    "CRITICAL": "CRITICAL",
}

TERMS: dict[str, dict[str, str]] = {
    "health": {
        "ok": "the picture is good",
        "dark": "the picture is too dark",
        "overexposed": "the picture is overexposed",
        "covered": "the lens is covered",
        "blurred": "the picture is blurred",
        "noisy": "the picture shows only noise",
        "damaged": "the picture is damaged",
        "moved": "the camera looks elsewhere",
        "frozen": "the picture is frozen",
        "silent": "no recent picture",
    },
    "role": {
        "viewer": "viewer",
        "operator": "operator",
        "commander": "commander",
        "administrator": "administrator",
    },
    "level": _LEVELS,
    "seen": _LEVELS,
    "state": {
        "normal": "over",
        "unacknowledged": "not acknowledged",
        "acknowledged": "acknowledged",
        "cleared_unacknowledged": "over, not acknowledged",
        "latched_unacknowledged": "stays, not acknowledged",
        "latched": "stays until it is closed",
        "shelved": "shelved",
        "out_of_service": "out of service",
    },
    "sign": {
        "pressure": "crowd pressure",
        "stop_and_go": "stop-and-go waves",
        "counter_flow": "counter-flow",
        "convergence": "people come in and none go out",
        "sudden_stop": "sudden stop",
        "reversal": "reversal of the flow",
        "oscillation": "oscillation of the crowd",
        "slowing": "slowing while density rises",
    },
    "quantity": {"density": "density", "peak": "densest place", "count": "count", "occupancy": "occupancy"},
    "loss": {
        "dark": "too dark",
        "overexposed": "overexposed",
        "covered": "covered",
        "blurred": "blurred",
        "damaged": "damaged",
    },
    "unit": {
        "p/m2": " p/m2",
        "persons": " persons",
        "of capacity": " of capacity",
        "p/m2/min": " p/m2 a minute",
        "cycles": " waves",
        "share": " as a share",
        "p/min/m2": " persons a minute and m2",
        "m/s": " m/s",
        "rad": " rad",
        "1/s2": " 1/s2",
        "min": " min",
        "m": " m",
    },
}
"""Values of reasons that are words themselves. Units stand right behind their number."""
