"""Spoken messages: proposed, confirmed by a person, repeated, silenced at once; read back by length and level."""

import math
import shutil
import sys
import threading
import time
import wave
from dataclasses import replace

import numpy as np
import pytest
from corridor import corridor
from notices import LIVE, T0, S, alert, outcome
from pocketsphinx import Decoder
from scipy.signal import resample_poly
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.analytics.advice import Adviser
from crowdwatch.analytics.voice import announcements, plays, reminders
from crowdwatch.assets.examples import example
from crowdwatch.commands.cli import app
from crowdwatch.core.notices import Quiet
from crowdwatch.core.outcomes import Level
from crowdwatch.core.playbook import Measure, Playbook
from crowdwatch.core.runs import Command, CommandKind, Mode
from crowdwatch.core.voice import Play, Reminder, SpeechState, VoiceRules
from crowdwatch.drivers.speaking import LATE_S, Options, Speaker, Speech, speak
from crowdwatch.errors import ConfigError, NotTold
from crowdwatch.notify.speech import ENGINE, LEAST_DBFS, Player, Synthesiser, measured
from crowdwatch.store.sql import SqlStore

RULES = VoiceRules(("zh", "en"), {"zh": "指挥中心。", "en": "Event control."}, repeat=2, gap_s=30.0)
MEASURE = Measure(
    0, frozenset(), frozenset(), frozenset({"crowding"}), frozenset({Level.ALERT, Level.CRITICAL}),
    {"en": "Hold.", "zh": "拦截。"}, message={"en": "{zone} is full.", "zh": "{zone}已满。"},
)  # fmt: skip
NIGHT = [
    alert(0, "raised", Level.CAUTION, zone_id="middle"),
    alert(10, "level_up", Level.ALERT, zone_id="middle"),
    alert(300, "level_up", Level.CRITICAL, zone_id="middle"),
    alert(400, "cleared", Level.NORMAL, zone_id="middle"),
]
FIRST = NIGHT[1].event_id


def did(kind, second, subject="", zone_id=""):
    return Command(
        "r", kind, "ana", 0, zone_id, subject=subject, command_id=round(second), sequenced_t_ns=T0 + round(second * S)
    )


CONFIRM, SILENCE = CommandKind.CONFIRM, CommandKind.SILENCE


def proposed(commands=(), second=1000, rules=RULES, measure=MEASURE):
    adviser = Adviser(corridor(), Playbook((measure,)))
    found = announcements(NIGHT, commands, adviser, rules, T0 + round(second * S), lambda t_ns, language: "21:04")
    return {each.announcement_id: each for each in found}


def said(commands=(), second=1000, rules=RULES, measure=MEASURE):
    found = proposed(commands, second, rules, measure).values()
    return [(play.t_ns - T0) / S for play in plays(list(found), rules, T0 - S, T0 + round(second * S))]


def test_a_message_holds_source_place_what_to_do_and_time_in_every_language():
    assert proposed()[FIRST].texts == {
        "zh": "指挥中心。middle区已满。21:04",
        "en": "Event control. Middle is full. 21:04",
    }


def test_nothing_is_said_before_a_person_confirms_it():
    assert said() == []
    assert proposed(second=100)[FIRST].state is SpeechState.PROPOSED
    assert said([did(CONFIRM, 20, FIRST)]) == [20, 50]
    assert proposed([did(CONFIRM, 20, FIRST)], second=100)[FIRST].by == "ana"


def test_confirming_after_the_alert_moved_on_or_twice_says_nothing_more():
    assert said([did(CONFIRM, 300, FIRST)]) == []
    assert said([did(CONFIRM, 20, FIRST), did(CONFIRM, 25, FIRST)]) == [20, 50]
    assert proposed([did(CONFIRM, 500, FIRST)])[FIRST].state is SpeechState.OVER
    assert said([did(CONFIRM, 20, "nothing")]) == []


def test_a_zone_or_a_measure_that_is_approved_needs_nobody():
    assert said(rules=replace(RULES, approved_zones=frozenset({"middle"}))) == [10, 40, 300, 330]
    assert said(measure=replace(MEASURE, approved=True)) == [10, 40, 300, 330]
    assert said(rules=replace(RULES, approved_zones=frozenset({"east"}))) == []


