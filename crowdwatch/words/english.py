"""Every text of the page and of reasons in English."""

from __future__ import annotations

from crowdwatch.core.reasons import Code

__all__ = ["PAGE", "REASONS", "SEPARATOR", "TERMS"]

SEPARATOR = "; "
"""Between two reasons."""

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
    # commands that are not carried out
    Code.REFUSED_KIND: "this version does not know what was asked",
    Code.REFUSED_VALUE: "its value {value:g} cannot be used",
    Code.REFUSED_ZONE: "the event has no zone {zone_id}",
    Code.REFUSED_GATE: "the event has no gate {gate_id}",
    Code.GATE_UNSEEN: "no camera sees both sides of the gate",
    Code.GATE_PARTLY_SEEN: "both sides of {visible_frac:.0%} of the gate are seen",
    Code.GATE_FLOW_UNKNOWN: "people stand too close to be followed, and their speed is unknown",
    Code.GATE_UNCOUNTED: "gate {gate_id} is not counted",
    Code.NOT_ANCHORED: "nobody has counted how many were there in the beginning",
    Code.REFUSED_LEVEL: "{value:g} is no alarm level",
    Code.REFUSED_LIVE: "a live run cannot be held up or made faster",
    Code.TEXT: "{text}",
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
    "quantity": {"density": "density", "peak": "densest place", "count": "count", "occupancy": "occupancy"},
    "loss": {
        "dark": "too dark",
        "overexposed": "overexposed",
        "covered": "covered",
        "blurred": "blurred",
        "damaged": "damaged",
    },
    "unit": {"p/m2": " p/m2", "persons": " persons", "of capacity": " of capacity"},
}
"""Values of reasons that are words themselves. Units stand right behind their number."""

