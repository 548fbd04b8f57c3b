"""Sample recordings: found by their sha256 where they already are, else obtained, without root and without surprise.

Places, in order: the folder ``$CROWDWATCH_DATA``, the user's cache, Debian's package ``opencv-doc`` (fetched with
``apt-get download``, unpacked, never installed), OpenCV's repository. ``CROWDWATCH_OFFLINE=1`` leaves out the last two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crowdwatch.assets.fetching import AnotherContentError, cache_dir, download, offline, written_whole
from crowdwatch.errors import SampleUnavailable

__all__ = ["SAMPLES", "Progress", "Sample", "fetch", "find", "samples_dir"]

Progress = Callable[[str], None]

APT_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """A recording that is known by its content.

    Args:
        name: what users call it.
        file: its usual file name.
        sha256, size_bytes: its content.
        package: a Debian package that holds it.
        url: where it is published.
        licence: of the recording.
    """

    name: str
    file: str
    sha256: str
    size_bytes: int
    package: str
    url: str
    licence: str


SAMPLES = {
    "pets2009": Sample(
        name="pets2009",
        file="vtest.avi",
        sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
        size_bytes=8_131_690,
        package="opencv-doc",
        url="https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/vtest.avi",
        licence="PETS 2009: research use with attribution; distributed with OpenCV's samples",
    )
}


def samples_dir() -> Path:
    """Where obtained samples are kept."""
    return cache_dir() / "samples"


def fetch(name: str, progress: Progress = lambda text: None) -> Path:
    """Find a sample, or obtain it.

    Args:
        name: a key of ``SAMPLES``.
        progress: called with a sentence for each place that is tried.

    Returns:
        Path of a file whose sha256 is the known one.

    Raises:
        SampleUnavailable: it can be had from nowhere; the message names every place and why it failed.
    """
    sample = _known(name)
    tried: list[str] = []
    for place, attempt in (
        ("$CROWDWATCH_DATA", _from_data),
        ("cache", _from_cache),
        ("Debian package", _from_package),
        ("web", _from_url),
    ):
        try:
            path = attempt(sample, progress)
        except _NotHereError as error:
            tried.append(f"{place}: {error}")
            progress(f"{place}: {error}")
        else:
            progress(f"{name}: {path}")
            return path
    listed = "".join(f"\n  {number}. {text}" for number, text in enumerate(tried, start=1))
    raise SampleUnavailable(
        f"sample {name!r} ({sample.file}, sha256 {sample.sha256[:12]}...) can be had from nowhere:{listed}\n"
        f"Get {sample.url} on another machine, put it into a folder, and name that folder in CROWDWATCH_DATA."
    )


def find(name: str) -> Path | None:
    """Return the sample if it is on this machine already, without any network."""
    sample = _known(name)
    for attempt in (_from_data, _from_cache):
        try:
            return attempt(sample, lambda text: None)
        except _NotHereError:
            continue
    return None


class _NotHereError(Exception):
    """One place does not have the sample; never leaves this module."""


def _known(name: str) -> Sample:
    if name not in SAMPLES:
        raise SampleUnavailable(f"sample {name!r}: unknown, need one of {', '.join(SAMPLES)}.")
    return SAMPLES[name]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _matches(sample: Sample, path: Path) -> bool:
    """Tell whether a file is the sample; unreadable files are not."""
    try:
        return path.is_file() and path.stat().st_size == sample.size_bytes and _sha256(path) == sample.sha256
    except OSError:
        return False


def _from_data(sample: Sample, progress: Progress) -> Path:
    value = os.environ.get("CROWDWATCH_DATA", "")
    if not value:
        raise _NotHereError("the variable is not set")
    folder = Path(value)
    if not folder.is_dir():
        raise _NotHereError(f"{folder} is no folder")
    strangers = 0
    for path in _files(folder, sample):
        if _matches(sample, path):
            return path.resolve()
        strangers += path.name == sample.file
    seen = f"; {strangers} file(s) of that name have another sha256" if strangers else ""
    raise _NotHereError(f"no file in {folder} has this sha256{seen}")


def _files(folder: Path, sample: Sample) -> Iterator[Path]:
    """Files of the right name first, then any of the right size: reading is what costs."""
    yield from sorted(folder.rglob(sample.file))
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            if name != sample.file:
                yield Path(root) / name


def _from_cache(sample: Sample, progress: Progress) -> Path:
    path = samples_dir() / sample.file
    if not path.exists():
        raise _NotHereError(f"{path} does not exist")
    if not _matches(sample, path):
        raise _NotHereError(f"{path} is damaged (another sha256)")
    return path


def _from_package(sample: Sample, progress: Progress) -> Path:
    _online()
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise _NotHereError(f"{' and '.join(missing)} not found: not Debian or Ubuntu")
    progress(f"fetching Debian's package {sample.package} (no root; nothing is installed)")
    with tempfile.TemporaryDirectory(prefix="crowdwatch-") as folder:
        _command(["apt-get", "download", sample.package], folder)
        packages = sorted(Path(folder).glob("*.deb"))
        if not packages:
            raise _NotHereError(f"apt-get download {sample.package} left no file")
        unpacked = Path(folder) / "unpacked"
        _command(["dpkg", "-x", str(packages[0]), str(unpacked)], folder)
        found = [path for path in unpacked.rglob(sample.file) if _matches(sample, path)]
        if not found:
            raise _NotHereError(f"{packages[0].name} holds no {sample.file} of this sha256")
        return _keep(sample, found[0])


def _command(words: list[str], folder: str) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=APT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _NotHereError(f"{words[0]} did not finish in {APT_TIMEOUT_S} s") from error
    except OSError as error:
        raise _NotHereError(f"{words[0]} could not be started: {error.strerror}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise _NotHereError(f"{' '.join(words[:2])} failed: {said[-1].strip()} (a stale list? sudo apt-get update)")


def _from_url(sample: Sample, progress: Progress) -> Path:
    _online()
    progress(f"fetching {sample.url} ({sample.size_bytes / 1e6:.1f} MB)")
    try:
        return download(sample.url, _target(sample), sample.sha256, sample.size_bytes)
    except AnotherContentError as error:
        raise _NotHereError(f"{sample.url} sent {error.size_bytes} bytes with another sha256") from error
    except (OSError, ValueError) as error:
        raise _NotHereError(f"{sample.url}: {error}") from error


def _online() -> None:
    if offline():
        raise _NotHereError("not asked: CROWDWATCH_OFFLINE is set")


def _target(sample: Sample) -> Path:
    """Where it goes, in a folder that is there."""
    folder = samples_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _NotHereError(f"cannot be kept in {folder}: {error.strerror}") from error
    return folder / sample.file


def _keep(sample: Sample, path: Path) -> Path:
    target = _target(sample)
    try:
        with path.open("rb") as source, written_whole(target) as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise _NotHereError(f"obtained, but cannot be kept in {target.parent}: {error.strerror}") from error
    return target
