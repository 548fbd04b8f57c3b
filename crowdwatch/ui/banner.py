"""The head of the page: what is shown, of when, whether the engine lives, and the four numbers that matter."""

from __future__ import annotations

import math

import streamlit as st

from crowdwatch.core.outcomes import Health, Level
from crowdwatch.rendering.palette import LEVEL_STYLES
from crowdwatch.ui.style import badge, box, notice
from crowdwatch.ui.total import people_seen
from crowdwatch.ui.view import Moment, Pulse, phase_now, worst_zone
from crowdwatch.ui.writing import density_text, duration, interval, label_text, name_of, number, safe, short
from crowdwatch.words import t

__all__ = ["show_banner", "show_strip"]

NAMED = 3
"""So many cameras of one ailment are named in the strip; the others are a number."""

REAL_FRAC = 0.1
"""A run that is nearer to the speed that was asked for runs at it."""


def _labels(moment: Moment, language: str) -> list[str]:
    return [label_text(label, language) for label in moment.site.labels]


def _phase(moment: Moment, language: str) -> str:
    """The phase in force, how long until the next one, and whether a person chose it; empty without a run sheet."""
    now = phase_now(moment)
    if now is None:
        return ""
    name = short(name_of(now.name, now.phase_id, language), 24)
    said = f"{t(language, 'phase')} <b>{safe(name)}</b>"
    if now.by_hand:
        said += f" ({t(language, 'phase.by_hand')})"
    if now.next_id:
        after = short(name_of(now.next_name, now.next_id, language), 24)
        left = duration((now.next_ns - moment.t_ns) / 1e9)
        said += f' <span class="cw-note">{safe(t(language, "phase.next", name=after, left=left))}</span>'
    return f"<span>{said}</span>"


def _pace(moment: Moment, language: str) -> str:
    """The speed that was asked for, and the real one where it is another."""
    asked = t(language, "speed.max") if moment.run.speed <= 0 else f"×{moment.run.speed:g}"
    if math.isnan(moment.pace):
        return asked
    real = f"×{moment.pace:.1f}"
    same = moment.run.speed > 0 and abs(moment.pace - moment.run.speed) <= REAL_FRAC * moment.run.speed
    return asked if same else t(language, "speed.real", asked=asked, real=real)


def show_banner(moment: Moment, language: str) -> None:
    """Mode, labels, event time, speed, heartbeat; below it what is wrong, loudly."""
    run, site = moment.run, moment.site
    mode = t(language, f"mode.{run.mode.value}")
    pulse = t(language, f"pulse.{moment.pulse.value}")
    pieces = [f'<span class="cw-mode">{mode}</span>']
    pieces += [f'<span class="cw-label">{safe(label)}</span>' for label in _labels(moment, language)]
    event = name_of(site.name, run.event_id, language)
    pieces.append(f'<b title="{safe(event)}">{safe(short(event, 40))}</b>')
    pieces.append(
        f'<span>{t(language, "event_time")} <span class="cw-time">{moment.at(moment.t_ns, date=True)}</span></span>'
    )
    pieces.append(_phase(moment, language))
    pieces.append(f"<span><b>{pulse}</b></span>")
    if moment.pulse in (Pulse.RUNNING, Pulse.PAUSED, Pulse.DEAD):
        age = t(language, "ago", age=duration(max(0.0, moment.beat_age_s)))
        pieces.append(
            f'<span class="cw-note">{t(language, "speed")} {_pace(moment, language)} · '
            f"{t(language, 'heartbeat')} {age}</span>"
        )
    note = name_of(site.notice, "", language)
    if note:
        pieces.append(f'<span class="cw-note" title="{safe(note)}">{safe(short(note, 160))}</span>')
    st.html(f'<div class="cw-bar" role="banner">{"".join(pieces)}</div>')
    for title, text, loud in _messages(moment, language):
        st.html(notice(title, text, loud=loud))


