"""The process that tells people: follows the runs of an event, and has a courier in a thread of its own per target, so
that a target that hangs holds up nobody else.

It runs beside the engine and shares nothing with it but the store: alert events are there before anybody is told, and a
kill of either loses none (:class:`crowdwatch.core.ports.Outgoing`). Live runs alone are followed. A replay is sent only
where a person names the run and asks for an exercise, and every message of it is marked.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from crowdwatch import config
from crowdwatch.analytics.advice import Adviser
from crowdwatch.analytics.alarm_load import cause_of
from crowdwatch.config import EventFile
from crowdwatch.core.notices import Notification, NotificationState, Target
from crowdwatch.core.outcomes import AlarmState, AlertEvent
from crowdwatch.core.ports import Outgoing, Store
from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.core.site import Site
from crowdwatch.drivers import build
from crowdwatch.drivers.site_now import DEAD_AFTER_S, SiteNow
from crowdwatch.errors import ConfigError, CrowdWatchError, NotTold, RunNotFound, StoreError
from crowdwatch.notify.context import Context, rings_of
from crowdwatch.notify.courier import Courier, notification_of
from crowdwatch.notify.mqtt import MqttSender
from crowdwatch.notify.rehearsal import MemoryOutgoing, ShowingSender
from crowdwatch.notify.rules import TEST, why_not
from crowdwatch.notify.senders import Sender, open_sender
from crowdwatch.notify.zone_states import states_of
from crowdwatch.words import reason_text

__all__ = ["Options", "context_of", "notify", "try_target"]

_log = logging.getLogger(__name__)

POLL_S, STORE_AGAIN_S, STATES_S = 0.5, 2.0, 5.0

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How to tell.

    Args:
        store_url: the store.
        send: really send; without it everything is shown and nothing is sent or kept.
        run_id: follow this run alone; None is every live run of the event.
        exercise: send what comes from a replay, marked.
        once: end when everything has been delivered.
        stop: set it, and the process ends after the tries that are under way.
        say: hears what became of every try.
        show: takes a target's name and a text, in a dry run.
    """

    store_url: str
    send: bool = False
    run_id: str | None = None
    exercise: bool = False
    once: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[Notification], None] = lambda notification: None
    show: Callable[[str, str], None] = lambda target_id, text: None


def context_of(event: EventFile, now: SiteNow | None = None) -> Context:
    """What messages need to know of an event; ``now`` is where its runs are, None where there are none yet."""
    site, settings = config.to_site(event), event.notify
    origin = event.site.origin_m
    rings = rings_of(site, None if origin is None else (origin[0], origin[1]))
    told = {} if settings is None or settings.sender_name is None else dict.fromkeys(("en", "zh"), settings.sender_name)
    more = {} if settings is None else {
        "sender": settings.sender, "scope": settings.scope, "restriction": settings.restriction
    }  # fmt: skip
    return Context(
        event.id, event.name.both(), {zone.zone_id: zone.name for zone in site.zones}, event.time_zone or "UTC", rings,
        public_sender=told, do=_measures(event, site, now),
        zones_of_cause=_zones_of_cause(now), **more,
    )  # fmt: skip


def _measures(event: EventFile, site: Site, now: SiteNow | None) -> Callable[[Notification], Mapping[str, str]]:
    """What the playbook says of an alert, and what speaks against it with the levels of the zones now, by language."""
    adviser = Adviser(site, config.playbook_of(event.playbook))

    def do(notification: Notification) -> dict[str, str]:
        alert = notification.alert
        value = alert.value if alert.unit else math.nan
        levels = {} if now is None else now.levels(notification.run_id)
        advice = adviser.advise(alert.zone_id, alert.alarm, alert.level, levels, value=value)
        if advice is None:
            return {}
        return {
            language: " ".join(filter(None, (advice.do(language), reason_text(language, advice.doubts))))
            for language in ("en", "zh")
        }

    return do


def _zones_of_cause(now: SiteNow | None) -> Callable[[Notification], tuple[str, ...]]:
    """The zones in which alarms of the same cause stand."""

    def zones(notification: Notification) -> tuple[str, ...]:
        if now is None:
            return ()
        cause = cause_of(notification.alert)
        return tuple(dict.fromkeys(one.zone_id for one in now.alarms(notification.run_id) if cause_of(one) == cause))

    return zones


