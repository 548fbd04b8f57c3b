"""Text to sound: a program that writes a WAV file, which is measured before anybody hears it, and one that plays it.

Both are processes of their own, without a shell; the text goes to the program's input, where nothing of it is an
option. A program that hangs is ended, and so is everything that it started.
"""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import threading
import wave
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdwatch.core.text import plain
from crowdwatch.errors import NotTold

__all__ = ["ENGINE", "PLAYER", "Player", "Sound", "Synthesiser", "measured"]

ENGINE = ("espeak-ng", "-v", "{voice}", "-s", "150", "-w", "{file}", "--stdin")
PLAYER = ("aplay", "-q", "{file}")

VOICES = {"zh": "cmn", "en": "en-gb"}
"""Names of languages to espeak-ng."""

SYNTHESIS_S = 20.0

LEAST_S, MOST_S = 0.4, 30.0
"""A message shorter than a word says nothing; one longer than this is not listened to (20 to 25 s at most)."""

LEAST_DBFS = -40.0
"""Mean level below which a loudspeaker says nothing that is understood. Speech of espeak-ng lies at -20."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a WAV file holds.

    Args:
        path: the file.
        seconds: its length.
        rms_dbfs, peak_dbfs: mean and highest level, relative to the largest value; -inf is silence.
    """

    path: Path
    seconds: float
    rms_dbfs: float
    peak_dbfs: float


def measured(path: Path) -> Sound:
    """Read a WAV file of 16 bit samples back. Raises NotTold where it is none."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise NotTold(f"voice: {path.name}: has {8 * file.getsampwidth()} bit samples, need 16.")
            # a program that writes to a pipe leaves a length in the head that is none: what is there counts
            data = np.frombuffer(file.readframes(min(file.getnframes(), 2**28)), "<i2").astype(float) / 32768
            seconds = len(data) / file.getnchannels() / file.getframerate()
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise NotTold(f"voice: {path.name}: is no WAV file ({error}).") from error
    if not len(data):
        return Sound(path, 0.0, -math.inf, -math.inf)
    levels = float(np.sqrt(np.mean(data**2))), float(np.abs(data).max())
    rms, peak = (20 * math.log10(level) if level > 0 else -math.inf for level in levels)
    return Sound(path, seconds, rms, peak)


class Synthesiser:
    """Makes sound of text, once per text.

    Args:
        folder: where files are kept.
        command: the program with its arguments; ``{file}`` is where it writes, ``{voice}`` the voice, ``{language}``
            the language. It reads the text from its input.
        voices: the name of the voice by language.
    """

    def __init__(self, folder: Path, command: Sequence[str] = ENGINE, voices: dict[str, str] | None = None) -> None:
        self._folder, self._command, self._voices = folder, tuple(command), {**VOICES, **(voices or {})}
        folder.mkdir(parents=True, exist_ok=True)

    def speak(self, text: str, language: str) -> Sound:
        """The sound of a text.

        Raises:
            NotTold: the program is missing, failed or hung, or what it wrote is no speech.
        """
        said = plain(text)
        name = hashlib.sha256(repr((self._command, self._voices, language, said)).encode()).hexdigest()[:20]
        path = self._folder / f"{name}.wav"
        if not path.exists():
            part = path.with_name(f".{name}.part.wav")
            self._run(part, said, language)
            _must_speak(measured(part))
            os.replace(part, path)
        return measured(path)

    def _run(self, path: Path, text: str, language: str) -> None:
        values = {"file": str(path), "voice": self._voices.get(language, language), "language": language}
        words = _with(self._command, values)
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise NotTold(
                f"voice: {words[0]}: {error.strerror or error}. Install it, or name another command."
            ) from error
        with process:
            try:
                _, said = process.communicate(text.encode(), timeout=SYNTHESIS_S)
            except subprocess.TimeoutExpired as error:
                _end(process)
                process.communicate()
                raise NotTold(f"voice: {words[0]}: took longer than {SYNTHESIS_S:.0f} s and was ended.") from error
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise NotTold(f"voice: {words[0]}: ended with status {process.returncode}. {' '.join(last)[:200]}".strip())


def _with(command: Sequence[str], values: dict[str, str]) -> list[str]:
    words = []
    for word in command:
        for name, value in values.items():
            word = word.replace(f"{{{name}}}", value)
        words.append(word)
    return words


def _must_speak(sound: Sound) -> None:
    if not LEAST_S <= sound.seconds <= MOST_S:
        raise NotTold(f"voice: the message takes {sound.seconds:.1f} s, need {LEAST_S:g} to {MOST_S:g} s.")
    if sound.rms_dbfs < LEAST_DBFS:
        raise NotTold(f"voice: the message is silent ({sound.rms_dbfs:.0f} dBFS, need {LEAST_DBFS:g}).")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class Player:
    """Plays files, one at a time; what plays can be stopped at once from another thread.

    Args:
        command: the program with its arguments; ``{file}`` is what it plays.
    """

    def __init__(self, command: Sequence[str] = PLAYER) -> None:
        self._command, self._lock = tuple(command), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stops = 0

    def play(self, sound: Sound) -> bool:
        """Play one file to its end; False where it was stopped.

        Raises:
            NotTold: the program is missing, failed, or hung.
        """
        words = _with(self._command, {"file": str(sound.path)})
        with self._lock:
            stops = self._stops
            try:
                self._process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise NotTold(f"voice: {words[0]}: {error.strerror or error}. Name another player.") from error
            process = self._process
        try:
            status = process.wait(timeout=sound.seconds + SYNTHESIS_S)
        except subprocess.TimeoutExpired as error:
            _end(process)
            process.wait()
            raise NotTold(f"voice: {words[0]}: did not end and was ended.") from error
        if self._stops != stops:
            return False
        if status:
            raise NotTold(f"voice: {words[0]}: ended with status {status}.")
        return True

    def stop(self) -> None:
        """End what plays now."""
        with self._lock:
            self._stops += 1
            if self._process is not None and self._process.poll() is None:
                _end(self._process)
