"""What stands in ``deploy/``: it parses, its commands exist, its units are sound, its boards name real metrics."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from crowdwatch.commands.cli import app
from crowdwatch.commands.doctor import system_packages
from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.telemetry.live_metrics import LiveMetrics

from .test_live_metrics import outcome, raised

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/crowdwatch/bin/crowdwatch"


def yaml(name: str) -> Any:
    return YAML(typ="safe").load(DEPLOY / name)


def exposed() -> set[str]:
    """Every name that Prometheus gets from an engine that has met everything."""
    metrics = LiveMetrics("run", ["north"], lambda: 0)
    metrics.status(StreamStatus("north", StreamPhase.STREAMING, 0))
    metrics.arrived("north", 0, late=True)
    metrics.fault("north", "connection_lost")
    metrics.ticked(outcome(0, (raised(0),)), [0], 0.001, late=True)
    metrics.stored(0)
    metrics.queue("store", 1, 2)
    metrics.left_out("store")
    lines = metrics.exposition().decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def names_of(expressions: list[str]) -> set[str]:
    return {name for each in expressions for name in re.findall(r"crowdwatch_\w+", each)}


def test_the_board_and_the_rules_name_metrics_that_there_are() -> None:
    board = json.loads((DEPLOY / "grafana" / "crowdwatch.json").read_text(encoding="utf-8"))
    shown = names_of([target["expr"] for panel in board["panels"] for target in panel["targets"]])
    rules = [rule for group in yaml("prometheus/crowdwatch.rules.yml")["groups"] for rule in group["rules"]]
    named = names_of([rule["expr"] for rule in rules])
    assert len(shown) > 15
    assert shown | named <= exposed()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert yaml("prometheus/prometheus.yml")["rule_files"] == ["crowdwatch.rules.yml"]


def parsed(words: list[str]) -> None:
    """Parse a command line as ``crowdwatch`` does, without running it. Raises click's UsageError."""
    group = typer.main.get_command(app)
    with group.make_context("crowdwatch", list(words), resilient_parsing=False) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context)


def test_every_unit_runs_a_command_that_there_is() -> None:
    names = ("engine", "notify", "page", "pictures", "voice", "watchdog")
    assert [unit.stem for unit in UNITS] == [f"crowdwatch-{name}" for name in names]
    for unit in UNITS:
        (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        program, *words = shlex.split(line)
        assert program == PROGRAM
        parsed(words)
    with pytest.raises(Exception, match="No such option"):
        parsed(["live", "event.yaml", "--no-such-option"])


def test_units_are_sound_and_bound(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        for line in ("User=crowdwatch", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0077"):
            assert f"\n{line}\n" in text, (unit.name, line)
        (tmp_path / unit.name).write_text(text.replace(PROGRAM, "/bin/true").replace("User=crowdwatch", "User=root"))
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [verify, "verify", "--man=no", *map(str, sorted(tmp_path.glob("*.service")))], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "crowdwatch-" in line]
    assert ours == []


def test_compose_runs_the_commands_read_only_and_without_rights() -> None:
    services = yaml("compose.yaml")["services"]
    own = {name: each for name, each in services.items() if name != "db"}
    assert set(own) == {"engine", "page", "pictures", "watchdog"}
    for name, service in own.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["restart"] == "always"
        if service["command"]:
            parsed(service["command"])
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: what needs a sign-in is not shown to the network"
    words = shlex.split(own["watchdog"]["entrypoint"][2].replace("$$CROWDWATCH_EVENT", "night"))
    assert words[:2] == ["exec", "crowdwatch"]
    parsed(words[2:])


def test_the_container_is_no_root_and_has_every_system_package_that_running_needs() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    missing = [package.name for package in system_packages() if package.needed_by == "run" and package.name not in text]
    assert not missing


def test_the_example_of_variables_holds_no_secret() -> None:
    for line in (DEPLOY / "crowdwatch.env.example").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Z_]+=[a-z-]*", line), line
