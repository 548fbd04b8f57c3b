"""Files that ship are found in a checkout and in every kind of installation."""

import sysconfig
from pathlib import Path

import pytest

from crowdwatch.assets import shipped as module
from crowdwatch.assets.shipped import shipped

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_has_them_beside_the_package():
    assert shipped("models")[0] == ROOT / "models"
    assert shipped("examples")[0] == ROOT / "examples"
    assert shipped("nothing") == []


@pytest.mark.parametrize("kind", ["environment", "user", "target"])
def test_an_installed_wheel(kind, tmp_path, monkeypatch):
    package = tmp_path / "site" / "crowdwatch"
    bases = {"environment": tmp_path / "venv", "user": tmp_path / "home", "target": package.parent}
    monkeypatch.setattr(module, "__file__", str(package / "assets" / "shipped.py"))
    user = sysconfig.get_preferred_scheme("user")
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name, scheme: str(bases["user" if scheme == user else "environment"])
    )
    (package.parent / "models").mkdir(parents=True)  # somebody else's
    assert shipped("models") == []
    folder = bases[kind] / "share" / "crowdwatch" / "models"
    folder.mkdir(parents=True)
    assert shipped("models") == [folder]
