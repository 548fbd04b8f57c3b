"""Every command that evaluates or measures answers programs, and says in one message what it lacks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from photographs import write_both

from crowdwatch.assets.examples import example
from pipelines.benchmarks import benchmark, benchmark_scheduler, benchmark_tiles
from pipelines.evaluation import evaluate, margins, split

APPS = (evaluate.app, margins.app, benchmark.app, benchmark_scheduler.app, benchmark_tiles.app)
Run = Callable[..., str]


def _commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for app in APPS:
        command = typer.main.get_command(app)
        yield from getattr(command, "commands", {app.info.help: command}).items()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line as a shell does; it must fail, and what it says last is returned."""

    def call(main: Callable[[], None], *words: object) -> str:
        monkeypatch.setattr("sys.argv", ["pipelines", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return err[err.index("error: ") :]

    return call


def test_every_command_answers_programs() -> None:
    commands = dict(_commands())
    assert {"pets2009", "shanghaitech", "schedule"} < set(commands)
    without = [name for name, command in commands.items() if not any("--json" in p.opts for p in command.params)]
    assert without == []


_TAKES_A_FOLDER = sorted(
    name
    for name, command in typer.main.get_command(evaluate.app).commands.items()
    if any(one.param_type_name == "argument" for one in command.params)
)


@pytest.mark.parametrize("command", _TAKES_A_FOLDER)
def test_an_evaluation_without_its_folder(failing: Run, tmp_path: Path, command: str) -> None:
    said = failing(evaluate.main, command, tmp_path / "gone")
    assert str(tmp_path / "gone") in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "option"), [("pets2009", "--detector"), ("shanghaitech", "--model"), ("schedule", "--counter")]
)
def test_an_evaluation_without_its_model(
    failing: Run, data_dir: Path, tmp_path: Path, command: str, option: str
) -> None:
    folder, more = data_dir / "pets2009", list[str]()
    if command == "shanghaitech":
        folder, more = tmp_path / "data", ["--split", "train"]
        folder.mkdir()
        write_both(folder)
    said = failing(evaluate.main, command, folder, option, "no-such-net", *more)
    assert said.startswith("error: weights 'no-such-net'")
    assert "CROWDWATCH_MODELS" in said


@pytest.mark.parametrize("words", [(), ("--batch",)])
def test_a_benchmark_without_its_event_file(failing: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    said = failing(benchmark.main, *words, "--event", tmp_path / "gone.yaml")
    assert said.startswith(f"error: {tmp_path / 'gone.yaml'}: no such event file")
    assert len(said.splitlines()) == 1


def test_a_benchmark_without_its_model(failing: Run, tmp_path: Path) -> None:
    text = example("pets2009").read_text(encoding="utf-8")
    event = tmp_path / "event.yaml"
    event.write_text(f"{text}\ndetector: {{model: no-such-net}}\n", encoding="utf-8")
    assert "weights 'no-such-net'" in failing(benchmark.main, "--no-memory", "--frames", 10, "--event", event)


def test_a_benchmark_whose_child_lacks_its_model(failing: Run) -> None:
    words = ("--batch", "--part", "every-frame", "--seconds", 20, "--repeats", 1, "--torch-model", "no-such-net")
    assert failing(benchmark.main, *words).startswith("error: weights 'no-such-net' (pt): not found")


def test_a_split_without_its_folder(failing: Run, tmp_path: Path) -> None:
    assert "Give the folder that holds part_A and part_B" in failing(split.main, tmp_path / "gone")
