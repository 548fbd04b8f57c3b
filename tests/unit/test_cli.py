"""Bad input through the real command line: one clear error with a remedy, no traceback, nothing written is lost.

Perfect models: runs of ``SYNTHETIC``, and of the same with small pictures, are seen by ``TruthDetector`` and
``TruthCounter``. Runs of ``PETS`` are seen by the shipped models.
"""

import json
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn import drawn_square

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands import cli, terminal
from crowdwatch.drivers.replay import Options, replay_recording

ROOT = Path(__file__).resolve().parents[2]
SYNTHETIC = example("synthetic")
PETS = example("pets2009")
SPAN = ["--to", "0:00:40"]  # far enough for the first alarms, so that equal digests say something
COMMANDS = [[], ["doctor"], ["check"], ["calibrate"], ["replay"], ["ui"], ["demo"], ["samples"], ["samples", "fetch"]]
COMMANDS += [["audit"], ["audit", "add"], ["audit", "report"]]
COMMANDS += [
    ["backtest"],
    ["night"],
    ["runs"],
    ["batch"],
    ["live"],
    ["init"],
    ["frame"],
    ["docs"],
    ["schema"],
    ["patrol"],
    ["report"],
    ["report", "overlap"],
]
COMMANDS += [["watchdog"], ["pictures"], ["cameras"], ["cameras", "discover"]]
COMMANDS += [["gate"], ["gate", "count"], ["gate", "import"]]
COMMANDS += [["notify"], *(["notify", each] for each in ("run", "test", "status"))]
COMMANDS += [["voice"], *(["voice", each] for each in ("run", "list", "confirm", "silence", "try"))]
COMMANDS += [
    ["dispatch"],
    *(["dispatch", e] for e in ("assign", "accept", "arrive", "release", "report", "units", "rate")),
]
OF_ALERTS = ("list", "ack", "shelve", "unshelve", "out-of-service", "report", "close", "level", "note", "phase", "load")
COMMANDS += [["alerts"], *(["alerts", each] for each in OF_ALERTS)]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command line in this process -> (exit code, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["crowdwatch", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return call


@pytest.fixture
def refused(run):
    """Run a command line that must fail with exactly one error, which matches a pattern."""

    def call(pattern, *words, code=1):
        got, _, err = run(*words)
        assert got == code, err
        assert err.count("error:") == 1, err
        assert re.search(pattern, err), err

    return call


def variant(tmp_path, text, *pairs):
    """An event file with a few words changed."""
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "event.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def filmed(tmp_path, content):
    """The real event with other footage."""
    (tmp_path / "film.avi").write_bytes(content)
    return variant(tmp_path, PETS.read_text(encoding="utf-8"), ("sample: pets2009", "file: film.avi"))


def digest(out):
    return re.search(r"alerts digest: (\w+)", out)[1]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage" in out


def test_the_commands_of_the_readme_exist(run):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    called = [shlex.split(line)[1:] for line in lines if line.startswith("crowdwatch ")]
    assert called
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in lines:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", targets, re.MULTILINE), line
        if line.startswith("python -m pipelines."):
            assert (ROOT / "pipelines" / f"{line.split()[2].split('.')[1]}.py").is_file(), line
    for words in called:
        group = [each for each in COMMANDS if len(each) == 2 and each[0] == words[0]]
        if words[0] == "alerts" and words[:2] not in group:  # `alerts RUN` lists them
            words = ["alerts", "list", *words[1:]]
        code, out, _ = run(*words[: 2 if group else 1], "--help")
        assert code == 0, words
        for option in (word for word in words if word.startswith("--")):
            assert option in re.findall(r"--[a-z-]+", out), (words, option)


@pytest.mark.parametrize(
    ("content", "pattern"),
    [(b"", r"0 bytes.*Copy it again"), (b"words, not pictures\n" * 50, r"cannot be read as a video.*Name a video")],
    ids=["empty", "text"],
)
def test_footage_that_is_none(refused, tmp_path, content, pattern):
    refused(pattern, "replay", filmed(tmp_path, content), "--runs", tmp_path / "runs")


def test_missing_footage(refused, tmp_path):
    event = filmed(tmp_path, b"x")
    (tmp_path / "film.avi").unlink()
    refused(r"event.yaml:\d+: .*no such file.*correct the path", "replay", event, "--runs", tmp_path / "runs")


def test_truncated_footage_is_unknown_and_blind_to_its_declared_end(run, tmp_path, data_dir, models_dir):
    whole = (data_dir / "pets2009" / "vtest.avi").read_bytes()
    code, out, err = run("replay", filmed(tmp_path, whole[:400_000]), "--runs", tmp_path / "runs")
    assert code == terminal.EXIT_FAULTS
    assert re.search(r"error: .*ends after frame \d+ of 795 declared.*Copy the recording again", err)
    assert "3 blindness raised" in out
    shares = [int(share) for share in re.findall(r"(\d+) % +[│|] +\d+ % +[│|]", out)]  # unknown, then degraded
    assert len(shares) == 3
    assert all(85 <= share <= 96 for share in shares)  # 5.5 s seen, then 5 s until silence counts, of 114 s


def test_twenty_faults_are_listed_at_once(refused, run, tmp_path):
    event = tmp_path / "event.yaml"
    event.write_text("version: 1\n" + "".join(f"wrong_{n}: 1\n" for n in range(20)))
    refused(r"wrong_19", "check", event)
    listed = re.findall(r"event.yaml:\d+: wrong_\d+", run("check", event)[2])
    assert len(listed) == 20


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ("[[-4, 1], [4, 1], [4, 7], [-4, 7]]", "[[-4, 1], [4, 7], [4, 1], [-4, 7]]", r":18: .*crosses itself"),
        ("translation_m: [0.0, 2.683281573, 19.230184606]", "translation_m: [0.0, -8.0, 6.0]", r":\d+: cameras"),
        ("synthetic: plaza", "synthetic: piazza", r"'piazza': unknown, need one of plaza"),
        ("synthetic: plaza", "sample: petz2009", r"'petz2009'"),
    ],
    ids=["crossing", "underground", "scene", "sample"],
)  # fmt: skip
def test_event_files_that_cannot_be(refused, tmp_path, old, new, pattern):
    event = variant(tmp_path, SYNTHETIC.read_text(encoding="utf-8"), (old, new))
    refused(pattern, "replay", event, "--runs", tmp_path / "runs")


