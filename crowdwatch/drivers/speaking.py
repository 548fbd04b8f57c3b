"""The process that speaks: asks the store again and again what is due, and says one message at a time.

What is due follows from the store alone (:mod:`crowdwatch.analytics.voice`). A process that is started anew says
nothing of what was due before, so that nothing old is heard. Silence is obeyed as soon as it is queued: it does not
wait for the engine's next tick.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from crowdwatch import config
from crowdwatch.analytics.advice import Adviser
from crowdwatch.analytics.voice import announcements, plays, reminders
from crowdwatch.config import EventFile
from crowdwatch.core.outcomes import AlertEvent
from crowdwatch.core.ports import Store
from crowdwatch.core.runs import Command, CommandKind, Mode, Run
from crowdwatch.core.voice import Announcement, Play, VoiceRules
from crowdwatch.drivers import build
from crowdwatch.drivers.notifying import context_of
from crowdwatch.errors import ConfigError, NotTold, StoreError
from crowdwatch.notify.context import Context
from crowdwatch.notify.speech import ENGINE, PLAYER, Player, Sound, Synthesiser
from crowdwatch.words import t

__all__ = ["Options", "Speaker", "Speech", "speak"]

_log = logging.getLogger(__name__)

POLL_S = 0.2

LATE_S = 15.0
"""What could not be said within so many seconds is not said any more: it is told, and the next repetition comes."""

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How to speak.

    Args:
        store_url: the store.
        folder: where sound files are kept.
        aloud: really play; without it everything is made and shown, and nothing is heard.
        run_id: the run; None is the newest live one of the event.
        stop: ends it.
        say: hears what was played, and what was not, with the reason; empty where it was.
    """

    store_url: str
    folder: Path
    aloud: bool = False
    run_id: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[Play, str], None] = lambda play, why: None


class Speech:
    """What may be said in a run, as of the store."""

    def __init__(self, event: EventFile) -> None:
        self.rules: VoiceRules = config.voice_rules(event.voice)
        self.context: Context = context_of(event)
        self._adviser = Adviser(config.to_site(event), config.playbook_of(event.playbook))
        self._with_time = event.voice is None or event.voice.time

    def time(self, t_ns: int, language: str) -> str:
        """A time as it is spoken."""
        at = self.context.local(t_ns)
        return t(language, "voice.time", hour=at.hour, minute=f"{at.minute:02}") if self._with_time else ""

    def announcements(self, alerts: list[AlertEvent], acted: list[Command], now_ns: int) -> list[Announcement]:
        """Every message that was proposed, newest first."""
        return announcements(alerts, acted, self._adviser, self.rules, now_ns, self.time)

    def due(self, store: Store, run: Run, after_ns: int, to_ns: int) -> list[Play]:
        """What is due after one event time and up to another."""
        alerts, acted = store.alerts(run.run_id), store.acted(run.run_id)
        found = plays(self.announcements(alerts, acted, to_ns), self.rules, after_ns, to_ns)
        for reminder in self.rules.reminders:
            said, _ = reminders(alerts, acted, reminder, to_ns, self.context.minute, self.rules.source)
            found += [play for play in said if play.t_ns > after_ns]
        return sorted(found, key=lambda play: (-play.level, play.t_ns, play.play_id))


