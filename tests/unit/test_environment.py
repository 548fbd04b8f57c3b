"""``environment.yml`` and ``pyproject.toml`` describe one environment; packaging files agree with each other."""

import re
import tomllib
from pathlib import Path

from ruamel.yaml import YAML

from crowdwatch.commands.doctor import system_packages

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"dask[distributed]": ("dask", "distributed"), "prometheus-client": ("prometheus_client",)}
"""Requirements of pip that conda names otherwise, or that are two packages there."""


def _pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _split(requirement: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z0-9._-]+(?:\[[a-z]+\])?)(.*)", requirement.replace(" ", ""))
    assert match, requirement
    return match[1], match[2]


def _wanted() -> dict[str, str]:
    project = _pyproject()
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *extras["postgresql"], *extras["train"], *extras["dev"]]
    wanted = {}
    for name, bounds in map(_split, listed):
        if not name.startswith("crowdwatch["):
            wanted |= dict.fromkeys(CONDA_NAMES.get(name, (name,)), bounds)
    return wanted


def _given() -> tuple[dict[str, str], dict[str, str]]:
    listed = YAML(typ="safe").load(ROOT / "environment.yml")["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = dict(_split(entry) for entry in listed if isinstance(entry, str))
    return conda, dict(_split(entry) for entry in pip if not entry.startswith("--"))


def test_environment_yml_asks_for_the_same_packages_and_bounds() -> None:
    conda, pip = _given()
    assert not set(conda) & set(pip), "a package that both bring is installed twice"
    assert conda.pop("pip") == ""
    assert conda.pop("python") == _pyproject()["requires-python"]
    assert conda | pip == _wanted()


def test_one_opencv_and_never_the_headless_one() -> None:
    conda, pip = _given()
    names = {*conda, *pip, *_wanted()}
    assert {name for name in names if "opencv" in name} == {"opencv-python"}


def test_readme_names_every_system_package_that_running_needs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [package.name for package in system_packages() if package.needed_by != "tests"]
    missing = [name for name in missing if name not in readme]
    assert not missing


def test_ci_reads_the_same_list_of_system_packages() -> None:
    assert "crowdwatch/system_packages.txt" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_wheel_brings_every_shipped_weight() -> None:
    """What a model.yaml lists, and no weights besides, is installed where weights.shipped_dirs looks."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    brought = {
        f"{folder.removeprefix('share/crowdwatch/models/')}/{path.name}"
        for folder, patterns in tools["data-files"].items()
        for pattern in patterns
        for path in ROOT.glob(pattern)
        if folder.startswith("share/crowdwatch/models/")
    }
    listed = 0
    for card in (ROOT / "models").glob("*/model.yaml"):
        for name in YAML(typ="safe").load(card)["sha256"]:
            path = card.parent / name
            files = list(path.iterdir()) if path.is_dir() else [path]
            assert all(file.stat().st_size < 15e6 for file in files)
            assert {str(file.relative_to(ROOT / "models")) for file in files} <= brought
            listed += 1
        assert {f"{card.parent.name}/{name}" for name in ("model.yaml", "card.md", "intervals.yaml")} <= brought
    assert listed == 4