def test_it_is_said_again_while_its_alert_stands_and_no_longer():
    rules = replace(RULES, again_s=100.0)
    assert said([did(CONFIRM, 20, FIRST)], rules=rules) == [20, 50, 120, 150, 220, 250]


def test_silence_ends_it_until_it_is_confirmed_anew():
    confirmed = did(CONFIRM, 20, FIRST)
    assert said([confirmed, did(SILENCE, 30)]) == [20]
    assert said([confirmed, did(SILENCE, 30, zone_id="east")]) == [20, 50]
    assert said([confirmed, did(SILENCE, 30, zone_id="middle"), did(CONFIRM, 60, FIRST)]) == [60, 90]
    approved = replace(MEASURE, approved=True)
    assert said([did(SILENCE, 20)], measure=approved) == [10, 300, 330]


# ---------------------------------------------------------------------------------------------------------- reminders

ROCKS = Reminder("rocks", frozenset({"quay"}), "presence", {"en": "The rocks are slippery.", "zh": "礁石湿滑。"}, 60.0)


def seen(*seconds):
    """Somebody comes at the first of each pair and is gone at the second."""
    return [
        alert(second, *(("raised", Level.ALERT), ("cleared", Level.NORMAL))[n % 2], zone_id="quay", alarm="presence")
        for n, second in enumerate(seconds)
    ]


def reminded(alerts, second, commands=(), minute=0, **more):
    found, quiet = reminders(alerts, commands, replace(ROCKS, **more), T0 + round(second * S), lambda t_ns: minute)
    return [(play.t_ns - T0) / S for play in found], quiet


def test_a_reminder_is_spaced_also_over_people_who_come_and_go():
    assert reminded(seen(0, 10), 5) == ([0], 0)
    assert reminded(seen(0, 130, 140, 200, 500), 510) == ([0, 60, 120, 180, 500], 0)
    assert reminded(seen(0, 10, 20, 30, 40, 50), 300) == ([0], 0), "three visits within a minute"


def test_quiet_hours_and_a_bound_are_counted():
    night = (Quiet(1320, 360, Level.CRITICAL),)
    assert reminded(seen(0), 150, quiet=night, minute=1350) == ([], 3)
    assert reminded(seen(0), 150, quiet=night, minute=720) == ([0, 60, 120], 0)
    assert reminded(seen(0), 1000, most=2) == ([0, 60], 0)


def test_silence_ends_a_reminder_until_somebody_comes_anew():
    assert reminded(seen(0, 200, 250), 400, [did(SILENCE, 70)]) == ([0, 60, 250, 310, 370], 0)
    assert reminded(seen(0), 130, [did(SILENCE, 70, zone_id="east")]) == ([0, 60, 120], 0)


# --------------------------------------------------------------------------------------------------------------- sound

ZH = "各位游客，外滩三号人流正在增多，请放慢脚步，不要停留拍照。"
EN = "Event control: the square is full. Please do not go there. Use the quay."


@pytest.fixture
def espeak():
    if shutil.which("espeak-ng") is None:
        pytest.fail("espeak-ng is not installed. Run: apt-get install espeak-ng")


@pytest.mark.parametrize(("language", "text", "least_s", "most_s"), [("zh", ZH, 4, 15), ("en", EN, 3, 12)])
def test_spoken_messages_have_length_and_level(espeak, tmp_path, language, text, least_s, most_s):
    """27 Chinese syllables at 3 to 5 a second, 15 English words at 2 to 3 a second."""
    sound = Synthesiser(tmp_path).speak(text, language)
    assert least_s <= sound.seconds <= most_s
    assert LEAST_DBFS < sound.rms_dbfs < sound.peak_dbfs <= 0
    assert Synthesiser(tmp_path).speak(text + text, language).seconds > 1.5 * sound.seconds


SENTENCES = (
    "the square is full please use the north gate", "the square is full please use the south gate",
    "the square is open please use the north gate", "stop do not push please wait", "please walk on do not wait",
    "the station is closed please go back",
)  # fmt: skip
"""Said by control rooms; some differ by one word that matters."""