def test_a_camera_that_looks_at_the_sky(refused, tmp_path):
    text = SYNTHETIC.read_text(encoding="utf-8")
    up = "        rotation: [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]]\n        translation_m: [0.0, 8.0, -6.0]\n"
    event = tmp_path / "event.yaml"
    event.write_text(text[: text.index("        rotation:")] + up, encoding="utf-8")
    refused(r"looks at the sky \(check the sign", "check", event)


def test_control_points_on_a_line(refused, tmp_path):
    points = "".join(f"  - {{pixel_px: [{n}00, {n}00], ground_m: [{n}, {n}]}}\n" for n in range(1, 5))
    (tmp_path / "points.yaml").write_text("image_size_px: [768, 576]\npoints:\n" + points)
    refused(r"lie on a line.*Add points to either side", "calibrate", tmp_path / "points.yaml")


@pytest.mark.parametrize("save", ["no/such/folder/grid.png", ".", "grid.banana"])
def test_a_grid_picture_that_cannot_be_saved(refused, tmp_path, save):
    import cv2
    import numpy as np

    corners = [(100, 500, 0, 0), (650, 500, 10, 0), (500, 200, 10, 20), (250, 200, 0, 20)]
    lines = "".join(f"  - {{pixel_px: [{u}, {v}], ground_m: [{x}, {y}]}}\n" for u, v, x, y in corners)
    (tmp_path / "points.yaml").write_text("image_size_px: [768, 576]\npoints:\n" + lines)
    cv2.imwrite(str(tmp_path / "frame.png"), np.full((576, 768, 3), 90, np.uint8))
    words = ["calibrate", tmp_path / "points.yaml", "--picture", tmp_path / "frame.png", "--save", tmp_path / save]
    refused(r"cannot be written .*Choose another path", *words)


