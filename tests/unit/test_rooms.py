"""The rooms of the house: each answers one question and stands on one floor, and no contract has an exception."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import crowdwatch

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
PACKAGES = sorted(path.parent for top in ("crowdwatch", "pipelines") for path in (ROOT / top).rglob("__init__.py"))
ROOMS = [path for path in PACKAGES if path.parent.name in ("crowdwatch", "pipelines")]
ENTRIES = [path for path in sorted((ROOT / "pipelines").glob("*.py")) if "``python -m" in path.read_text("utf-8")[:20]]


def docstring(path):
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_says_which_question_it_answers(room):
    assert "?" in (docstring(room / "__init__.py") or "").splitlines()[0]


def test_every_folder_with_code_is_a_package_that_says_what_it_is():
    folders = {path.parent for top in ("crowdwatch", "pipelines") for path in (ROOT / top).rglob("*.py")}
    assert folders == set(PACKAGES)
    assert all(docstring(package / "__init__.py") for package in PACKAGES)


def test_every_module_stands_on_one_of_at_most_ten_floors():
    (layers,) = [contract for contract in CONTRACTS if contract["type"] == "layers"]
    stands = [name for floor in layers["layers"] for name in floor.split(" | ")]
    tops = [ROOT / "crowdwatch", ROOT / "pipelines"]
    there = [path for top in tops for path in top.iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [
        f"{path.parent.name}.{path.stem}"
        for path in there
        if path not in ENTRIES and path.name not in ("__init__.py", "__pycache__")
    ]
    assert sorted(stands) == sorted(names)
    assert len(layers["layers"]) <= 10


def test_contracts_hold_without_exceptions():
    assert not [contract["name"] for contract in CONTRACTS if any("ignore" in key for key in contract)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_a_command_of_the_pipelines_only_calls_its_room(entry):
    text = entry.read_text(encoding="utf-8")
    assert text.startswith(f'"""``python -m pipelines.{entry.stem}``."""')
    assert len(text.splitlines()) <= 8


def test_the_public_api_is_sorted_there_and_imported_when_asked_for():
    assert list(crowdwatch.__all__) == sorted(crowdwatch.__all__)
    assert all(getattr(crowdwatch, name) is not None for name in crowdwatch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        crowdwatch.nothing  # noqa: B018
    code = "import sys, crowdwatch; print([name for name in sys.modules if name.startswith('crowdwatch.')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.strip() == "['crowdwatch.core', 'crowdwatch.core.version']"


def test_what_decides_loads_nothing_that_observes():
    code = (
        "import sys, crowdwatch.analytics.engine, crowdwatch.analytics.audit\n"
        "print([name for name in sys.modules if name == 'xxhash' or name.startswith('crowdwatch.observation')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.strip() == "[]"
