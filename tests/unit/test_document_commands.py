"""Every command of the documents runs as it stands, in a fresh folder that has what a clone has."""

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from crowdwatch.commands.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

APART = (
    (r"sudo |make |useradd |python3 -m venv|install |cp deploy|systemctl ", "installs on a system"),
    (r"python -m pipelines\.", "recordings, or minutes of work: tests/unit/test_pipeline_commands.py tries them"),
    (r"crowdwatch (init|frame) VIDEO", "a video of the reader's own: tests/unit/test_first_event.py"),
    (r"crowdwatch (ui$|live |watchdog )|crowdwatch (notify|voice) run ", "serves until it is stopped"),
    (r"crowdwatch check .*--live", "live cameras: tests/unit/test_live_check.py"),
    (r"crowdwatch batch ", "a cluster of processes: tests/parity/test_batch.py"),
    (r"crowdwatch accounts add ", "a password, at a terminal or in a file: tests/unit/test_people.py"),
    (r"crowdwatch night ", "minutes of work: tests/unit/test_night.py"),
    (r"crowdwatch replay .*--resume", "a run that was stopped: tests/unit/test_start_of_a_run.py"),
    (r"crowdwatch (alerts ack|gate|dispatch|voice|notify) ", "an engine that runs: tests/unit/test_alerts_commands.py"),
)
"""What is not run here: how the command begins, and why. Its words are held against the command line all the same."""


def commands(document: Path) -> list[str]:
    """The command lines of the sh blocks of a document, without remarks; a line that goes on is one."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"\s+#.*", "", each).strip() for each in lines) if line]


def reason(command: str) -> str:
    return next((why for begins, why in APART if re.match(begins, command)), "")


@cache
def whole() -> click.Command:
    return typer.main.get_command(app)


def parsed(words: list[str]) -> None:
    """Hold words against the command line without running anything; click says what does not fit."""
    command: click.Command = whole()
    context = command.make_context("crowdwatch", words)
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for name in ("examples", "docs", "models", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROWDWATCH_STORE", raising=False)
    return tmp_path


def test_every_command_of_the_documents_runs(clone):
    said, ran, values = [], 0, {}
    for document in DOCUMENTS:
        for line in commands(document):
            why = reason(line)
            kept = re.fullmatch(r"(\w+)=\$\((.*)\)", line)
            command = re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[1]), kept[2] if kept else line)
            if not command.startswith("crowdwatch "):
                assert why, f"{document.name}: {line}: run it, or say in APART why not"
                continue
            words = shlex.split(command)[1:]
            try:
                parsed(words)
            except click.ClickException as error:
                said.append(f"{document.name}: {line}: {error.format_message()}")
                continue
            if why:
                continue
            done = CliRunner().invoke(app, words)
            ran += 1
            if done.exit_code != 0:
                said.append(f"{document.name}: {line}: {done.exception or done.output[-300:]}")
            elif kept:
                values[kept[1]] = done.stdout.strip()
    assert not said, "\n".join(said)
    assert ran >= 14


def test_every_command_within_a_sentence_is_one():
    said = []
    for document in [*DOCUMENTS, ROOT / "ARCHITECTURE.md"]:
        for command in re.findall(r"`crowdwatch ([^`]+)`", document.read_text("utf-8")):
            words = shlex.split(command.replace("\n", " "))
            if words[-1] in ("...", "…") or words[-1].endswith("."):
                continue
            try:
                parsed([word for word in words if word not in ("...", "…")])
            except click.MissingParameter:
                continue  # named by its words alone
            except click.ClickException as error:
                said.append(f"{document.name}: {command}: {error.format_message()}")
    assert not said, "\n".join(said)


def test_what_is_left_out_is_there():
    left = [line for document in DOCUMENTS for line in commands(document) if reason(line)]
    unused = [begins for begins, _ in APART if not any(re.match(begins, line) for line in left)]
    assert not unused, "no document has these any more: take them out of APART"
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {line.split()[1] for line in left if line.startswith("make ")} <= targets
    assert not [why for _, why in APART for path in re.findall(r"tests/\S+\.py", why) if not (ROOT / path).exists()]