class Speaker:
    """Says what it is given, one after the other, the highest level first; stops at once.

    Args:
        synthesiser: makes the sound.
        player: plays it; None plays nothing.
        languages: in their order.
        say: hears what became of a message.
    """

    def __init__(
        self, synthesiser: Synthesiser, player: Player | None, languages: tuple[str, ...],
        say: Callable[[Play, str], None],
    ) -> None:  # fmt: skip
        self._synthesiser, self._player, self._languages, self._say = synthesiser, player, languages, say
        self._queue: queue.PriorityQueue[tuple[int, int, int, Play | None]] = queue.PriorityQueue()
        self._lock, self._count, self._silences = threading.Lock(), 0, 0
        self._now_ns = 0
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def add(self, play: Play) -> None:
        """Queue one message."""
        with self._lock:
            self._count += 1
            self._queue.put((-play.level, play.t_ns, self._count, play))

    def reached(self, now_ns: int) -> None:
        """The event time now: what has waited too long is not said any more."""
        self._now_ns = now_ns

    def silence(self) -> None:
        """Stop what plays and forget what waits."""
        with self._lock:
            self._silences += 1
            while True:
                try:
                    waiting = self._queue.get_nowait()[-1]
                except queue.Empty:
                    break
                if waiting is not None:
                    self._say(waiting, "silenced")
        if self._player is not None:
            self._player.stop()

    def close(self) -> None:
        """Say what waits, then end."""
        self._queue.put((10, 0, 0, None))
        self._thread.join()

    def _run(self) -> None:
        while (play := self._queue.get()[-1]) is not None:
            if self._now_ns - play.t_ns > LATE_S * NS:
                self._say(play, "too late")
                continue
            silences = self._silences
            try:
                self._say(play, "" if self._play(play, silences) else "silenced")
            except NotTold as error:
                self._say(play, str(error))
                _log.error("%s The message of zone %s was not said.", error, play.zone_id)

    def _play(self, play: Play, silences: int) -> bool:
        for language in self._languages:
            sound: Sound = self._synthesiser.speak(play.texts[language], language)
            if self._silences != silences:
                return False
            if self._player is not None and not self._player.play(sound):
                return False
        return True


def speak(event: EventFile, options: Options) -> None:
    """Speak until ``stop`` is set.

    Raises:
        ConfigError: the run is of another event, or is no live one and was to be heard.
        StoreUnavailable: the store cannot be opened.
    """
    speech, settings = Speech(event), event.voice
    engine = ENGINE if settings is None or settings.engine is None else tuple(settings.engine)
    command = PLAYER if settings is None or settings.player is None else tuple(settings.player)
    voices = {} if settings is None else {str(language): voice for language, voice in settings.voices.items()}
    with closing(build.open_store(options.store_url, create=False)) as store:
        _check(store, event, options)
        player = Player(command) if options.aloud else None
        synthesiser = Synthesiser(options.folder, engine, voices)
        speaker = Speaker(synthesiser, player, speech.rules.languages, options.say)
        try:
            _follow(store, event, options, speech, speaker)
        finally:
            speaker.silence()
            speaker.close()


def _check(store: Store, event: EventFile, options: Options) -> None:
    if options.run_id is None:
        return
    run = store.run(options.run_id)
    if run.event_id != event.id:
        raise ConfigError(f"run {run.run_id}: is of event {run.event_id!r}, not of {event.id!r}. Name another run.")
    if options.aloud and run.mode is not Mode.LIVE:
        raise ConfigError(f"run {run.run_id}: is a {run.mode.value}: nothing is said aloud of it. Leave out --aloud.")


def _follow(store: Store, event: EventFile, options: Options, speech: Speech, speaker: Speaker) -> None:
    reached: dict[str, int] = {}
    silenced: set[int] = set()
    ailing = False
    while not options.stop.is_set():
        try:
            run = _run_of(store, event, options)
            if run is not None:
                asked = {each.command_id for each in store.pending(run.run_id) if each.kind is CommandKind.SILENCE}
                asked |= {each.command_id for each in store.acted(run.run_id) if each.kind is CommandKind.SILENCE}
                if run.run_id not in reached:  # what was before is not said any more
                    reached[run.run_id], silenced = run.t_ns, silenced | asked
                if asked - silenced:
                    silenced |= asked
                    speaker.silence()
                speaker.reached(run.t_ns)
                for play in speech.due(store, run, reached[run.run_id], run.t_ns):
                    speaker.add(play)
                reached[run.run_id] = max(run.t_ns, reached[run.run_id])
            ailing = False
        except StoreError as error:
            if not ailing:
                _log.error("%s Nothing is said until the store is read again.", error)
            ailing = True
        options.stop.wait(POLL_S)


def _run_of(store: Store, event: EventFile, options: Options) -> Run | None:
    if options.run_id is not None:
        return store.run(options.run_id)
    live = [run for run in store.runs() if run.event_id == event.id and run.mode is Mode.LIVE]
    return next(iter(live), None)
