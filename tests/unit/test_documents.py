"""What the documents name is there: paths, links, tests and modules that are run."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
HELD = [ROOT / "docs" / "safety_rules.md", ROOT / "docs" / "decisions.md"]
EXPLAINED = [ROOT / "ARCHITECTURE.md", *HELD]
PATH = re.compile(r"(?:[\w-]+/)+(?:[\w.-]+\.\w+)?|\w+\.py")
PLACEHOLDERS = {"models/NAME"}


def name_of(path):
    return path.name


def there(name):
    """A path from the root, or of a room, as the documents say it."""
    return any((ROOT / top / name).exists() for top in (".", "crowdwatch"))


@pytest.mark.parametrize("document", EXPLAINED, ids=name_of)
def test_every_path_that_is_named_is_there(document):
    named = {code for code in re.findall(r"`([^`\n]+)`", document.read_text("utf-8")) if PATH.fullmatch(code)}
    assert len(named) > 10
    assert not [name for name in sorted(named - PLACEHOLDERS) if not there(name)]


@pytest.mark.parametrize("document", EXPLAINED, ids=name_of)
def test_every_test_that_is_named_is_there(document):
    named = set(re.findall(r"`(test_\w+)`", document.read_text("utf-8")))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert document not in HELD or len(named) > 5
    assert not sorted(named - set(re.findall(r"^ *def (test_\w+)", tests, re.MULTILINE)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if link.startswith("#") and link not in anchors]
    assert not [link for link in local if not (document.parent / link.split("#")[0]).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_module_that_is_run_is_there(document):
    named = set(re.findall(r"python -m (pipelines\.\w+)", document.read_text("utf-8")))
    assert not [name for name in sorted(named) if find_spec(name) is None]