def _messages(moment: Moment, language: str) -> list[tuple[str, str, bool]]:
    """What is wrong or unusual: title, text, loud."""
    run, time = moment.run, moment.at(moment.run.t_ns or moment.run.from_ns)
    found = []
    if moment.pulse == Pulse.DEAD:
        key = "dead.future" if moment.beat_age_s < 0 else "dead.text"
        age = duration(abs(moment.beat_age_s))
        found.append((t(language, "dead.title"), t(language, key, age=age, time=time), True))
    elif moment.pulse == Pulse.FAILED:
        message = run.message or t(language, "failed.silent")
        found.append((t(language, "failed.title"), t(language, "failed.text", message=message, time=time), True))
    elif moment.pulse in (Pulse.PAUSED, Pulse.STOPPED):
        key = moment.pulse.value
        found.append((t(language, f"{key}.title"), t(language, f"{key}.text", time=time), moment.hidden))
    if run.message and moment.pulse != Pulse.FAILED:
        found.append((t(language, "run.says"), run.message, True))
    if not moment.following:
        shown = moment.at(moment.t_ns)
        found.append((t(language, "back.title"), t(language, "back.text", time=shown, newest=time), False))
    return found


def show_strip(moment: Moment, language: str) -> None:
    """People seen with their interval, worst zone, open alarms, zones that nobody sees."""
    tiles = [_people(moment, language), _worst(moment, language), _alarms(moment, language), _blind(moment, language)]
    st.html(f'<div class="cw-strip">{"".join(tiles)}</div>')


def _people(moment: Moment, language: str) -> str:
    people = people_seen(moment.site, moment.readings)
    total = len(moment.site.zones)
    if math.isnan(people.count):
        value, notes = "?", [t(language, "people.none")]
    elif people.zones_unknown:
        value = f"≥ {math.floor(people.low)}"
        notes = [t(language, "people.partial", n=people.zones_unknown, m=total)]
    else:
        value = number(people.count, 0)
        low, high = interval(people.low, people.high).split(" – ")
        notes = [t(language, "people.interval", low=low, high=high)]
    if people.overlap:
        notes.append(t(language, "people.overlap"))
    return box(t(language, "people"), value, safe("; ".join(notes)), hatched=math.isnan(people.count))


def _worst(moment: Moment, language: str) -> str:
    worst = worst_zone(moment.readings)
    if worst is None:
        value = badge(language, Level.UNKNOWN)
        return box(
            t(language, "worst"), value, t(language, "worst.none"), LEVEL_STYLES[Level.UNKNOWN].colour, hatched=True
        )
    zone = next(zone for zone in moment.site.zones if zone.zone_id == worst.zone_id)
    name = name_of(zone.name, worst.zone_id, language)
    reach = density_text(language, zone.kind, worst.density_p_m2)
    note = f"{badge(language, worst.level)} <b>{safe(reach)}</b>"
    colour = LEVEL_STYLES[worst.level].colour
    return box(
        t(language, "worst"), f'<span class="n" title="{safe(name)}">{safe(short(name, 24))}</span>', note, colour
    )


def _alarms(moment: Moment, language: str) -> str:
    unacked = [alarm for alarm in moment.alarms if alarm.unacknowledged]
    if not moment.alarms:
        note, colour = t(language, "alarms_none"), ""
    else:
        note = t(language, "alarms_unacked", n=len(unacked)) if unacked else t(language, "alarms_all_acked")
        colour = LEVEL_STYLES[max(alarm.level for alarm in moment.alarms)].colour
    count = f"{len(moment.alarms)}" if not moment.hidden else f"≥ {len(moment.alarms)}"
    return box(t(language, "alarms_open"), count, note, colour, hatched=moment.hidden)


def _blind(moment: Moment, language: str) -> str:
    unknown = sum(reading.level == Level.UNKNOWN for reading in moment.readings)
    notes = [t(language, "zones_unknown.of", m=len(moment.readings))]
    unfit = [] if moment.hidden else _unfit(moment, language)
    if unfit:
        notes.append(t(language, "cameras_unfit", which="; ".join(unfit)))
    return box(t(language, "zones_unknown"), str(unknown), safe(". ".join(notes)), hatched=unknown > 0 or bool(unfit))


def _unfit(moment: Moment, language: str) -> list[str]:
    """Cameras that nobody is counted from now, though others may see their ground: by what ails them."""
    by_health: dict[Health, list[str]] = {}
    names = {one.camera_id: short(name_of(one.name, one.camera_id, language), 20) for one in moment.site.cameras}
    for camera in moment.health:
        if camera.health is not Health.OK:
            by_health.setdefault(camera.health, []).append(names.get(camera.camera_id, camera.camera_id))
    said = []
    for health, ids in by_health.items():
        more = f" +{len(ids) - NAMED}" if len(ids) > NAMED else ""
        said.append(f"{t(language, f'health.{health.value}')} {', '.join(ids[:NAMED])}{more}")
    return said