def test_a_recogniser_hears_which_english_message_was_said(espeak, tmp_path):
    """Of a list, as a steward who knows the messages would. The recogniser comes with English alone."""
    hears = Decoder(
        samprate=16000.0, lm=None, loglevel="FATAL", beam=1e-200, wbeam=1e-160, pbeam=1e-200, bestpath=False
    )
    hears.add_jsgf_string("said", f"#JSGF V1.0; grammar said; public <one> = {' | '.join(SENTENCES)};")
    hears.activate_search("said")
    for sentence in SENTENCES:
        with wave.open(str(Synthesiser(tmp_path).speak(sentence, "en").path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(float)
            slower = resample_poly(samples, 16000, file.getframerate())
        hears.start_utt()
        hears.process_raw(np.clip(slower, -32768, 32767).astype(np.int16).tobytes(), full_utt=True)
        hears.end_utt()
        heard = hears.hyp()
        assert heard is not None, sentence
        assert heard.hypstr == sentence


def test_text_is_never_an_option_and_control_characters_are_not_spoken(espeak, tmp_path):
    sound = Synthesiser(tmp_path / "s").speak("-w /tmp/x\x1b[2J\n--stdout; rm -rf", "en")
    assert sound.seconds > 1
    assert [path.name for path in (tmp_path / "s").iterdir()] == [sound.path.name]


def tone(path, seconds, level=0.1):
    wave_of = level * np.sin(2 * math.pi * 440 * np.arange(round(16000 * seconds)) / 16000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((wave_of * 32767).astype("<i2").tobytes())


def test_a_sound_is_measured_by_hand_calculation(tmp_path):
    tone(tmp_path / "a.wav", 2.0, 0.5)
    sound = measured(tmp_path / "a.wav")
    assert sound.seconds == 2.0
    assert sound.rms_dbfs == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert sound.peak_dbfs == pytest.approx(20 * math.log10(0.5), abs=0.01)


def program(tmp_path, code):
    """Another engine: a Python program."""
    path = tmp_path / "engine.py"
    path.write_text(code, encoding="utf-8")
    return (sys.executable, str(path), "{file}", "{language}")


WRITES = """
import math, struct, sys, wave
text = sys.stdin.read()
with wave.open(sys.argv[1], "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
    n = {samples}
    file.writeframes(b"".join(struct.pack("<h", int({level} * math.sin(k / 3))) for k in range(n)))
"""


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (WRITES.format(samples=8000, level=0), "is silent"),
        (WRITES.format(samples=100, level=9000), "takes 0.0 s"),
        ("import sys; sys.exit('no voice')", "ended with status 1. no voice"),
        ("open(__import__('sys').argv[1], 'w').write('MP3')", "is no WAV file"),
        ("import time; time.sleep(60)", "longer than"),
    ],
)
def test_an_engine_that_says_nothing_is_noticed(tmp_path, monkeypatch, code, why):
    monkeypatch.setattr("crowdwatch.notify.speech.SYNTHESIS_S", 20.0 if "sleep" not in code else 0.5)
    with pytest.raises(NotTold, match=why):
        Synthesiser(tmp_path / "s", program(tmp_path, code)).speak("Stop.", "en")
    with pytest.raises(NotTold, match="Install it"):
        Synthesiser(tmp_path / "s", ("no-such-program", "{file}")).speak("Stop.", "en")


# -------------------------------------------------------------------------------------------------------- the speaker


def player(tmp_path, seconds):
    """A player that writes down what it began, and takes its time."""
    log = tmp_path / "played"
    code = f"import sys, time; open({str(log)!r}, 'a').write(sys.argv[1] + chr(10)); time.sleep({seconds})"
    path = tmp_path / "player.py"
    path.write_text(code, encoding="utf-8")
    return Player((sys.executable, str(path), "{file}")), log


def spoken(tmp_path, seconds, results):
    engine = program(tmp_path, WRITES.format(samples=8000, level=9000))
    one, log = player(tmp_path, seconds)
    return Speaker(Synthesiser(tmp_path / "s", engine), one, ("zh", "en"), lambda p, why: results.append((p, why))), log


def play(name, level=Level.ALERT, second=0):
    return Play(name, T0 + second * S, "middle", level, {"zh": f"{name}。", "en": f"{name}."})


def wait_for(what):
    for _ in range(4000):
        if what():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come")


def test_messages_are_said_one_after_the_other_the_worst_first_and_the_old_not_at_all(tmp_path):
    results = []
    speaker, log = spoken(tmp_path, 0, results)
    speaker.reached(T0)
    speaker.add(play("first"))
    wait_for(lambda: log.exists() or results)
    speaker.reached(T0 + round((LATE_S + 5) * S))
    speaker.add(play("old"))
    speaker.add(play("calm", Level.WATCH, 20))
    speaker.close()
    assert {(p.play_id, why) for p, why in results} == {("first", ""), ("old", "too late"), ("calm", "")}
    assert len(log.read_text().splitlines()) == 4, "two messages in two languages"


def test_silence_stops_the_message_that_plays_and_forgets_what_waits(tmp_path):
    results = []
    speaker, log = spoken(tmp_path, 60, results)
    speaker.reached(T0)
    speaker.add(play("long"))
    speaker.add(play("next"))
    wait_for(log.exists)
    speaker.silence()
    speaker.close()
    assert {(p.play_id, why) for p, why in results} == {("long", "silenced"), ("next", "silenced")}
    assert len(log.read_text().splitlines()) == 1


EVENT = """
playbook:
  alarms: [crowding]
  levels: [alert]
  measures:
    - levels: [alert]
      do: {en: "Hold.", zh: "拦截。"}
      message: {en: "{zone} is full.", zh: "{zone}已满。"}
voice:
  engine: [ENGINE]
  approved_zones: [stage]
"""


def test_the_process_says_what_becomes_due_and_nothing_of_before(tmp_path, monkeypatch):
    engine = program(tmp_path, WRITES.format(samples=8000, level=9000))
    words = ", ".join(f"'{word}'" for word in engine)
    path = tmp_path / "event.yaml"
    path.write_text(example("synthetic").read_text(encoding="utf-8") + EVENT.replace("ENGINE", words), encoding="utf-8")
    event, url = config.load(path), f"sqlite:///{tmp_path}/s.sqlite"
    store = SqlStore(url)
    run = replace(LIVE, event_id=event.id, t_ns=T0 + 10 * S, config_json=event.model_dump_json())
    store.begin(run)
    store.write(run.run_id, [outcome(alert(0, zone_id="stage"))])
    results, stop, heard = [], threading.Event(), threading.Event()

    looked, due = threading.Event(), Speech.due

    def looking(speech, *given):
        found = due(speech, *given)
        looked.set()
        return found

    monkeypatch.setattr(Speech, "due", looking)

    def say(one, why):
        results.append((one, why))
        heard.set()

    service = threading.Thread(target=speak, args=(event, Options(url, tmp_path / "s", stop=stop, say=say)))
    service.start()
    try:
        assert looked.wait(20)
        later = alert(40, "raised", zone_id="stage", alarm="crowding")
        store.write(run.run_id, [outcome(alert(30, "cleared", Level.NORMAL, zone_id="stage")), outcome(later)])
        store.beat(run.run_id, state=run.state, t_ns=T0 + 45 * S, wall_ns=1, speed=1.0)
        assert heard.wait(20)
    finally:
        stop.set()
        service.join()
    ((one, why),) = results
    assert (one.t_ns, why) == (T0 + 40 * S, "")
    assert one.texts["en"].startswith("This is event control. In front of the stage is full. The time is ")
    listed = CliRunner().invoke(app, ["voice", "list", "--run", run.run_id, "--store", url])
    assert f"{later.event_id}: " in listed.output
    gone = CliRunner().invoke(app, ["voice", "confirm", alert(0, zone_id="stage").event_id, "--store", url])
    assert "its alert has moved on" in str(gone.exception)
    store.begin(replace(run, run_id="again", mode=Mode.REPLAY))
    with pytest.raises(ConfigError, match="nothing is said aloud"):
        speak(event, Options(url, tmp_path / "s", aloud=True, run_id="again"))
    store.close()


def test_an_event_file_names_only_zones_that_are_there_and_approves_in_writing(tmp_path):
    base = example("synthetic").read_text(encoding="utf-8")
    path = tmp_path / "event.yaml"
    text = {"en": "Slippery.", "zh": "湿滑。"}
    reminder = f"{{id: r, zones: [nowhere], text: {{en: '{text['en']}', zh: '{text['zh']}'}}}}"
    path.write_text(f"{base}\nvoice:\n  approved_zones: [no]\n  reminders: [{reminder}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"(?s)'no', there is none|approved: is missing"):
        config.load(path)
    assert ENGINE[-1] == "--stdin"
