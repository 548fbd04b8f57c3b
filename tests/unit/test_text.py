"""Names that people wrote stay what they wrote: on terminals of any encoding, in tables, HTML, Markdown and plots."""

import os
import subprocess
import sys

import pytest

from crowdwatch.assets.examples import example
from crowdwatch.commands import cli, terminal
from crowdwatch.core.text import plain, visible
from crowdwatch.ui.writing import figure, markdown, safe, table

HOSTILE = "[/] [bold red]A[/bold red] ![p](http://x.org/p.png) <img src=x> $x^2$ :bomb: **b**\x1b[2J\u202e\n# c"
READ = "[/] [bold red]A[/bold red] ![p](http://x.org/p.png) <img src=x> $x^2$ :bomb: **b** [2J # c"
"""The same, as it is read: on one line."""


def event(tmp_path, name):
    """The drawn square with another name for the event and a zone."""
    text = example("synthetic").read_text(encoding="utf-8")
    quoted = '"' + name.encode("unicode_escape").decode().replace("\\u202e", "\\u202e").replace('"', '\\"') + '"'
    lines = []
    for line in text.splitlines():
        head, _, rest = line.partition("name:")
        lines.append(f"{head}name: {{en: {quoted}}}" if rest and "{" in rest and not head.strip("- ") else line)
    path = tmp_path / "event.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_run_of_hostile_names_ends_in_its_summary(tmp_path, monkeypatch, capsys):
    path = event(tmp_path, HOSTILE)
    words = ["crowdwatch", "replay", path, "--runs", tmp_path / "runs", "--to", "0:00:02", "--no-pictures"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    monkeypatch.setattr(terminal.out, "_width", 400)
    cli.app(standalone_mode=False)
    said = capsys.readouterr()
    assert READ in said.out
    assert "\x1b[2J" not in said.out + said.err
    assert "\u202e" not in said.out + said.err


def test_an_error_shows_what_would_drive_the_terminal_by_its_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["crowdwatch", "check", f"{tmp_path}/[/no]\x1b[2J\u202e:bomb:.yaml"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert r"[/no]\x1b[2J\u202e:bomb:.yaml" in said.replace("\n", "")


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_no_console_ends_a_command(tmp_path, surroundings):
    path = event(tmp_path, "人民广场 – é <A>")
    for words in (["check", path, "--explain"], ["check", tmp_path / "没有.yaml"]):
        done = subprocess.run(
            [sys.executable, "-m", "crowdwatch", *map(str, words)], capture_output=True,
            env={**os.environ, **surroundings}, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert b"Traceback" not in said, said
        assert done.returncode == (0 if "--explain" in words else 1)
        assert (
            b"4eba" in said or "人民".encode() in said or "没有".encode() in said or b"6ca1" in said or b"udce6" in said
        )


@pytest.mark.parametrize(
    ("text", "is_written"),
    [
        ("Stage front", "Stage front"),
        ("gate-2 (north), 12:30", "gate-2 (north), 12:30"),
        ("*a* _b_ `c` ~d~", r"\*a\* \_b\_ \`c\` \~d\~"),
        ("![p](u.png)", r"\!\[p\](u.png)"),
        ("$x$ | <b> & #1", r"\$x\$ \| \<b\> \& \#1"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("3.5 p/m2", "3.5 p/m2"),
        (":red[x] :bomb: :material/stop:", ":\u2060red\\[x\\] :\u2060bomb: :\u2060material/stop:"),
        ("see http://x.org or a@b.org", "see http:\u2060//x.org or a@\u2060b.org"),
        ("A->B", "A-\u2060\\>B"),
        ("a\\b", r"a\\b"),
    ],
)
def test_markdown(text, is_written):
    assert markdown(text) == is_written


def test_every_medium_has_its_own_escape():
    assert plain(HOSTILE) == READ
    assert visible("a\tb\nc\x07\u2066") == "a\\tb\nc\\x07\\u2066"
    assert safe("<a href='x'>&\u202e") == "&lt;a href=&#x27;x&#x27;&gt;&amp;"
    assert figure("$E=mc^2$<br>") == "&#36;E=mc^2&#36;&lt;br&gt;"
    assert table([{"*k*": "[v]"}]) == [{r"\*k\*": r"\[v\]"}]
    assert terminal.cell("[b]x\ny") == r"\[b]x y"