PAGE: dict[str, str] = {
    # what the page is
    "title": "CrowdWatch",
    "page.watch": "Watch",
    "page.journal": "Alert journal",
    "language": "Language",
    "operator": "Operator",
    "operator.help": "Written beside everything that you do here.",
    "unknown": "UNKNOWN",
    "unit.density": "p/m²",
    "service": "LOS {letter}",
    # modes and notices
    "mode.live": "LIVE",
    "mode.replay": "REPLAY",
    "mode.batch": "BATCH",
    "label.synthetic": "SYNTHETIC SCENE: no real people",
    "label.demonstration": "DEMONSTRATION LIMITS: not for real use",
    "event_time": "Event time",
    "local": "local",
    "speed": "speed",
    "speed.max": "as fast as it can",
    "heartbeat": "engine heartbeat",
    "ago": "{age} ago",
    # state of the run
    "pulse.running": "running",
    "pulse.paused": "paused",
    "pulse.stopped": "stopped",
    "pulse.finished": "finished",
    "pulse.failed": "failed",
    "pulse.dead": "NO HEARTBEAT",
    "dead.title": "THE ENGINE IS SILENT: EVERYTHING IS UNKNOWN",
    "dead.text": (
        "No heartbeat for {age}. The last numbers were those of {time}. Start the engine again; until then rely "
        "on people on site."
    ),
    "dead.future": (
        "The engine's clock is {age} ahead of this machine's. Whether it lives cannot be told: set both clocks."
    ),
    "failed.title": "THE RUN FAILED: EVERYTHING IS UNKNOWN",
    "failed.text": "{message} Nothing after {time} was analysed.",
    "failed.silent": "The engine gave no reason; see its log.",
    "run.says": "THE ENGINE REPORTS",
    "paused.title": "PAUSED",
    "paused.text": "Everything below is that of {time}.",
    "stopped.title": "STOPPED",
    "stopped.text": "Nothing after {time} was analysed.",
    "back.title": "LOOKING BACK",
    "back.text": "You see {time}. The newest is {newest}.",
    "store.none.title": "Nothing has been recorded yet",
    "store.none.text": "There is no store at `{url}`. Start a replay and this page fills by itself:",
    "store.empty.title": "No run yet",
    "store.empty.text": "The store holds no run. Start a replay and this page fills by itself:",
    "store.lost.title": "THE STORE CANNOT BE READ: EVERYTHING IS UNKNOWN",
    "store.lost.text": "{message} The page tries again by itself; rely on people on site.",
    "run.bad.title": "This run cannot be shown",
    # top strip
    "people": "People seen in the zones",
    "people.none": "no zone is seen",
    "people.interval": "between {low} and {high}",
    "people.partial": "at least; {n} of {m} zones unknown",
    "people.overlap": "zones overlap: some are counted twice",
    "worst": "Worst zone",
    "worst.none": "none known",
    "alarms_open": "Alarms open",
    "alarms_unacked": "{n} not acknowledged",
    "alarms_all_acked": "all acknowledged",
    "alarms_none": "none",
    "zones_unknown": "Zones unknown",
    "zones_unknown.of": "of {m}",
    "cameras_unfit": "Cameras not counted from: {which}",
    # levels, qualities, healths
    "level.unknown": "UNKNOWN",
    "level.normal": "NORMAL",
    "level.watch": "WATCH",
    "level.caution": "CAUTION",
    "level.alert": "ALERT",
    "level.critical": "CRITICAL",
    "quality.good": "good",
    "quality.degraded": "degraded",
    "quality.stale": "stale: no news for {age}",
    "quality.stale.never": "stale: no news yet",
    "quality.blind": "blind: not seen",
    "health.ok": "ok",
    "health.dark": "DARK",
    "health.overexposed": "OVEREXPOSED",
    "health.covered": "COVERED",
    "health.blurred": "BLURRED",
    "health.noisy": "NOISE ONLY",
    "health.damaged": "DAMAGED",
    "health.moved": "MOVED",
    "health.frozen": "FROZEN",
    "health.silent": "SILENT",
    # map
    "map": "Site map",
    "map.density": "Density",
    "map.legend": "Density, {unit}",
    "map.legend.unseen": "not seen: unknown",
    "map.legend.bandwidth": "smoothed over {b} m",
    "map.camera": "camera {name}",
    "map.gate": "gate {name}",
    "gate.flow": "in {into}, out {out} a minute, {share} of capacity",
    "gate.unknown": "flow unknown",
    "gate.in": "in",
    "gate.out": "out",
    "gate.n_t": "{name}: people since the run began",
    "gate.table": "Gates",
    "gate.pick": "Gate",
    "site.occupancy": "On the whole site: {count} ({interval}), by the gates and the zones.",
    "site.drift": "The gates alone would drift by {drift} an hour.",
    "col.gate": "Gate",
    "col.gate_in": "In per minute",
    "col.gate_out": "Out per minute",
    "col.gate_in_total": "In so far",
    "col.gate_out_total": "Out so far",
    "col.capacity": "Of the gate's capacity",
    "col.queue": "Waiting",
    "map.table": "The map as a table",
    "map.alt": "Map of {site} at {time}: {n} zones, worst {worst}. The table below holds the same.",
    "map.nogrid": "No density field at this time.",
    "map.moving": "Not drawn, since they move: {names}",
    "col.zone": "Zone",
    "col.level": "Level",
    "col.density": "Density p/m²",
    "col.count": "Persons",
    "col.interval": "Interval",
    "col.peak": "Peak p/m²",
    "col.service": "Level of service (Fruin)",
    "col.occupancy": "Of capacity",
    "col.seen": "Seen",
    "col.age": "Age",
    "col.quality": "Quality",
    "col.reason": "Reason",
    "col.time": "Time",
    "col.what": "What",
    "col.value": "Value",
    "col.limit": "Limit",
    "col.cause": "Cause",
    # camera
    "camera": "Camera",
    "camera.age": "{name}: picture of {time}, {age} old",
    "camera.old": "OLD PICTURE: {age} behind",
    "camera.batch": "A batch makes no pictures: replay a part of the footage to see it",
    "camera.none": "No picture of this camera for this time",
    "camera.hidden": "No picture: the engine is silent",
    "camera.health": "camera health: {health}",
    "camera.saturated": "the detector reached its limit: people may be missing",
    "camera.coarse": "Coarsened on purpose: nobody can be recognised.",
    "camera.alt": "Coarsened picture of camera {name} with density colours and boxes",
    # alerts
    "alerts": "Alerts",
    "alerts.none": "No alarm is open.",
    "alerts.stale": "As of {time}: the engine is silent, more may have happened.",
    "alerts.recent": "What happened, newest first",
    "alerts.recent.none": "Nothing has happened yet.",
    "alerts.since": "since {time} ({age})",
    "alarm.crowding": "Crowding",
    "alarm.blindness": "Blind zone",
    "state.unacknowledged": "NOT ACKNOWLEDGED",
    "state.acknowledged": "acknowledged",
    "state.cleared_unacknowledged": "over, not acknowledged",
    "state.normal": "normal",
    "transition.raised": "raised",
    "transition.level_up": "level up",
    "transition.level_down": "level down",
    "transition.cleared": "cleared",
    "transition.acknowledged": "acknowledged",
    "ack": "Acknowledge {zone}: {alarm}",
    "ack.sent": "sent, waiting for the engine",
    "ack.back": "Follow the newest to acknowledge.",
    "ack.over": "This run is over: nothing can be acknowledged.",
    "ack.failed": "Not sent: {message}",
    "refused.title": "NOT CARRIED OUT",
    "refused.text": "{what} ({actor}): {reason}.",
    # chart
    "chart": "Over time",
    "chart.zone": "Zone",
    "chart.window": "Span",
    "chart.window.120": "2 min",
    "chart.window.900": "15 min",
    "chart.window.3600": "1 h",
    "chart.window.0": "all",
    "chart.density": "Density, p/m²",
    "chart.count": "Persons",
    "chart.bucket": "each point: the highest of {s} s",
    "chart.gap": "gaps: unknown",
    "chart.none": "No reading yet.",
    "chart.table": "The chart as a table",
    "chart.alt": "Density and persons of zone {zone} over time. The table below holds the same.",
    # controls
    "controls": "Run control",
    "run": "Run",
    "run.newest": "Newest run",
    "follow": "Follow the newest",
    "look_at": "Look at (UTC)",
    "pause": "Pause",
    "resume": "Resume",
    "stop": "Stop",
    "stop.sure": "Really stop?",
    "set_speed": "Speed",
    "apply": "Set",
    "again": "Watch again",
    "again.speed": "Speed",
    "again.started": "A replay of the log has been started; it shows up here in a moment.",
    "again.failed": "The replay did not start: {message}",
    "command.pause": "pause",
    "command.resume": "resume",
    "command.stop": "stop",
    "command.speed": "speed",
    "command.acknowledge": "acknowledge",
    "command.gate_count": "count at a gate",
    "command.unknown": "unknown command",
    "command.sent": "{what}: sent, waiting for the engine",
    "command.dead": "The engine is silent: it will not hear commands.",
    # hand counts
    "page.audits": "Hand counts",
    "count": "Count the people in this picture",
    "count.help": (
        "Holds this picture still; the rest of the page goes on. Count everybody in it, with a box or without."
    ),
    "count.held": "PICTURE HELD FOR COUNTING",
    "count.held.text": "You see {time}; the newest is {newest}.",
    "count.people": "People in the picture of {time}",
    "count.actor": "Counted by",
    "count.save": "Save the count",
    "count.leave": "Back to the newest picture",
    "count.none": "no number was given. Write how many people you counted.",
    "count.failed": "Not saved: {message}",
    "count.again": "Counted before: {n} by {actor} (entry {entry}). Saving corrects it.",
    "count.done": (
        "Saved as entry {entry}: {n} by hand, {found} by the program, picture of {time}. The factor is {factor}, the "
        "offset {offset} people a picture."
    ),
    "audits.never": "NEVER AUDITED: {names}",
    "audits.never.text": (
        "Nobody knows how far these cameras' counts are off. Count some of their pictures on the watch page."
    ),
    "audits.cameras": "Cameras of this event",
    "audits.note": (
        "Factor: true people for every one that the program finds. Offset: people to add to every picture; below 0 "
        "where things look like people, such as lamp posts. The intervals hold them nine times in ten. Counts are "
        "lowered only in pictures with no more people, and none closer together, than in those that were counted."
    ),
    "audits.entries": "Every count, newest first",
    "audits.none": "Nobody has counted a picture yet.",
    "audits.row.never": "NEVER AUDITED: interval of cameras in general",
    "audits.row.few": "fewer than {n} pictures: the factor is kept near 1, the offset near 0",
    "audits.row.aside": "{n} excluded: counted by another program",
    "audits.corrects": "corrects entry {entry}",
    "audits.corrected": "corrected by entry {entry}",
    "col.camera": "Camera",
    "col.pictures": "Pictures counted",
    "col.counted": "By hand",
    "col.found": "By the program",
    "col.factor": "Factor",
    "col.factor_interval": "90 % interval",
    "col.offset": "Offset",
    "col.offset_interval": "90 % interval of the offset",
    "col.note": "Note",
    "col.entry": "Entry",
    "col.actor": "Counted by",
    "col.run": "Run",
}