def test_weights_of_another_sha256(refused, tmp_path, monkeypatch, data_dir):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yolo11n.pt").write_bytes(b"not the published file")
    monkeypatch.setenv("CROWDWATCH_MODELS", str(tmp_path / "models"))
    event = tmp_path / "event.yaml"
    event.write_text("detector: {model: yolo11n}\n" + Path(PETS).read_text(encoding="utf-8"), encoding="utf-8")
    refused(r"yolo11n.pt: sha256 is .*fetch it again", "replay", event, "--runs", tmp_path / "runs", "--to", "0:00:01")


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["--to", "nan"], r"--to 'nan': need a time"),
        (["--to", "1e400"], r"--to '1e400': need a time"),
        (["--from", "-5"], r"--from '-5': need a time"),
        (["--from", "0:90"], r"--from '0:90': need a time"),
        (["--to", "1:2:3:4"], r"need a time"),
        (["--to", "2026-01-01T12:00:05"], r"need a time"),
        (["--from", "0:00:05", "--to", "0:00:02"], r"holds no footage"),
        (["--from", "9:00:00"], r"holds no footage"),
        (["--resume"], r"no unfinished run.*without --resume"),
        (["--log", "runs", "--to", "0:00:05"], r"a log is folded whole"),
        (["--store", "mysql://u:hunter2@h/x"], r"'mysql'. Give sqlite"),
        (["--store", f"sqlite:///{SYNTHETIC}"], r"not a SQLite database: name another place"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)
def test_options_that_cannot_be(refused, run, tmp_path, words, pattern):
    refused(pattern, "replay", SYNTHETIC, "--runs", tmp_path / "runs", *words)
    assert "hunter2" not in "".join(map(str, run("replay", SYNTHETIC, "--runs", tmp_path / "runs", *words)))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["replay"], 1),
        (["replay", str(ROOT / "examples")], 1),
        (["replay", "nowhere.yaml"], 1),
        (["replay", "--log", str(ROOT)], 1),
        (["samples", "fetch", "petz2009"], 1),
        (["replay", str(SYNTHETIC), "--speed", "-1"], 2),
        (["replay", "--banana"], 2),
        (["banana"], 2),
    ],
    ids=lambda it: " ".join(map(str, it))[-30:] if isinstance(it, list) else "",
)
def test_exit_codes(run, tmp_path, monkeypatch, words, code):
    monkeypatch.chdir(tmp_path)
    got, _, err = run(*words)
    assert got == code
    assert len(re.findall("error", err, re.IGNORECASE)) == 1, err


def test_a_folder_that_cannot_be_made(refused, tmp_path):
    (tmp_path / "runs").write_text("a file")
    refused(r"cannot be made.*name another", "replay", SYNTHETIC, "--runs", tmp_path / "runs", "--to", "0:00:02")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return drawn_square(tmp_path_factory.mktemp("event"))


@pytest.fixture(scope="module")
def whole(drawn, tmp_path_factory):
    """The digest of an uninterrupted run."""
    runs, event = tmp_path_factory.mktemp("whole"), config.load(drawn)
    asked = Options(runs, f"sqlite:///{runs}/store.sqlite", to_ns=event.start_ns + 40 * 10**9, pictures=False)
    summary = replay_recording(event, asked)
    assert summary.totals.alerts
    return summary.digest[:16]


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def command(event, runs, *words):
    return [sys.executable, "-m", "crowdwatch", "replay", str(event), "--runs", str(runs), *SPAN, *words]


def finished(process):
    out, err = process.communicate(timeout=3000)
    assert "Traceback" not in out + err
    return process.returncode, out, err