def targets(event: EventFile) -> tuple[Target, ...]:
    """Who is told. Raises ConfigError where nobody is."""
    found = config.targets_of(event.notify) if event.notify is not None else ()
    if not found:
        raise ConfigError("notify: the event file names nobody to tell. Add targets under the key notify.")
    return found


def notify(event: EventFile, options: Options) -> None:
    """Tell the targets of an event until ``stop`` is set, or until all is delivered with ``once``.

    Raises:
        ConfigError: nobody is to be told, a secret is missing, or the run is a replay and no exercise was asked for.
        StoreUnavailable: the store cannot be opened.
    """
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url, create=False)))
        _check_run(store, event, options)
        context = context_of(event, _site_now(event, store))
        outgoing: Outgoing = (
            stack.enter_context(closing(build.open_outgoing(options.store_url)))
            if options.send else MemoryOutgoing(store)
        )  # fmt: skip
        senders: dict[str, Sender] = {}
        faults = []
        for target in targets(event):
            try:
                senders[target.target_id] = _open(target, context, options)
                stack.callback(senders[target.target_id].close)
            except ConfigError as error:
                faults.append(str(error))
        if faults:
            raise ConfigError("\n".join(faults))
        couriers = [
            Courier(target, senders[target.target_id], outgoing, context, time.time_ns, options.say)
            for target in targets(event)
        ]
        service = _Service(event, store, outgoing, options)
        threads = [threading.Thread(target=service.serve, args=(courier,), daemon=True) for courier in couriers]
        speakers = [each for each in senders.values() if isinstance(each, MqttSender)]
        for thread in threads:
            thread.start()
        speaker = threading.Thread(target=service.speak, args=(speakers, context), daemon=True)
        speaker.start()
        for thread in threads:
            thread.join()
        service.ended.set()
        speaker.join()


def _site_now(event: EventFile, store: Store) -> SiteNow:
    site = config.to_site(event)
    return SiteNow(store, [zone.zone_id for zone in site.zones], site.tick_s)


def _open(target: Target, context: Context, options: Options) -> Sender:
    return open_sender(target, context) if options.send else ShowingSender(target, context, options.show)


def _check_run(store: Store, event: EventFile, options: Options) -> None:
    if options.run_id is None:
        return
    run = store.run(options.run_id)
    if run.event_id != event.id:
        raise ConfigError(f"run {run.run_id}: is of event {run.event_id!r}, not of {event.id!r}. Name another run.")
    if run.mode is not Mode.LIVE and options.send and not options.exercise:
        raise ConfigError(
            f"run {run.run_id}: is a {run.mode.value}: nothing is sent from it. Give --exercise to send it, with every "
            "message marked EXERCISE."
        )


@dataclass(slots=True)
class _Service:
    """What the threads share."""

    event: EventFile
    store: Store
    outgoing: Outgoing
    options: Options
    ended: threading.Event = field(default_factory=threading.Event)

    def runs(self, target_id: str) -> list[Run]:
        """The runs that are followed: the one that was named; else the newest live one, and those of before."""
        if self.options.run_id is not None:
            return [self.store.run(self.options.run_id)]
        live = [run for run in self.store.runs() if run.event_id == self.event.id and run.mode is Mode.LIVE]
        before = set(self.outgoing.followed(target_id))
        return [run for number, run in enumerate(live) if not number or run.run_id in before]

    def serve(self, courier: Courier) -> None:
        """Follow and deliver for one target."""
        ailing = False
        while not self.options.stop.is_set():
            try:
                done = self._round(courier)
                if ailing:
                    _log.warning("target %s: the store is read again.", courier.target.target_id)
                ailing = False
            except StoreError as error:
                if not ailing:
                    _log.error("target %s: %s It is tried again.", courier.target.target_id, error)
                ailing, done = True, False
                self.options.stop.wait(STORE_AGAIN_S)
            if done and self.options.once:
                return
            self.options.stop.wait(POLL_S)

    def _round(self, courier: Courier) -> bool:
        """Take in and deliver what may go; whether nothing is left."""
        left = 0
        for run in self.runs(courier.target.target_id):
            courier.take_in(run)
            while not self.options.stop.is_set() and courier.deliver_one(run.run_id) is not None:
                pass
            left += len(self.outgoing.notifications(run.run_id, courier.target.target_id, open_only=True))
        return not left

    def speak(self, senders: list[MqttSender], context: Context) -> None:
        """Say the state of the zones, again and again."""
        site = config.to_site(self.event)
        zone_ids = [zone.zone_id for zone in site.zones]
        announced: set[int] = set()
        beat: tuple[str, int, float] | None = None
        while senders and not self.ended.is_set() and not self.options.stop.is_set():
            try:
                run = next(iter(self.runs("")), None)
                if run is not None:
                    now_s = time.monotonic()
                    if beat is None or beat[:2] != (run.run_id, run.beat_wall_ns):
                        beat = (run.run_id, run.beat_wall_ns, now_s)
                    living = run.state in (RunState.RUNNING, RunState.PAUSED)
                    alive = living and now_s - beat[2] <= DEAD_AFTER_S
                    stale_ns = round(max(DEAD_AFTER_S, 3 * site.tick_s) * NS)
                    readings = self.store.readings(run.run_id, from_ns=run.t_ns - stale_ns, to_ns=run.t_ns)
                    states = states_of(
                        zone_ids, readings, context, run.t_ns, alive=alive, exercise=run.mode is not Mode.LIVE
                    )
                    for sender in senders:
                        if id(sender) not in announced:
                            sender.announce(zone_ids)
                            announced.add(id(sender))
                        sender.say_states(states)
            except (StoreError, NotTold) as error:
                _log.warning("zone states are not said: %s", error)
            self.ended.wait(STATES_S)


