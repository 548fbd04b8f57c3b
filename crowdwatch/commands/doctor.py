"""What a machine lacks, found without importing what may be broken, with the exact command that mends it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from crowdwatch.assets import samples
from crowdwatch.errors import CrowdWatchError

__all__ = ["Finding", "SystemPackage", "check", "install_command", "system_packages"]

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1_000_000_000
"""An hour of one camera's log, pictures and store takes about 100 MB; a full disk stops a run."""
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
PROGRAM_FOLDERS = ("/usr/lib/postgresql/*/bin",)
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``remedy`` is empty when it is in order."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A package of the operating system: what needs it (install, run, tests) and what shows that it is there."""

    name: str
    needed_by: str
    sign: str
    purpose: str


def check() -> list[Finding]:
    """Look at everything that CrowdWatch needs, the required things first."""
    return [
        _python(),
        *_python_packages(),
        *_system(),
        _opencv(),
        _free_space(),
        _writable("current folder", Path.cwd(), "Change to a folder that you may write to, or name one with --runs."),
        _writable("cache", samples.samples_dir(), "Set CROWDWATCH_CACHE to a folder that you may write to."),
        *_torch(),
        _weights(),
        _sample(),
    ]


def system_packages() -> list[SystemPackage]:
    """The packages of the operating system, as ``system_packages.txt`` lists them."""
    text = resources.files("crowdwatch").joinpath("system_packages.txt").read_text(encoding="utf-8")
    rows = (line.split(None, 3) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [SystemPackage(name, needed_by, sign, purpose) for name, needed_by, sign, purpose in rows]


def install_command(names: list[str], os_release: str, *, root: bool = False) -> str:
    """The command that installs system packages, under the names that this system uses.

    >>> install_command(["libgl1", "libglib2.0-0"], 'ID=ubuntu\\nVERSION_ID="24.04"')
    'sudo apt-get update && sudo apt-get install -y libgl1 libglib2.0-0t64'
    """
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    system = fields.get("ID", "").strip('"')
    major = int(match[0]) if (match := re.match(r"\d+", fields.get("VERSION_ID", "").strip('"'))) else 0
    if major >= {"ubuntu": 24, "debian": 13}.get(system, 1000):
        names = [name.replace("libglib2.0-0", "libglib2.0-0t64") for name in names]
    sudo = "" if root else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y {' '.join(names)}"


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""


def _python() -> Finding:
    got = ".".join(str(part) for part in sys.version_info[:3])
    need = ".".join(str(part) for part in LEAST_PYTHON)
    ok = sys.version_info[:2] >= LEAST_PYTHON
    remedy = "" if ok else f"Install Python {need} and make the environment anew: make venv PYTHON=python{need}"
    return Finding("Python", ok, f"{got}, need >= {need}", remedy)


def _python_packages() -> Iterator[Finding]:
    """Every package that crowdwatch declares."""
    try:
        declared = importlib.metadata.requires("crowdwatch") or []
    except importlib.metadata.PackageNotFoundError:
        detail = "crowdwatch is not installed in this environment"
        yield Finding("Python packages", False, detail, f"{shlex.quote(sys.executable)} -m pip install .")
        return
    names = [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in declared if "extra ==" not in text]
    missing = [name for name in names if not _version(name)]
    detail = f"missing: {', '.join(missing)}" if missing else f"all {len(names)} are installed"
    remedy = f"{shlex.quote(sys.executable)} -m pip install {' '.join(missing)}" if missing else ""
    yield Finding("Python packages", not missing, detail, remedy)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _system() -> Iterator[Finding]:
    release, root = _os_release(), hasattr(os, "geteuid") and os.geteuid() == 0
    for package in system_packages():
        ok = _there(package.sign)
        found = "found" if ok else "not found"
        # inside an environment python3-venv has done its work
        required = package.needed_by == "run"
        needed = "" if package.needed_by == "run" else f", only for {package.needed_by}"
        detail = f"{package.sign.split(':', 1)[1]} {found} ({package.purpose}{needed})"
        yield Finding(
            package.name, ok, detail, "" if ok else install_command([package.name], release, root=root), required
        )


def _there(sign: str) -> bool:
    kind, name = sign.split(":", 1)
    if kind == "library":
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True
    if kind == "program":
        return shutil.which(name) is not None or any(Path("/").glob(f"{f[1:]}/{name}") for f in PROGRAM_FOLDERS)
    if kind == "module":
        return importlib.util.find_spec(name) is not None
    if kind == "file":
        return next(Path("/").glob(name), None) is not None
    folders = (Path(folder).expanduser() for folder in FONT_FOLDERS)
    return any(next(folder.rglob(f"{name}*"), None) is not None for folder in folders if folder.is_dir())


def _opencv() -> Finding:
    """Two of them own the same folder ``cv2``: whichever was written last wins, and removing one breaks the other."""
    found = [name for name in OPENCV if _version(name)]
    if len(found) <= 1:
        return Finding("OpenCV", bool(found), ", ".join(found) or "not installed", "" if found else "make venv")
    pip = f"{shlex.quote(sys.executable)} -m pip"
    remedy = f"{pip} uninstall -y {' '.join(found)} && {pip} install --force-reinstall --no-deps opencv-python"
    return Finding("OpenCV", False, f"{' and '.join(found)} overwrite each other", remedy)


def _free_space() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    ok = free >= LEAST_FREE_BYTES
    detail = f"{free / 1e9:.1f} GB free in {Path.cwd()}, need {LEAST_FREE_BYTES / 1e9:g} GB"
    return Finding("disk", ok, detail, "" if ok else "Free some space, or run in a folder on another disk.")


def _writable(name: str, folder: Path, remedy: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(name, False, f"{folder} cannot be written: {error.strerror}", remedy)
    return Finding(name, True, f"{folder} can be written")


def _torch() -> Iterator[Finding]:
    torch, vision = _version("torch"), _version("torchvision")
    if not torch or not vision:
        return  # listed among the Python packages
    pair = _minor(torch), _minor(vision)
    # torch 2.n goes with torchvision 0.(n + 15) since 2.0
    ok = None in pair or pair[1] == (pair[0] or 0) + 15
    remedy = "" if ok else f"{shlex.quote(sys.executable)} -m pip install 'torchvision==0.{(pair[0] or 0) + 15}.*'"
    yield Finding("torch and torchvision", ok, f"torch {torch}, torchvision {vision}", remedy, required=False)
    try:
        from crowdwatch.detectors.torchvision_ops import native_ops_load

        loads = native_ops_load()
    except (ImportError, OSError) as error:
        again = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall torch torchvision"
        yield Finding("torch", False, f"cannot be imported: {error}", again, required=False)
        return
    said = "native" if loads else "stand-ins in plain torch (torchvision's own are for another build of torch)"
    yield Finding("torchvision operators", True, said, required=False)


def _minor(version: str) -> int | None:
    match = re.match(r"\d+\.(\d+)", version)
    return int(match[1]) if match else None


def _weights() -> Finding:
    remedy = "Restore the folder models/ of the checkout or install CrowdWatch again: it ships its default weights."
    try:
        from crowdwatch.detectors import weights

        found = weights.find(weights.default_model(), download=False)
    except (CrowdWatchError, ImportError, OSError) as error:
        first = str(error).splitlines()[0]
        return Finding("weights", False, first, remedy, required=False)
    return Finding("weights", True, str(found.path), required=False)


def _sample() -> Finding:
    path = samples.find("pets2009")
    remedy = "" if path else "crowdwatch samples fetch pets2009"
    return Finding("sample recording", path is not None, str(path or "not on this machine yet"), remedy, required=False)