def resumed(run, event, runs):
    code, out, err = run("replay", event, "--runs", runs, "--resume")
    assert code == 0, err
    return digest(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_resumes_to_the_same_alerts(run, refused, drawn, whole, tmp_path, number):
    process = subprocess.Popen(command(drawn, tmp_path, "--speed", "5"), **PIPES)
    deadline = time.monotonic() + 300
    while not list(tmp_path.rglob("*.jpg")):  # the first tick is through
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    refused(r"another process is writing it. Stop that one", "replay", drawn, "--runs", tmp_path, "--resume")
    process.send_signal(number)
    code, _, err = finished(process)
    assert code == terminal.EXIT_STOPPED
    assert f"Go on with: crowdwatch replay {drawn} --resume --runs {tmp_path}" in err
    refused(r"another span.*Leave out", "replay", drawn, "--runs", tmp_path, "--resume", "--to", "0:00:09")
    assert resumed(run, drawn, tmp_path) == whole


def test_a_disk_that_fills_in_the_middle_resumes_to_the_same_alerts(run, drawn, whole, tmp_path):
    def narrow():  # no file may pass 300 kB: the store gets there after some ticks
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    code, _, err = finished(subprocess.Popen(command(drawn, tmp_path), preexec_fn=narrow, **PIPES))
    assert code == 1
    assert err.count("error:") == 1
    assert re.search(r"resume the run|--resume", err), err
    assert list(tmp_path.rglob("*.jpg"))
    assert resumed(run, drawn, tmp_path) == whole


def test_nobody_reads_the_output(tmp_path):
    words = shlex.join([sys.executable, "-m", "crowdwatch", "check", str(SYNTHETIC), "--explain"])
    done = subprocess.run(["bash", "-c", f"{words} | head -1"], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.startswith("key")
    assert done.stderr == ""


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A folder with a finished run of ten seconds."""
    runs = tmp_path_factory.mktemp("counted")
    event = config.load(SYNTHETIC)
    store_url = f"sqlite:///{runs}/crowdwatch.sqlite"
    replay_recording(event, Options(runs, store_url, to_ns=event.start_ns + 10 * 10**9, pictures=False))
    return runs


def test_a_hand_count_is_entered_corrected_and_reported(run, refused, counted):
    where = ["--runs", counted]
    assert "NEVER AUDITED: mast" in run("audit", "report", *where)[1]
    code, out, err = run("audit", "add", "mast", "0:00:08.05", "9", "--actor", "ann", *where)
    assert code == 0, err
    found = re.search(
        r"entry 1: camera mast, picture of 2026-01-01T12:00:08Z: 9 by hand, ([\d.]+) by the program\.", out
    )
    assert found
    assert "1 picture(s) counted" in out
    refused(r"entry 1 has this picture's count.*--corrects 1", "audit", "add", "mast", "8", "10", *where)
    code, out, err = run("audit", "add", "mast", "2026-01-01T20:00:08+08:00", "12", "--corrects", "1", *where)
    assert code == 0, err
    assert f"12 by hand, {found[1]} by the program" in out
    csv_file = counted / "audits.csv"
    code, out, _ = run("audit", "report", "--json", "--csv", csv_file, *where)
    (camera,) = json.loads(out)["cameras"]
    assert (camera["audits"], camera["counted_persons"]) == (1, 12)
    assert camera["found_persons"] == pytest.approx(float(found[1]), rel=1e-5)  # six digits are printed
    assert camera["factor_low"] < camera["factor"] < camera["factor_high"]
    head, line = csv_file.read_text().splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=True))["factor"] == repr(camera["factor"])
    code, out, _ = run("audit", "report", "--event", "synthetic-plaza", *where)
    assert code == 0
    assert "NEVER" not in out
    assert "shrunk towards 1" in out


@pytest.mark.parametrize(
    ("words", "pattern", "code"),
    [
        (["add", "mast", "8", "-5"], r"got -5, need 0 to 100,000 people.*Count again", 1),
        (["add", "mast", "8", "100001"], r"got 100001, need 0", 1),
        (["add", "mast", "8", "many"], r"COUNT 'many': need a whole number of people, as 47", 1),
        (["add", "mast", "8", "3.5"], r"COUNT '3.5': need a whole number", 1),
        (["add", "mast", "8", "1e9"], r"COUNT '1e9': need a whole number", 1),
        (["add", "mast", "8", "1_0"], r"COUNT '1_0': need a whole number", 1),
        (["add", "mast", "8", ""], r"COUNT '': need a whole number", 1),
        (["add", "mast", "8", "1000000000"], r"got 1000000000, need 0 to 100,000", 1),
        (["add", "mast", "8", "5", "--actor", " "], r"--actor: got nothing, need a name", 1),
        (["add", "mast", "2199-01-01T00:00:00Z", "5"], r"nearest is that of 2026-01-01T12:00:09.8Z", 1),
        (["add", "mast", "2026-01-01T12:00:05", "5"], r"need a time as 2009-06-01T12:00:30Z", 1),
        (["add", "mast", "0:30", "5"], r"no picture was analysed.*nearest is that of 2026-01-01T12:00:09.8Z", 1),
        (["add", "mast", "2020-01-01T00:00:00Z", "5"], r"nearest is that of 2026-01-01T12:00:00Z", 1),
        (["add", "mast", "1e300", "5"], r"TIME '1e300': need a time", 1),
        (["add", "mast", "noon", "5"], r"TIME 'noon': need a time", 1),
        (["add", "mist", "8", "5"], r"camera 'mist': run .* has none of that id. It has mast", 1),
        (["add", "mast", "8", "5", "--run", "nope"], r"run 'nope'", 1),
        (["add", "mast", "8.2", "5", "--corrects", "77"], r"corrects entry 77.*has no count yet", 1),
        (["report", "--run", "nope"], r"run 'nope'", 1),
        (["report", "--event", "nope"], r"no run of it. It has runs of: synthetic-plaza", 1),
        (["report", "--event", "a", "--run", "b"], r"Leave one out", 1),
        (["report", "--csv", "no/such/folder/a.csv"], r"a.csv: No such file", 1),
        (["report", "--store", "sqlite:///nowhere.sqlite"], r"no runs yet", 1),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)
def test_audits_that_cannot_be(refused, run, counted, words, pattern, code):
    before = json.loads(run("audit", "report", "--json", "--runs", counted)[1])
    refused(pattern, "audit", *words, "--runs", counted, code=code)
    assert json.loads(run("audit", "report", "--json", "--runs", counted)[1]) == before


@pytest.mark.parametrize(
    ("pairs", "pattern"),
    [
        ([("  - id: mast", "  - id: mist")], r"camera 'mast' of the log is not in the event file, which has mist"),
        ([("focal_px: [520, 520]", "focal_px: [530, 520]")], r"camera 'mast' has another calibration"),
        (
            [("image_size_px", "max_position_error_m: 2\n    image_size_px")],
            r"max_position_error_m 2, the log.* with 1,",
        ),
        ([("[-12, -4], [12, -4], [12, 12]", "[-12, -4], [19, -4], [19, 12]")], r"reaches 7.0 m beyond that of the log"),
    ],
    ids=["another camera", "another calibration", "further", "more ground"],
)
def test_a_log_is_not_asked_what_it_does_not_hold(refused, run, counted, tmp_path, pairs, pattern):
    (log,) = (path for path in counted.glob("synthetic-plaza-*") if path.is_dir())
    event = variant(tmp_path, SYNTHETIC.read_text(encoding="utf-8"), *pairs)
    refused(f"--log: .*{pattern}", "replay", event, "--log", log, "--runs", tmp_path)
    same = variant(tmp_path, SYNTHETIC.read_text(encoding="utf-8"), ("rmse_m: 0.0", "rmse_m: 0.3"))
    assert run("replay", same, "--log", log, "--runs", tmp_path)[0] == 0


def test_a_mistyped_hand_count_is_loud(run, counted):
    code, out, err = run("audit", "add", "mast", "0:00:02", "90000", "--runs", counted)
    assert code == 0, err
    assert re.search(r"camera mast: factor \d+ is beyond 0.5 to 2\. A count was mistyped", out)
    number = re.match(r"entry (\d+):", out)[1]
    assert "beyond 0.5 to 2" in run("audit", "report", "--runs", counted)[1]
    assert run("audit", "add", "mast", "0:00:02", "9", "--corrects", number, "--runs", counted)[0] == 0
    assert "beyond" not in run("audit", "report", "--runs", counted)[1]