def try_target(
    event: EventFile, target_id: str, options: Options, *, zone_id: str | None = None, within_s: float = 60.0
) -> Notification:
    """Send a test message to one target, through the rule and the way that alerts take.

    Returns:
        What became of it: SENT, SUPPRESSED with the reason, or WAITING with the fault after ``within_s``.

    Raises:
        ConfigError: no such target or zone, or a secret is missing.
        RunNotFound: the event has no run that it could be filed under.
    """
    known = {target.target_id: target for target in targets(event)}
    if target_id not in known:
        raise ConfigError(f"notify target {target_id!r}: there is none. Targets: {', '.join(known)}.")
    target, context = known[target_id], context_of(event)
    zones = [zone.id for zone in event.zones]
    if zone_id is not None and zone_id not in zones:
        raise ConfigError(f"zone {zone_id!r}: there is none. Zones: {', '.join(zones)}.")
    with ExitStack() as stack:
        store = stack.enter_context(closing(build.open_store(options.store_url, create=False)))
        runs = [run for run in store.runs() if run.event_id == event.id]
        if not runs:
            raise RunNotFound(
                f"event {event.id!r}: the store holds no run of it to file a test under. Start one first."
            )
        row = _test_row(runs[0], target, context, zone_id or zones[0])
        outgoing: Outgoing = (
            stack.enter_context(closing(build.open_outgoing(options.store_url)))
            if options.send else MemoryOutgoing(store)
        )  # fmt: skip
        sender = _open(target, context, options)
        stack.callback(sender.close)
        outgoing.put([row])
        courier = Courier(target, sender, outgoing, context, time.time_ns, options.say)
        return _delivered(courier, outgoing, row, options, within_s)


def _test_row(run: Run, target: Target, context: Context, zone_id: str) -> Notification:
    now_ns = time.time_ns()
    event_id = "test-" + hashlib.sha256(f"{target.target_id}|{now_ns}".encode()).hexdigest()[:16]
    alert = AlertEvent(
        event_id, TEST, zone_id, now_ns, "raised", AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, target.level, "",
        math.nan, math.nan, "", (), TEST,
    )  # fmt: skip
    why = why_not(target, alert, told=False, minute=context.minute(now_ns))
    return replace(notification_of(run, target, alert, now_ns, why=why, first=None, test=True), exercise=False)


def _delivered(
    courier: Courier, outgoing: Outgoing, row: Notification, options: Options, within_s: float
) -> Notification:
    give_up_s = time.monotonic() + within_s
    while True:
        rows = outgoing.notifications(row.run_id, row.target_id)
        now = next(each for each in rows if each.event_id == row.event_id)
        over = options.stop.is_set() or time.monotonic() > give_up_s
        if over or now.state in (NotificationState.SENT, NotificationState.SUPPRESSED):
            return now
        try:
            courier.deliver_one(row.run_id)
        except CrowdWatchError as error:
            _log.warning("%s", error)
        options.stop.wait(0.05)
